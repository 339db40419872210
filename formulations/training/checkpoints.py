"""Checkpoints: a training run in a file, so that it can go on after the process has ended.

The file is an ``.npz`` of plain arrays and a JSON text: parameters, the state of the optimizer and of the shuffles, the
position within the epoch, the history, the best parameters, and the settings and digests of the data.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Archive, Array, check_writable, current_budget, open_archive, replaced
from formulations.exceptions import InvalidInput, Refused, WrongType, described
from formulations.functions import COSTS, Activation, Cost, is_built_in
from formulations.network import Network
from formulations.training.history import STOPPED_BY, Epoch

__all__ = ["Checkpoint", "State", "digest", "digest_of_network"]

FORMAT = 1
EVERY = "60s"
"""The time between two checkpoints if none is given."""
SECONDS = {"s": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
REMEDY = "delete the file, or name another"


class State(NamedTuple):
    """A training run between two steps.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The arrays of the run, by name; all but ``best`` are always there.
    steps : ndarray of shape (k, 2)
        The results of the k steps of the current epoch so far.
    shuffle : mapping
        The state of the generator at the start of the current epoch.
    epochs : list of Epoch
        The completed epochs.
    initial : float or None
        The cost of the first mini-batch.
    stopped_by : str or None
        What has ended the training for good.
    seconds : float
        The time of training so far.
    """

    arrays: dict[str, Array]
    steps: Array
    shuffle: Mapping[str, Any]
    epochs: list[Epoch]
    initial: float | None
    stopped_by: str | None
    seconds: float


class Checkpoint:
    """The file of a training run, and when it is due.

    Parameters
    ----------
    path : str or path-like
        The file.
    every : str or None
        ``"60s"``, ``"5 min"``, ``"1h"`` or ``"10 epochs"``; None is ``"60s"``.

    Attributes
    ----------
    epochs : int or None
        The epochs between two checkpoints; None if they come by time.
    due : float
        The time of the next checkpoint, as ``perf_counter`` has it; infinite if they come by epochs.

    Raises
    ------
    InvalidInput, WrongType
        If the file cannot be written, or ``every`` is not such a text.
    """

    def __init__(self, path: str | os.PathLike[str], every: Any) -> None:
        self._seconds, self.epochs = _cadence(EVERY if every is None else every)
        check_writable(path)
        self._path = path
        self._wait()

    def _wait(self) -> None:
        self.due = perf_counter() + self._seconds

    def write(self, state: State, settings: Mapping[str, str]) -> None:
        """Write the state of a run; the file changes as a whole or not at all.

        Raises
        ------
        InvalidInput
            If it cannot be written.
        """
        described = {
            "format": FORMAT,
            "settings": dict(settings),
            "shuffle": dict(state.shuffle),
            "epochs": [asdict(epoch) for epoch in state.epochs],
            "initial": state.initial,
            "stopped_by": state.stopped_by,
            "seconds": state.seconds,
        }
        arrays: dict[str, Any] = {
            "run": np.array(json.dumps(described)),
            "steps": state.steps,
            **state.arrays,
        }
        with replaced(self._path) as file:
            np.savez(file, **arrays)
        self._wait()

    def read(self, settings: Mapping[str, str], expected: Mapping[str, Array]) -> State | None:
        """Return the state of the run in the file; None if there is no file.

        Parameters
        ----------
        settings : mapping of str to str
            The settings of this run, which must be those of the file.
        expected : mapping of str to ndarray
            Arrays with the shapes and dtypes that the file must have; ``best`` may be absent from it.

        Raises
        ------
        InvalidInput
            If the file is not a checkpoint, or its arrays do not fit.
        Refused
            If it belongs to a run with other settings or data; the message names the difference.
        """
        if not os.path.exists(self._path):
            return None
        with open_archive(self._path, "a checkpoint of sgd", REMEDY) as archive:
            memory = current_budget().memory
            if "run" not in archive or archive.shapes(["run"])["run"] != ():
                raise archive.unreadable("it is not a checkpoint of a training run")
            described = _parsed(archive, memory)
            _compare(described["settings"], settings, os.fspath(self._path))
            names = {name: array for name, array in expected.items() if name != "best" or "best" in archive}
            shapes = archive.shapes(["steps", *names])
            for name, array in names.items():
                if shapes[name] != array.shape:
                    raise archive.unreadable(f"{name} must have shape {array.shape}, got {shapes[name]}")
            if len(shapes["steps"]) != 2 or shapes["steps"][1] != 2:
                raise archive.unreadable("the steps must have two columns")
            held = archive.read(["steps", *names], memory)
            for name, array in names.items():
                if held[name].dtype != array.dtype:
                    raise archive.unreadable(f"{name} must have dtype {array.dtype}, got {held[name].dtype}")
            if held["steps"].dtype != np.float64:
                raise archive.unreadable("the steps must be float64")
        return State(
            {name: held[name] for name in names},
            held["steps"],
            described["shuffle"],
            described["epochs"],
            described["initial"],
            described["stopped_by"],
            described["seconds"],
        )

    def broken(self, reason: str, remedy: str = "") -> InvalidInput:
        """Return an exception that says why this run cannot go on from the file; ``remedy`` comes before the others."""
        return InvalidInput(
            f"{os.fspath(self._path)!r} cannot be a checkpoint of this run ({reason}); {remedy}{REMEDY}."
        )


def digest(*arrays: Any) -> str:
    """Return the shape and dtype of the first array, and a digest of all of them."""
    first, hashed = arrays[0], hashlib.blake2b(digest_size=8)
    for array in arrays:
        for part in (array.indptr, array.indices, array.data) if issparse(array) else (array,):
            hashed.update(f"{part.shape} {part.dtype.str}".encode())
            for plain in _without_padding(np.ascontiguousarray(part)):
                hashed.update(plain.reshape(-1).view(np.uint8).data)
    return f"{'×'.join(map(str, first.shape))} {first.dtype}, digest {hashed.hexdigest()}"


def _without_padding(array: Array) -> tuple[Array, ...]:
    """Return an array, or its parts in float64 if its numbers have bytes without meaning, as longdouble has."""
    if array.dtype.kind != "f" or array.itemsize <= 8:
        return (array,)
    high = array.astype(np.float64)
    return high, (array - high).astype(np.float64)


def digest_of_network(net: Network) -> str:
    """Return the layout, the activations and the dtype of a network; its parameters do not count."""
    neurons = []
    for activation, n in zip(net.activations, net.sizes[1:], strict=True):
        functions = {id(each): each for each in map(activation.neuron, range(n))}
        known = {key: _described_activation(each, n, net.dtype) for key, each in functions.items()}
        neurons += [known[id(activation.neuron(j))] for j in range(n)]
    hashed = hashlib.blake2b(" ".join(neurons).encode(), digest_size=8)
    for pattern in net.layout.patterns:
        if pattern is not None:
            hashed.update(digest(pattern.indptr, pattern.indices).encode())
    return f"{net.layout}, {net.activation_names}, {net.dtype}, digest {hashed.hexdigest()}"


def described_cost(net: Network, cost: Cost, Y: Array) -> str:
    """Return the name of a cost, and for a user's the digest of its values and gradients.

    Parameters
    ----------
    net : Network
        The network, whose parameters do not count.
    cost : Cost
        The cost.
    Y : ndarray of shape (m, n_L)
        The targets, the first of which are used.
    """
    if type(cost) in map(type, COSTS.values()):
        return cost.name
    last, n = net.activations[-1], net.sizes[-1]
    # Where outputs saturate, a user's cost may be undefined; those of the identity are not bounded.
    Z = _weighted_inputs(n, net.dtype, 128.0 if last.name == "identity" else 4.0)
    A = np.empty_like(Z)
    last.evaluate(Z, A)
    # Few digits, so that all processors give the same outputs.
    A = A.astype(np.float16).astype(net.dtype)
    gradient = np.empty_like(A)
    values = cost.evaluate(A, np.resize(Y, A.shape), gradient)
    return f"{cost.name}, digest {_digest_of_values(values, gradient)}"


def _described_activation(activation: Activation, n: int, dtype: np.dtype[Any]) -> str:
    """Return the name of a function, and for a user's the digest of its values and slopes in a layer of n neurons."""
    if is_built_in(activation):
        return activation.name
    Z = _weighted_inputs(n if activation.coupled else 1, dtype, 128.0)
    value = np.empty_like(Z)
    slope = None if activation.coupled else np.empty_like(Z)
    activation.evaluate(Z, value, slope)
    return f"{activation.name} {_digest_of_values(*(each for each in (value, slope) if each is not None))}"


def _weighted_inputs(n: int, dtype: np.dtype[Any], largest: float) -> Array:
    """Return weighted inputs of both signs for n neurons, up to the largest."""
    powers = largest * 0.5 ** np.arange(12.0)
    points = np.stack([powers, -powers], axis=1).reshape(-1)
    # Each row has another number in each neuron, as far as there are enough.
    return np.asarray(points[np.add.outer(np.arange(len(points)), np.arange(n)) % len(points)], dtype)


def _digest_of_values(*arrays: Array) -> str:
    """Return a digest of numbers by half of their digits, which are the same on all processors."""
    digits = min(np.finfo(array.dtype).precision for array in arrays) // 2
    text = " ".join(f"{number:.{digits - 1}e}" for array in arrays for number in array.reshape(-1).tolist())
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _cadence(every: Any) -> tuple[float, int | None]:
    """Return the seconds and the epochs between two checkpoints, one of them infinite or None."""
    remedy = "pass text such as '60s', '5 min' or '10 epochs'"
    if not isinstance(every, str):
        raise WrongType(f"checkpoint_every must be text with a unit, got {described(every)}; {remedy}.")
    found = re.fullmatch(r"\s*([0-9]{0,9}\.?[0-9]{1,9})\s*(s|min|h|second|minute|hour|epoch)s?\s*", every)
    number, unit = (float(found[1]), found[2]) if found else (0.0, "")
    if unit == "epoch" and number >= 1 and number == int(number):
        return float("inf"), int(number)
    if unit in SECONDS and number > 0:
        return number * SECONDS[unit], None
    raise InvalidInput(
        f"checkpoint_every must be a positive time or number of epochs, got {described(every)}; {remedy}."
    )


def _parsed(archive: Archive, memory: float) -> dict[str, Any]:
    """Return the JSON text of a checkpoint after checking its types."""
    text = archive.read(["run"], memory)["run"]
    try:
        if text.dtype.kind != "U":
            raise ValueError("it is not text")
        found = json.loads(str(text))
        if found["format"] != FORMAT:
            raise archive.unreadable(f"its format is {found['format']!r}, and this version reads {FORMAT}")
        settings, epochs = found["settings"], [_epoch(entry) for entry in found["epochs"]]
        if not all(isinstance(value, str) for value in settings.values()):
            raise ValueError("settings are texts")
        if [epoch.epoch for epoch in epochs] != list(range(1, len(epochs) + 1)):
            raise ValueError("epochs are counted")
        if not (found["stopped_by"] is None or found["stopped_by"] in STOPPED_BY):
            raise ValueError("an unknown end")
        initial = found["initial"]
        return {
            "settings": settings,
            "shuffle": found["shuffle"],
            "epochs": epochs,
            "initial": None if initial is None else _float(initial),
            "stopped_by": found["stopped_by"],
            "seconds": _float(found["seconds"]),
        }
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as caught:
        if isinstance(caught, InvalidInput):
            raise
        raise archive.unreadable("its text does not describe a training run") from None


def _epoch(entry: dict[str, Any]) -> Epoch:
    epoch = Epoch(**entry)
    if type(epoch.epoch) is not int:
        raise TypeError("epochs are counted")
    for name in ("cost", "seconds", "learning_rate"):
        _float(getattr(epoch, name))
    for name in ("accuracy", "validation_cost", "training_accuracy"):
        if (value := getattr(epoch, name)) is not None:
            _float(value)
    return epoch


def _float(value: Any) -> float:
    if type(value) is not float:
        raise TypeError("it is not a number")
    return value


def _compare(held: Mapping[str, str], settings: Mapping[str, str], path: str) -> None:
    """Refuse a checkpoint with other settings or data."""
    names: Iterable[str] = dict.fromkeys([*settings, *held])
    differences = [
        f"{name} was {held.get(name)}, and is {settings.get(name)}"
        for name in names
        if held.get(name) != settings.get(name)
    ]
    if differences:
        raise Refused(
            f"the checkpoint {path!r} must belong to the same training, got other settings or data: "
            f"{'; '.join(differences)}; restore them, or {REMEDY}."
        )
