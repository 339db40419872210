"""The gradient of a feed-forward network in every formulation, behind one interface.

>>> import formulations as fm
>>> net = fm.Network.random([2, 3, 2], seed=0)
>>> by_hadamard = fm.gradient(net, [[0.0, 1.0]], [[1.0, 0.0]], backend="hadamard")
>>> by_sigma = fm.gradient(net, [[0.0, 1.0]], [[1.0, 0.0]], backend="sigma")
>>> bool((by_hadamard.vector == by_sigma.vector).all())
True
"""

from __future__ import annotations

from importlib.metadata import version

from formulations.activations import Activation, PerNeuron, activation
from formulations.api import gradient, prepare, which
from formulations.compare import Comparison, compare
from formulations.contract import Backend, Prediction, Tier
from formulations.costs import Cost, cost
from formulations.digits import load as load_digits
from formulations.network import Network
from formulations.parameters import Gradient
from formulations.plan import Plan
from formulations.registry import get_backend, list_backends, register, use_backend
from formulations.sgd import History, sgd
from formulations.tape import Tape

__version__ = version("formulations")

__all__ = [
    "Activation",
    "Backend",
    "Comparison",
    "Cost",
    "Gradient",
    "History",
    "Network",
    "PerNeuron",
    "Plan",
    "Prediction",
    "Tape",
    "Tier",
    "activation",
    "compare",
    "cost",
    "get_backend",
    "gradient",
    "list_backends",
    "load_digits",
    "prepare",
    "register",
    "sgd",
    "use_backend",
    "which",
]
