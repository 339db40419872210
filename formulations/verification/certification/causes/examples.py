"""Mistakes in the sum over the examples: dropped, repeated, padded, or weighted wrongly.

A gradient that weights its examples wrongly is a combination of their gradients. Its weights are the solution of a
least-squares problem, and unique where the examples' gradients are linearly independent.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from formulations.arrays import Array
from formulations.functions import LogLikelihood
from formulations.verification.certification.causes.backward import Variant, Variants
from formulations.verification.certification.causes.case import Case
from formulations.verification.certification.causes.fits import fitted, in_words
from formulations.verification.certification.causes.parts import Parts, Predicted
from formulations.verification.oracles import outer
from formulations.verification.tolerances import RESOLUTION

__all__ = [
    "classes_weighted",
    "example_dropped",
    "examples_repeated",
    "examples_weighted",
    "one_example",
    "padded_with_zeros",
    "sample_weights_ignored",
    "sample_weights_twice",
]

MOST = 400
"""The most examples, and an eighth of the most entries of each, of a least-squares problem."""

NEAR = 0.01
"""How near the weights of examples are to a ratio of integers before it is tried."""

FEW = 16
"""The fewest entries of each example that are compared."""

SMALL = 1e-6
"""The smallest singular value, relative to the largest, at which gradients count as independent."""

LISTED = 6
"""The most examples that a sentence lists."""


def example_dropped(case: Case) -> Variants:
    """Leave one or more examples out, and divide by the number of all, or of the others."""
    m = case.tape.m
    for dropped in _ends(m):
        yield from _kept(case, ~dropped)
    weights = _weights(case)
    if weights is not None:
        kept = np.abs(weights) > np.max(np.abs(weights)) / 2
        # The first and the last have been tried.
        if 1 < m - kept.sum() < m - 1 or (kept.sum() == m - 1 and kept[0] and kept[-1]):
            yield from _kept(case, kept)
    else:
        yield from _cut(case)


def one_example(case: Case) -> Variants:
    """Use only one example."""
    for kept in _ends(case.tape.m):
        yield from _kept(case, kept)
    weights = _weights(case)
    if weights is not None and case.tape.m > 2:
        kept = np.abs(weights) > np.max(np.abs(weights)) / 2
        if kept.sum() == 1 and not kept[0] and not kept[-1]:
            yield from _kept(case, kept)


def _ends(m: int) -> list[Array]:
    """Return the choices of the last example and of the first, if there are others."""
    return [np.arange(m) == x for x in (m - 1, 0)] if m > 1 else []


def _cut(case: Case) -> Variants:
    """Leave out several examples at the end or at the beginning: as many as come nearest to the candidate."""
    m = case.tape.m
    if m < 4:
        return
    gradients, columns = _gradients(case)
    found, number = case.candidate[columns], np.arange(m)
    for kept_first in (True, False):
        # Row k − 1 is the sum over k examples; those without one, or of one, have been tried.
        sums = np.cumsum(gradients if kept_first else gradients[::-1], axis=0)[1 : m - 2]
        factors = (sums @ found) / (sums**2).sum(axis=1)
        off = np.abs(found - factors[:, None] * sums).max(axis=1)
        if not np.isnan(off).all():
            kept = int(np.nanargmin(off)) + 2
            yield from _kept(case, number < kept if kept_first else number >= m - kept)


def _kept(case: Case, kept: Array) -> Variants:
    chosen = kept[:, None].astype(float)
    facts = {"kept": _listed(kept), "dropped": f"{_listed(~kept)} {_verb(~kept)}", "all_of": _all_of(case, ~kept)}
    yield Variant(None, replace(case.parts, examples=chosen), facts)
    total = float((case.shares * chosen).sum())
    if total > 0:
        yield Variant(None, replace(case.parts, examples=chosen / total), facts)


def examples_repeated(case: Case) -> Variants:
    """Count some examples more than once, and divide by the number of examples or by that of the counts."""
    weights = _weights(case)
    if weights is None or not (least := float(weights.min())) > 0:
        return
    # The least frequent example may be counted two or three times, too.
    multiples = [weights / least * times for times in (1, 2, 3)]
    counts = next((np.rint(each) for each in multiples if np.abs(each - np.rint(each)).max() < NEAR), np.zeros(1))
    if 1 < counts.max() <= 2 * case.tape.m:
        of_examples, fewest = counts[:, None], counts.min()
        groups = [(counts == count, count / fewest) for count in np.unique(counts[counts > fewest])[:LISTED]]
        words = [
            f"{_listed(group)} count{'s' if group.sum() == 1 else ''} {times:.3g} times" for group, times in groups
        ]
        facts = {"repeated": ", ".join([*words[:-2], " and ".join(words[-2:])])}
        yield Variant(None, replace(case.parts, examples=of_examples), facts)
        yield Variant(None, replace(case.parts, examples=of_examples / float((case.shares * of_examples).sum())), facts)


def padded_with_zeros(case: Case) -> Variants:
    """Fill the mini-batch up with examples that are zero, or divide by the number of examples of a full one."""
    m = case.tape.m
    X, Y = np.zeros_like(case.tape.X[:1]), np.zeros_like(case.targets[:1], case.tape.X.dtype)
    # Targets of zeros cost nothing there, but a label of 0 is the first class.
    of_class = isinstance(case.tape.cost, LogLikelihood) and Y.shape[1] > 1
    Y[0, 0] = float(of_class)
    reference = case.reference_of(case.tape.network, case.batch._replace(X=X, Y=Y, shares=None))
    if reference is None or case.tape.shares is not None:
        return
    padding = case.right(reference)
    # With M examples, of which m count: m/M of the right gradient and 1 − m/M of the padding's.
    part = fitted(case.candidate - padding.value, case.gradient.value - padding.value, case.entries)
    if not 0 < part < 1:
        return
    total = round(m / part)
    if m < total <= 100 * m:
        value = (m * case.gradient.value + (total - m) * padding.value) / total
        size = np.abs(case.gradient.value) + np.abs(padding.value)

        def bound() -> Array:
            return case.gradient.bound + padding.bound + 8 * case.precision.u * size

        facts = {"count": str(total - m), "label": " and class 0" if of_class else ""}
        yield Variant(None, Predicted(value, bound), facts)


def classes_weighted(case: Case) -> Variants:
    """Weight all examples of a class alike, and classes differently."""
    classes = _classes(case)
    if classes is None:
        return
    present, of_class = np.unique(classes, return_inverse=True)
    if not 1 < len(present) < case.tape.m - 1:
        return
    gradients, columns = _gradients(case)
    members = (of_class == np.arange(len(present))[:, None]).astype(float)
    of_classes = members @ gradients
    scale = np.max(np.abs(of_classes), axis=1, keepdims=True)
    if not ((scale > 0) & np.isfinite(scale)).all() or len(columns) <= len(present) + 1:
        return
    inverse = np.linalg.pinv((of_classes / scale).T) / scale
    weights = inverse @ case.candidate[columns]
    found = case.candidate[columns]
    near = np.abs(found - weights @ of_classes).max() <= RESOLUTION * np.abs(found).max()
    least, most = float(weights.min()), float(weights.max())
    # A class whose weight is roundoff is left out.
    if not near or not RESOLUTION * most < least < most / (1 + NEAR):
        return
    # So many numbers explain any gradient in as many dimensions.
    if np.linalg.matrix_rank(gradients / np.abs(gradients).max(), rtol=SMALL) < len(present) + 2:
        return
    made = replace(case.parts, examples=weights[of_class][:, None])
    ratios = [f"{in_words(w / least, 4)} for class {c}" for w, c in zip(weights, present, strict=True)]
    facts = {"weights": ", ".join(ratios[:LISTED]) + ", …" * (len(ratios) > LISTED)}
    yield Variant(None, _with_uncertain_weights(case, made, np.abs(inverse), columns, of_class), facts)


def _classes(case: Case) -> Array | None:
    """Return the class of each example, or None if the targets are no labels."""
    y = case.targets
    if not np.isin(y, (0, 1)).all():
        return None
    if y.shape[1] == 1:
        return y[:, 0].astype(int)
    return np.argmax(y, axis=1) if (y.sum(axis=1) == 1).all() else None


def _all_of(case: Case, chosen: Array) -> str:
    """Say whether some examples are all those of a class."""
    classes = _classes(case)
    of_class = None if classes is None or not chosen.any() else int(classes[np.argmax(chosen)])
    # One example can be the only one of its class by chance.
    if of_class is None or chosen.sum() < 2 or not np.array_equal(classes == of_class, chosen):
        return ""
    return f", which are all of class {of_class}"


def sample_weights_ignored(case: Case) -> Variants:
    """Give every example the share 1/m."""
    if case.tape.shares is None:
        return
    if case.shares.all():
        yield Variant(None, replace(case.parts, examples=1 / (case.tape.m * case.shares)))
    elif case.problem is not None:
        whole = case.batch._replace(X=case.problem.X, Y=case.problem.Y, shares=None)
        reference = case.reference_of(case.tape.network, whole)
        if reference is not None:
            yield Variant(None, case.right(reference))


def sample_weights_twice(case: Case) -> Variants:
    """Multiply each example by its sample weight twice."""
    if case.tape.shares is not None:
        yield Variant(None, replace(case.parts, examples=case.shares * case.tape.m))
        yield Variant(None, replace(case.parts, examples=case.shares / float((case.shares**2).sum())))
        yield Variant(None, replace(case.parts, examples=case.shares))


def examples_weighted(case: Case) -> Variants:
    """Weight the examples in any way."""
    weights = _weights(case)
    # With one free output every fault in δ^L weights the examples.
    if weights is None or case.free_outputs < 2:
        return
    most = np.argsort(-np.abs(weights - 1))[:LISTED]
    shown = np.where(np.abs(weights) > SMALL * np.abs(weights).max(), weights, 0)
    given = None if case.problem is None else case.problem.sample_weight
    if given is not None:
        shown *= given
    which = ", ".join(f"{in_words(shown[x], 4)} for example {x}" for x in sorted(most))
    more = ", …" if len(weights) > LISTED else ""
    gradients, columns = _gradients(case)
    inverse = np.abs(np.linalg.pinv(gradients.T))

    made = replace(case.parts, examples=weights[:, None])
    predicted = _with_uncertain_weights(case, made, inverse, columns, np.arange(case.tape.m))
    facts = {"given": "1" if given is None else "sample_weight", "weights": which + more}
    yield Variant(None, predicted, facts)


def _with_uncertain_weights(case: Case, made: Parts, inverse: Array, columns: Array, of_weight: Array) -> Predicted:
    """Return a prediction whose examples have weights that are as uncertain as the entries from which they come."""
    right = case.predicted(made)

    def bound() -> Array:
        off = inverse @ (2 * right.bound[columns])
        return right.bound + case.parts.bound(case.layout, case.precision) + _sizes(case, off[of_weight])

    return Predicted(right.value, bound)


def _sizes(case: Case, weights: Array) -> Array:
    """Return the sum of the absolute gradients of the examples, each times a weight."""
    vector = np.empty(case.layout.count)
    for l, delta, a in _by_layer(case):
        of_weights, of_biases = case.layout.slices[l - 2]
        counted = np.abs(delta) * weights[:, None]
        vector[of_weights], vector[of_biases] = outer(counted, np.abs(a), case.layout, l - 2), counted.sum(axis=0)
    return vector


def _weights(case: Case) -> Array | None:
    """Return the weights of the examples, 1 if right, that explain the candidate best; None if they are not unique."""
    if "weights" not in case.memory:
        case.memory["weights"] = _least_squares(case)
    weights: Array | None = case.memory["weights"]
    return weights


def _least_squares(case: Case) -> Array | None:
    if case.tape.m < 2 or case.tape.m > MOST:
        return None
    gradients, columns = _gradients(case)
    # Of the entries of coupled outputs, one neuron's follow from the others'; those that are 0 for all tell nothing.
    dependent = (case.layout.sizes[-1] - case.free_outputs) * (case.layout.sizes[-2] + 1)
    if gradients.any(axis=0).sum() - dependent <= case.tape.m:
        return None
    scale = np.max(np.abs(gradients), axis=1, keepdims=True)
    if not (scale > 0).all():
        return None
    weights, _, rank, _ = np.linalg.lstsq((gradients / scale).T, case.candidate[columns], rcond=SMALL)
    if rank < case.tape.m or not np.isfinite(weights).all():
        return None
    found: Array = weights / scale[:, 0]
    return found


def _gradients(case: Case) -> tuple[Array, Array]:
    """Return each example's gradient, times its share, for a choice of entries, and these entries."""
    columns = np.arange(case.layout.count)[case.entries]
    stride = -(-len(columns) // max(8 * MOST**2 // max(case.tape.m, MOST), FEW))
    columns = columns[:: max(stride, 1)]
    gradients = np.empty((case.tape.m, len(columns)))
    for l, delta, a in _by_layer(case):
        of_weights, of_biases = case.layout.slices[l - 2]
        chosen = np.flatnonzero((columns >= of_weights.start) & (columns < of_weights.stop))
        at, pattern = columns[chosen] - of_weights.start, case.layout.patterns[l - 2]
        rows, inputs = (
            np.divmod(at, case.layout.sizes[l - 2]) if pattern is None else (pattern.rows[at], pattern.indices[at])
        )
        gradients[:, chosen] = delta[:, rows] * a[:, inputs]
        chosen = np.flatnonzero((columns >= of_biases.start) & (columns < of_biases.stop))
        gradients[:, chosen] = delta[:, columns[chosen] - of_biases.start]
    return gradients, columns


def _by_layer(case: Case) -> list[tuple[int, Array, Array]]:
    """Return l, δ^l and a^{l−1} of the right backward pass."""
    return [(l, delta, case.parts.inputs[l - 2].value) for l, delta in case.parts.errors(case.layout.last)]


def _verb(chosen: Array) -> str:
    return "is" if chosen.sum() == 1 else "are"


def _listed(chosen: Array) -> str:
    """Return which examples are chosen, in words: single numbers, or ranges."""
    numbers = [int(x) for x in np.flatnonzero(chosen)]
    runs: list[list[int]] = []
    for x in numbers:
        if runs and runs[-1][1] == x - 1:
            runs[-1][1] = x
        else:
            runs.append([x, x])
    words = [str(a) if a == b else f"{a}–{b}" for a, b in runs[:LISTED]]
    noun = "example" if len(numbers) == 1 else "examples"
    return f"{noun} {', '.join(words)}" + (", …" if len(runs) > LISTED else "")
