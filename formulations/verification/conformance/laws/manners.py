"""Laws about side effects: inputs unchanged, the same bits from each call, dtypes kept, threads independent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Array
from formulations.backends import Backend
from formulations.data import Problem
from formulations.plans import Plan, prepare
from formulations.verification.conformance.law import answer, apart, takes_weights

__all__ = ["dtype_kept", "inputs_unchanged", "same_bits", "threads", "views_belong"]


def inputs_unchanged(backend: Backend, problem: Problem) -> str | None:
    """Check that X, Y, sample weights and parameters do not change; they may be read-only or strided."""
    net, m = problem.network.copy(), len(problem.X)
    weights = np.ones(m, net.dtype) if problem.sample_weight is None else problem.sample_weight.copy()
    kept = {"X": problem.X.copy(), "Y": problem.Y.copy(), "net.vector": net.vector}
    kept |= {"sample_weight": weights} if takes_weights(backend) else {}
    before = {name: array.copy() for name, array in kept.items()}
    given = {"Y": kept["Y"], "sample_weight": kept.get("sample_weight")}
    answer(backend, problem, net, X=kept["X"], **given)
    for name, array in kept.items():
        if not np.array_equal(array, before[name], equal_nan=True):
            return f"{name} must not change, but was changed."
    for array in kept.values():
        array.flags.writeable = False
    strided = np.repeat(problem.X, 2, axis=0)[::2]
    one, two = (answer(backend, problem, net, X=X, **given) for X in (kept["X"], strided))
    # BLAS may use another kernel for strided rows, and round differently.
    bound = one.bound + two.bound
    if complaint := apart(two.gradient.vector, one.gradient.vector, bound, "with strided examples"):
        return complaint
    return None


def same_bits(backend: Backend, problem: Problem) -> str | None:
    """Check that the same call gives the same bits: twice, with another plan, and after other data."""
    first = answer(backend, problem)
    again = answer(backend, problem)
    if not _same(first.gradient.vector, again.gradient.vector):
        return "two plans must give the same bits for the same call, but gave different ones."
    plan = first.plan
    with np.errstate(all="ignore"):
        plan(-problem.X, problem.Y, problem.sample_weight)
        after = plan(problem.X, problem.Y, problem.sample_weight)
    if not (_same(first.gradient.vector, after.vector) and _same(first.gradient.cost, after.cost)):
        return "a plan must give the same bits after other data, but gave different ones."
    return None


def _same(one: Any, other: Any) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def dtype_kept(backend: Backend, problem: Problem) -> str | None:
    """Check that the gradient, δ and C have the dtype of the network, whatever the dtype of X and Y."""
    dtype = problem.network.dtype
    for X, Y in ((problem.X, problem.Y), (problem.X.astype(np.float64), problem.Y.astype(np.float64))):
        found = answer(backend, problem, X=X, Y=Y).gradient
        arrays = {"the gradient": found.vector, "C": found.cost}
        arrays |= {f"errors[{i}]": delta for i, delta in enumerate(found.errors or ())}
        for name, array in arrays.items():
            if np.asarray(array).dtype != dtype:
                return f"{name} must have the network's dtype {dtype}, got {np.asarray(array).dtype}."
    return None


def views_belong(backend: Backend, problem: Problem) -> str | None:
    """Check that the weights and biases of the gradient remain views into its vector."""
    plan = prepare(problem.network, len(problem.X), cost=problem.cost, backend=backend)
    with np.errstate(all="ignore"):
        found = plan(problem.X, problem.Y, problem.sample_weight)
    for i, (pair, w, b) in enumerate(zip(found.layout.slices, found.weights, found.biases, strict=True)):
        entries = w.data if issparse(w) else w
        for name, array, part in ((f"weights[{i}]", entries, pair[0]), (f"biases[{i}]", b, pair[1])):
            if array.size != part.stop - part.start or (array.size and not np.shares_memory(array, found.vector)):
                return f"{name} must remain a view into the gradient's vector, but was replaced."
    return None


def threads(backend: Backend, problem: Problem) -> str | None:
    """Check that plans in several threads at once give the same gradient as alone."""
    alone = answer(backend, problem)
    plans = [prepare(problem.network, len(problem.X), cost=problem.cost, backend=backend) for _ in range(3)]

    def work(plan: Plan) -> Array:
        with np.errstate(all="ignore"):
            plan(problem.X, problem.Y, problem.sample_weight)
            return plan(problem.X, problem.Y, problem.sample_weight).vector.copy()

    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(work, plans):
            # BLAS may use another number of threads here, and round differently.
            if complaint := apart(found, alone.gradient.vector, 2 * alone.bound, "in several threads at once"):
                return complaint
    return None
