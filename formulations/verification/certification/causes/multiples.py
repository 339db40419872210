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
from formulations.verification.certification.causes.fits import fitted, in_words, round_number, uncertainty
from formulations.verification.certification.causes.recomputation import Index, Pass

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


def everywhere(factor: float) -> Callable[[Pass], Variants]:
    """Return the variant that multiplies every entry by a factor."""

    def variants(p: Pass) -> Variants:
        yield Variant(None, p.gradient.times(factor, p.precision))

    return variants


def by_m(power: int) -> Callable[[Pass], Variants]:
    """Return the variants that multiply sums over the examples by a power of m."""

    def variants(p: Pass) -> Variants:
        factor = float(p.tape.m) ** power
        if p.tape.m > 1:
            yield Variant(None, p.gradient.times(factor, p.precision))
            yield from of_weights(factor)(p)
            yield from of_biases(factor)(p)

    return variants


def of_weights(factor: float) -> Callable[[Pass], Variants]:
    """Return the variants that multiply ∂C/∂w by a factor."""
    return _of_arrays(factor, "w")


def of_biases(factor: float) -> Callable[[Pass], Variants]:
    """Return the variants that multiply ∂C/∂b by a factor."""
    return _of_arrays(factor, "b")


def _of_arrays(factor: float, kind: str) -> Callable[[Pass], Variants]:
    def variants(p: Pass) -> Variants:
        in_all = np.ones(p.layout.count)
        for l in p.layers:
            part, one = p.layout.slices[l - 2]["wb".index(kind)], np.ones(p.layout.count)
            one[part] = in_all[part] = factor
            yield Variant(l, p.gradient.times(one, p.precision))
        yield Variant(None, p.gradient.times(in_all, p.precision))

    return variants


def layers_lost(p: Pass) -> Variants:
    """Set the gradient of a layer to zero, or of all layers up to one, but not of all."""
    last = p.layout.last
    for first, l in (*((l, l) for l in p.layers), *((2, l) for l in range(3, last))):
        if (first, l) != (2, last):
            kept = np.ones(p.layout.count)
            for of_weights, of_biases in p.layout.slices[first - 2 : l - 1]:
                kept[of_weights] = kept[of_biases] = 0
            facts = {"lost": f"layer {l}" if first == l else f"layers {first} to {l}"}
            yield Variant(l, p.gradient.times(kept, p.precision), facts)


def factor_two(p: Pass) -> Variants:
    """Multiply by 2, as without the factor ½ of the quadratic cost; other costs have none."""
    if _is_half_a_square(p):
        yield Variant(None, p.gradient.times(2.0, p.precision))


def half(p: Pass) -> Variants:
    """Multiply by ½, as with the factor of the quadratic cost left in."""
    if _is_half_a_square(p):
        why = ": the factor ½ of the cost was kept", "the derivative of ½(a − y)² is a − y"
    else:
        why = "", "look for a factor of ½"
    yield Variant(None, p.gradient.times(0.5, p.precision), {"why": why[0], "remedy": why[1]})


def outputs_averaged(p: Pass) -> Variants:
    """Divide a cost that is a sum over the outputs by their number, with the factor 2 of a squared error or without."""
    n, factor = p.layout.sizes[-1], p.tape.known_cost.factor
    if n > 1 and factor in (1, 2):
        # The factor 2 is that between ½‖a − y‖² and ‖a − y‖².
        squares = [("2/n_L", 2 / n)] if _is_half_a_square(p) else []
        for words, size in (*squares, ("1/n_L", 1 / n)):
            yield Variant(None, p.gradient.times(size, p.precision), {"factor": words, "size": in_words(size, 4)})


def outputs_summed(p: Pass) -> Variants:
    """Sum a cost that is a mean over the outputs, also over the examples, with the factor 2 of a squared error or ½."""
    n, m = p.layout.sizes[-1], p.tape.m
    of_mean = n * p.tape.known_cost.factor
    if n == 1 or of_mean not in (1, 2 if _is_quadratic(p) else 1):
        return
    squares = [("n_L/2", n / 2) if of_mean == 2 else ("2n_L", 2.0 * n)] if _is_quadratic(p) else []
    for words, size in (("n_L", float(n)), *squares):
        for of_m, examples, what in (("", 1, "the outputs"), ("m·", m, "the examples and the outputs")):
            if size != 1 and (m > 1 or not of_m):
                facts = {"factor": of_m + words, "size": in_words(examples * size, 4), "what": what}
                yield Variant(None, p.gradient.times(examples * size, p.precision), facts)


def _is_quadratic(p: Pass) -> bool:
    return isinstance(p.tape.cost, Quadratic)


def _is_half_a_square(p: Pass) -> bool:
    return _is_quadratic(p) and p.tape.known_cost.factor == 1


def calls_accumulated(p: Pass) -> Variants:
    """Add the gradients of several calls."""
    factor = fitted(p.candidate, p.gradient.value, p.entries)
    count = round(factor) if math.isfinite(factor) else 0
    if 2 <= count <= MOST_CALLS:
        yield Variant(None, p.gradient.times(float(count), p.precision), {"count": str(count)})


def norm_clipped(p: Pass) -> Variants:
    """Scale to a round norm, as clipping by norm does: the whole gradient or a usual multiple of it, or each array."""
    # The norm is that of what the candidate has: parameters without a gradient are not clipped.
    norm = float(np.linalg.norm(p.gradient.value[p.entries]))
    factor = fitted(p.candidate, p.gradient.value, p.entries)
    limit = round_number(float(np.linalg.norm(p.candidate[p.entries])))
    for (_, multiple), added in product(_compositions(p), (0.0, TORCH)):
        clipped = multiple * limit / (abs(multiple) * norm + added) if norm > 0 else math.nan
        if limit < abs(multiple) * norm and abs(clipped - factor) <= NEAR * abs(factor):
            made = p.gradient.times(clipped, p.precision, _of_norm(p, p.entries))
            yield Variant(None, made, {"limit": f"{limit:g}", "what": "the norm of the gradient"})
    yield from _arrays_clipped(p)


def _arrays_clipped(p: Pass) -> Variants:
    limit = round_number(max(float(np.linalg.norm(p.candidate[entries])) for _, _, entries in p.arrays))
    factors, off = np.ones(p.layout.count), 0.0
    for _, _, entries in p.arrays:
        norm = float(np.linalg.norm(p.gradient.value[entries]))
        if norm > limit:
            factors[entries] = limit / norm
            off = max(off, _of_norm(p, entries))
    if off > 0:
        facts = {"limit": f"{limit:g}", "what": "the norm of each array"}
        yield Variant(None, p.gradient.times(factors, p.precision, off), facts)


def _of_norm(p: Pass, entries: Index) -> float:
    """Return the relative bound of a norm: its entries are rounded, and so is the sum of their squares."""
    value, bound = p.gradient.value[entries], p.gradient.bound[entries]
    return gamma(len(value) + 4, p.precision.u) + float(np.linalg.norm(bound) / np.linalg.norm(value))


def step(p: Pass) -> Variants:
    """Return the step of gradient descent, −η times the gradient, or η times it, for a round η.

    It may be the difference of two rounded parameters. A rate of two digits is none if another number of examples
    explains it.
    """
    factor = fitted(p.candidate, p.gradient.value, p.entries)
    rate = round_number(factor)
    of_count = rate != round_number(rate, 1) and _other_count(p, rate)
    if rate not in (0.0, 1.0, -1.0) and abs(rate) < 1 and not of_count:
        sign = "−η" if rate < 0 else "η"
        made = p.gradient.times(rate, p.precision).rounded(2 * p.precision.u * np.abs(p.parameters))
        yield Variant(None, made, {"factor": sign, "rate": f"{abs(rate):g}"})


def batch_size(p: Pass) -> Variants:
    """Divide by another number of examples."""
    m = p.tape.m
    if count := _other_count(p, fitted(p.candidate, p.gradient.value, p.entries)):
        yield Variant(None, p.gradient.times(m / count, p.precision), {"count": str(count), "m": str(m)})


def _other_count(p: Pass, factor: float) -> int:
    """Return the number of examples near m divided by a factor, 0 if that explains nothing."""
    m = p.tape.m
    count = round(m / factor) if 1e-6 < factor < m * 2 else 0
    # 1 is the sum instead of the mean, and m² is the mean taken twice.
    known = 1 < count <= 100 * m and count not in (m, m**2) and abs(m / count - factor) <= NEAR * factor
    return count if known else 0


def multiple(p: Pass) -> Variants:
    """Multiply every entry by any factor, which may be a product of the usual ones."""
    factor = fitted(p.candidate, p.gradient.value, p.entries)
    if factor != 0 and math.isfinite(factor):
        near = [(words, known) for words, known in _compositions(p) if abs(known - factor) <= NEAR * abs(factor)]
        for known in dict.fromkeys(known for _, known in near):
            names = " = ".join(words for words, other in near if other == known)
            yield Variant(None, p.gradient.times(known, p.precision), {"factor": f"{names} = {in_words(known, 6)}"})
        off = uncertainty(p.gradient.bound, p.gradient.value, p.entries)
        yield Variant(
            None, p.gradient.times(factor, p.precision, off), {"factor": _known_digits(factor, off * abs(factor))}
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


def _compositions(p: Pass) -> Iterator[tuple[str, float]]:
    """Yield products of a sign, 2 or ½, and powers of m and n_L, with their words."""
    m, n = p.tape.m, p.layout.sizes[-1]
    for sign, two, of_m, of_n in product((1, -1), (1, 2, 0.5), (0, 1, -1), (0, 1, -1)):
        if (of_m and m == 1) or (of_n and n == 1):
            continue
        above = [word for word, used in (("2", two == 2), ("m", of_m == 1), ("n_L", of_n == 1)) if used]
        below = [word for word, used in (("2", two == 0.5), ("m", of_m == -1), ("n_L", of_n == -1)) if used]
        words = "−" * (sign < 0) + ("·".join(above) or "1") + "".join(f"/{word}" for word in below)
        yield words, sign * two * float(m) ** of_m * float(n) ** of_n
