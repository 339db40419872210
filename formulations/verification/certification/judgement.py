"""Certify a gradient written by hand, or find where it is wrong.

>>> import formulations as fm
>>> from formulations.verification.certification.judgement import certify
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> X, Y = [[1.0]], [[17.0]]  # a² = 9, δ³ = 1, δ² = 2·6
>>> bool(certify(net, X, Y, ([[[12.0]], [[9.0]]], [[12.0], [1.0]])))
True
>>> wrong = certify(net, X, Y, ([[[2.0]], [[9.0]]], [[2.0], [1.0]]))
>>> wrong.layer, wrong.equation, wrong.cause.name
(2, 'BP2', 'slope_missing')
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from formulations.arrays import Array, nonnegative_number, quiet
from formulations.backends import Backend, Tier
from formulations.data import Problem, targets_for
from formulations.display import listed
from formulations.exceptions import CandidateFailed, InvalidInput
from formulations.functions import BinaryCrossEntropy, Cost
from formulations.network import Batch, Gradient, Network, check_network
from formulations.plans import prepare
from formulations.verification.certification.calls import Watched
from formulations.verification.certification.candidates import (
    Candidate,
    is_file,
    is_module,
    read_candidate,
    read_errors,
    untracked,
)
from formulations.verification.certification.causes import Calls, likely_cause, observations
from formulations.verification.certification.document import Certificate
from formulations.verification.certification.place import place_of, single_examples
from formulations.verification.oracles import Reference, reference_gradient
from formulations.verification.tolerances import Status, Verdict, judge, judge_backend

__all__ = ["certify"]

SINGLES = 32
"""The largest number of single examples on which a function is called to find its mistake."""


@quiet
def certify(
    net: Network,
    X: Any,
    Y: Any,
    candidate: Any,
    cost: str | Cost = "quadratic",
    *,
    sample_weight: Any = None,
    layout: str = "out_in",
    l2: float = 0.0,
) -> Certificate:
    """Judge a gradient from any source by a derived tolerance, and find what is wrong with it.

    A backend is judged by the bound of its tier, on its own tape, and if that does not call it different, by the
    propagated roundoff of two forward passes. Any other candidate has its own forward pass: it is judged by propagated
    roundoff alone, and equation by equation if it includes δ. It may compute its activations by customary formulas,
    which lose more digits than those of this library; it is different only if they do not explain the difference.

    Parameters
    ----------
    net : Network
        The network; it is not changed.
    X : array_like of shape (m, n₁)
        The inputs. Tensors may record gradients, and be on any device.
    Y : array_like of shape (m, n_L), or labels of shape (m,)
        The targets, or the class of each example. Integers from 0 to n_L − 1 are the indices of the outputs, also if
        the examples lack some classes; other labels are read as :func:`formulations.sgd` reads them. If these are
        integers, a note says so.
    candidate : Gradient, module, mapping, sequence, array_like, path, NpzFile, Backend, str or callable
        The gradient, in one of these forms:

        - a Gradient;
        - a pair (weights, biases) or a triple (weights, biases, errors), layer by layer; one of weights and biases may
          be None;
        - a list of w², b², w³, b³, …, an array each, where biases may be left out;
        - the flat vector;
        - a mapping from names to arrays, or an ``.npz`` file, by its path or as ``numpy.load`` returns it. The names
          are ``weights_2``, ``biases_2``, ``weights_3``, … and optionally ``errors_2``, …, numbered as the layers in
          the book; or those of a framework, ``0.weight``, ``net.0.bias``, ``Dense_0/kernel``, whose layers are taken in
          the order of their numbers if the names differ in nothing else, and else as they come; or the flat vector,
          ``vector``;
        - a module, such as a ``torch.nn.Module``, or its parameters. Wherever an array is expected, a parameter stands
          for its ``.grad``;
        - a function ``(net, X, Y)`` that returns one of these;
        - a backend or its name.

        A part that is absent, or None, is not judged. Functions and backends get copies.
    cost : str or Cost
        As in :func:`formulations.gradient`.
    sample_weight : array_like of shape (m,), optional
        Weights of the examples in the mean.
    layout : {"out_in", "in_out"}
        What the rows and columns of the candidate's weights are: neurons and inputs, as in the book and in PyTorch, or
        inputs and neurons, as in Keras and Flax. It is never guessed.
    l2 : float
        λ of a weight decay that belongs in the gradient, as in :func:`formulations.objective`: the gradient is
        judged as that of C + ½·l2·Σw², for the weights and not for the biases. Not for backends, whose gradient is that
        of C.

    Returns
    -------
    Certificate
        True if every part given is equal; printed, it shows where the mistake is, and its likely cause.

    Raises
    ------
    WrongShape, WrongType
        If the candidate is not a gradient of this network, with the remedy.
    CandidateFailed
        If a function raises, with its message and the results for single examples, or if it changes its arguments.
    InvalidInput
        If a file cannot be read or is pickled, if a name or the number of layers does not fit the network, if there is
        no gradient in the candidate, if integer labels may be numbers to learn, if ``l2`` is negative or given for a
        backend, and as :func:`formulations.gradient`.
    NotFinite, UnknownName
        As :func:`formulations.gradient`, and if there is no such ``layout``.
    Refused
        As :func:`formulations.gradient`, and if the matrices of a user-defined coupled activation exceed the budget of
        :func:`formulations.use_budget`.

    Notes
    -----
    A candidate less precise than the network is judged by the roundoff of its own dtype: network and examples are
    rounded to it first. A more precise candidate is judged in the network's dtype. NaN and infinity are differences
    like any other.

    Examples
    --------
    >>> import numpy as np
    >>> net = Network.random([3, 4, 2], seed=0)
    >>> X, Y = np.eye(3), np.ones((3, 2))
    >>> certify(net, X, Y, "sigma").status
    <Status.EQUAL: 'equal'>
    """
    check_network(net)
    l2 = nonnegative_number(l2, "l2")
    X = untracked(X)
    Y, cost, classes = targets_for(net, untracked(Y), cost, by_index=True)
    renamed = _renamed(classes)
    batch = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight)
    X, Y, _, cost = batch
    if isinstance(candidate, Backend) or (isinstance(candidate, str) and not is_file(candidate)):
        if layout != "out_in":
            raise InvalidInput(f"layout={layout!r} has no effect on a backend; leave it out.")
        if l2:
            raise InvalidInput(
                f"a backend's gradient must be judged without weight decay, got l2={l2:g}; leave it out."
            )
        return _certify_backend(net, batch, candidate, renamed)
    watched = Watched(candidate, net, layout) if callable(candidate) and not is_module(candidate) else None
    try:
        found = watched(X, Y) if watched else read_candidate(candidate, net.layout, net.dtype, len(X), layout)
    except CandidateFailed as caught:
        if watched is None or caught.__cause__ is None or len(X) == 1:
            raise
        known = " ".join(_single_results(watched, net, X, Y, cost, l2))
        raise CandidateFailed(f"{caught} {known}") from caught.__cause__
    gradient = found.gradient
    calls = watched.observe(X, Y, found) if watched else None
    if gradient.dtype != net.dtype:
        net, X, Y = _rounded(net, X, Y, gradient)
        # Rounded, they may be infinite, and the shares are those of another dtype.
        batch = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight)
    reference = reference_gradient(net.record(batch), l2)
    verdict = judge(reference.tape, gradient, Tier.ELSEWHERE, reference=reference, given=found.given)
    observed: Sequence[str] = ()
    if watched is not None and verdict.status is Status.DIFFERENT and gradient.errors is None and len(X) > 1:
        observed = single_examples(net, X, Y, cost, watched.singles(X, Y, SINGLES), l2)
    elif calls is not None and verdict.status is not Status.DIFFERENT:
        observed = observations(reference, gradient, found.given, calls)
    notes = (*renamed, *(watched.notes if watched else ()), *_notes(found, net, verdict, reference), *observed)
    weights = None if sample_weight is None else np.asarray(untracked(sample_weight), np.float64)
    problem = Problem(net, X, Y, cost.name, weights)
    return _certificate(problem, reference, found, verdict, notes, calls)


def _certify_backend(net: Network, batch: Batch, backend: str | Backend, notes: tuple[str, ...]) -> Certificate:
    """Judge a backend by the bound of its tier, on its own tape."""
    X, Y, _, cost = batch
    # A backend may write to its arguments, so it gets copies, and the reference has its own tape.
    plan = prepare(net.copy(), len(X), cost=cost, backend=backend)
    gradient = plan.evaluate(*batch.copy().counted()[:3])
    if gradient.errors is not None:
        read_errors(gradient.errors, net.layout, len(X))
    reference = reference_gradient(net.record(batch))
    verdict = judge_backend(plan.backend, plan.tape, gradient, reference)
    return _certificate(Problem(net, X, Y, cost.name), reference, Candidate(gradient), verdict, notes)


def _notes(candidate: Candidate, net: Network, verdict: Verdict, reference: Reference) -> Iterator[str]:
    """Yield what the candidate's parameters and the outputs tell about a gradient."""
    if candidate.unreached:
        yield (
            f"No .grad, although it is required: {', '.join(candidate.unreached)}. backward() did not reach these "
            "parameters; look for detach(), no_grad() or a part of the model that is left out."
        )
    if verdict.status is not Status.EQUAL and (place := candidate.elsewhere(net)):
        yield (
            f"The candidate's parameters differ from the network's, first in {place}; make the network before the step "
            "of the optimizer, or anew."
        )
    saturated = isinstance(reference.tape.cost, BinaryCrossEntropy) and _is_saturated(reference)
    if verdict.status is Status.DIFFERENT and saturated:
        yield (
            "Some outputs are within 1e-12 of 0 or 1, where PyTorch's BCELoss limits the derivative; its "
            "gradient differs there, so use BCEWithLogitsLoss."
        )


def _is_saturated(reference: Reference) -> bool:
    """Whether a(1 − a) of an output is below 10⁻¹², PyTorch's limit for the divisor of (a − y) in BCELoss."""
    # In the network's own precision, where 1 − a may round to 0.
    a = reference.tape.activations[-1]
    return bool((a * (1 - a) < 1e-12).any())


def _renamed(classes: Array | None) -> tuple[str, ...]:
    """Say which labels stand for the outputs, if they are integers but not the indices of the outputs."""
    if classes is None or classes.dtype.kind not in "iu" or np.array_equal(classes, np.arange(len(classes))):
        return ()
    return (f"The labels in Y are no indices of outputs: {listed(classes.tolist())} stand for the outputs in order.",)


def _single_results(watched: Watched, net: Network, X: Array, Y: Array, cost: Cost, l2: float) -> list[str]:
    """Return the findings on single examples for a function that raises on the whole batch."""
    found = watched.singles(X, Y, SINGLES)
    if not found:
        return watched.notes
    return [*single_examples(*_rounded(net, X, Y, found[0].gradient), cost, found, l2), *watched.notes]


def _rounded(net: Network, X: Array, Y: Array, gradient: Gradient) -> tuple[Network, Array, Array]:
    if gradient.dtype == net.dtype:
        return net, X, Y
    return net.astype(gradient.dtype), X.astype(gradient.dtype), Y.astype(gradient.dtype)


def _certificate(
    problem: Problem,
    reference: Reference,
    candidate: Candidate,
    verdict: Verdict,
    notes: tuple[str, ...] = (),
    calls: Calls | None = None,
) -> Certificate:
    tape = reference.tape
    place = place_of(verdict, tape.network.layout) if verdict.status is Status.DIFFERENT else None
    cause = None
    if place and place[1] != "C":
        cause = likely_cause(reference, candidate.gradient, place, candidate.given, calls=calls, problem=problem)
    layer, equation = (cause.seen_in, cause.equation) if cause else place or (None, None)
    return Certificate(
        title=problem.title + (f", l2 = {reference.l2:g}" if reference.l2 else ""),
        status=verdict.status,
        rule=verdict.rule,
        ratio=verdict.ratio,
        difference=verdict.difference,
        layers=verdict.layers,
        reason=verdict.reason,
        layer=layer,
        equation=equation,
        cause=cause,
        detectable=max(line.detectable for line in verdict.layers),
        notes=notes,
        not_judged=candidate.absent,
        cost=verdict.cost,
    )
