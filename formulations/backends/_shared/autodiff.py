"""A network and its cost in the functions of an engine of automatic differentiation.

Activations and costs supply their formulas, and the forward pass (23) is written here once in the functions of an
:class:`Engine`. Engines differ only in how they differentiate it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from formulations.arrays import SINGLE_AND_DOUBLE, Array, Layout, Parameters
from formulations.backends._base import OPERATORS, Backend, Estimate, Tier
from formulations.exceptions import why_absent
from formulations.functions import Activation, Cost, CostFormula, Engine, sigmoid
from formulations.network import Network, Point, Tape, forward

__all__ = [
    "AutodiffBackend",
    "adopted_cost",
    "curved_targets",
    "differentiable_cost",
    "differentiable_layers",
    "estimate_dense",
    "saturating",
    "targets",
    "vector_parts",
]

Function: TypeAlias = Callable[[Any], Any]


class AutodiffBackend(Backend):
    """What an engine of automatic differentiation serves.

    Attributes
    ----------
    package : str
        The engine's package.
    """

    package: str
    tier = Tier.FORWARD
    linear_in_shares = True
    dtypes = SINGLE_AND_DOUBLE
    operators = OPERATORS
    needs_curvature = ("gauss_newton",)

    def why_not_operator(self, operator: str, network: Network, cost: Cost, of: int | None = None) -> str | None:
        """Return the reason if the operator is refused, also if the engine cannot differentiate the cost twice."""
        reason = super().why_not_operator(operator, network, cost, of)
        curved = cost.has_curvature or _has_formula(cost, network.activations[-1])
        if reason is not None or operator != "hessian" or curved:
            return reason
        return (
            f"it needs a formula or ∇²_aC of the cost, and cost {cost.name!r} has neither; pass the curvature: "
            "cost(value, gradient, curvature=...)"
        )

    def _why_not_numbers(self, network: Network) -> str | None:
        """Return the reason if the package is absent, or cannot differentiate an activation."""
        if reason := why_absent(self.package):
            return reason
        for l, activation in enumerate(network.activations, start=2):
            for function in activation.functions:
                if function.formula is None:
                    return f"it needs activations with a formula for {self.package}, and layer {l} has {function.name}"
        return super()._why_not_numbers(network)


def saturating(engine: Engine, constant: Function) -> Engine:
    """Return an engine whose tanh and expm1 keep their derivatives when they saturate.

    The engines' own derivatives, 1 − tanh² and expm1 + 1, then round to 0.

    Parameters
    ----------
    engine : Engine
        The functions of the engine.
    constant : callable (array) -> array
        Returns the same numbers with the derivative 0.
    """

    def derived(value: Function, like: Function) -> Function:
        """Return a function with the value of one and the derivative of the other."""

        def both(z: Any) -> Any:
            carried = like(z)
            return constant(value(z)) + (carried - constant(carried))

        return both

    return replace(
        engine,
        expm1=derived(engine.expm1, engine.exp),
        # tanh(z) = 2σ(2z) − 1
        tanh=derived(engine.tanh, lambda z: 2 * sigmoid(engine, 2 * z)),
    )


def differentiable_layers(
    engine: Engine, layout: Layout, activations: Sequence[Activation], scatter: Callable[..., Any]
) -> Callable[..., tuple[Any, Any]]:
    """Return (parameters, a^wrt, wrt, of) ↦ (z^of, a^of) in the functions of an engine.

    Parameters
    ----------
    engine : Engine
        The functions of the engine.
    layout : Layout
        The shapes of the weights.
    activations : sequence of Activation
        One for each layer from the second on, each with a formula.
    scatter : callable (entries, rows, columns, shape) -> matrix
        Converts a sparse matrix to a dense one.

    Returns
    -------
    callable
        Its parameters are w², b², w³, b³, …, each of them flat; ``wrt`` and ``of`` are layers, 1 the input.
    """
    layers = list(zip(layout.shapes, layout.patterns, activations, strict=True))

    def between(parameters: Sequence[Any], a: Any, wrt: int, of: int) -> tuple[Any, Any]:
        z = a
        for i in range(wrt - 1, of - 1):
            w, b, (shape, pattern, activation) = parameters[2 * i], parameters[2 * i + 1], layers[i]
            matrix = w.reshape(shape) if pattern is None else scatter(w, pattern.rows, pattern.indices, shape)
            z = a @ matrix.T + b
            a = z if activation.formula is None else activation.formula(engine, z)
        return z, a

    return between


def differentiable_cost(
    engine: Engine,
    layout: Layout,
    activations: Sequence[Activation],
    cost: Cost,
    scatter: Callable[..., Any],
    *,
    twice: bool = False,
) -> Callable[..., tuple[Any, Any]]:
    """Return (parameters, X, targets, shares) ↦ (C, outputs) in the functions of an engine.

    Parameters
    ----------
    engine, layout, activations, scatter
        As for :func:`differentiable_layers`, and so are the parameters.
    cost : Cost
        A cost without a formula is replaced by Σ ∇_aC · a, which has the same gradient.
    twice : bool
        Whether a cost without a formula is replaced by its Taylor polynomial of degree two instead, which has the same
        curvature too; its targets are :func:`curved_targets`.
    """
    combined = _combined_formula(cost, activations[-1])
    formula = cost.formula or (_taylor if twice else _overlap)
    between = differentiable_layers(engine, layout, activations, scatter)

    def value(parameters: Sequence[Any], X: Any, Y: Any, shares: Any) -> tuple[Any, Any]:
        z, a = between(parameters, X, 1, layout.last)
        values = formula(engine, a, Y) if combined is None else combined(engine, z, Y)
        return (values * shares[:, 0]).sum(), a

    return value


def estimate_dense(network: Network, m: int, estimate: Estimate) -> Estimate:
    """Return a recurrence's estimate with the products and entries that making sparse weights dense adds."""
    layers = zip(network.layout.shapes, network.layout.slices, strict=True)
    added = [rows * columns - (weights.stop - weights.start) for (rows, columns), (weights, _) in layers]
    return replace(
        estimate,
        # Every layer is multiplied forward and in (BP4), and all but the first in wᵀδ.
        multiplications=estimate.multiplications + m * (3 * sum(added) - added[0]),
        bytes=estimate.bytes + 2 * sum(added) * network.dtype.itemsize,
    )


def targets(network: Network, tape: Tape, cost: Cost) -> Array:
    """Return the second argument of the formula: y, or ∇_aC_x at the outputs of a forward pass."""
    if not _needs_own_gradient(tape, cost):
        return tape.targets
    forward(network, tape, slopes=False)
    gradient = np.empty_like(tape.output)
    cost.evaluate(tape.output, tape.targets, gradient)
    return gradient


def curved_targets(point: Point) -> Array | tuple[Array, Array, Array]:
    """Return the second argument of the formula: y, or for a Taylor polynomial the outputs, ∇_aC_x and ∇²_aC_x."""
    tape, cost = point.tape, point.tape.known_cost
    if not _needs_own_gradient(tape, cost):
        return tape.targets
    gradient = np.empty_like(tape.output)
    cost.evaluate(tape.output, tape.targets, gradient)
    units = np.eye(gradient.shape[1], dtype=gradient.dtype)
    columns = [cost.curvature_product(tape.output, tape.targets, np.broadcast_to(v, gradient.shape)) for v in units]
    return tape.output, gradient, np.stack(columns, axis=2)


def adopted_cost(tape: Tape, cost: Cost, value: Any, outputs: Array) -> Any:
    """Return the engine's C; the cost may raise an exception for outputs outside its domain."""
    if _needs_own_gradient(tape, cost):
        return tape.cost_value
    tape.forward_passes += 1
    if tape.combined is None:
        cost.evaluate(outputs, tape.targets)
    return tape.network.dtype.type(value)


def vector_parts(parameters: Parameters) -> list[Array]:
    """Return the pieces of the vector, w², b², w³, b³, …, as flat views."""
    return [parameters.vector[part] for pair in parameters.layout.slices for part in pair]


def _needs_own_gradient(tape: Tape, cost: Cost) -> bool:
    return not _has_formula(cost, tape.network.activations[-1])


def _has_formula(cost: Cost, activation: Activation) -> bool:
    return cost.formula is not None or _combined_formula(cost, activation) is not None


def _combined_formula(cost: Cost, activation: Activation) -> CostFormula | None:
    combined = cost.combined(activation)
    return None if combined is None else combined.formula


def _overlap(engine: Engine, A: Any, Y: Any) -> Any:  # noqa: ARG001 - it needs no function of the engine
    return (A * Y).sum(1)


def _taylor(engine: Engine, A: Any, at: tuple[Any, Any, Any]) -> Any:  # noqa: ARG001 - as above
    """Return ∇_aC·(a − a₀) + ½(a − a₀)ᵀ∇²_aC(a − a₀)."""
    outputs, gradient, curvature = at
    step = A - outputs
    return (step * (gradient + (curvature @ step[:, :, None])[:, :, 0] / 2)).sum(1)
