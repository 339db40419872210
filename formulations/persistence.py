"""Networks in files: parameters, sparse patterns and activations in one ``.npz`` of plain arrays, never a pickle."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from formulations.activations import ACTIVATIONS, Activation, PerNeuron, get_activation, is_built_in
from formulations.activations.piecewise import LeakyReLU
from formulations.exceptions import FormulationsException, InvalidInput, Refused
from formulations.files import replaced
from formulations.network import Network, check_network
from formulations.parameters import Array

__all__ = ["load", "save"]

SPARSE = ("data", "indices", "indptr", "shape")


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network to a file, for :func:`load`.

    The arrays are ``weights_2``, ``biases_2``, …, counted as the book's layers are, and a sparse weight is written as
    its compressed rows; ``activations`` is JSON text. ``numpy.load`` reads them without this library.

    Parameters
    ----------
    network : Network
        The network.
    path : str or path-like
        Where to write. An existing file is replaced when the new one is complete and on the disk, so that a reader, or
        who comes after a crash or a full disk, finds the old network or the new one. Symbolic links are followed and
        the file's mode is kept; hard links to it keep the old network.

    Raises
    ------
    Refused
        Where an activation is a function of your own, which a file of arrays cannot hold.
    InvalidInput
        Where the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> net = Network.random([2, 3, 1], ["tanh", "sigmoid"], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(net, f"{folder}/net.npz")
    ...     again = load(f"{folder}/net.npz")
    >>> again, bool((again.vector == net.vector).all())
    (<Network 2-3-1, tanh, sigmoid, float64, 13 parameters>, True)
    """
    check_network(network)
    described = [_described(activation) for activation in network.activations]
    arrays: dict[str, Any] = {"activations": np.array(json.dumps(described))}
    for l, (weights, biases) in enumerate(zip(network.weights, network.biases, strict=True), start=2):
        arrays |= (
            {f"weights_{l}_{part}": getattr(weights, part) for part in SPARSE}
            if issparse(weights)
            else {f"weights_{l}": weights}
        )
        arrays[f"biases_{l}"] = biases
    with replaced(path) as file:
        np.savez(file, **arrays)


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network that :func:`save` has written.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    Network
        With the same parameters, bit for bit, the same dtype, sparse patterns and activations.

    Raises
    ------
    InvalidInput
        Where the file cannot be read, holds pickles, or is not such a file.
    NotFinite, WrongShape, WrongType, UnknownName, Refused
        Where what it holds makes no network.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            held = {name: np.asarray(archive[name]) for name in archive.files}
        described = json.loads(str(held["activations"]))
        if not isinstance(described, list):
            raise ValueError("activations are a list, one a layer")
        last = 1 + sum(name.startswith("biases_") for name in held)
        weights = [_weights(held, l) for l in range(2, last + 1)]
        biases = [held[f"biases_{l}"] for l in range(2, last + 1)]
        activations = [_activation(entry) for entry in described]
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {path!r}; give the path of a network saved by save.") from None
    except FormulationsException:
        raise
    except Exception:  # a broken file makes zipfile, zlib, json and numpy raise whatever they please
        raise InvalidInput(
            f"{path} must be a network saved by save, got a file that cannot be read as one (pickles are refused); "
            "write it again with save(network, path)."
        ) from None
    return Network(weights, biases, activations)


def _weights(held: dict[str, Array], l: int) -> Any:
    if f"weights_{l}" in held:
        return held[f"weights_{l}"]
    data, indices, indptr, shape = (held[f"weights_{l}_{part}"] for part in SPARSE)
    if not all(index.dtype.kind in "iu" for index in (indices, indptr, shape)):
        raise ValueError("indices are integers")
    return csr_array((data, indices, indptr), shape=tuple(shape.tolist()))


def _described(activation: Activation) -> Any:
    """Return an activation as what JSON can hold: a name, a negative slope, or a list, one entry a neuron."""
    if isinstance(activation, PerNeuron):
        return [_described(member) for member in activation.members]
    if is_built_in(activation):
        if isinstance(activation, LeakyReLU) and activation not in ACTIVATIONS.values():
            return {"negative_slope": float(activation.negative_slope)}
        return activation.name
    raise Refused(
        f"a saved network must have built-in activations, got {activation.name!r}, a function that no array can hold; "
        "save network.vector with numpy.save, and make the network anew around it."
    )


def _activation(entry: Any) -> Activation:
    if isinstance(entry, list):
        return PerNeuron([_activation(member) for member in entry])
    return LeakyReLU(entry["negative_slope"]) if isinstance(entry, dict) else get_activation(entry)
