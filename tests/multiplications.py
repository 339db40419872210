"""Counting: arrays that count the multiplications of the products that they take part in."""

from __future__ import annotations

import numpy as np

import formulations as fm
from formulations.backends._base import contract


class Counting(np.ndarray):
    """An array whose matrix and element-wise products add up in ``Counting.total``."""

    total = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = [np.asarray(array) for array in inputs]
        buffer = None if out is None else tuple(np.asarray(array) for array in out)
        result = getattr(ufunc, method)(*plain, out=buffer, **options)
        if method == "__call__" and ufunc is np.matmul:
            Counting.total += result.size * plain[0].shape[-1]
        elif method == "__call__" and ufunc is np.multiply:
            Counting.total += result.size
        return out[0] if out is not None else result.view(Counting)

    def __array_function__(self, function, types, args, options):
        if function is not np.dot:
            return super().__array_function__(function, types, args, options)
        left, right, *buffer = map(np.asarray, args)
        result = np.dot(left, right, *buffer)
        # A vector of ones is how a sum over the examples is written.
        if left.ndim == 2:
            Counting.total += result.size * left.shape[-1]
        return args[2] if buffer else result.view(Counting)


def counting(arrays):
    """Return views that count; a coupled slope counts by the blocks that are made of it."""
    return [array.view(Counting) if isinstance(array, np.ndarray) else array for array in arrays]


def counted(monkeypatch, net: fm.Network, X, Y, backend: str) -> int:
    """Return how many scalar multiplications a backend makes of a tape that a forward pass has filled.

    Those inside activations and cost are left out.
    """
    plan = fm.prepare(net, len(X), backend=backend)
    plan(X, Y)
    tape = plan.tape
    tape.activations[0], tape.Y, tape.shares = counting([X, Y, tape.share_column])
    tape.slopes[:], tape.errors[:] = counting(tape.slopes), counting(tape.errors)
    monkeypatch.setattr(net, "_weights", type(net.weights)(counting(net.weights)))
    monkeypatch.setattr(contract, "forward", lambda *_, **__: None)
    monkeypatch.setattr(fm.Tape, "evaluate_cost", lambda *_, **__: None)
    Counting.total = 0
    plan.backend.gradient(net, tape, fm.Gradient(net.layout, np.empty_like(net.vector).view(Counting)))
    return Counting.total
