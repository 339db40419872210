"""Save networks to ``.npz`` files of plain arrays, without pickles, and load them."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from formulations.arrays import Archive, Array, current_budget, open_archive, replaced
from formulations.exceptions import FormulationsException, InvalidInput, Refused
from formulations.functions import ACTIVATIONS, Activation, LeakyReLU, PerNeuron, get_activation, is_built_in
from formulations.network.network import Network, assembled, check_network
from formulations.network.reading import check_shapes, read_layers

__all__ = ["MODEL", "load", "network_arrays", "read_network", "save"]

SPARSE = ("_data", "_indices", "_indptr", "_shape")
MODEL = "model"
"""The array that marks the file of a :class:`formulations.Model`, which holds the arrays of its network too."""


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Save a network to a file that :func:`load` reads.

    The arrays are ``weights_2``, ``biases_2``, …, numbered as the layers in the book; a sparse weight is saved as its
    compressed rows, and ``activations`` is JSON text. ``numpy.load`` reads them without this library.

    Parameters
    ----------
    network : Network
        The network.
    path : str or path-like
        The file to write. An existing file is replaced once the new one is complete and on disk, so a reader finds the
        old network or the new one, even after a crash or on a full disk. Symbolic links are followed and the file's
        mode is kept; hard links keep the old network.

    Raises
    ------
    Refused
        If an activation is user-defined: a file of arrays cannot hold a function.
    InvalidInput
        If the file cannot be written.

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
    arrays = network_arrays(network)
    with replaced(path) as file:
        np.savez(file, **arrays)


def load(path: str | os.PathLike[str]) -> Network:
    """Load a network saved by :func:`save`.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    Network
        A network with the same parameters, bit for bit, NaN and infinity included, and the same dtype, sparse patterns
        and activations.

    Raises
    ------
    InvalidInput
        If the file cannot be read, contains pickles, or is not a saved network; a model's file names
        :meth:`formulations.Model.load`.
    WrongShape, WrongType, UnknownName
        If its contents do not make a network.
    Refused
        If an activation cannot serve the dtype, or its compressed arrays need more memory than the budget allows.
    """
    with open_archive(path, "a network saved by save", "write it again with save(network, path)") as archive:
        if MODEL in archive:
            raise InvalidInput(
                f"expected the file of a network, got {os.fspath(path)!r}, the file of a model, whose network needs "
                "the model's scaling and classes; load it with formulations.Model.load."
            )
        return read_network(archive)


def network_arrays(network: Network) -> dict[str, Any]:
    """Return the arrays of a network by name; see :func:`save`.

    Raises
    ------
    Refused
        If an activation is user-defined.
    """
    check_network(network)
    described = [_described(activation) for activation in network.activations]
    arrays: dict[str, Any] = {"activations": np.array(json.dumps(described))}
    for l, (weights, biases) in enumerate(zip(network.weights, network.biases, strict=True), start=2):
        arrays |= (
            {f"weights_{l}{part}": getattr(weights, part[1:]) for part in SPARSE}
            if issparse(weights)
            else {f"weights_{l}": weights}
        )
        arrays[f"biases_{l}"] = biases
    return arrays


def read_network(archive: Archive) -> Network:
    """Return the network whose arrays an archive holds; see :func:`load`, also for what it raises."""
    last = 2
    while f"biases_{last + 1}" in archive:
        last += 1
    layers, memory = range(2, last + 1), current_budget().memory
    parts = {l: SPARSE if f"weights_{l}_shape" in archive else ("",) for l in layers}
    names = [name for l in layers for name in (*(f"weights_{l}{part}" for part in parts[l]), f"biases_{l}")]
    shapes = archive.shapes(["activations", *names])
    # The smallest arrays determine all shapes; the others are read only if they fit.
    for l in layers:
        if parts[l] is SPARSE:
            shapes[f"weights_{l}"] = _sparse_shape(archive, l, shapes, memory)
    check_shapes([(name, shapes[name]) for l in layers for name in (f"weights_{l}", f"biases_{l}")])
    held = archive.read(["activations", *names], memory)
    try:
        weights = [_weights(held, l) for l in layers]
        activations = _activations(str(held["activations"]))
    except FormulationsException:
        raise
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError):
        raise archive.unreadable("it does not contain a network") from None
    layout, read = read_layers(weights, [held[f"biases_{l}"] for l in layers], finite=False)
    return assembled(layout, np.concatenate(read), activations)


def _sparse_shape(archive: Archive, l: int, shapes: dict[str, tuple[int, ...]], memory: float) -> tuple[int, ...]:
    """Return the shape of a sparse matrix after checking its compressed rows against it."""
    name = f"weights_{l}_shape"
    if shapes[name] == (2,):
        shape = archive.read([name], memory)[name]
        data, indices, indptr = (shapes[f"weights_{l}{part}"] for part in SPARSE[:3])
        if shape.dtype.kind in "iu" and len(data) == 1 and indices == data and indptr == (shape[0] + 1,):
            return tuple(shape.tolist())
    raise archive.unreadable(f"the sparse weights_{l} do not fit their shape")


def _weights(held: dict[str, Array], l: int) -> Any:
    if f"weights_{l}" in held:
        return held[f"weights_{l}"]
    data, indices, indptr, shape = (held[f"weights_{l}{part}"] for part in SPARSE)
    if not all(index.dtype.kind in "iu" for index in (indices, indptr)):
        raise ValueError("indices are integers")
    return csr_array((data, indices, indptr), shape=tuple(shape.tolist()))


def _described(activation: Activation) -> Any:
    """Return an activation in JSON form: a name, a negative slope, or a list with one entry for each neuron."""
    if isinstance(activation, PerNeuron):
        return [_described(member) for member in activation.members]
    if is_built_in(activation):
        if isinstance(activation, LeakyReLU) and activation not in ACTIVATIONS.values():
            return {"negative_slope": float(activation.negative_slope)}
        return activation.name
    raise Refused(
        f"a saved network must have built-in activations, got {activation.name!r}, a function that no array can hold; "
        "save network.vector with numpy.save, and copy it into the vector of a new network."
    )


def _activations(text: str) -> list[Activation]:
    described = json.loads(text)
    if not isinstance(described, list):
        raise ValueError("activations are a list, one a layer")
    return [_activation(entry) for entry in described]


def _activation(entry: Any) -> Activation:
    if isinstance(entry, list):
        return PerNeuron([_activation(member) for member in entry])
    return LeakyReLU(entry["negative_slope"]) if isinstance(entry, dict) else get_activation(entry)
