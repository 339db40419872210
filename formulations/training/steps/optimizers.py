"""Optimizers: how a gradient changes the parameters."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from formulations.arrays import Array, number_between, positive_number
from formulations.backends import CompiledUpdates, StepRule
from formulations.exceptions import InvalidInput, UnknownName, WrongType, described
from formulations.functions import COSTS, Cost
from formulations.network import Network

__all__ = [
    "OPTIMIZERS",
    "Adam",
    "GradientDescent",
    "Optimizer",
    "Updates",
    "default_optimizer",
    "default_rate",
    "get_optimizer",
]

BOOK_RATE = 3.0
"""η of the book's network.py: gradient descent on the quadratic cost of sigmoid neurons."""


class Updates(ABC):
    """An optimizer at work on one vector of parameters, with the state that it carries from step to step.

    Attributes
    ----------
    state : dict of str to ndarray
        The arrays that determine the next steps; changed in place, so that copying values into them restores a run.
    compiled : CompiledUpdates or None
        Compiled steps to take instead of NumPy's, from which they differ by rounding only; the trainer sets those of
        its backend.
    """

    state: dict[str, Array]
    compiled: CompiledUpdates | None = None
    takes_change: bool = False
    """Whether the step depends on −η∇C alone, so that :meth:`move` takes it."""
    adds_change: bool = False
    """Whether the step is w → w − η∇C, without any state."""

    @abstractmethod
    def step(self, gradient: Array, rate: Array) -> None:
        """Change the parameters by one step; ``gradient`` is overwritten, ``rate`` is η with shape ()."""

    def move(self, change: Array) -> None:
        """Change the parameters by one step, given −η∇C, which is overwritten."""
        raise NotImplementedError(f"{type(self).__name__} takes a gradient and a rate; call step(gradient, rate).")

    def rule(self, *, l2: float = 0.0, l1: float = 0.0, per_batch: bool = False) -> StepRule | None:  # noqa: ARG002
        """Return the step as a rule for compiled code, with a penalty; None if it has no such rule."""
        return None


class Optimizer(ABC):
    """An optimizer: its settings, without any state."""

    name: str
    default_rate: float
    """The learning rate that :func:`formulations.sgd` takes if none is given, see :func:`default_rate`."""
    model_rate: float | None = None
    """That of :meth:`formulations.Model.fit`, whose features are standardised; None means the same."""

    @property
    def rate_of_models(self) -> float:
        """The learning rate that :meth:`formulations.Model.fit` takes if none is given."""
        return self.default_rate if self.model_rate is None else self.model_rate

    @abstractmethod
    def start(self, parameters: Array) -> Updates:
        """Return the updates of a vector of parameters, which change it in place."""


@dataclass(frozen=True)
class GradientDescent(Optimizer):
    r"""Gradient descent, with momentum if μ > 0: Equations (20), (21), (107) and (108) of Nielsen's book.

    .. math:: v \to v' = \mu v - \eta \nabla C, \qquad w \to w' = w + v'

    Nesterov's form moves by :math:`\mu v' - \eta \nabla C` instead of :math:`v'`.

    Parameters
    ----------
    momentum : float
        μ, at least 0 and below 1.
    nesterov : bool
        Whether to look ahead by Nesterov's form; needs momentum.

    Raises
    ------
    WrongType, InvalidInput
        If μ is not a number in [0, 1), or ``nesterov`` comes without momentum.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, *On the importance of initialization and momentum in deep learning* (2013).
    """

    momentum: float = 0.0
    nesterov: bool = False

    name = "sgd"
    default_rate = 0.1

    def __post_init__(self) -> None:
        number_between(self.momentum, "momentum", 0, 1)
        if self.nesterov and not self.momentum:
            raise InvalidInput("nesterov needs a momentum above 0, got momentum 0; pass momentum=0.9.")

    def start(self, parameters: Array) -> Updates:
        """Return the updates of a vector of parameters."""
        return _Momentum(parameters, self) if self.momentum else _Descent(parameters)


@dataclass(frozen=True)
class Adam(Optimizer):
    r"""Adam: each parameter's step is scaled by running means of its gradient and of the gradient's square.

    .. math::

        m \to \beta_1 m + (1 - \beta_1) \nabla C, \quad v \to \beta_2 v + (1 - \beta_2) (\nabla C)^2, \quad
        w \to w - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \, \frac{m}{\sqrt{v} + \epsilon}

    Parameters
    ----------
    beta_1, beta_2 : float
        At least 0 and below 1.
    epsilon : float
        Keeps the quotient finite; positive.

    Raises
    ------
    WrongType, InvalidInput
        If a parameter is out of range.

    References
    ----------
    Kingma and Ba, *Adam: a method for stochastic optimization* (2015). As at the end of their section 2, and in
    scikit-learn, ε stands outside the bias correction.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    name = "adam"
    default_rate = 0.001
    model_rate = 0.01

    def __post_init__(self) -> None:
        number_between(self.beta_1, "beta_1", 0, 1)
        number_between(self.beta_2, "beta_2", 0, 1)
        positive_number(self.epsilon, "epsilon")

    def start(self, parameters: Array) -> Updates:
        """Return the updates of a vector of parameters."""
        return _Adam(parameters, self)


class _Changes(Updates):
    """Updates that depend on −η∇C alone."""

    takes_change = True

    def step(self, gradient: Array, rate: Array) -> None:
        np.multiply(gradient, -rate, gradient)
        self.move(gradient)


class _Descent(_Changes):
    adds_change = True

    def __init__(self, parameters: Array) -> None:
        self._parameters = parameters
        self.state = {}

    def rule(self, *, l2: float = 0.0, l1: float = 0.0, per_batch: bool = False) -> StepRule:
        return StepRule("descent", np.empty(0), self.state, l2, l1, per_batch)

    def move(self, change: Array) -> None:
        np.add(self._parameters, change, self._parameters)


class _Momentum(_Changes):
    def __init__(self, parameters: Array, settings: GradientDescent) -> None:
        self._parameters = parameters
        _check_rounded(parameters.dtype, momentum=(settings.momentum, 0.9))
        self._settings = settings
        self._momentum = np.array(settings.momentum, parameters.dtype)
        self._nesterov = settings.nesterov
        self._velocity = np.zeros_like(parameters)
        self.state = {"velocity": self._velocity}

    def rule(self, *, l2: float = 0.0, l1: float = 0.0, per_batch: bool = False) -> StepRule:
        kind: Literal["momentum", "nesterov"] = "nesterov" if self._nesterov else "momentum"
        return StepRule(kind, np.array([self._settings.momentum]), self.state, l2, l1, per_batch)

    def move(self, change: Array) -> None:
        velocity, parameters = self._velocity, self._parameters
        if self.compiled is not None:
            # −η∇C is the gradient at the rate −1.
            minus = parameters.dtype.type(-1)
            self.compiled.momentum(parameters, change, velocity, self._momentum[()], minus, self._nesterov)
            return
        np.multiply(velocity, self._momentum, velocity)
        np.add(velocity, change, velocity)
        if self._nesterov:
            np.add(parameters, change, parameters)
            np.multiply(velocity, self._momentum, change)
            np.add(parameters, change, parameters)
        else:
            np.add(parameters, velocity, parameters)


class _Adam(Updates):
    def __init__(self, parameters: Array, settings: Adam) -> None:
        beta_1, beta_2 = settings.beta_1, settings.beta_2
        _check_rounded(parameters.dtype, beta_1=(beta_1, 0.9), beta_2=(beta_2, 0.999))
        epsilon = parameters.dtype.type(settings.epsilon)
        if not 0 < epsilon < math.inf:
            raise InvalidInput(
                f"epsilon must be positive and finite in {parameters.dtype}, in which {settings.epsilon:g} is "
                f"{epsilon:g}; pass a number such as 1e-8."
            )
        self._parameters = parameters
        self._settings = settings
        self._factors = np.array([beta_1, 1 - beta_1, beta_2, 1 - beta_2, settings.epsilon], parameters.dtype)
        # Arrays of shape (), which NumPy handles twice as fast as numbers.
        self._constants = [self._factors[i, ...] for i in range(len(self._factors))]
        self._mean, self._square, self._buffer = (np.zeros_like(parameters) for _ in range(3))
        self._count = np.zeros((), np.int64)
        self.state = {"mean": self._mean, "square": self._square, "count": self._count}

    def rule(self, *, l2: float = 0.0, l1: float = 0.0, per_batch: bool = False) -> StepRule:
        beta_1, beta_2 = self._settings.beta_1, self._settings.beta_2
        factors = np.array([beta_1, 1 - beta_1, beta_2, 1 - beta_2, self._settings.epsilon])
        return StepRule("adam", factors, self.state, l2, l1, per_batch)

    def step(self, gradient: Array, rate: Array) -> None:
        mean, square, buffer = self._mean, self._square, self._buffer
        self._count += 1
        t = int(self._count)
        correction = math.sqrt(1 - self._settings.beta_2**t) / (1 - self._settings.beta_1**t)
        corrected = rate * rate.dtype.type(correction)
        if self.compiled is not None:
            self.compiled.adam(self._parameters, gradient, mean, square, self._factors, corrected)
            return
        beta_1, rest_1, beta_2, rest_2, epsilon = self._constants
        np.multiply(square, beta_2, square)
        np.multiply(gradient, gradient, buffer)
        np.multiply(buffer, rest_2, buffer)
        np.add(square, buffer, square)
        np.multiply(mean, beta_1, mean)
        np.multiply(gradient, rest_1, gradient)
        np.add(mean, gradient, mean)
        np.sqrt(square, buffer)
        np.add(buffer, epsilon, buffer)
        np.divide(mean, buffer, buffer)
        np.multiply(buffer, corrected, buffer)
        np.subtract(self._parameters, buffer, self._parameters)


OPTIMIZERS = {kind.name: kind for kind in (GradientDescent, Adam)}
"""The built-in optimizers by name."""


def default_optimizer(*, momentum: Any = 0.0, nesterov: Any = False) -> str:
    """Return the optimizer that a model is trained by if none is given: adam, or sgd for momentum."""
    given = [value for value in (momentum, nesterov) if not isinstance(value, int | float) or value]
    return GradientDescent.name if given else Adam.name


def default_rate(optimizer: Optimizer, net: Network, cost: Cost) -> float:
    """Return the learning rate that :func:`formulations.sgd` takes if none is given.

    Parameters
    ----------
    optimizer : Optimizer
        Its own rate is the default, except that gradient descent gets the book's 3 for the book's networks.
    net : Network
        The network, the book's if all its neurons are sigmoid.
    cost : Cost
        The cost, the book's if it is quadratic.
    """
    of_the_book = cost is COSTS["quadratic"] and all(each.name == "sigmoid" for each in net.activations)
    return BOOK_RATE if of_the_book and isinstance(optimizer, GradientDescent) else optimizer.default_rate


def get_optimizer(given: str | Optimizer, *, momentum: float = 0.0, nesterov: bool = False) -> Optimizer:
    """Return an optimizer by name or as given.

    Parameters
    ----------
    given : {"sgd", "adam"} or Optimizer
        The optimizer; an :class:`Optimizer` is returned as it is.
    momentum, nesterov
        For ``"sgd"`` only, see :class:`GradientDescent`.

    Raises
    ------
    UnknownName
        If no optimizer has this name.
    InvalidInput
        If another optimizer is given a momentum.
    WrongType
        If ``given`` is neither a name nor an optimizer.
    """
    if isinstance(given, str) and given == GradientDescent.name:
        return GradientDescent(momentum, nesterov)
    if momentum or nesterov:
        raise InvalidInput(
            f"momentum and nesterov are settings of optimizer='sgd', got them with {described(given)}; "
            "leave them out, or set "
            "them in the optimizer."
        )
    if isinstance(given, Optimizer):
        return given
    if isinstance(given, str):
        if given == Adam.name:
            return Adam()
        raise UnknownName("optimizer", given, OPTIMIZERS)
    raise WrongType(f"optimizer must be a name or an Optimizer, got {described(given)}; pass 'sgd' or 'adam'.")


def _check_rounded(dtype: np.dtype[Any], **factors: tuple[float, float]) -> None:
    """Refuse a factor that rounds to 1 in the network's dtype; each comes with an example."""
    for name, (value, example) in factors.items():
        if not dtype.type(value) < 1:
            raise InvalidInput(
                f"{name} must be below 1 in {dtype}, in which {value!r} is 1; pass a number such as {example}."
            )
