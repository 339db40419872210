"""Multiples of the right gradient, each with the factors that one reading allows.

Several readings can have the same factor: with 2 examples, 2 is the missing ½ as well as a sum instead of a mean. All
that explain a candidate are named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from formulations.arrays import gamma
from formulations.functions import Quadratic
from formulations.verification.certification.causes.backward import Variant, Variants
from formulations.verification.certification.causes.case import Case, Index
from formulations.verification.certification.causes.fits import fitted, in_words, round_number, uncertainty

__all__ = [
    "batch_size",
    "by_m",
    "calls_accumulated",
    "everywhere",
    "factor_two",
    "half",
    "layers_lost",
    "multiple",
    "norm_clipped",
    "of_biases",
    "of_weights",
    "outputs_averaged",
    "outputs_summed",
    "step",
]

MOST_CALLS = 1000
"""The most calls that a gradient can be the sum of."""

NEAR = 1e-3
"""How near a usual factor is to the fitted one before it is tried."""

TORCH = 1e-6
"""What PyTorch's ``clip_grad_norm_`` adds to the norm by which it divides."""


def everywhere(factor: float) -> Callable[[Case], Variants]:
    """Return the variant that multiplies every entry by a factor."""

    def variants(case: Case) -> Variants:
        yield Variant(None, case.gradient.times(factor, case.precision))

    return variants


def by_m(power: int) -> Callable[[Case], Variants]:
    """Return the variants that multiply sums over the examples by a power of m."""

    def variants(case: Case) -> Variants:
        factor = float(case.tape.m) ** power
        if case.tape.m > 1:
            yield Variant(None, case.gradient.times(factor, case.precision))
            yield from of_weights(factor)(case)
            yield from of_biases(factor)(case)

    return variants


def of_weights(factor: float) -> Callable[[Case], Variants]:
    """Return the variants that multiply ∂C/∂w by a factor."""
    return _of_arrays(factor, "w")


def of_biases(factor: float) -> Callable[[Case], Variants]:
    """Return the variants that multiply ∂C/∂b by a factor."""
    return _of_arrays(factor, "b")


def _of_arrays(factor: float, kind: str) -> Callable[[Case], Variants]:
    def variants(case: Case) -> Variants:
        in_all = np.ones(case.layout.count)
        for l in case.layers:
            part, one = case.layout.slices[l - 2]["wb".index(kind)], np.ones(case.layout.count)
            one[part] = in_all[part] = factor
            yield Variant(l, case.gradient.times(one, case.precision))
        yield Variant(None, case.gradient.times(in_all, case.precision))

    return variants


def layers_lost(case: Case) -> Variants:
    """Set the gradient of a layer to zero, or of all layers up to one, but not of all."""
    last = case.layout.last
    for first, l in (*((l, l) for l in case.layers), *((2, l) for l in range(3, last))):
        if (first, l) != (2, last):
            kept = np.ones(case.layout.count)
            for of_weights, of_biases in case.layout.slices[first - 2 : l - 1]:
                kept[of_weights] = kept[of_biases] = 0
            facts = {"lost": f"layer {l}" if first == l else f"layers {first} to {l}"}
            yield Variant(l, case.gradient.times(kept, case.precision), facts)


def factor_two(case: Case) -> Variants:
    """Multiply by 2, as without the factor ½ of the quadratic cost; other costs have none."""
    if _is_half_a_square(case):
        yield Variant(None, case.gradient.times(2.0, case.precision))


def half(case: Case) -> Variants:
    """Multiply by ½, as with the factor of the quadratic cost left in."""
    if _is_half_a_square(case):
        why = ": the factor ½ of the cost was kept", "the derivative of ½(a − y)² is a − y"
    else:
        why = "", "look for a factor of ½"
    yield Variant(None, case.gradient.times(0.5, case.precision), {"why": why[0], "remedy": why[1]})


def outputs_averaged(case: Case) -> Variants:
    """Divide a cost that is a sum over the outputs by their number, with the factor 2 of a squared error or without."""
    n, factor = case.layout.sizes[-1], case.tape.known_cost.factor
    if n > 1 and factor in (1, 2):
        # The factor 2 is that between ½‖a − y‖² and ‖a − y‖².
        squares = [("2/n_L", 2 / n)] if _is_half_a_square(case) else []
        for words, size in (*squares, ("1/n_L", 1 / n)):
            yield Variant(None, case.gradient.times(size, case.precision), {"factor": words, "size": in_words(size, 4)})


def outputs_summed(case: Case) -> Variants:
    """Sum a cost that is a mean over the outputs, also over the examples, with the factor 2 of a squared error or ½."""
    n, m = case.layout.sizes[-1], case.tape.m
    of_mean = n * case.tape.known_cost.factor
    if n == 1 or of_mean not in (1, 2 if _is_quadratic(case) else 1):
        return
    squares = [("n_L/2", n / 2) if of_mean == 2 else ("2n_L", 2.0 * n)] if _is_quadratic(case) else []
    for words, size in (("n_L", float(n)), *squares):
        for of_m, examples, what in (("", 1, "the outputs"), ("m·", m, "the examples and the outputs")):
            if size != 1 and (m > 1 or not of_m):
                facts = {"factor": of_m + words, "size": in_words(examples * size, 4), "what": what}
                yield Variant(None, case.gradient.times(examples * size, case.precision), facts)


def _is_quadratic(case: Case) -> bool:
    return isinstance(case.tape.cost, Quadratic)


def _is_half_a_square(case: Case) -> bool:
    return _is_quadratic(case) and case.tape.known_cost.factor == 1


def calls_accumulated(case: Case) -> Variants:
    """Add the gradients of several calls."""
    factor = fitted(case.candidate, case.gradient.value, case.entries)
    count = round(factor) if math.isfinite(factor) else 0
    if 2 <= count <= MOST_CALLS:
        yield Variant(None, case.gradient.times(float(count), case.precision), {"count": str(count)})


def norm_clipped(case: Case) -> Variants:
    """Scale to a round norm, as clipping by norm does: the whole gradient or a usual multiple of it, or each array."""
    # The norm is that of what the candidate has: parameters without a gradient are not clipped.
    norm = float(np.linalg.norm(case.gradient.value[case.entries]))
    factor = fitted(case.candidate, case.gradient.value, case.entries)
    limit = round_number(float(np.linalg.norm(case.candidate[case.entries])))
    for (_, multiple), added in product(_compositions(case), (0.0, TORCH)):
        clipped = multiple * limit / (abs(multiple) * norm + added) if norm > 0 else math.nan
        if limit < abs(multiple) * norm and abs(clipped - factor) <= NEAR * abs(factor):
            made = case.gradient.times(clipped, case.precision, _of_norm(case, case.entries))
            yield Variant(None, made, {"limit": f"{limit:g}", "what": "the norm of the gradient"})
    yield from _arrays_clipped(case)


def _arrays_clipped(case: Case) -> Variants:
    limit = round_number(max(float(np.linalg.norm(case.candidate[entries])) for _, _, entries in case.arrays))
    factors, off = np.ones(case.layout.count), 0.0
    for _, _, entries in case.arrays:
        norm = float(np.linalg.norm(case.gradient.value[entries]))
        if norm > limit:
            factors[entries] = limit / norm
            off = max(off, _of_norm(case, entries))
    if off > 0:
        facts = {"limit": f"{limit:g}", "what": "the norm of each array"}
        yield Variant(None, case.gradient.times(factors, case.precision, off), facts)


def _of_norm(case: Case, entries: Index) -> float:
    """Return the relative bound of a norm: its entries are rounded, and so is the sum of their squares."""
    value, bound = case.gradient.value[entries], case.gradient.bound[entries]
    return gamma(len(value) + 4, case.precision.u) + float(np.linalg.norm(bound) / np.linalg.norm(value))


def step(case: Case) -> Variants:
    """Return the step of gradient descent, −η times the gradient, or η times it, for a round η.

    It may be the difference of two rounded parameters. A rate of two digits is none if another number of examples
    explains it, and no rate is one if the sum of the sample weights does.
    """
    factor = fitted(case.candidate, case.gradient.value, case.entries)
    rate = round_number(factor)
    of_count = rate != round_number(rate, 1) and _other_count(case, rate)
    total = case.total_weight or math.nan
    of_weights = min(abs(total - rate), abs(total / case.tape.m - rate)) <= NEAR * abs(rate)
    if rate not in (0.0, 1.0, -1.0) and abs(rate) < 1 and not of_count and not of_weights:
        sign = "−η" if rate < 0 else "η"
        made = case.gradient.times(rate, case.precision).rounded(2 * case.precision.u * np.abs(case.parameters))
        yield Variant(None, made, {"factor": sign, "rate": f"{abs(rate):g}"})


def batch_size(case: Case) -> Variants:
    """Divide by another number of examples."""
    m = case.tape.m
    if count := _other_count(case, fitted(case.candidate, case.gradient.value, case.entries)):
        yield Variant(None, case.gradient.times(m / count, case.precision), {"count": str(count), "m": str(m)})


def _other_count(case: Case, factor: float) -> int:
    """Return the number of examples near m divided by a factor, 0 if that explains nothing."""
    m = case.tape.m
    count = round(m / factor) if 1e-6 < factor < m * 2 else 0
    # 1 is the sum instead of the mean, and m² is the mean taken twice.
    known = 1 < count <= 100 * m and count not in (m, m**2) and abs(m / count - factor) <= NEAR * factor
    return count if known else 0


def multiple(case: Case) -> Variants:
    """Multiply every entry by any factor, which may be a product of the usual ones."""
    factor = fitted(case.candidate, case.gradient.value, case.entries)
    if factor != 0 and math.isfinite(factor):
        near = [(words, known) for words, known in _compositions(case) if abs(known - factor) <= NEAR * abs(factor)]
        for known in dict.fromkeys(known for _, known in near):
            names = " = ".join(words for words, other in near if other == known)
            yield Variant(
                None, case.gradient.times(known, case.precision), {"factor": f"{names} = {in_words(known, 6)}"}
            )
        off = uncertainty(case.gradient.bound, case.gradient.value, case.entries)
        yield Variant(
            None, case.gradient.times(factor, case.precision, off), {"factor": _known_digits(factor, off * abs(factor))}
        )


def _known_digits(factor: float, off: float) -> str:
    """Return a power of two, or an integer within the uncertainty, else the digits that are known."""
    power = math.copysign(2.0 ** round(math.log2(abs(factor))), factor)
    whole = float(round(factor)) if off < 0.25 else math.nan
    for number in (power, whole):
        if abs(number - factor) <= off:
            return in_words(number, 10)
    digits = 1 - math.floor(math.log10(off / abs(factor))) if off > 0 else 10
    return in_words(factor, min(max(digits, 2), 10))


def _compositions(case: Case) -> Iterator[tuple[str, float]]:
    """Yield products of a sign, 2 or ½, and powers of m, n_L, Σ sample_weight and cost.factor, with their words."""
    sizes = {
        "m": case.tape.m,
        "n_L": case.layout.sizes[-1],
        "Σ sample_weight": case.total_weight or 1.0,
        "cost.factor": float(case.tape.known_cost.factor),
    }
    powers = [(0, 1, -1) if size != 1 else (0,) for size in sizes.values()]
    for sign, of_two, *of_sizes in product((1, -1), (0, 1, -1), *powers):
        found = list(zip(("2", *sizes), (2.0, *sizes.values()), (of_two, *of_sizes), strict=True))
        above = [word for word, _, power in found if power == 1]
        below = [word for word, _, power in found if power == -1]
        words = "−" * (sign < 0) + ("·".join(above) or "1") + "".join(f"/{word}" for word in below)
        yield words, sign * math.prod(float(size) ** power for _, size, power in found)
