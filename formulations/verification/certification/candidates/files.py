"""Gradients in ``.npz`` files, as other programs write them."""

from __future__ import annotations

import os
from math import prod
from typing import Any

from numpy.lib.npyio import NpzFile

from formulations.arrays import Array, Layout, current_budget, open_archive
from formulations.exceptions import InvalidInput, WrongShape
from formulations.verification.certification.candidates.names import places_of

__all__ = ["is_file", "read_arrays"]


def is_file(candidate: Any) -> bool:
    """Whether a candidate is a file: a path, a string that ends in ``.npz``, or an archive that NumPy has opened."""
    return (
        candidate.lower().endswith(".npz")
        if isinstance(candidate, str)
        else isinstance(candidate, os.PathLike | NpzFile)
    )


def read_arrays(source: str | os.PathLike[str] | NpzFile, layout: Layout, m: int) -> dict[str, Array]:
    """Read the arrays of a candidate from an ``.npz`` file.

    Parameters
    ----------
    source : str, path-like or NpzFile
        The path of the file, or the result of ``numpy.load``, which stays open. Its arrays have the names that
        :func:`~formulations.verification.certification.candidates.names.places_of` knows, or there is one, ``vector``.
    layout : Layout
        The layout of the network.
    m : int
        The number of examples, which determines the shapes of the errors.

    Returns
    -------
    dict of str to ndarray
        The arrays by their names, in the order of the file.

    Raises
    ------
    InvalidInput
        If the file cannot be read, is pickled, or holds other arrays.
    WrongShape
        If an array has too many or too few entries for this network.
    Refused
        If its compressed arrays need more memory than the budget allows.
    """
    written = "numpy.savez(path, weights_2=..., biases_2=..., ...) or numpy.savez(path, vector=...)"
    with open_archive(source, "an .npz file with a gradient", f"write it with {written}") as archive:
        wanted: dict[str, tuple[int, ...]] = {"vector": (layout.count,)}
        if archive.names != ["vector"]:
            try:
                places = places_of(archive.names, layout, archive.name)
            except InvalidInput as caught:
                raise InvalidInput(f"{caught} To write such a file, use {written}.") from None
            wanted = {name: _shape(*place, layout, m) for name, place in places.items()}
        # Refused before they are read; the shapes are checked later.
        for name, found in archive.shapes(wanted).items():
            if prod(found) != prod(wanted[name]):
                raise WrongShape(
                    f"{name} of a candidate must have shape {wanted[name]}, as in the network, got {found}; "
                    "write the gradient of this network, or pass the network that it belongs to."
                )
        return archive.read(wanted, current_budget().memory)


def _shape(kind: str, i: int, layout: Layout, m: int) -> tuple[int, ...]:
    """Return the shape of a part of the gradient."""
    pattern, rows = layout.patterns[i], layout.shapes[i][0]
    if kind == "weights":
        return layout.shapes[i] if pattern is None else pattern.indices.shape
    return (rows,) if kind == "biases" else (m, rows)
