"""Mistakes made with a finished gradient: weight decay, clipping, the wrong order or the wrong shape of arrays."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from formulations.arrays import Array, unit_roundoff
from formulations.network import Batch
from formulations.verification.certification.causes.backward import Variant, Variants
from formulations.verification.certification.causes.fits import (
    fitted,
    fitted_together,
    in_words,
    round_number,
    uncertainty,
)
from formulations.verification.certification.causes.recomputation import Pass, Predicted
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


def gradient_transposed(p: Pass) -> Variants:
    """Transpose ∂C/∂w, if it is square."""
    everywhere, found = np.arange(p.layout.count), 0
    for l in p.layers:
        (rows, columns), part = p.layout.shapes[l - 2], p.layout.slices[l - 2][0]
        if rows == columns > 1 and p.layout.patterns[l - 2] is None:
            order = np.arange(p.layout.count)
            order[part] = everywhere[part] = order[part].reshape(rows, columns).T.ravel()
            found += 1
            yield Variant(l, _in_order(p, order))
    if found > 1:
        yield Variant(None, _in_order(p, everywhere))


def layers_reversed(p: Pass) -> Variants:
    """Put the layers in reverse order."""
    slices = [part for pair in p.layout.slices for part in pair]
    others = [part for pair in p.layout.slices[::-1] for part in pair]
    if len(p.layout.shapes) > 1 and p.layout.shapes == p.layout.shapes[::-1] and not p.layout.is_sparse:
        order = np.arange(p.layout.count)
        for mine, other in zip(slices, others, strict=True):
            order[mine] = np.arange(other.start, other.stop)
        yield Variant(None, _in_order(p, order))


def _in_order(p: Pass, order: Array) -> Predicted:
    return Predicted(p.gradient.value[order], lambda: p.gradient.bound[order])


def parameters_returned(p: Pass) -> Variants:
    """Return the parameters instead of their gradient."""
    size = np.abs(p.parameters)
    yield Variant(None, Predicted(p.parameters, lambda: p.precision.u * size + p.precision.tiny))


def parameters_updated(p: Pass) -> Variants:
    """Return the parameters after a step of gradient descent, also of one with weight decay."""
    yield from _updated(p)
    yield from _updated_with_decay(p, p.parameters, "λθ")
    yield from _updated_with_decay(p, p.on_weights * p.parameters, "λw")


def parameters_moved(p: Pass) -> Variants:
    """Return what is near the parameters, as the step of any optimizer leaves them."""
    if _near_parameters(p):
        yield Variant(None, Predicted(p.candidate, lambda: np.zeros(p.layout.count)), observed=True)


def _near_parameters(p: Pass) -> bool:
    """Whether the candidate is nearer to the parameters than a tenth of their size, and of the way to the gradient."""
    size, off, way = (
        float(np.linalg.norm(each[p.entries]))
        for each in (p.parameters, p.candidate - p.parameters, p.candidate - p.gradient.value)
    )
    return 0 < 10 * off < min(size, way)


def _updated_with_decay(p: Pass, decayed: Array, words: str) -> Variants:
    # Two numbers explain any two entries.
    if len(p.candidate[p.entries]) < 3:
        return
    g, rounding = p.gradient.value, p.gradient.bound + 2 * p.precision.u * np.abs(p.parameters)
    (rate, part), offs = fitted_together(p.parameters - p.candidate, (g, decayed), p.entries, rounding)
    # A step leaves most of the parameters.
    if rate > 0 and 0 < part < 0.5:
        made = p.gradient.times(-rate, p.precision).plus(p.parameters - part * decayed, p.precision)
        rounded = made.rounded(offs[0] * np.abs(g) + offs[1] * np.abs(decayed))
        size = in_words(round_number(part / rate, 3), 3)
        facts = {"rate": in_words(rate, 4), "decay": f" and the weight decay {words} with λ = {size}"}
        yield Variant(None, rounded, facts)


def _updated(p: Pass) -> Variants:
    rate = -fitted(p.candidate - p.parameters, p.gradient.value, p.entries)
    if rate != 0 and math.isfinite(rate):
        off = uncertainty(
            p.gradient.bound + p.precision.u * np.abs(p.parameters) / abs(rate), p.gradient.value, p.entries
        )
        made = p.gradient.times(-rate, p.precision).plus(p.parameters, p.precision)
        size = np.abs(p.gradient.value) * abs(rate) * off
        yield Variant(None, Predicted(made.value, lambda: made.bound + size), {"rate": in_words(rate, 4), "decay": ""})


def equal_entries(p: Pass) -> Variants:
    """Give all entries the same size, as the first step of Adam does: ηg/(|g| + ε)."""
    g, sizes = p.gradient.value, np.abs(p.candidate)
    for epsilon in EPSILONS:
        unit = _normalized(g, epsilon)
        full = (np.abs(unit) > 0.5)[p.entries]
        if not full.any():
            continue
        rates = (p.candidate[p.entries] / unit[p.entries])[full]
        # A step may be the difference of two rounded parameters.
        rounding = 2 * p.precision.u * np.abs(p.parameters) + 16 * p.precision.u * abs(float(rates[0]))
        rate, off = float(np.median(rates)), 2 * float(rounding.max())
        near = round_number(rate)
        rate, off = (near, 0.0) if abs(near - rate) <= off else (rate, off)
        ends = (_normalized(g + side * p.gradient.bound, epsilon) * rate for side in (1, -1))
        bound = np.abs(np.subtract(*ends)) + rounding + off
        # Where roundoff decides the sign, the candidate may have either.
        either = (bound >= abs(rate) / 2) & (sizes <= abs(rate) + rounding + off)
        facts = {"size": f"{abs(rate):.4g}", "sign": "−" if rate < 0 else ""}
        made = Predicted(np.where(either, p.candidate, unit * rate), partial(np.asarray, bound))
        if rate != 0 and math.isfinite(rate):
            yield Variant(None, made, facts)


def _normalized(g: Array, epsilon: float) -> Array:
    """Return g/(|g| + ε), 0 where that is 0/0."""
    size = np.abs(g) + epsilon
    return np.asarray(np.divide(g, size, out=np.zeros_like(g), where=size > 0))


def value_clipped(p: Pass) -> Variants:
    """Clip every entry to an interval around 0."""
    limit = float(np.max(np.abs(p.candidate[p.entries]), initial=0.0))
    clipped = np.abs(p.gradient.value[p.entries]) > limit
    # If only one entry is off, or all are, other mistakes say more.
    if limit > 0 and clipped.sum() > 1:
        facts = {"limit": f"{limit:g}", "count": str(int(clipped.sum()))}
        yield Variant(None, Predicted(np.clip(p.gradient.value, -limit, limit), lambda: p.gradient.bound), facts)


def decay_missing(p: Pass) -> Variants:
    """Leave out the weight decay that belongs in the gradient."""
    if p.l2:
        yield Variant(None, p.gradient.plus(-p.l2 * p.on_weights * p.parameters, p.precision))


def decay_of_weights(p: Pass) -> Variants:
    """Add λw."""
    return _decay(p, p.on_weights * p.parameters)


def decay_of_all(p: Pass) -> Variants:
    """Add λw for the weights and λb for the biases, as the weight decay of most optimizers does."""
    yield from _decay(p, p.parameters)
    if p.l2:
        # The right decay of the weights is in the gradient already.
        biases = (1 - p.on_weights) * p.parameters
        yield Variant(None, p.gradient.plus(p.l2 * biases, p.precision), _of_decay(p.l2))


def _decay(p: Pass, direction: Array) -> Variants:
    size = fitted(p.candidate - p.gradient.value, direction, p.entries)
    if size == 0 or not math.isfinite(size):
        return
    near = round_number(size, 3)
    off = uncertainty(p.gradient.bound + p.precision.u * np.abs(p.candidate), direction, p.entries)
    # An intended weight decay is a round number.
    facts = _of_decay(size + p.l2, p.factor, off)
    size, off = (near, 0.0) if abs(near - size) <= off else (size, off)
    made = p.gradient.plus(size * direction, p.precision)
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


def single_entry(p: Pass) -> Variants:
    """Change one entry."""
    off = np.zeros(p.layout.count)
    off[p.entries] = np.abs(p.candidate - p.gradient.value)[p.entries]
    beyond = np.flatnonzero(off > p.gradient.bound)
    worst = int(np.argmax(off))
    if len(beyond) == 1 or (len(beyond) == 0 and off[worst] > 0):
        entry = int(beyond[0]) if len(beyond) else worst
        value = p.gradient.value.copy()
        value[entry] = p.candidate[entry]
        _, i, _ = p.layout.indices(entry)
        yield Variant(i + 2, Predicted(value, lambda: p.gradient.bound), {"entry": p.layout.locate(entry)})


def single_precision(p: Pass) -> Variants:
    """Compute some part in float32."""
    single = np.dtype(np.float32)
    if unit_roundoff(p.tape.network.dtype) >= unit_roundoff(single):
        return
    X, Y, shares, cost = p.batch
    rounded = Batch(X.astype(single), Y.astype(single), None if shares is None else shares.astype(single), cost)
    reference = p.reference_of(p.tape.network.astype(single), rounded)
    if reference is None:
        return
    # Twice T4 of float32 grants the rounding of parameters and examples, too: γ_{n+4} ≤ 2γ_{n+2}.
    bound = 2 * p.right(reference).bound
    off, seen = np.abs(p.candidate - p.gradient.value), 0.0
    for _, _, entries in p.arrays:
        size, found = float(np.max(np.abs(p.gradient.value[entries]))), p.candidate[entries]
        # A bound that is wide, as in deep networks, proves nothing; but then all numbers of an array may be single.
        within = (off <= bound)[entries].all() and float(bound[entries].max()) <= RESOLUTION * size
        near = (found == found.astype(single)).all() and float(off[entries].max()) <= RESOLUTION * size
        right = (off <= p.gradient.bound)[entries].all()
        if not (right or within or near):
            return
        seen = max(seen, float(np.max(off[entries])) / size if size > 0 else 0.0)
    if seen >= SINGLE:
        yield Variant(None, Predicted(p.candidate, lambda: np.zeros(p.layout.count)), observed=True)
