"""Mistakes made with a finished gradient: weight decay, clipping, the wrong order or the wrong shape of arrays."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from formulations.arrays import Array, unit_roundoff
from formulations.network import Batch
from formulations.verification.certification.causes.backward import Variant, Variants
from formulations.verification.certification.causes.case import Case
from formulations.verification.certification.causes.fits import (
    fitted,
    fitted_together,
    in_words,
    round_number,
    uncertainty,
)
from formulations.verification.certification.causes.parts import Predicted
from formulations.verification.tolerances import RESOLUTION

__all__ = [
    "decay_missing",
    "decay_of_all",
    "decay_of_weights",
    "equal_entries",
    "gradient_transposed",
    "layers_reversed",
    "parameters_moved",
    "parameters_returned",
    "parameters_updated",
    "single_entry",
    "single_precision",
    "value_clipped",
]

SINGLE = 2.0**-29
"""The smallest fraction of an array's largest entry that is taken for roundoff of float32: a 32nd of its unit."""

EPSILONS = (0.0, 1e-8, 1e-7, 1e-6)
"""What optimizers add to the root mean square of the gradient, by which they divide."""


def gradient_transposed(case: Case) -> Variants:
    """Transpose ∂C/∂w, if it is square."""
    everywhere, found = np.arange(case.layout.count), 0
    for l in case.layers:
        (rows, columns), part = case.layout.shapes[l - 2], case.layout.slices[l - 2][0]
        if rows == columns > 1 and case.layout.patterns[l - 2] is None:
            order = np.arange(case.layout.count)
            order[part] = everywhere[part] = order[part].reshape(rows, columns).T.ravel()
            found += 1
            yield Variant(l, _in_order(case, order))
    if found > 1:
        yield Variant(None, _in_order(case, everywhere))


def layers_reversed(case: Case) -> Variants:
    """Put the layers in reverse order."""
    slices = [part for pair in case.layout.slices for part in pair]
    others = [part for pair in case.layout.slices[::-1] for part in pair]
    if len(case.layout.shapes) > 1 and case.layout.shapes == case.layout.shapes[::-1] and not case.layout.is_sparse:
        order = np.arange(case.layout.count)
        for mine, other in zip(slices, others, strict=True):
            order[mine] = np.arange(other.start, other.stop)
        yield Variant(None, _in_order(case, order))


def _in_order(case: Case, order: Array) -> Predicted:
    return Predicted(case.gradient.value[order], lambda: case.gradient.bound[order])


def parameters_returned(case: Case) -> Variants:
    """Return the parameters instead of their gradient."""
    size = np.abs(case.parameters)
    yield Variant(None, Predicted(case.parameters, lambda: case.precision.u * size + case.precision.tiny))


def parameters_updated(case: Case) -> Variants:
    """Return the parameters after a step of gradient descent, also of one with weight decay."""
    yield from _updated(case)
    yield from _updated_with_decay(case, case.parameters, "λθ")
    yield from _updated_with_decay(case, case.on_weights * case.parameters, "λw")


def parameters_moved(case: Case) -> Variants:
    """Return what is near the parameters, as the step of any optimizer leaves them."""
    if _near_parameters(case):
        yield Variant(None, Predicted(case.candidate, lambda: np.zeros(case.layout.count)), observed=True)


def _near_parameters(case: Case) -> bool:
    """Whether the candidate is nearer to the parameters than a tenth of their size, and of the way to the gradient."""
    size, off, way = (
        float(np.linalg.norm(each[case.entries]))
        for each in (case.parameters, case.candidate - case.parameters, case.candidate - case.gradient.value)
    )
    return 0 < 10 * off < min(size, way)


def _updated_with_decay(case: Case, decayed: Array, words: str) -> Variants:
    # Two numbers explain any two entries.
    if len(case.candidate[case.entries]) < 3:
        return
    g, rounding = case.gradient.value, case.gradient.bound + 2 * case.precision.u * np.abs(case.parameters)
    (rate, part), offs = fitted_together(case.parameters - case.candidate, (g, decayed), case.entries, rounding)
    # A step leaves most of the parameters.
    if rate > 0 and 0 < part < 0.5:
        made = case.gradient.times(-rate, case.precision).plus(case.parameters - part * decayed, case.precision)
        rounded = made.rounded(offs[0] * np.abs(g) + offs[1] * np.abs(decayed))
        size = in_words(round_number(part / rate, 3), 3)
        facts = {"rate": in_words(rate, 4), "decay": f" and the weight decay {words} with λ = {size}"}
        yield Variant(None, rounded, facts)


def _updated(case: Case) -> Variants:
    rate = -fitted(case.candidate - case.parameters, case.gradient.value, case.entries)
    if rate != 0 and math.isfinite(rate):
        off = uncertainty(
            case.gradient.bound + case.precision.u * np.abs(case.parameters) / abs(rate),
            case.gradient.value,
            case.entries,
        )
        made = case.gradient.times(-rate, case.precision).plus(case.parameters, case.precision)
        size = np.abs(case.gradient.value) * abs(rate) * off
        yield Variant(None, Predicted(made.value, lambda: made.bound + size), {"rate": in_words(rate, 4), "decay": ""})


def equal_entries(case: Case) -> Variants:
    """Give all entries the same size, as the first step of Adam does: ηg/(|g| + ε)."""
    g, sizes = case.gradient.value, np.abs(case.candidate)
    for epsilon in EPSILONS:
        unit = _normalized(g, epsilon)
        full = (np.abs(unit) > 0.5)[case.entries]
        if not full.any():
            continue
        rates = (case.candidate[case.entries] / unit[case.entries])[full]
        # A step may be the difference of two rounded parameters.
        rounding = 2 * case.precision.u * np.abs(case.parameters) + 16 * case.precision.u * abs(float(rates[0]))
        rate, off = float(np.median(rates)), 2 * float(rounding.max())
        near = round_number(rate)
        rate, off = (near, 0.0) if abs(near - rate) <= off else (rate, off)
        ends = (_normalized(g + side * case.gradient.bound, epsilon) * rate for side in (1, -1))
        bound = np.abs(np.subtract(*ends)) + rounding + off
        # Where roundoff decides the sign, the candidate may have either.
        either = (bound >= abs(rate) / 2) & (sizes <= abs(rate) + rounding + off)
        facts = {"size": f"{abs(rate):.4g}", "sign": "−" if rate < 0 else ""}
        made = Predicted(np.where(either, case.candidate, unit * rate), partial(np.asarray, bound))
        if rate != 0 and math.isfinite(rate):
            yield Variant(None, made, facts)


def _normalized(g: Array, epsilon: float) -> Array:
    """Return g/(|g| + ε), 0 where that is 0/0."""
    size = np.abs(g) + epsilon
    return np.asarray(np.divide(g, size, out=np.zeros_like(g), where=size > 0))


def value_clipped(case: Case) -> Variants:
    """Clip every entry to an interval around 0."""
    limit = float(np.max(np.abs(case.candidate[case.entries]), initial=0.0))
    clipped = np.abs(case.gradient.value[case.entries]) > limit
    # If only one entry is off, or all are, other mistakes say more.
    if limit > 0 and clipped.sum() > 1:
        facts = {"limit": f"{limit:g}", "count": str(int(clipped.sum()))}
        yield Variant(None, Predicted(np.clip(case.gradient.value, -limit, limit), lambda: case.gradient.bound), facts)


def decay_missing(case: Case) -> Variants:
    """Leave out the weight decay that belongs in the gradient."""
    if case.l2:
        yield Variant(None, case.gradient.plus(-case.l2 * case.on_weights * case.parameters, case.precision))


def decay_of_weights(case: Case) -> Variants:
    """Add λw."""
    return _decay(case, case.on_weights * case.parameters)


def decay_of_all(case: Case) -> Variants:
    """Add λw for the weights and λb for the biases, as the weight decay of most optimizers does."""
    yield from _decay(case, case.parameters)
    if case.l2:
        # The right decay of the weights is in the gradient already.
        biases = (1 - case.on_weights) * case.parameters
        yield Variant(None, case.gradient.plus(case.l2 * biases, case.precision), _of_decay(case.l2))


def _decay(case: Case, direction: Array) -> Variants:
    size = fitted(case.candidate - case.gradient.value, direction, case.entries)
    if size == 0 or not math.isfinite(size):
        return
    near = round_number(size, 3)
    off = uncertainty(case.gradient.bound + case.precision.u * np.abs(case.candidate), direction, case.entries)
    # One that belongs there and is missing is no weight decay of 0.
    if case.l2 and abs(size + case.l2) <= off:
        return
    # An intended weight decay is a round number.
    facts = _of_decay(size + case.l2, case.factor, off)
    size, off = (near, 0.0) if abs(near - size) <= off else (size, off)
    made = case.gradient.plus(size * direction, case.precision)
    yield Variant(None, made.rounded(off * np.abs(direction)), facts)


def _of_decay(size: float, factor: float = 1.0, off: float = 0.0) -> dict[str, str]:
    """Return the facts of a weight decay; one below 0 cannot be what ``l2`` stands for.

    Beside a factor, the weight decay may have been added before or after it. The rounder λ is the intended one.
    """
    before = size / factor
    digits, digits_before = _digits(size, off), _digits(before, off / abs(factor))
    is_before = before > 0 and factor != 1 and (size < 0 or digits_before < digits)
    is_either = min(before, size) > 0 and factor != 1 and digits_before == digits
    words, words_before = in_words(round_number(size, digits), 6), in_words(round_number(before, digits_before), 6)
    if is_before:
        size, words = before, f"{words_before} before this factor"
    elif is_either:
        words = f"{words}, or {words_before} before this factor"
    if size < 0:
        return {"size": words, "or_say": "", "with_l2": ""}
    l2 = "l2=λ" if is_either else f"l2={words.partition(' ')[0]}"
    return {"size": words, "or_say": f", or say that it belongs there: {l2}", "with_l2": f", with {l2}"}


def _digits(number: float, off: float) -> int:
    """Return how many significant digits a number has that is known up to ``off``, at most 6."""
    return next((n for n in range(1, 6) if abs(round_number(number, n) - number) <= off + 1e-12 * abs(number)), 6)


def single_entry(case: Case) -> Variants:
    """Change one entry."""
    off = np.zeros(case.layout.count)
    off[case.entries] = np.abs(case.candidate - case.gradient.value)[case.entries]
    beyond = np.flatnonzero(off > case.gradient.bound)
    worst = int(np.argmax(off))
    if len(beyond) == 1 or (len(beyond) == 0 and off[worst] > 0):
        entry = int(beyond[0]) if len(beyond) else worst
        value = case.gradient.value.copy()
        value[entry] = case.candidate[entry]
        _, i, _ = case.layout.indices(entry)
        yield Variant(i + 2, Predicted(value, lambda: case.gradient.bound), {"entry": case.layout.locate(entry)})


def single_precision(case: Case) -> Variants:
    """Compute some part in float32."""
    single = np.dtype(np.float32)
    if unit_roundoff(case.tape.network.dtype) >= unit_roundoff(single):
        return
    X, Y, shares, cost = case.batch
    rounded = Batch(X.astype(single), Y.astype(single), None if shares is None else shares.astype(single), cost)
    reference = case.reference_of(case.tape.network.astype(single), rounded)
    if reference is None:
        return
    # Twice T4 of float32 grants the rounding of parameters and examples, too: γ_{n+4} ≤ 2γ_{n+2}.
    bound = 2 * case.right(reference).bound
    off, seen = np.abs(case.candidate - case.gradient.value), 0.0
    for _, _, entries in case.arrays:
        size, found = float(np.max(np.abs(case.gradient.value[entries]))), case.candidate[entries]
        # A bound that is wide, as in deep networks, proves nothing; but then all numbers of an array may be single.
        within = (off <= bound)[entries].all() and float(bound[entries].max()) <= RESOLUTION * size
        near = (found == found.astype(single)).all() and float(off[entries].max()) <= RESOLUTION * size
        right = (off <= case.gradient.bound)[entries].all()
        if not (right or within or near):
            return
        seen = max(seen, float(np.max(off[entries])) / size if size > 0 else 0.0)
    if seen >= SINGLE:
        yield Variant(None, Predicted(case.candidate, lambda: np.zeros(case.layout.count)), observed=True)
