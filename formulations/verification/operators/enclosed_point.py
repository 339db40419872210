"""The point at which operators are taken, with enclosures of everything that their products read.

There are two: a candidate's own tape, which candidate and reference read alike, and the examples themselves, from which
a candidate computed its own z, a, σ′ and σ″, known to within the bounds of T4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import Array, Parameters, Precision
from formulations.functions import Activation, CombinedOutput
from formulations.network import Network, Point, Tape
from formulations.verification.operators.curvatures import cost_curvature, curvature_bound
from formulations.verification.operators.enclosures import Enclosure, Weights
from formulations.verification.oracles import Matrices, Reference, Slope, read_slope, shares_of
from formulations.verification.tolerances import Formulas, output_error, propagate_bounds

__all__ = ["EnclosedPoint", "enclosed_from_examples", "enclosed_on_tape"]


@dataclass(frozen=True, eq=False)
class EnclosedPoint:
    """What the products read, in the reference's precision.

    Attributes
    ----------
    network : Network
        The network.
    precision : Precision
        That of the candidate and of the reference.
    weighted_inputs : list of ndarray
        z^l at ``[l-2]``.
    activations : list of Enclosure
        a^l at ``[l-1]``.
    slopes : list of (Slope, E_d or None)
        Σ′(z^l) at ``[l-2]``.
    curvatures : list of Enclosure or None
        σ″(z^l) at ``[l-2]``; None if the activation is coupled.
    combined : CombinedOutput or None
        The combined form of cost and output activation.
    shares, targets : ndarray
        The share of each example, shape (m, 1), and the targets; None without targets.
    output : Enclosure or None
        ∇_aC, or δ^L if cost and output are combined; None without targets.
    cost : (Slope, E) or None
        ∇²_aC_x of each example; None if cost and output are combined, or if it is unknown.
    """

    network: Network
    precision: Precision
    weighted_inputs: list[Array]
    activations: list[Enclosure]
    slopes: list[tuple[Slope, Matrices | None]]
    curvatures: list[Enclosure | None]
    combined: CombinedOutput | None = None
    shares: Array | None = None
    targets: Array | None = None
    output: Enclosure | None = None
    cost: tuple[Slope, Matrices] | None = None

    @property
    def last(self) -> int:
        """L."""
        return self.network.layout.last

    def weights(self, l: int) -> Weights:
        """Return w^l."""
        return Weights.of(self.network.weights[l - 2], self.precision)

    def direction(self, v: Array) -> Parameters:
        """Return a direction of the parameters, shape (P,), layer by layer."""
        return Parameters(self.network.layout, np.ascontiguousarray(v))


def _enclosed(value: Array, error: Array | None, precision: Precision) -> Enclosure:
    size = np.abs(value).astype(precision.working)
    return Enclosure(value.astype(precision.wide), size, np.zeros_like(size) if error is None else error)


def _has_array(activation: Activation) -> bool:
    """Whether the curvature is an array, one number for each neuron."""
    return activation.has_curvature and not activation.coupled


def enclosed_on_tape(point: Point) -> EnclosedPoint:
    """Return the enclosed point of a candidate that reads this one: its z, a, σ′, σ″ and ∇_aC are taken as exact."""
    tape, network = point.tape, point.network
    precision = Precision.of(network.dtype)
    curvatures = [
        _enclosed(activation.curvature(z), None, precision) if _has_array(activation) else None
        for activation, z in zip(network.activations, tape.weighted_inputs, strict=True)
    ]
    slopes: list[tuple[Slope, Matrices | None]] = [(read_slope(slope, precision), None) for slope in tape.slopes]
    z = [each.astype(precision.wide) for each in tape.weighted_inputs]
    activations = [_enclosed(a, None, precision) for a in tape.activations]
    if tape.Y is None:
        return EnclosedPoint(network, precision, z, activations, slopes, curvatures)
    if tape.combined is None:
        output, cost = _enclosed(tape.cost_gradient, None, precision), None
        if tape.known_cost.has_curvature:
            wide = tape.output.astype(precision.wide), tape.targets.astype(precision.wide)
            nothing = np.zeros(tape.output.shape, precision.working)
            cost = cost_curvature(tape.known_cost, *wide, nothing, precision)
    else:
        found, cost = output_error(tape, precision), None
        output = Enclosure(found.reference, found.size, precision.gamma(found.k) * found.size + found.floor)
    return EnclosedPoint(
        network, precision, z, activations, slopes, curvatures, tape.combined, shares_of(tape, precision.wide),
        tape.targets.astype(precision.wide), output, cost,
    )  # fmt: skip


def enclosed_from_examples(reference: Reference, formulas: Formulas = Formulas.CAREFUL) -> EnclosedPoint:
    """Return the enclosed point of a candidate with a forward pass of its own.

    Parameters
    ----------
    reference : Reference
        The gradient at the same parameters and examples, whose forward pass is used.
    formulas : Formulas
        The formulas that the candidate may use for its activations.
    """
    tape: Tape = reference.tape
    network, bounds = tape.network, propagate_bounds(reference, formulas=formulas)
    precision, z = bounds.precision, reference.weighted_inputs
    activations = [_enclosed(a, e, precision) for a, e in zip(reference.activations, bounds.activations, strict=True)]
    slopes: list[tuple[Slope, Matrices | None]] = list(zip(reference.slopes, bounds.slopes, strict=True))
    curvatures: list[Any] = []
    for activation, at, e in zip(network.activations, z, bounds.weighted_inputs, strict=True):
        known = _has_array(activation)
        bound = curvature_bound(activation, at, e, precision, formulas) if known else None
        curvatures.append(_enclosed(activation.curvature(at), bound, precision) if known else None)
    if tape.Y is None:
        return EnclosedPoint(network, precision, z, activations, slopes, curvatures)
    targets, cost = tape.targets.astype(precision.wide), None
    if tape.combined is None:
        output = _enclosed(reference.cost_gradient, bounds.cost_gradient, precision)
        if tape.known_cost.has_curvature:
            outputs = reference.activations[-1]
            cost = cost_curvature(tape.known_cost, outputs, targets, bounds.activations[-1], precision)
    else:
        output = _enclosed((reference.errors or ())[-1], bounds.own_last_error, precision)
    return EnclosedPoint(
        network, precision, z, activations, slopes, curvatures, tape.combined, shares_of(tape, precision.wide), targets,
        output, cost,
    )  # fmt: skip
