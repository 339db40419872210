r"""Jacobians from the imaginary part of the outputs, and the Hessian from that of the gradient.

.. math::

    J v = \frac{\operatorname{Im} a(\theta + i h v)}{h} + O(h^2), \qquad
    H v = \frac{\operatorname{Im} \nabla C(\theta + i h v)}{h} + O(h^2)

With h near 10⁻²⁰ the square is far below rounding, so there is no truncation error and no step to choose. Jv is one
forward pass in complex numbers, in which a power of two keeps each example's imaginary parts in range, layer by layer.
Hv is one forward and one backward pass in complex numbers: (BP1)–(BP4) with transposes, never conjugates, since the
derivative is that of an analytic function. They need σ′(z) and ∇_aC at complex arguments. Those come from the formulas
of the functions, computed with dual numbers over the complex ones, so that neither the library's σ′ nor its σ″ or ∇²_aC
is used, and all of them are checked. If cost and output are combined, δ^L is computed likewise from C as a function of
z^L. The transposed product takes a step along every unit vector, and the Gauss–Newton product takes ∇²C from the cost.

As for the gradient, it misleads for functions that are not analytic. User-defined activations and costs have no formula
for σ′ and ∇C at complex arguments, so they have Jacobians but no Hessian here.

Source: W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40
(1998); J. Lyness and C. Moler, "Numerical differentiation of analytic functions", SIAM Journal on Numerical Analysis 4
(1967).

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.hessian(net, [[1.0]], [[17.0]], backend="complex_step").to_dense()[0, 0]  # (2·2·3)² + (2·9 − 17)·2·2
np.float64(148.0)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np

from formulations.arrays import Array, Parameters
from formulations.backends._base import PARAMETERS, Where
from formulations.backends._shared import (
    DUAL,
    Dual,
    ForwardLinearization,
    check_settled,
    complex_parameters,
    rescale,
    settled,
    weighted_inputs,
)
from formulations.functions import Activation, CostFormula, Formula, imaginary_step
from formulations.network import outer_sums

__all__ = ["ComplexStepLinearization"]


class ComplexStepLinearization(ForwardLinearization):
    """Imaginary steps along a direction."""

    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jv of every direction from the imaginary part of a forward pass, shape (k, m, n_of)."""
        point, network = self.point, self.point.network
        if wrt != PARAMETERS:
            # The examples of all directions form one batch.
            below = np.tile(point.tape.activations[wrt - 1], (len(directions), 1))
            moved = self._passed(below + self._imaginary(directions.reshape(below.shape)), of, wrt, at, None)
            return moved.astype(network.dtype).reshape(*directions.shape[:2], -1)
        derivatives = np.empty((len(directions), point.m, network.sizes[of - 1]), network.dtype)
        for v, out in zip(directions, derivatives, strict=True):
            inputs = point.tape.X + self._imaginary(np.zeros_like(point.tape.X))
            out[...] = self._passed(inputs, of, 1, at, Parameters(network.layout, v))
        return derivatives

    def hessian_product(self, v: Array) -> Array:
        """Return Hv from the imaginary part of a gradient in complex numbers."""
        network, tape = self.point.network, self.point.tape
        layout, theta = network.layout, complex_parameters(network)
        # A power of two: h is near 10⁻²⁰ where the direction and the inputs are near 1.
        sizes = (imaginary_step(theta.vector.real.dtype), np.abs(v).max(), max(1, np.abs(tape.X).max()))
        step, direction, inputs = (int(np.frexp(size)[1]) for size in sizes)
        exponent = step - direction - inputs
        theta.vector[...] = network.vector
        theta.vector.imag[...] = np.ldexp(v.astype(theta.vector.real.dtype), exponent)
        activations, slopes = [tape.X], []
        for l, activation in enumerate(network.activations, start=2):
            z = weighted_inputs(theta, l, activations[-1])
            a, slope = _with_slope(activation, z, needed=l < layout.last or tape.combined is None)
            activations.append(a)
            slopes.append(slope)
        delta = self._output_error(z, activations[-1], slopes[-1])
        gradient = Parameters(layout, np.empty_like(theta.vector))
        for l in range(layout.last, 1, -1):
            i, pattern = l - 2, layout.patterns[l - 2]
            gradient.biases[i][...] = delta.sum(axis=0)
            weights, _ = layout.slices[i]
            gradient.vector[weights] = outer_sums(delta, activations[i].astype(theta.dtype), pattern).ravel()
            if l > 2:
                delta = _transposed_times(slopes[i - 1], delta @ theta.weights[i])
        product: Array = np.ldexp(gradient.vector.imag, -exponent).astype(network.dtype)
        return product

    def _passed(self, a: Array, of: int, start: int, at: Literal["a", "z"], direction: Parameters | None) -> Array:
        """Return the derivatives of a^of, or z^of, from the imaginary parts of a^start and of the parameters."""
        network, exponents = self.point.network, rescale(a)
        for l in range(start + 1, of + 1):
            activation = network.activations[l - 2]
            z = weighted_inputs(network, l, a)
            if direction is not None:
                # The product of two imaginary parts is below rounding.
                z.imag += np.ldexp(weighted_inputs(direction, l, a.real), exponents[:, None])
            exponents += rescale(z)
            if l == of and at == "z":
                a = z
                break
            a = settled(activation.complex_value, z, activation.name)
        moved: Array = np.ldexp(a.imag, -exponents[:, None])
        return moved

    def _imaginary(self, v: Array) -> Array:
        return 1j * v.astype(np.result_type(v.dtype, np.float64))

    def _output_error(self, z: Array, a: Array, slope: Any) -> Array:
        """Return δ^L at complex z^L, shape (m, n_L)."""
        tape = self.point.tape
        if tape.combined is not None:
            formula = cast(CostFormula, tape.combined.formula)
            return _gradient(lambda Z: formula(DUAL, Z, tape.targets), z, tape.known_cost.name) * tape.share_column
        of_outputs = cast(CostFormula, tape.known_cost.formula)
        gradient = _gradient(lambda A: of_outputs(DUAL, A, tape.targets), a, tape.known_cost.name)
        return _transposed_times(slope, gradient * tape.share_column)


def _with_slope(activation: Activation, z: Array, *, needed: bool) -> tuple[Array, Any]:
    """Return σ(z) and Σ′(z), shape (m, n), or (m, n, n) if the activation is coupled; None if it is not needed."""
    a = settled(activation.complex_value, z, activation.name)
    if not needed:
        return a, None
    formula = cast(Formula, activation.formula)
    if not activation.coupled:
        return a, formula(DUAL, Dual(z, np.ones_like(z))).slope
    return a, np.stack([formula(DUAL, Dual(z, unit)).slope for unit in _units(z)], axis=2)


def _gradient(value: Callable[[Dual], Dual], at: Array, name: str) -> Array:
    """Return the gradient of each example's cost at complex outputs, shape (m, n_L)."""
    columns = [value(Dual(at, unit)) for unit in _units(at)]
    check_settled(columns[0].value, value(Dual(at.real + 0j, np.zeros_like(at))).value, name)
    return np.stack([column.slope for column in columns], axis=1)


def _units(z: Array) -> list[Array]:
    """Return the unit vectors of the neurons, each for all examples, shape (m, n)."""
    return [np.broadcast_to(unit, z.shape) for unit in np.eye(z.shape[1], dtype=z.dtype)]


def _transposed_times(slope: Array, v: Array) -> Array:
    """Return Σ′ᵀv for each example; never the conjugate."""
    product: Array = slope * v if slope.ndim == 2 else np.einsum("mjk,mj->mk", slope, v)
    return product
