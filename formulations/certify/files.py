"""Gradients in files: what other programs write."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from formulations.exceptions import InvalidInput
from formulations.layout import Layout

__all__ = ["is_file", "read_gradient"]


def is_file(candidate: Any) -> bool:
    """Whether a candidate is a file: a path, a text that ends in ``.npz``, or an archive that NumPy has opened."""
    return candidate.endswith(".npz") if isinstance(candidate, str) else isinstance(candidate, os.PathLike | NpzFile)


def read_gradient(source: str | os.PathLike[str] | NpzFile, layout: Layout) -> Any:
    """Read a candidate for :func:`formulations.certify` from an ``.npz`` file of plain arrays.

    Parameters
    ----------
    source : str, path-like or NpzFile
        The file's path, or what ``numpy.load`` returns for it, which stays open. The file holds
        ``weights_2``, ``biases_2``, ``weights_3``, … counted as the book's layers are, and perhaps
        ``errors_2``, …; or the flat vector as one array, ``vector``.
    layout : Layout
        The network's.

    Returns
    -------
    ndarray or tuple
        The vector, (weights, biases) or (weights, biases, errors).

    Raises
    ------
    InvalidInput
        Where the file cannot be read, is pickled, or lacks an array.
    """
    layers = range(2, layout.last + 1)
    remedy = "write it with numpy.savez(path, weights_2=..., biases_2=..., ...) or numpy.savez(path, vector=...)"
    name = "the archive" if isinstance(source, NpzFile) else os.fspath(source)
    try:
        arrays = _arrays(source)
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {name!r}; give the path of an .npz file with a gradient.") from None
    except Exception:  # a broken file makes zipfile, zlib, lzma, tokenize and numpy raise whatever they please
        raise InvalidInput(
            f"{name} cannot be read as an .npz file of plain arrays (pickles are refused); {remedy}."
        ) from None
    if "vector" in arrays:
        return arrays["vector"]
    wanted = [f"{kind}_{l}" for l in layers for kind in ("weights", "biases")]
    if missing := [key for key in wanted if key not in arrays]:
        held = ", ".join(arrays) or "nothing"
        raise InvalidInput(f"{name} must hold {', '.join(wanted)}, and lacks {', '.join(missing)}; it holds {held}.")
    parts = [[arrays[f"{kind}_{l}"] for l in layers] for kind in ("weights", "biases")]
    if all(f"errors_{l}" in arrays for l in layers):
        parts.append([arrays[f"errors_{l}"] for l in layers])
    return tuple(parts)


def _arrays(source: str | os.PathLike[str] | NpzFile) -> dict[str, Any]:
    if isinstance(source, NpzFile):
        return {key: source[key] for key in source.files}
    with open(source, "rb") as file, np.load(file, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}
