"""PyTorch's losses as costs, which need the module: some apply the last activation, and some average over outputs."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

from formulations.exceptions import Refused, needs
from formulations.functions import Cost, get_activation, get_cost
from formulations.network.foreign.modules import LOG_SOFTMAX, Chain, read_chain
from formulations.network.network import Network

__all__ = ["from_torch"]

ACCEPTED = "CrossEntropyLoss, NLLLoss after LogSoftmax, BCEWithLogitsLoss, BCELoss and MSELoss, each with its defaults"
"""For messages."""

FUNCTIONS = {
    "cross_entropy": "CrossEntropyLoss",
    "nll_loss": "NLLLoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "binary_cross_entropy": "BCELoss",
    "mse_loss": "MSELoss",
}
"""Functions of ``torch.nn.functional`` and the modules that do the same."""

DEFAULTS = {"weight": None, "pos_weight": None, "ignore_index": -100, "label_smoothing": 0.0}
"""Options of losses that change the gradient, and the values that leave it as it is."""


def from_torch(module: Any, loss: Any) -> tuple[Network, Cost]:
    r"""Return the network and the cost whose gradient ``loss(module(X), Y).backward()`` computes.

    PyTorch's losses apply the last activation themselves, or also average over the n outputs. Here both are explicit:

    ====================================================  ==================  =========================
    module and loss                                       last activation     cost
    ====================================================  ==================  =========================
    … ``Linear``, ``CrossEntropyLoss``                    softmax             log_likelihood
    … ``Linear``, ``LogSoftmax``, ``NLLLoss``             softmax             log_likelihood
    … ``Linear``, ``BCEWithLogitsLoss``                   sigmoid             1/n binary_cross_entropy
    …, ``BCELoss``                                        that of the module  1/n binary_cross_entropy
    …, ``MSELoss``                                        that of the module  2/n quadratic
    ====================================================  ==================  =========================

    Parameters
    ----------
    module : torch.nn.Module
        See :meth:`Network.from_torch`.
    loss : torch.nn.Module or function
        One of these losses with ``reduction="mean"``, or its function in ``torch.nn.functional``, of which
        ``functools.partial`` may set options.

    Returns
    -------
    Network, Cost
        The arrays are copies.

    Raises
    ------
    WrongType
        If ``module`` is no module.
    Refused
        If the module or the loss computes what has no counterpart here; the message names the part or the option.
    MissingExtra
        If torch is not installed.

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    >>> from_torch(module, torch.nn.CrossEntropyLoss())
    (<Network 4-5-3, tanh, softmax, float32, 43 parameters>, <LogLikelihood log_likelihood>)
    >>> from_torch(module, torch.nn.MSELoss())
    (<Network 4-5-3, tanh, identity, float32, 43 parameters>, <Quadratic 2/3 quadratic>)
    """
    chain = read_chain(module)
    name = _name(loss)
    last = chain.activations[-1]
    n = len(chain.layers[-1].weight)
    if name == "CrossEntropyLoss":
        # The logarithm of a softmax is its own logarithm of a softmax.
        if last != LOG_SOFTMAX:
            _check_logits(chain, name, "softmax", "NLLLoss after LogSoftmax")
        return chain.network("softmax"), get_cost("log_likelihood")
    if name == "NLLLoss":
        if last != LOG_SOFTMAX:
            raise Refused(
                f"NLLLoss takes logarithms of probabilities, got the outputs of {_last(chain)}; end the module with "
                "LogSoftmax(dim=1), or with its Linear layer and use CrossEntropyLoss."
            )
        return chain.network("softmax"), get_cost("log_likelihood")
    if last == LOG_SOFTMAX:
        raise Refused(f"{name} must not follow LogSoftmax, whose outputs are no activations here; use NLLLoss.")
    if name == "BCEWithLogitsLoss":
        _check_logits(chain, name, "sigmoid", "BCELoss after Sigmoid")
        return chain.network("sigmoid"), _over(get_cost("binary_cross_entropy"), 1, n)
    if name == "BCELoss":
        return chain.network(), _over(get_cost("binary_cross_entropy"), 1, n)
    return chain.network(), _over(get_cost("quadratic"), 2, n)


def _over(cost: Cost, numerator: int, n: int) -> Cost:
    """Return the mean over n outputs of the terms that a cost sums."""
    return cost.times(Fraction(numerator, n))


def _check_logits(chain: Chain, loss: str, function: str, other: str) -> None:
    """Refuse an activation of the output layer before a loss that applies one itself."""
    if chain.activations[-1] == get_activation("identity"):
        return
    raise Refused(
        f"{loss} applies {function} itself and must follow a Linear layer, got the outputs of {_last(chain)}, "
        f"which it would pass through {function} again; leave that out, or use {other}."
    )


def _last(chain: Chain) -> str:
    activation = chain.activations[-1]
    return f"the last layer, {activation if isinstance(activation, str) else activation.name}"


def _name(loss: Any) -> str:
    """Return the class of a loss whose options do not change its gradient."""
    torch = needs("peers", "torch", "reading a loss")
    options: dict[str, Any] = {}
    found = loss
    while isinstance(found, partial):
        if found.args:
            raise Refused(f"a loss must get its options by name, got functools.partial with {found.args}; name them.")
        options, found = found.keywords | options, found.func
    functions = {getattr(torch.nn.functional, function): name for function, name in FUNCTIONS.items()}
    if isinstance(found, torch.nn.Module):
        name = type(found).__name__
        known = name in FUNCTIONS.values() and type(found) is getattr(torch.nn, name)
        options = {key: getattr(found, key, None) for key in ("reduction", *DEFAULTS) if hasattr(found, key)}
    else:
        known = callable(found) and found in functions
        name = functions[found] if known else getattr(found, "__name__", repr(found))
    if isinstance(found, type) and issubclass(found, torch.nn.Module):
        raise Refused(f"a loss must be a module or a function, got the class {name}; make one: {name}().")
    if not known:
        raise Refused(f"a loss must be one of those with a cost here, got {name}; these are {ACCEPTED}.")
    for option, value in options.items():
        if option in ("size_average", "reduce"):
            if value is not None:
                raise Refused(f"{name} must have reduction='mean', got {option}={value}; pass reduction instead.")
        elif option == "reduction":
            if value != "mean":
                raise Refused(
                    f"{name} must have reduction='mean', since a cost here is a mean over the examples, got {value!r}; "
                    "take the mean."
                )
        elif option not in DEFAULTS:
            raise Refused(f"{name} must have no other option than reduction, got {option}={value!r}; leave it out.")
        elif value is not None and value != DEFAULTS[option]:
            shown = "given" if hasattr(value, "shape") else repr(value)
            raise Refused(
                f"{name} must have its default {option}, got {option}={shown}, which no cost here has; omit it, or "
                "make a cost of your own with formulations.cost."
            )
    return name
