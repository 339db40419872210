"""Gradients in files: what other programs write."""

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
    """Whether a candidate is a file: a path, a text that ends in ``.npz``, or an archive that NumPy has opened."""
    return candidate.endswith(".npz") if isinstance(candidate, str) else isinstance(candidate, os.PathLike | NpzFile)


def read_gradient(source: str | os.PathLike[str] | NpzFile, layout: Layout, m: int) -> Any:
    """Read a candidate for :func:`formulations.certify` from an ``.npz`` file of plain arrays.

    Parameters
    ----------
    source : str, path-like or NpzFile
        The file's path, or what ``numpy.load`` returns for it, which stays open. The file holds
        ``weights_2``, ``biases_2``, ``weights_3``, … counted as the book's layers are, and perhaps
        ``errors_2``, …; or the flat vector as one array, ``vector``.
    layout : Layout
        The network's.
    m : int
        Examples, for the shapes of the errors.

    Returns
    -------
    ndarray or tuple
        The vector, (weights, biases) or (weights, biases, errors).

    Raises
    ------
    InvalidInput
        If the file cannot be read, is pickled, or lacks an array.
    WrongShape
        If an array has too many entries for this network, or too few.
    Refused
        If its compressed arrays would take more memory than the budget allows.
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
    """Refuse arrays that have too many entries or too few, before they are read; the rest is for who reads them."""
    for name, found in archive.shapes(wanted).items():
        if prod(found) != prod(wanted[name]):
            raise WrongShape(
                f"{name} of a candidate must have shape {wanted[name]}, as the network has it, got {found}; "
                "write the gradient of this network, or name the network that it belongs to."
            )
