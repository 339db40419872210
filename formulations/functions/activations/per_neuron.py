"""A layer with one function per neuron."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import numpy.typing as npt

from formulations.arrays import Array
from formulations.exceptions import InvalidInput, Refused, WrongShape, WrongType, described
from formulations.functions.activations.base import Activation
from formulations.functions.activations.formulas import Formula
from formulations.functions.activations.table import get_activation

__all__ = ["PerNeuron"]

_Columns = slice | npt.NDArray[np.intp]


@final
@dataclass(frozen=True, init=False)
class PerNeuron(Activation):
    r"""A layer with one function per neuron: :math:`a_j = f_j(z_j)` with slope :math:`f_j'(z_j)`.

    This is the book's exercise of the modified neuron (chapter 2, "Backpropagation with a single modified
    neuron"), for any number of neurons. Neurons that share a function are evaluated together: adjacent ones in place,
    others through a copy of their columns.

    Parameters
    ----------
    members : iterable of str or Activation
        The functions, one per neuron.

    Attributes
    ----------
    members : tuple of Activation
        The functions, one per neuron.
    kinks : tuple of float
        The kinks of all neurons; those of neuron j are ``neuron(j).kinks``.
    slope_bound, curvature_bound : float or None
        The largest bound of the members; None if one is unknown.

    Raises
    ------
    WrongType
        If ``members`` is not a list of names or activations.
    InvalidInput
        If ``members`` is empty.
    Refused
        If a member is a ``PerNeuron`` or a coupled activation.

    Examples
    --------
    >>> layer = PerNeuron(["relu", "identity", "relu"])
    >>> layer.value([[-1.0, -2.0, 3.0]])
    array([[ 0., -2.,  3.]])
    >>> layer.functions
    (ReLU(), Identity())
    """

    members: tuple[Activation, ...]

    def __init__(self, members: Iterable[str | Activation]) -> None:
        if not isinstance(members, Iterable) or isinstance(members, str):
            raise WrongType(
                f"members must be a list of names or activations, one per neuron, got {described(members)}; "
                "pass for instance ['relu', 'identity']."
            )
        functions = tuple(get_activation(member) for member in members)
        if not functions:
            raise InvalidInput("members must be one function per neuron, got none; pass at least one.")
        for j, function in enumerate(functions):
            if isinstance(function, PerNeuron) or function.coupled:
                raise Refused(
                    f"neuron {j} must have an element-wise function, got {function.name}; "
                    "pass for instance 'tanh' for it."
                )
        object.__setattr__(self, "members", functions)

    @cached_property
    def _groups(self) -> tuple[tuple[Activation, _Columns], ...]:
        columns: dict[Activation, list[int]] = {}
        for j, function in enumerate(self.members):
            columns.setdefault(function, []).append(j)
        return tuple((function, _selector(js)) for function, js in columns.items())

    @cached_property
    def name(self) -> str:  # type: ignore[override]  # frozen
        """``per_neuron``, followed by the number of neurons with each function."""
        return f"per_neuron({', '.join(f'{n} {function.name}' for function, n in Counter(self.members).items())})"

    @cached_property
    def kinks(self) -> tuple[float, ...]:  # type: ignore[override]  # frozen
        """The kinks of all neurons."""
        return tuple(sorted({kink for function in self.functions for kink in function.kinks}))

    @cached_property
    def slope_bound(self) -> float | None:  # type: ignore[override]  # frozen
        """The largest bound of the members; None if one is unknown."""
        return _largest([function.slope_bound for function in self.functions])

    @cached_property
    def curvature_bound(self) -> float | None:  # type: ignore[override]  # frozen
        """The largest bound of the members; None if one is unknown."""
        return _largest([function.curvature_bound for function in self.functions])

    @cached_property
    def analytic(self) -> bool:  # type: ignore[override]  # frozen
        """Whether all members are analytic."""
        return all(function.analytic for function in self.functions)

    @cached_property
    def formula(self) -> Formula | None:  # type: ignore[override]  # frozen
        """The formulas of the members, column by column; None if one has none."""
        formulas = [function.formula for function in self.members if function.formula is not None]
        if len(formulas) < len(self.members):
            return None
        return lambda engine, z: engine.join([each(engine, z[:, j : j + 1]) for j, each in enumerate(formulas)])

    def complex_value(self, z: Array) -> Array:
        """Return f_j(z_j) in column j, for every j."""
        self._check_width(z)
        value = np.empty_like(z)
        for function, columns in self._groups:
            value[:, columns] = function.complex_value(z[:, columns])
        return value

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write f_j(z_j) and f_j′(z_j) into column j, for every j."""
        self._check_width(z)
        for function, columns in self._groups:
            if isinstance(columns, slice):
                part_slope = None if slope is None else slope[:, columns]
                function.evaluate(z[:, columns], value[:, columns], part_slope)
                continue
            gathered = z[:, columns]
            part = np.empty_like(gathered)
            part_slope = None if slope is None else np.empty_like(gathered)
            function.evaluate(gathered, part, part_slope)
            value[:, columns] = part
            if slope is not None and part_slope is not None:
                slope[:, columns] = part_slope

    @property
    def has_curvature(self) -> bool:
        """Whether the curvatures of all members are known."""
        return all(function.has_curvature for function in self.functions)

    def curvature(self, z: Array) -> Array:
        """Return f_j″(z_j) in column j, for every j."""
        self._check_width(z)
        curvature = np.empty_like(z)
        for function, columns in self._groups:
            curvature[:, columns] = function.curvature(z[:, columns])
        return curvature

    def why_not(self, dtype: npt.DTypeLike) -> str | None:
        """Return None, or the reason of the first member that does not support ``dtype``."""
        reasons = (function.why_not(dtype) for function in self.functions)
        return next((reason for reason in reasons if reason is not None), None)

    def why_not_width(self, n: int) -> str | None:
        """Return None if there are ``n`` members, else the reason."""
        if n == len(self.members):
            return None
        return f"{self.name} has one function for each of {len(self.members)} neurons, and the layer has {n}"

    def __reduce__(self) -> Any:
        # The cached formula is a function that pickle cannot write.
        return PerNeuron, (self.members,)

    @property
    def functions(self) -> tuple[Activation, ...]:
        """The distinct functions, in order of appearance."""
        return tuple(function for function, _ in self._groups)

    def neuron(self, j: int) -> Activation:
        """Return the function of neuron ``j`` (counted from 0)."""
        return self.members[j]

    def _check_width(self, z: Array) -> None:
        if z.ndim != 2 or z.shape[1] != len(self.members):
            raise WrongShape(
                f"z must have shape (m, {len(self.members)}), one column per member, got {z.shape}; "
                "give PerNeuron as many functions as the layer has neurons."
            )


def _selector(columns: list[int]) -> _Columns:
    """Return adjacent columns as a slice, which needs no copy, and others as an index array."""
    first, last = columns[0], columns[-1]
    if last - first + 1 == len(columns):
        return slice(first, last + 1)
    return np.array(columns, dtype=np.intp)


def _largest(bounds: list[float | None]) -> float | None:
    known = [bound for bound in bounds if bound is not None]
    return max(known) if len(known) == len(bounds) else None
