"""PyTorch as an engine: its functions, its tensors, and the settings under which it records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from formulations.backends._shared.autodiff import saturating
from formulations.functions import Engine

__all__ = ["recording", "torch_engine", "torch_scatter", "torch_tensor"]


def torch_engine() -> Engine:
    """Return PyTorch's functions."""
    torch = import_module("torch")
    functions = Engine(
        exp=torch.exp,
        expm1=torch.expm1,
        log=torch.log,
        log1p=torch.log1p,
        sin=torch.sin,
        tanh=torch.tanh,
        erfc=torch.special.erfc,
        where=torch.where,
        join=lambda columns: torch.cat(columns, dim=1),
        largest=lambda z: z.detach().amax(dim=1, keepdim=True),
    )
    return saturating(functions, lambda array: array.detach())


def torch_tensor() -> Callable[[Any], Any]:
    """Return the constructor of tensors on the CPU, like NumPy's arrays, whatever the caller's default device.

    It copies, since the engine warns of read-only memory.
    """
    return partial(import_module("torch").tensor, device="cpu")


def torch_scatter(entries: Any, rows: Any, columns: Any, shape: tuple[int, int]) -> Any:
    """Return the dense matrix with these entries."""
    tensor = torch_tensor()
    return entries.new_zeros(shape).index_put((tensor(rows).long(), tensor(columns).long()), entries)


@contextmanager
def recording() -> Iterator[None]:
    """Let PyTorch record in a ``with`` block, even within the caller's no_grad or inference_mode."""
    torch = import_module("torch")
    with torch.inference_mode(False), torch.enable_grad():
        yield
