"""What is judged of an operator, as checks of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from formulations.arrays import Array, Layout
from formulations.verification.tolerances import Check

__all__ = ["Pair", "checks_of"]

Pair: TypeAlias = tuple[Array, Array]
"""A reference and its bound."""

_SYMBOLS = {"hessian": "Hv", "gauss_newton": "Gv"}


def checks_of(operator: str, layout: Layout, found: Array, pairs: Sequence[Pair], excuse: str = "") -> list[Check]:
    """Return the checks of a result, from the output backwards.

    Parameters
    ----------
    operator : str
        What is judged.
    layout : Layout
        That of the network.
    found : ndarray of shape (m, n_L, n₁) or (P,)
        The candidate's Jacobian or product.
    pairs : sequence of (ndarray, ndarray)
        One reference and bound for a Jacobian; for a product, those of w², b², w³, b³, ….
    excuse : str
        Why a difference proves nothing; empty if it does.
    """
    if operator == "jacobian":
        (reference, bound), (_, n, k) = pairs[0], found.shape

        def locate(position: int) -> tuple[str, str]:
            x, rest = divmod(position, n * k)
            j, i = divmod(rest, k)
            return f"jacobian[{x}, {j}, {i}]", f"example {x}, output {j}, input {i}"

        return [Check(layout.last, "∂a/∂x", found, reference, bound, locate, excuse)]
    checks, symbol = [], _SYMBOLS[operator]
    for i in reversed(range(len(layout.slices))):
        for which, kind in enumerate("wb"):
            part, (reference, bound) = layout.slices[i][which], pairs[2 * i + which]
            # A sparse matrix without stored entries has no parameters to judge.
            if part.start < part.stop:
                where = _EntryName(layout, part.start, symbol)
                checks.append(Check(i + 2, f"({symbol}) {kind}", found[part], reference, bound, where, excuse))
    return checks


class _EntryName:
    """Names an entry of a part of a product."""

    def __init__(self, layout: Layout, start: int, symbol: str) -> None:
        self._layout, self._start, self._symbol = layout, start, symbol

    def __call__(self, position: int) -> tuple[str, str]:
        at = self._start + position
        neuron, *inputs = self._layout.indices(at)[2]
        name = f"({self._symbol}) {self._layout.locate(at)}"
        return name, f"neuron {neuron}" + "".join(f", input {k}" for k in inputs)
