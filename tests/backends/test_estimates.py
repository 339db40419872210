"""Predictions held against what is counted: multiplications, forward passes, and the order of magnitude of memory.

The multiplications are counted while they happen, by arrays that know of every product they take part in. Those inside
activations and costs, and by an example's share 1/m, are left out on both sides.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import wraps
from typing import Any

import makers
import numpy as np
import pytest
import scipy.sparse.linalg
from multiplications import Counting
from scipy.sparse import bsr_array, csc_array, csr_array, dia_array

import formulations as fm
from formulations.arrays.parameters import Parameters
from formulations.backends import complex_step
from formulations.functions.activations.base import Activation
from formulations.functions.activations.coupled import CoupledSlope
from formulations.functions.activations.custom_coupled import CustomCoupledActivation
from formulations.functions.activations.table import ACTIVATIONS
from formulations.functions.costs.table import COSTS, get_cost
from formulations.network.tape import Tape
from formulations.plans.admission import seconds_for

# An engine multiplies in arrays of its own, and compiled code in those that it receives.
BACKENDS = [flag for flag in makers.FLAGS if not flag.startswith(("autodiff_", "fused"))]
WHOLE = [flag for flag in BACKENDS if "batch=" not in flag]
SHAPES = [(4, 3), (4, 5, 3), (3, 4, 1, 5, 2)]
COUPLED = fm.Network.random([2, 3, 2], ["softmax", "tanh"], seed=0)


class Counted(Counting):
    """Counts also products of complex numbers, which take four multiplications each, and those of ``einsum``."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        before = Counting.total
        result = super().__array_ufunc__(ufunc, method, *inputs, out=out, **options)
        if result.dtype.kind == "c":
            Counting.total += 3 * (Counting.total - before)
        return result.view(Counted) if isinstance(result, Counting) else result

    def __array_function__(self, function, types, arguments, options):
        if function is np.einsum:
            formula, *arrays = arguments
            extents: dict[str, int] = {}
            for letters, array in zip(formula.split("->")[0].split(","), arrays, strict=True):
                extents.update(zip(letters, array.shape, strict=True))
            Counting.total += int(np.prod(list(extents.values())))
        return super().__array_function__(function, types, arguments, options)


class Share(Counted):
    """1/m for each example: what is multiplied by it is not counted."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        with uncounted():
            return super().__array_ufunc__(ufunc, method, *inputs, **options)

    def __iter__(self):
        return (self[x : x + 1].reshape(()) for x in range(len(self)))


class uncounted:
    """Leave out what is multiplied inside a ``with`` block."""

    def __enter__(self) -> None:
        self.before = Counting.total

    def __exit__(self, *_: object) -> None:
        Counting.total = self.before


def left_out(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        with uncounted():
            return function(*arguments, **options)

    return call


def views(arrays):
    return [array.view(Counted) if isinstance(array, np.ndarray) else array for array in arrays]


def leave_out_activations_and_costs(monkeypatch):
    classes = {type(activation) for activation in (*ACTIVATIONS.values(), fm.PerNeuron(["tanh"]))}
    for kind in {base for each in classes for base in each.__mro__ if issubclass(base, Activation)}:
        for name in ("evaluate", "value", "complex_value", "jacobian_product", "transposed_product"):
            if name in vars(kind):
                monkeypatch.setattr(kind, name, left_out(vars(kind)[name]))
    for kind in {base for cost in COSTS.values() for base in type(cost).__mro__ if "evaluate" in vars(base)}:
        monkeypatch.setattr(kind, "evaluate", left_out(kind.evaluate))
        monkeypatch.setattr(kind, "complex_values", left_out(kind.complex_values))
        monkeypatch.setattr(kind, "average", left_out(kind.average))
    # To write a Jacobian matrix out is the activation's work; to multiply by it is the backend's.
    for kind, names in {
        Tape: ("combined_output_error",),
        CustomCoupledActivation: ("evaluate", "complex_value"),
        CoupledSlope: ("blocks",),
    }.items():
        for name in names:
            monkeypatch.setattr(kind, name, left_out(vars(kind)[name]))


def leave_out_scaling(monkeypatch):
    """The scaling of complex steps is no product of the formulation."""

    def on_plain_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
        return left_out(lambda *given: function(*[np.asarray(x) if isinstance(x, np.ndarray) else x for x in given]))

    for name in ("rescale", "settled"):
        monkeypatch.setattr(complex_step, name, on_plain_arrays(getattr(complex_step, name)))


def counting_stored_numbers(product: Callable[..., Any]) -> Callable[..., Any]:
    def call(matrix: Any, other: Any) -> Any:
        # From whichever side, each stored number meets every vector of the other factor once.
        vectors = 1 if other.ndim == 1 else other.shape[0 if product.__name__ == "__rmatmul__" else 1]
        Counting.total += matrix.nnz * vectors * (4 if matrix.dtype.kind == "c" else 1)
        return product(matrix, np.asarray(other))

    return call


def count_sparse_products(monkeypatch):
    """Count SciPy's products, which no array sees: one multiplication for each stored number and each column."""
    for kind in (dia_array, bsr_array, csr_array, csc_array):
        for name in ("__matmul__", "__rmatmul__"):
            monkeypatch.setattr(kind, name, counting_stored_numbers(getattr(kind, name)))
    solve = scipy.sparse.linalg.spsolve_triangular

    def counted_solve(matrix, right, **options):
        Counting.total += matrix.nnz - matrix.shape[0]
        return solve(matrix, right, **options)

    monkeypatch.setattr(scipy.sparse.linalg, "spsolve_triangular", counted_solve)


def counted(monkeypatch, flag: str, net: fm.Network, X, Y, cost="quadratic") -> tuple[int, int]:
    """Return the multiplications and forward passes of one gradient."""
    plan = fm.prepare(net, len(X), cost=cost, backend=flag)
    plan(X, Y)
    leave_out_activations_and_costs(monkeypatch)
    leave_out_scaling(monkeypatch)
    count_sparse_products(monkeypatch)
    tapes, parameters = [plan.tape], [net]
    workspace = plan.tape.workspace
    if plan.backend.inner is not plan.backend:
        single, _ = workspace
        tapes, workspace = [single, plan.tape], single.workspace
    if isinstance(workspace, Parameters):
        parameters.append(workspace)
    for tape in tapes:
        for arrays in (tape.activations, tape.slopes, tape.errors):
            arrays[:] = views(arrays)
        tape.cost_gradient = tape.cost_gradient.view(Counted)
    for each in parameters:
        monkeypatch.setattr(each, "_weights", tuple(views(each.weights)))
    for name in ("share_column", "mean_shares"):
        shares = getattr(Tape, name).fget
        monkeypatch.setattr(Tape, name, property(lambda tape, shares=shares: shares(tape).view(Share)))
    Counting.total, plan.tape.forward_passes = 0, 0
    plan.backend.gradient(net, plan.tape, fm.Gradient(net.layout, np.empty_like(net.vector)))
    return Counting.total, plan.tape.forward_passes


def mixing_matrix(n: int) -> np.ndarray:
    return (np.eye(n) + np.arange(n * n).reshape(n, n) / n**2).view(Counted)


MIXING = fm.coupled_activation(
    lambda Z: Z @ mixing_matrix(Z.shape[1]).T,
    lambda _, V: V @ mixing_matrix(V.shape[1]).T,
    lambda _, V: V @ mixing_matrix(V.shape[1]),
    name="mixing",
)
"""Its products take the n² multiplications of a full matrix."""


def example(flag: str, sizes, *, m=6):
    net = fm.Network.random(list(sizes), "sine", seed=3)
    if refused(flag, net):
        net = fm.Network.random(list(sizes), "identity", seed=3)
    return (net, *makers.data(net, m))


def refused(flag: str, net: fm.Network) -> bool:
    return fm.get_backend(flag).why_not(net, get_cost("quadratic")) is not None


def predicted(flag: str, net: fm.Network, m: int) -> tuple[int, int]:
    """Return the predicted multiplications, less those by an example's share, and forward passes."""
    backend = fm.get_backend(flag)
    found = backend.estimate(net, m)
    if backend.inner is not backend:
        # The wrapper scales every example's gradient by its share, and predicts that.
        single, _ = predicted(backend.inner.label, net, 1)
        return m * single, found.forward_passes
    # The moments are means, and the shares of the examples a part of their formula.
    shares = m * (net.sizes[0] + 1) if backend.name == "linear_collapse" else 0
    return found.multiplications - shares, found.forward_passes


@pytest.mark.parametrize("sizes", SHAPES, ids=lambda sizes: "-".join(map(str, sizes)))
@pytest.mark.parametrize("flag", BACKENDS)
def test_multiplications_and_forward_passes(monkeypatch, flag, sizes):
    net, X, Y = example(flag, sizes)
    assert counted(monkeypatch, flag, net, X, Y) == predicted(flag, net, len(X))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("flag", [flag for flag in BACKENDS if makers.serves(flag, COUPLED)])
def test_coupled_layers(monkeypatch, flag, place):
    sizes, activations = [3, 4, 2, 3], ["sine", "sine", "sine"]
    activations[place] = MIXING
    net = fm.Network.random(sizes, activations, seed=3)
    X, Y = makers.data(net, 6)
    assert counted(monkeypatch, flag, net, X, Y) == predicted(flag, net, len(X))


@pytest.mark.parametrize("flag", BACKENDS)
def test_sparse_weights(monkeypatch, flag):
    net = makers.sparse_network(activations=("sine", "sine"))
    if refused(flag, net):
        pytest.skip("it refuses sparse weights")
    X, Y = makers.data(net, 6)
    assert counted(monkeypatch, flag, net, X, Y) == predicted(flag, net, len(X))


@pytest.mark.parametrize("flag", BACKENDS)
def test_forward_passes_of_a_fused_output(flag):
    net, X, Y = example(flag, (4, 5, 3))
    if net.activation_names == "identity":
        pytest.skip("it serves linear networks alone")
    net = fm.Network(list(net.weights), list(net.biases), ["sine", "sigmoid"])
    found = fm.gradient(net, X, Y, cost="binary_cross_entropy", backend=flag)
    assert found.forward_passes == fm.get_backend(flag).estimate(net, len(X)).forward_passes


@pytest.mark.parametrize("flag", [*WHOLE, "hadamard:batch=example"])
def test_the_order_of_magnitude_of_memory(flag):
    net, X, Y = example(flag, (30, 40, 20), m=64)
    if seconds_for(fm.get_backend(flag).estimate(net, 64)) > 0.1:
        # Few parameters and many examples, so that arrays outweigh the objects around them.
        net, X, Y = example(flag, (3, 4, 2), m=1000)
    fm.prepare(net, len(X), backend=flag)(X, Y)
    tracemalloc.start()
    try:
        gradient = fm.prepare(net, len(X), backend=flag)(X, Y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found = fm.get_backend(flag).estimate(net, len(X)).bytes / (peak - gradient.vector.nbytes)
    # The order of magnitude is right if the ratio is nearer to 1 than to 10 or 1/10.
    assert 10**-0.5 < found < 10**0.5
