"""The arguments of a function: an array, or dictionaries, lists and tuples of arrays, with a number for each entry."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from formulations.arrays import Array, as_dtype, as_real, check_finite
from formulations.exceptions import InvalidInput, WrongShape, WrongType, described

__all__ = ["Leaf", "Structure", "plain"]


def plain(value: Any) -> Any:
    """Return a tensor without its record of operations; anything else as it is."""
    return value.detach() if hasattr(value, "detach") else value


@dataclass(frozen=True)
class Leaf:
    """One array of the argument.

    Attributes
    ----------
    name : str
        Its place, such as ``"x['w']"``.
    keys : tuple
        The keys that lead to it.
    array : ndarray
        Its entries.
    given : object
        The array, number or tensor that was passed.
    """

    name: str
    keys: tuple[Any, ...]
    array: Array
    given: Any

    def like_given(self, array: Array) -> Any:
        """Return an array as the type that was passed: a number, a tensor of torch or JAX, or an array."""
        if hasattr(self.given, "new_tensor"):
            # As a leaf of its own, of which torch.autograd.grad can take the derivative, if x is one.
            return self.given.new_tensor(array, requires_grad=getattr(self.given, "requires_grad", False))
        if hasattr(self.given, "block_until_ready"):
            return self.given.at[...].set(array)
        return array[()] if isinstance(self.given, int | float | np.number) else array


class Structure:
    """A point x: its arrays, and its entries as one vector of n numbers.

    Parameters
    ----------
    x : object
        An array, a number, or a dictionary, list or tuple of these, nested to any depth. A list of numbers is an array.

    Raises
    ------
    WrongType, WrongShape
        If an array does not hold real numbers in one of the dtypes of a network.
    NotFinite
        If an entry is NaN or infinite.
    InvalidInput
        If there is no entry.
    """

    def __init__(self, x: Any) -> None:
        self._x = x
        self.leaves = [_leaf(name, keys, given) for name, keys, given in _walk("x", (), x)]
        self._ends = list(accumulate(leaf.array.size for leaf in self.leaves))
        self.size = self._ends[-1] if self.leaves else 0
        if not self.size:
            raise InvalidInput("x must have at least one entry; pass the point at which the gradient was computed.")
        self.vector = np.concatenate([leaf.array.ravel() for leaf in self.leaves])
        self.eps = max(float(np.finfo(leaf.array.dtype).eps) for leaf in self.leaves)

    @property
    def nested(self) -> bool:
        """Whether x is more than a single array."""
        return isinstance(self._x, Mapping | list | tuple) and not _is_numbers(self._x)

    @property
    def is_numpy(self) -> bool:
        """Whether all arrays are NumPy's, so that complex ones can replace them."""
        return all(isinstance(leaf.given, np.ndarray | np.number | int | float | list | tuple) for leaf in self.leaves)

    def find(self, i: int) -> tuple[int, int]:
        """Return the leaf of entry i, and its position in the flattened leaf."""
        leaf = bisect_right(self._ends, i)
        return leaf, i - (self._ends[leaf] - self.leaves[leaf].array.size)

    def place(self, i: int) -> str:
        """Return the name of entry i, such as ``"x['w'][0, 1]"``."""
        number, position = self.find(i)
        leaf = self.leaves[number]
        if not leaf.array.ndim:
            return leaf.name
        indices = np.unravel_index(position, leaf.array.shape)
        return f"{leaf.name}[{', '.join(str(int(index)) for index in indices)}]"

    def arrays(self, vector: Array | None = None) -> list[Array]:
        """Return copies of the leaves, or of a vector in their shapes and dtypes."""
        if vector is None:
            return [leaf.array.copy() for leaf in self.leaves]
        parts = np.split(vector, self._ends[:-1])
        return [
            part.reshape(leaf.array.shape).astype(leaf.array.dtype)
            for part, leaf in zip(parts, self.leaves, strict=True)
        ]

    def build(self, arrays: list[Array]) -> tuple[Any, list[Any]]:
        """Return an argument of the same structure as x with other arrays, and its leaves."""
        leaves = [leaf.like_given(array) for leaf, array in zip(self.leaves, arrays, strict=True)]
        return _rebuilt(self._x, iter(leaves)), leaves

    def flatten(self, claim: Any, name: str, outputs: tuple[int, ...] = ()) -> Array:
        """Return a claimed derivative of the same structure as x as one array of shape (*outputs, n).

        Parameters
        ----------
        claim : object
            For each leaf of x, an array of the leaf's shape, after ``outputs``.
        name : str
            Its name in messages.
        outputs : tuple of int
            Empty for a gradient, (k,) for the Jacobian of k values.

        Raises
        ------
        WrongShape
            If a shape, a key or a length differs.
        WrongType
            If an entry is not a real number.
        """
        found = [_follow(claim, leaf.keys, self._x, name) for leaf in self.leaves] if self.nested else [claim]
        parts = []
        for leaf, part in zip(self.leaves, found, strict=True):
            where = name + leaf.name[1:]
            array = as_real(plain(part), where)
            expected = (*outputs, *leaf.array.shape)
            flat = (*outputs, leaf.array.size)
            if array.shape not in (expected, flat if outputs else expected):
                raise WrongShape(_unfitting(where, leaf, array.shape, expected, outputs))
            parts.append(array.reshape(flat))
        return np.concatenate(parts, axis=-1)


def _unfitting(name: str, leaf: Leaf, shape: tuple[int, ...], expected: tuple[int, ...], outputs: Any) -> str:
    if outputs:
        what = f"since f returns {outputs[0]} values"
        remedy = "pass the Jacobian, ∂f_i/∂x_j in row i and column j, or let f return a number to judge a gradient"
        if shape == (*leaf.array.shape, *outputs) and expected != shape:
            remedy = f"row i belongs to value i of f, so pass {name}.T"
    else:
        what = f"that of {leaf.name}"
        remedy = "pass one entry for each entry of x"
        if shape and np.prod(shape) == leaf.array.size:
            remedy = f"pass {name}.reshape({expected})"
    return f"{name} must have shape {expected}, {what}, got {shape}; {remedy}."


def _is_numbers(value: Any) -> bool:
    """Whether a value is a number, or a list or tuple of numbers or of such lists, which are read as an array."""
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_numbers, value))
    return not isinstance(value, Mapping) and not getattr(value, "shape", ())


def _walk(name: str, keys: tuple[Any, ...], value: Any) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    if isinstance(value, Mapping):
        entries = [(key, f"{name}[{key!r}]", each) for key, each in value.items()]
    elif isinstance(value, list | tuple) and not _is_numbers(value):
        entries = [(i, f"{name}[{i}]", each) for i, each in enumerate(value)]
    else:
        yield name, keys, value
        return
    for key, place, each in entries:
        yield from _walk(place, (*keys, key), each)


def _leaf(name: str, keys: tuple[Any, ...], given: Any) -> Leaf:
    if not hasattr(given, "__array__") and (remedy := _as_arrays(given, name)):
        raise WrongType(f"{name} must hold arrays of real numbers, got {described(given)}; {remedy}.")
    array = as_real(plain(given), name)
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    as_dtype(array.dtype)
    check_finite(array, name)
    return Leaf(name, keys, array.copy(), given)


def _as_arrays(given: Any, name: str) -> str:
    """Return how to pass what holds arrays and is none, or an empty string."""
    if hasattr(given, "tocsr"):
        return f"pass {name}.toarray()"
    if hasattr(given, "named_parameters"):
        return f"pass dict({name}.named_parameters()), and let f compute torch.func.functional_call with them"
    if isinstance(given, Iterator):
        return f"pass list({name}), or dict({name}) if it yields names and arrays"
    return "pass its arrays in a dictionary" if is_dataclass(given) else ""


def _rebuilt(value: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _rebuilt(each, leaves) for key, each in value.items()}
    if isinstance(value, list | tuple) and not _is_numbers(value):
        parts = [_rebuilt(each, leaves) for each in value]
        if isinstance(value, list):
            return parts
        # A named tuple takes its entries one by one.
        make: Callable[..., Any] = type(value)
        return make(*parts) if hasattr(value, "_fields") else make(parts)
    return next(leaves)


def _follow(claim: Any, keys: tuple[Any, ...], x: Any, name: str) -> Any:
    """Return the part of a claim that belongs to a leaf, and check the keys and lengths on the way."""
    for key in keys:
        if isinstance(x, Mapping):
            if not isinstance(claim, Mapping):
                raise WrongType(
                    f"{name} must be a dictionary like x, got {described(claim)}; pass one array for each key."
                )
            if set(claim) != set(x):
                raise WrongShape(f"{name} must have the keys of x, {list(x)}, got {list(claim)}; pass one for each.")
        elif not isinstance(claim, list | tuple) or len(claim) != len(x):
            raise WrongShape(
                f"{name} must be a list of {len(x)} like x, got {described(claim)}; pass one array for each of x."
            )
        claim, x, name = claim[key], x[key], f"{name}[{key!r}]"
    return claim
