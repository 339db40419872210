"""Candidates: user-supplied gradients, in whatever form they come, read as gradients of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from formulations.arrays import Layout
from formulations.exceptions import InvalidInput, UnknownName, WrongShape, WrongType, described
from formulations.network import Gradient, layers_in_order
from formulations.verification.certification.candidates.arrays import (
    KERNELS,
    Part,
    Parts,
    assemble,
    is_sequence,
    read_numbers,
    read_vector,
)
from formulations.verification.certification.candidates.candidate import Candidate
from formulations.verification.certification.candidates.files import is_file, read_arrays
from formulations.verification.certification.candidates.names import ACCEPTED, places_of
from formulations.verification.certification.candidates.tensors import is_module

__all__ = ["read_candidate"]

FORMS = (
    "a Gradient, a module, parameters, a mapping from names to arrays, (weights, biases), (weights, biases, errors) or "
    "the flat vector"
)

MODULE = ", or the module itself, whose layers are read in the order in which it computes"


def read_candidate(candidate: Any, layout: Layout, dtype: np.dtype[Any], m: int, kernels: str = "out_in") -> Candidate:
    """Return a candidate as a gradient with its own memory.

    Parameters
    ----------
    candidate : Gradient, module, mapping, sequence, array_like, path or NpzFile
        The user-supplied gradient, as :func:`formulations.certify` accepts it, but for functions and backends.
    layout : Layout
        The layout of the network.
    dtype : dtype
        The dtype of the network; the gradient has this dtype, or that of the candidate if it is less precise.
    m : int
        The number of examples, which determines the shapes of the errors.
    kernels : str
        ``"out_in"``, or ``"in_out"`` if the rows of the weights are inputs.

    Returns
    -------
    Candidate
        Not checked for NaN and infinity, which the verdict reports.

    Raises
    ------
    InvalidInput
        If a file cannot be read, if a name or a layer is not one of the network, or if there is no gradient in it.
    Refused
        If the compressed arrays of a file exceed the budget.
    UnknownName
        If ``kernels`` is neither of the two.
    WrongShape
        If a shape does not fit the network, with the remedy.
    WrongType
        If the candidate is not a gradient, or its numbers are not real.
    """
    if kernels not in KERNELS:
        raise UnknownName("layout", kernels, KERNELS)
    if isinstance(candidate, Iterator):
        candidate = list(candidate)
        if all(isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) for item in candidate):
            candidate = dict(candidate)
    named: Any = None
    if is_file(candidate):
        named = read_arrays(candidate, layout, m)
    elif is_module(candidate):
        layers = layers_in_order(candidate)
        if layers is not None and len(layers) == len(layout.shapes):
            return assemble(_of_layers(layers), None, layout, dtype, m, kernels)
        named = dict(candidate.named_parameters())
    elif isinstance(candidate, Mapping):
        named = dict(_flattened(candidate))
    if named is not None and set(named) != {"vector"}:
        # A module whose order is not known has no better form.
        parts, errors = _of_mapping(named, layout, "" if is_module(candidate) else MODULE)
        return assemble(parts, errors, layout, dtype, m, kernels)
    if named is None and is_sequence(candidate) and (found := _of_sequence(candidate, layout)):
        return assemble(*found, layout, dtype, m, kernels)
    if kernels != "out_in":
        raise InvalidInput(
            "layout='in_out' must go with a candidate of one array a layer, whose shape it can be checked by, got "
            f"{described(candidate)}; pass the arrays."
        )
    if isinstance(candidate, Gradient):
        parts = {
            (kind, i): Part(f"{kind}[{i}]", part)
            for kind in ("weights", "biases")
            for i, part in enumerate(getattr(candidate, kind))
        }
        read = assemble(parts, candidate.errors, layout, dtype, m, kernels)
        read.gradient.cost = None if candidate.cost is None else _read_cost(candidate.cost)
        read.gradient.summation = candidate.summation
        return read
    return read_vector(candidate if named is None else named["vector"], layout, dtype, FORMS)


def _of_layers(layers: Sequence[Any]) -> Parts:
    """Return the parts of a module's layers."""
    return {
        (kind, i): Part(f"{layer.name}.{name}".lstrip("."), getattr(layer, name))
        for i, layer in enumerate(layers)
        for kind, name in (("weights", "weight"), ("biases", "bias"))
    }


def _flattened(named: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[Any, Any]]:
    """Yield the arrays of nested mappings, under names such as ``params/Dense_0/kernel``."""
    for name, value in named.items():
        full = f"{prefix}{name}" if isinstance(name, str) else name
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{full}/")
        else:
            yield full, value


def _of_mapping(named: Mapping[Any, Any], layout: Layout, instead: str) -> tuple[Parts, Any]:
    """Return the parts and δ of a mapping from names to arrays, the parameters of a module too."""
    if not all(isinstance(name, str) for name in named):
        raise WrongType(f"the names of a candidate must be strings, got {described(list(named))}; use {ACCEPTED}.")
    places = places_of(named, layout, "the candidate")
    found = {place: Part(name, named[name], instead) for name, place in places.items()}
    errors = [found.pop(("errors", i), None) for i in range(len(layout.shapes))]
    known = [part is not None for part in errors]
    if any(known) and not all(known):
        raise InvalidInput(
            f"a candidate must hold the errors of all layers or none, got none of layer {known.index(False) + 2}; "
            "leave the others out."
        )
    return found, [part.given for part in errors if part is not None] or None


def _of_sequence(candidate: Sequence[Any], layout: Layout) -> tuple[Parts, Any] | None:
    """Return the parts and δ of a pair, a triple or a flat list of arrays, or None if the items are numbers."""
    if len(candidate) in (2, 3):
        weights, biases, *errors = candidate
        if is_sequence(weights) or (weights is None and is_sequence(biases)):
            return _of_pair(weights, biases, layout), errors[0] if errors else None
    if not any(item is None or is_sequence(item) or getattr(item, "ndim", 0) for item in candidate):
        return None
    return _of_list(candidate, layout), None


def _of_pair(weights: Any, biases: Any, layout: Layout) -> Parts:
    """Return the parts of (weights, biases), of which one may be None."""
    count = len(layout.shapes)
    found: dict[tuple[str, int], Part] = {}
    for kind, given in (("weights", weights), ("biases", biases)):
        if given is None:
            continue
        if not is_sequence(given) or len(given) != count:
            raise WrongShape(
                f"a candidate's {kind} must be one array for each of the {count} layers from the "
                f"second on, got {len(given) if is_sequence(given) else 'no sequence'}; the input layer has none."
            )
        found |= {(kind, i): Part(f"{kind}[{i}]", part) for i, part in enumerate(given)}
    return found


def _of_list(candidate: Sequence[Any], layout: Layout) -> Parts:
    """Return the parts of w², b², w³, b³, …, one array each; a layer may lack its bias."""
    count = len(layout.shapes)
    if len(candidate) == 2 * count:
        places = [(kind, i) for i in range(count) for kind in ("weights", "biases")]
    else:
        # A bias, or None in its place, follows its weights.
        matrices = [_is_matrix(given) for given in candidate]
        kinds = ["weights" if is_matrix else "biases" for is_matrix in matrices]
        places = list(zip(kinds, map(int, np.cumsum(matrices) - 1), strict=True))
        if {i for _, i in places} != set(range(count)) or len(set(places)) < len(places):
            raise WrongShape(
                f"a list of arrays must hold w², b², w³, b³, …, {2 * count} for the {count} layers of the network from "
                f"the second on, where biases may be left out, got {len(candidate)}; pass them all, or a mapping from "
                "names to arrays."
            )
    return {place: Part(f"candidate[{k}]", candidate[k], MODULE) for k, place in enumerate(places)}


def _is_matrix(given: Any) -> bool:
    """Whether something has two dimensions, without reading its numbers."""
    if is_sequence(given):
        return len(given) > 0 and (is_sequence(given[0]) or getattr(given[0], "ndim", 0) == 1)
    return bool(getattr(given, "ndim", 0) == 2)


def _read_cost(given: Any) -> Any:
    """Return C as a NumPy scalar."""
    cost = read_numbers(given, "the cost")
    if cost.shape != ():
        raise WrongShape(
            f"the cost of a candidate must be a single number, got shape {cost.shape}; pass the mean, or None."
        )
    return cost[()]
