"""JAX: value and gradient compiled into one program."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from formulations.comparison.race.contestant import Ready
from formulations.comparison.race.peers.problem import checked, parameters_of, quadratic, verdict_on
from formulations.data import Problem
from formulations.exceptions import needs

__all__ = ["enter"]


def enter(problem: Problem) -> Ready:
    """Prepare the compiled program; the first call compiles."""
    jax = needs("peers", "jax", "this row")
    problem = checked(problem)
    double = problem.network.dtype.itemsize == 8

    def precision() -> AbstractContextManager[Any]:
        # Entering the context takes time, which single precision need not spend.
        return jax.enable_x64(True) if double else nullcontext()

    def value(parameters: Any, X: Any, Y: Any) -> Any:
        return quadratic(jax.nn.sigmoid, parameters, X, Y)

    with precision():
        cpu = jax.local_devices(backend="cpu")[0]
        parameters = [jax.device_put(part, cpu) for part in parameters_of(problem)]
        X, Y = jax.device_put(problem.X, cpu), jax.device_put(problem.Y, cpu)
        program = jax.jit(jax.value_and_grad(value)).lower(parameters, X, Y).compile()

    def call() -> Any:
        return jax.block_until_ready(program(parameters, X, Y))

    return Ready(call, lambda result: verdict_on(problem, float(result[0]), result[1]))
