"""Gradients in ``.npz`` files, as other programs write them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import prod
from typing import Any

from numpy.lib.npyio import NpzFile

from formulations.arrays import Archive, Layout, current_budget, open_archive
from formulations.exceptions import WrongShape

__all__ = ["is_file", "read_gradient"]


def is_file(candidate: Any) -> bool:
    """Whether a candidate is a file: a path, a string that ends in ``.npz``, or an archive that NumPy has opened."""
    return (
        candidate.lower().endswith(".npz")
        if isinstance(candidate, str)
        else isinstance(candidate, os.PathLike | NpzFile)
    )


def read_gradient(source: str | os.PathLike[str] | NpzFile, layout: Layout, m: int) -> Any:
    """Read a candidate for :func:`formulations.certify` from an ``.npz`` file of plain arrays.

    Parameters
    ----------
    source : str, path-like or NpzFile
        The path of the file, or the result of ``numpy.load``, which stays open. The file contains
        ``weights_2``, ``biases_2``, ``weights_3``, …, numbered as the layers in the book, and optionally
        ``errors_2``, …; or the flat vector as one array, ``vector``.
    layout : Layout
        The layout of the network.
    m : int
        The number of examples, which determines the shapes of the errors.

    Returns
    -------
    ndarray or tuple
        The vector, (weights, biases) or (weights, biases, errors).

    Raises
    ------
    InvalidInput
        If the file cannot be read, is pickled, or lacks an array.
    WrongShape
        If an array has too many or too few entries for this network.
    Refused
        If its compressed arrays need more memory than the budget allows.
    """
    layers = range(2, layout.last + 1)
    remedy = "write it with numpy.savez(path, weights_2=..., biases_2=..., ...) or numpy.savez(path, vector=...)"
    with open_archive(source, "an .npz file with a gradient", remedy) as archive:
        memory = current_budget().memory
        if "vector" in archive:
            _check_sizes(archive, {"vector": (layout.count,)})
            return archive.read(["vector"], memory)["vector"]
        wanted = {}
        for l, shape, pattern in zip(layers, layout.shapes, layout.patterns, strict=True):
            wanted[f"weights_{l}"] = shape if pattern is None else pattern.indices.shape
            wanted[f"biases_{l}"] = shape[:1]
        kinds = ["weights", "biases"]
        if all(f"errors_{l}" in archive for l in layers):
            kinds.append("errors")
            wanted |= {f"errors_{l}": (m, n) for l, n in zip(layers, layout.sizes[1:], strict=True)}
        _check_sizes(archive, wanted)
        arrays = archive.read(wanted, memory)
    return tuple([arrays[f"{kind}_{l}"] for l in layers] for kind in kinds)


def _check_sizes(archive: Archive, wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse arrays with too many or too few entries before they are read; ``read_candidate`` checks their shapes."""
    for name, found in archive.shapes(wanted).items():
        if prod(found) != prod(wanted[name]):
            raise WrongShape(
                f"{name} of a candidate must have shape {wanted[name]}, as in the network, got {found}; "
                "write the gradient of this network, or pass the network that it belongs to."
            )
