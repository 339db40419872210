"""JAX as an engine: its functions, and the settings under which it computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from formulations.backends._shared.autodiff import saturating
from formulations.functions import Engine

__all__ = ["double_precision", "jax_engine", "jax_scatter"]


@contextmanager
def double_precision() -> Iterator[None]:
    """Let JAX keep float64 on the CPU inside a ``with`` block, whatever its settings."""
    jax = import_module("jax")
    # Earlier versions have it in jax.experimental.
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else import_module("jax.experimental").enable_x64
    with enable(True), jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


def jax_engine() -> Engine:
    """Return JAX's functions."""
    jax = import_module("jax")
    functions = Engine(
        exp=jax.numpy.exp,
        expm1=jax.numpy.expm1,
        log=jax.numpy.log,
        log1p=jax.numpy.log1p,
        sin=jax.numpy.sin,
        tanh=jax.numpy.tanh,
        erfc=jax.scipy.special.erfc,
        where=jax.numpy.where,
        join=lambda columns: jax.numpy.concatenate(columns, axis=1),
        largest=lambda z: jax.lax.stop_gradient(z.max(axis=1, keepdims=True)),
    )
    return saturating(functions, jax.lax.stop_gradient)


def jax_scatter(entries: Any, rows: Any, columns: Any, shape: tuple[int, int]) -> Any:
    """Return the dense matrix with these entries."""
    return import_module("jax").numpy.zeros(shape, entries.dtype).at[rows, columns].set(entries)
