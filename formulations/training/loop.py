"""Stochastic gradient descent with any backend."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Array, nonnegative_number, positive_integer, quiet, random_generator, size_of_batch
from formulations.backends import BackendLike
from formulations.data import is_labels
from formulations.exceptions import InvalidInput, Refused, WrongType, described
from formulations.functions import Cost
from formulations.network import Network, check_network, passes
from formulations.training.checkpoints import Checkpoint, described_cost, digest, digest_of_network
from formulations.training.examples import Examples, as_pair, examples_for, weights_for
from formulations.training.history import Epoch, History
from formulations.training.interruption import Interruption
from formulations.training.progress import Progress
from formulations.training.run import Run
from formulations.training.schedules import Schedule, checked_rate, get_schedule
from formulations.training.scores import Examination
from formulations.training.steps import Optimizer, Trainer, default_rate, get_optimizer
from formulations.training.stopping import EarlyStopping, get_early_stopping

__all__ = ["sgd"]


@quiet
def sgd(
    net: Network,
    X: Any,
    Y: Any,
    epochs: int = 30,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    backend: BackendLike = None,
    seed: int | np.random.Generator | None = None,
    *,
    cost: str | Cost | None = None,
    validation: tuple[Any, Any] | None = None,
    momentum: float = 0.0,
    nesterov: bool = False,
    optimizer: str | Optimizer = "sgd",
    l2: float = 0.0,
    l1: float = 0.0,
    schedule: str | Schedule | Callable[[int, float], float] | None = None,
    early_stopping: int | EarlyStopping | None = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    classes: Any = None,
    callback: Callable[[Epoch], object] | None = None,
    progress: bool | Callable[[Epoch], object] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: str | None = None,
) -> History:
    """Train a network in place by stochastic gradient descent.

    Each epoch shuffles the examples and splits them into mini-batches. Each mini-batch changes the parameters by −η∇C,
    Equations (20) and (21) of Nielsen's chapter 1.

    Parameters
    ----------
    net : Network
        The network; changed in place.
    X : array_like, frame or sparse array of shape (m, n₁)
        Training examples, one per row: an array, a data frame of pandas, polars or dask, or a ``scipy.sparse`` array,
        whose rows become dense in the mini-batch alone.
    Y : array_like of shape (m, n_L), or labels of shape (m,)
        Their targets, or the class of each: an integer, string or boolean. Labels become unit vectors, one output for
        each class in sorted order; with one output and two classes, 1 stands for the second class.
    epochs : int
        Passes over the examples.
    batch_size : int, optional
        Examples per mini-batch; by default 10, or all if there are fewer. The last mini-batch of an epoch may be
        smaller.
    learning_rate : float, optional
        η, for the mean cost of a mini-batch. By default 3 in the book's setting, gradient descent on the quadratic
        cost of a network whose neurons are all sigmoid; else 0.1, and 0.001 for ``"adam"``.
    backend : str, Backend or None
        The formulation that computes the gradients; see :func:`formulations.get_backend`.
    seed : int or Generator, optional
        Seed of the shuffles; the order does not depend on the backend.
    cost : str, Cost or None
        The cost to minimise. None means the quadratic cost; for labels it means the log-likelihood if the outputs are
        softmax, and binary cross-entropy if they are sigmoid.
    validation : (X, Y), optional
        Held-out examples and their targets or labels. Their cost, without penalty, and the accuracy are measured after
        every epoch.
    momentum : float
        μ of Equations (107) and (108), at least 0 and below 1.
    nesterov : bool
        Whether momentum looks ahead, in Nesterov's form.
    optimizer : {"sgd", "adam"} or Optimizer
        How the gradient changes the parameters.
    l2 : float
        λ/n of Equation (87): adds ½·l2·Σw² to the cost. Weights only, never biases.
    l1 : float
        λ/n of Equation (95): adds l1·Σ|w| to the cost.
    schedule : str, Schedule or callable (epoch, rate) -> rate, optional
        How η changes from epoch to epoch: ``"constant"``, ``"invscaling"``, ``"exponential"``, ``"step"``,
        ``"plateau"``, one of these with its own settings, such as ``StepDecay(0.5, every=20)`` of
        ``formulations.training``, or a function of the number of the epoch, from 1, and the rate before it.
    early_stopping : int or EarlyStopping, optional
        The epochs without improvement of the cost of the validation examples after which training stops. The network
        then gets back the parameters of its best epoch.
    sample_weight : array_like of shape (m,), optional
        Weights of the examples: the cost of each mini-batch is a weighted mean. A mini-batch without weight is skipped.
    class_weight : "balanced" or mapping, optional
        A weight for each class by its label, 1 for absent labels; it multiplies the weights of the examples.
        ``"balanced"`` gives all classes the same sum of weights.
    classes : array_like of shape (K,), optional
        The classes in the order of the outputs, if Y holds labels and may lack some of them.
    callback : callable, optional
        Called with each :class:`Epoch` at its end; training stops if it returns True.
    progress : bool or callable, optional
        True shows the progress: one line in a terminal or a notebook, and about ten lines in a file, on standard error.
        A function is called with each :class:`Epoch` at its end.
    checkpoint : str or path-like, optional
        An ``.npz`` file in which the run is kept, and from which it resumes if the file exists: another call with the
        same arguments resumes an interrupted run, with parameters, optimizer, shuffles and history as they were, and
        ends bit for bit like an uninterrupted one. For a run that is complete, or that its callback, its schedule or
        early stopping has stopped, it returns the result at once.
    checkpoint_every : str, optional
        How often the file is written: text such as ``"60s"``, the default, ``"5 min"`` or ``"10 epochs"``. It is also
        written at the end.

    Returns
    -------
    History
        Cost, accuracy and time of every epoch, the classes, and whether the training diverged or is dead.

    Raises
    ------
    InvalidInput
        If a count or a setting is out of range, a mini-batch is larger than the data, integer labels may be numbers
        to learn, the parameters are read-only, early stopping or a schedule lacks validation examples, or the
        checkpoint cannot be read or written.
    WrongShape
        If the data or the number of classes do not fit the network.
    WrongType
        If the data are neither real numbers nor labels, ``validation`` is not a pair, or ``callback`` or ``progress``
        is not a function.
    UnknownName
        If no backend, cost, optimizer or schedule has this name.
    Refused
        If the backend cannot serve the network, or the checkpoint is of a run with other settings or data.
    NotFinite
        If the training diverges; the parameters are then those after the epoch in which it diverged.

    Notes
    -----
    The first Ctrl-C stops the training at the end of a step: it returns the history so far, with ``interrupted`` True,
    and the network keeps what it has learnt. A second one interrupts at once. Outside the main thread, and in a program
    that handles the signal itself, nothing is changed.

    Examples
    --------
    >>> net = Network.random([2, 3, 1], seed=1)
    >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    >>> history = sgd(net, X, Y, epochs=1000, batch_size=4, learning_rate=5.0, seed=0)
    >>> net(X).round().astype(int).ravel().tolist()
    [0, 1, 1, 0]

    With labels, and Adam:

    >>> net = Network.random([2, 8, 2], ["tanh", "softmax"], seed=1)
    >>> labels = ["same", "different", "different", "same"]
    >>> history = sgd(net, X, labels, epochs=100, optimizer="adam", learning_rate=0.1, seed=0)
    >>> history.classes[net(X).argmax(axis=1)].tolist()
    ['same', 'different', 'different', 'same']
    """
    check_network(net)
    epochs = positive_integer(epochs, "epochs")
    chosen = get_optimizer(optimizer, momentum=momentum, nesterov=nesterov)
    if learning_rate is not None:
        learning_rate = checked_rate(learning_rate, net.dtype)
    l2, l1 = nonnegative_number(l2, "l2"), nonnegative_number(l1, "l1")
    rates, stopping = get_schedule(schedule), get_early_stopping(early_stopping)
    _check_held_out(validation, rates, stopping)
    for name, function, true in (("callback", callback, ""), ("progress", progress, "True or ")):
        if not (function is None or callable(function) or (true and isinstance(function, bool))):
            raise WrongType(
                f"{name} must be {true}a function of an Epoch, got {described(function)}; "
                "pass a callable such as print."
            )
    if not net.vector.flags.writeable:
        raise InvalidInput("the parameters must be writable to learn, got a read-only vector; train network.copy().")
    kept = _checkpoint(checkpoint, checkpoint_every)
    examples = examples_for(net, X, Y, cost, classes, are_labels=classes is not None)
    weights = weights_for(examples, sample_weight, class_weight)
    m = len(examples.Y)
    size = size_of_batch(batch_size, m)
    held_out = None if validation is None else _held_out(net, validation, examples)
    if learning_rate is None:
        learning_rate = checked_rate(default_rate(chosen, net, examples.cost), net.dtype)
    trainer = Trainer(
        net,
        examples.X,
        examples.Y,
        cost=examples.cost,
        batch_size=size,
        rate=learning_rate,
        backend=backend,
        optimizer=chosen,
        l2=l2,
        l1=l1,
        sample_weight=weights,
    )
    generator = random_generator(seed)
    if kept is not None and not isinstance(generator.bit_generator, np.random.PCG64):
        raise Refused(
            "a checkpoint keeps the state of NumPy's default generator, PCG64, got "
            f"{type(generator.bit_generator).__name__}; pass an integer as seed."
        )
    settings = {} if kept is None else {
        "network": digest_of_network(net),
        "X": digest(examples.X),
        "Y": digest(examples.Y),
        "classes": "none" if examples.classes is None else digest(examples.classes),
        "weights": "none" if weights is None else digest(weights),
        "validation": "none" if held_out is None else digest(held_out.X, held_out.Y),
        "cost": described_cost(net, examples.cost, examples.Y),
        "backend": trainer.plan.backend.label,
        "optimizer": _described(chosen),
        "schedule": _described(rates),
        "early_stopping": repr(stopping),
        "batch_size": str(size),
        "learning_rate": repr(trainer.rate),
        "l2": repr(l2),
        "l1": repr(l1),
        "seed": str(int(seed)) if isinstance(seed, int | np.integer) else "none" if seed is None else "a generator",
    }  # fmt: skip
    run = Run(
        trainer,
        generator,
        schedule=rates,
        early_stopping=stopping,
        examination=None if held_out is None else Examination(net, held_out),
        sample=None if held_out is None else Examination(net, _sample(examples, len(held_out.Y))),
        checkpoint=kept,
        settings=settings,
    )
    run.resume(epochs)
    shown = Progress(epochs) if progress is True else None
    report = progress if callable(progress) else shown

    def tell(epoch: Epoch) -> bool:
        if report is not None:
            report(epoch)
        found = None if callback is None else callback(epoch)
        return isinstance(found, bool | np.bool_) and bool(found)

    with Interruption() as interruption:
        try:
            run.train(epochs, interruption, tell)
        finally:
            if shown is not None:
                shown.close()
        run.save()
        unchanged = run.unchanged
        run.take_best()
        # These passes over all examples take long enough for a first Ctrl-C.
        constant_cost, uniform = _constant_cost(examples, weights), _is_uniform(net, examples.X)
    return History(
        backend=trainer.plan.backend.label,
        epochs=tuple(run.epochs),
        initial_cost=math.nan if run.initial is None else run.initial,
        constant_cost=constant_cost,
        unchanged=unchanged,
        uniform=uniform,
        classes=examples.classes,
        stopped_by=run.stopped_by or ("interrupt" if interruption.seen and len(run.epochs) < epochs else None),
        best_epoch=run.best_epoch,
        sample=None if held_out is None else (min(len(held_out.Y), m), m),
        interrupted=interruption.seen,
    )


def _check_held_out(validation: Any, schedule: Schedule, stopping: EarlyStopping | None) -> None:
    """Refuse settings that need validation examples if there are none."""
    for needs, what in ((stopping is not None, "early_stopping"), (schedule.needs_validation, "this schedule")):
        if needs and validation is None:
            raise InvalidInput(
                f"{what} needs held-out examples, got validation=None; pass validation=(X, Y), for instance from "
                "formulations.split."
            )


def _checkpoint(path: Any, every: Any) -> Checkpoint | None:
    if path is not None:
        return Checkpoint(path, every)
    if every is not None:
        raise InvalidInput(
            f"checkpoint_every goes with checkpoint, got {described(every)} alone; pass the path of a file."
        )
    return None


def _described(settings: Optimizer | Schedule) -> str:
    """Return settings in words that are the same in every process, or their kind if they have no such words."""
    return repr(settings) if is_dataclass(settings) else type(settings).__qualname__


def _sample(examples: Examples, count: int) -> Examples:
    """Return at most ``count`` of the examples, at equal distances."""
    m = len(examples.Y)
    rows = np.arange(min(count, m)) * m // min(count, m)
    return examples._replace(X=examples.X[rows], Y=examples.Y[rows])


def _held_out(net: Network, validation: Any, examples: Examples) -> Examples:
    """Return the validation examples, with the cost and the classes of the training."""
    X, Y = as_pair(validation)
    if examples.classes is None and is_labels(Y) and net.sizes[-1] > 1:
        raise WrongType(
            "validation must hold targets if the training does, got labels, whose order is unknown; pass labels for "
            "both, or formulations.one_hot(labels, classes)."
        )
    return examples_for(net, X, Y, examples.cost, examples.classes, are_labels=examples.classes is not None)


def _constant_cost(examples: Examples, weights: Array | None) -> float | None:
    """Return the cost of predicting the mean of the targets; None if all inputs or all targets are the same."""
    X, Y, cost, _ = examples
    if _is_constant(X) or _is_constant(Y):
        return None
    mean = np.average(Y, axis=0, weights=weights).astype(Y.dtype)
    found = float(cost.factor * np.average(cost.evaluate(np.tile(mean, (len(Y), 1)), Y), weights=weights))
    return found if math.isfinite(found) else None


def _is_constant(array: Any) -> bool:
    """Return whether all rows are the same."""
    if issparse(array):
        # Rows are the same if each column stores the same number in all rows or in none.
        used = array.tocsc()
        used.eliminate_zeros()
        counts, spread = np.diff(used.indptr), used.max(axis=0) - used.min(axis=0)
        return bool(np.isin(counts, (0, array.shape[0])).all()) and not spread.count_nonzero()
    return np.array_equal(array, np.broadcast_to(array[0], array.shape))


def _is_uniform(net: Network, X: Any) -> bool:
    """Return whether the activations of some layer are bitwise the same for all examples."""
    rows: dict[int, Array] = {}
    for part, tape in passes(net, X):
        layers = dict(enumerate(tape.activations[1:]))
        if part.start == 0:
            rows = {l: a[0].copy() for l, a in layers.items()}
        rows = {l: row for l, row in rows.items() if (layers[l] == row).all()}
        if not rows:
            return False
    return True
