"""Gradients in files: what other programs write, for the command line."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.exceptions import InvalidInput
from formulations.layout import Layout

__all__ = ["read_gradient"]


def read_gradient(path: str, layout: Layout) -> Any:
    """Read a candidate for :func:`formulations.certify` from an ``.npz`` file of plain arrays.

    Parameters
    ----------
    path : str
        It holds ``weights_2``, ``biases_2``, ``weights_3``, … counted as the book's layers are, and perhaps
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
    try:
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {path!r}; give the path of an .npz file with a gradient.") from None
    except Exception:  # a broken file makes zipfile, zlib, lzma, tokenize and numpy raise whatever they please
        raise InvalidInput(
            f"{path} cannot be read as an .npz file of plain arrays (pickles are refused); {remedy}."
        ) from None
    if "vector" in arrays:
        return arrays["vector"]
    wanted = [f"{kind}_{l}" for l in layers for kind in ("weights", "biases")]
    if missing := [name for name in wanted if name not in arrays]:
        held = ", ".join(arrays) or "nothing"
        raise InvalidInput(f"{path} must hold {', '.join(wanted)}, and lacks {', '.join(missing)}; it holds {held}.")
    parts = [[arrays[f"{kind}_{l}"] for l in layers] for kind in ("weights", "biases")]
    if all(f"errors_{l}" in arrays for l in layers):
        parts.append([arrays[f"errors_{l}"] for l in layers])
    return tuple(parts)
