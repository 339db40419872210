"""Certify that a gradient written by hand is the gradient, or say where it is not.

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

from typing import Any

from formulations.arrays import Array, Gradient, format_dtype, quiet
from formulations.backends import Backend, Tier
from formulations.display import counted
from formulations.exceptions import CandidateFailed
from formulations.functions import Cost
from formulations.network import Network, check_network
from formulations.plans import prepare
from formulations.verification.certification.calls import Watched
from formulations.verification.certification.candidates import read_candidate, read_errors
from formulations.verification.certification.diagnosis import Diagnosis, diagnose
from formulations.verification.certification.document import Certificate
from formulations.verification.certification.files import is_file, read_gradient
from formulations.verification.certification.place import place_of, single_examples
from formulations.verification.oracles import Reference, reference_gradient
from formulations.verification.tolerances import Status, Verdict, judge, judge_backend

__all__ = ["Certificate", "Diagnosis", "certify"]

SINGLES = 32
"""Examples, at most, that a function is called on one by one to find its mistake."""


@quiet
def certify(
    net: Network,
    X: Any,
    Y: Any,
    candidate: Any,
    cost: str | Cost = "quadratic",
    *,
    sample_weight: Any = None,
) -> Certificate:
    """Judge a gradient from anywhere by a derived tolerance, and say what is wrong with it.

    A backend is judged by the bound of its tier, on its own tape, and what that does not call different by the
    propagated roundoff of two passes too. Whatever else comes has a forward pass of its own: it is judged by propagated
    roundoff alone, and equation by equation where it offers δ. It may compute its activations by the formulas that are
    customary, which lose more than this library's: it is different only where they do not explain it either.

    Parameters
    ----------
    net : Network
        The network; it is not changed.
    X, Y : array_like of shape (m, n₁) and (m, n_L)
        The examples.
    candidate : Gradient, sequence, array_like, path, NpzFile, Backend, str or callable
        A gradient; a pair (weights, biases) or a triple (weights, biases, errors), layer by layer; the flat vector; a
        function ``(net, X, Y)`` that returns one of these; an ``.npz`` file, by its path or as ``numpy.load`` returns
        it, that holds ``weights_2``, ``biases_2``, ``weights_3``, …, and perhaps ``errors_2``, …, counted as the book's
        layers are, or the flat vector as ``vector``; a backend or its name. Functions and backends get copies.
    cost : str or Cost
        As in :func:`formulations.gradient`.
    sample_weight : array_like of shape (m,), optional
        Weights of the examples in the mean.

    Returns
    -------
    Certificate
        True where it is equal; printed, it says where the mistake is, and what it is likely to be.

    Raises
    ------
    WrongShape, WrongType
        Where the candidate is no gradient of this network, with what would make it one.
    CandidateFailed
        Where a function raises, with its message and what it returns for single examples, or changes what it is given.
    InvalidInput
        Where a file cannot be read, is pickled, or lacks an array.
    InvalidInput, NotFinite, UnknownName, Refused
        As :func:`formulations.gradient`.
    Refused
        Where the matrices of a coupled activation of your own exceed the budget of :func:`formulations.use_budget`.

    Notes
    -----
    A candidate with fewer digits than the network is judged in its own roundoff: network and examples are rounded as
    it must have rounded them. One with more digits is judged in the network's. NaN and infinity are a difference like
    any other. Every number of a certificate that says "equal" stands for a fault that would have been seen.

    Examples
    --------
    >>> import numpy as np
    >>> net = Network.random([3, 4, 2], seed=0)
    >>> X, Y = np.eye(3), np.ones((3, 2))
    >>> certify(net, X, Y, "sigma").status
    <Status.EQUAL: 'equal'>
    """
    check_network(net)
    X, Y, _, cost = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight)
    if is_file(candidate):
        candidate = read_gradient(candidate, net.layout, len(X))
    if isinstance(candidate, str | Backend):
        # It may write to what it is given: it gets copies, and the reference has a tape of its own.
        plan = prepare(net.copy(), len(X), cost=cost, backend=candidate)
        gradient = plan(X.copy(), Y.copy(), sample_weight)
        if gradient.errors is not None:
            read_errors(gradient.errors, net.layout, len(X))
        reference = reference_gradient(net.forward(X, Y, cost=cost, sample_weight=sample_weight))
        verdict = judge_backend(plan.backend, plan.tape, gradient, reference)
        return _certificate(reference, gradient, verdict, ())
    watched = Watched(candidate, net) if callable(candidate) else None
    try:
        gradient = watched(X, Y) if watched else read_candidate(candidate, net.layout, net.dtype, len(X))
    except CandidateFailed as caught:
        if watched is None or caught.__cause__ is None or len(X) == 1:
            raise
        known = " ".join(_known_alone(watched, net, X, Y, cost))
        raise CandidateFailed(f"{caught} {known}") from caught.__cause__
    if watched is not None:
        watched.check_repeats(X, Y, gradient)
    net, X, Y = _rounded(net, X, Y, gradient)
    reference = reference_gradient(net.forward(X, Y, cost=cost, sample_weight=sample_weight))
    verdict = judge(reference.tape, gradient, Tier.ELSEWHERE, reference=reference)
    if watched is not None and verdict.status is Status.DIFFERENT and gradient.errors is None and len(X) > 1:
        found = single_examples(net, X, Y, cost, watched.singles(X, Y, SINGLES))
        watched.notes.extend(found)
    return _certificate(reference, gradient, verdict, tuple(watched.notes) if watched else ())


def _known_alone(watched: Watched, net: Network, X: Array, Y: Array, cost: Cost) -> list[str]:
    """Return what single examples tell of a function that raises on all together."""
    found = watched.singles(X, Y, SINGLES)
    if not found:
        return watched.notes
    return [*single_examples(*_rounded(net, X, Y, found[0]), cost, found), *watched.notes]


def _rounded(net: Network, X: Array, Y: Array, gradient: Gradient) -> tuple[Network, Array, Array]:
    if gradient.dtype == net.dtype:
        return net, X, Y
    return net.astype(gradient.dtype), X.astype(gradient.dtype), Y.astype(gradient.dtype)


def _certificate(reference: Reference, gradient: Gradient, verdict: Verdict, notes: tuple[str, ...]) -> Certificate:
    tape = reference.tape
    net, m, different = tape.network, tape.m, verdict.status is Status.DIFFERENT
    names = list(dict.fromkeys(activation.name for activation in net.activations))
    place = place_of(verdict, net.layout) if different else None
    cause = diagnose(tape, reference, gradient, place) if place and place[1] != "C" else None
    layer, equation = place or (None, None)
    return Certificate(
        title=f"{net.layout}, {', '.join(names)}, {tape.known_cost.name} cost, {counted(m, 'example')}, "
        f"{format_dtype(net.dtype)}",
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
        cost=verdict.cost,
    )
