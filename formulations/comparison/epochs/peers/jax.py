"""JAX: one compiled program a step, or one for the whole epoch, by ``lax.scan``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.comparison.epochs.course import Course
from formulations.comparison.epochs.peers.costs import cost_of
from formulations.comparison.race import flattened, parameters_of, weighted_output
from formulations.exceptions import needs

__all__ = ["Loop", "Scan"]


class Loop:
    """A compiled step, called for each mini-batch."""

    def __init__(self, course: Course) -> None:
        self._jax = jax = needs("peers", "jax", "this row")
        self._double = course.problem.network.dtype.itemsize == 8
        value = cost_of(course.problem, jax.nn.sigmoid, lambda z: jax.nn.log_softmax(z, axis=1))
        self._size = course.batch_size

        def step(parameters: Any, X: Any, Y: Any) -> tuple[Any, Any]:
            cost, gradients = jax.value_and_grad(value)(parameters, X, Y)
            return [part - course.rate * of for part, of in zip(parameters, gradients, strict=True)], cost

        self._step = step
        with self._precision():
            cpu = jax.local_devices(backend="cpu")[0]
            self._first = [jax.device_put(part, cpu) for part in parameters_of(course.problem)]
            self._X, self._Y = jax.device_put(course.problem.X, cpu), jax.device_put(course.problem.Y, cpu)
            self._outputs = jax.jit(lambda parameters, X: weighted_output(jax.nn.sigmoid, parameters, X))
            self._program = self._compiled()
        self.reset()

    def _precision(self) -> AbstractContextManager[Any]:
        # Entering the context takes time, which single precision need not spend.
        return self._jax.enable_x64(True) if self._double else nullcontext()

    def _compiled(self) -> Any:
        def gathered(parameters: Any, X: Any, Y: Any, rows: Any) -> Any:
            return self._step(parameters, X[rows], Y[rows])

        return self._jax.jit(gathered)

    def reset(self) -> None:
        """Take the parameters of the start."""
        self._parameters = self._first

    def epoch(self, order: Array) -> None:
        """Take the steps one by one."""
        with self._precision():
            parameters, costs = self._parameters, []
            for rows in np.split(order.astype(np.int32), len(order) // self._size):
                parameters, cost = self._program(parameters, self._X, self._Y, rows)
                costs.append(cost)
            self._parameters, _ = self._jax.block_until_ready((parameters, costs))

    def vector(self) -> Array:
        """Return the parameters."""
        return flattened(self._parameters)

    def outputs(self, X: Array) -> Array:
        """Return z^L."""
        with self._precision():
            return np.asarray(self._outputs(self._parameters, X))


class Scan(Loop):
    """The whole epoch in one program, which gathers the examples first."""

    def _compiled(self) -> Any:
        def epoch(parameters: Any, X: Any, Y: Any, order: Any) -> Any:
            batches = [part[order].reshape(-1, self._size, part.shape[1]) for part in (X, Y)]
            return self._jax.lax.scan(lambda found, batch: self._step(found, *batch), parameters, batches)

        return self._jax.jit(epoch)

    def epoch(self, order: Array) -> None:
        """Run the program once."""
        with self._precision():
            found = self._program(self._parameters, self._X, self._Y, order.astype(np.int32))
            self._parameters, _ = self._jax.block_until_ready(found)
