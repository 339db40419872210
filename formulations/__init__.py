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

from formulations.activations import Activation, PerNeuron, activation, coupled_activation
from formulations.api import gradient, prepare, which
from formulations.certify import Certificate, certify
from formulations.chunks import ChunkedPlan
from formulations.compare import compare
from formulations.comparison import Comparison
from formulations.conformance import Report, check_backend
from formulations.contract import Backend, Tier
from formulations.costs import Cost, cost
from formulations.digits import load_digits
from formulations.exact_oracle import exact_oracle
from formulations.explain import Explanation, explain
from formulations.history import History
from formulations.limits import use_budget
from formulations.network import Network
from formulations.parameters import Gradient
from formulations.per_example import per_example_gradients
from formulations.persistence import load, save
from formulations.plan import Plan
from formulations.prediction import Prediction
from formulations.registry import get_backend, list_backends, register, use_backend
from formulations.sgd import sgd
from formulations.tape import Tape

__version__ = version("formulations")

__all__ = [
    "Activation",
    "Backend",
    "Certificate",
    "ChunkedPlan",
    "Comparison",
    "Cost",
    "Explanation",
    "Gradient",
    "History",
    "Network",
    "PerNeuron",
    "Plan",
    "Prediction",
    "Report",
    "Tape",
    "Tier",
    "activation",
    "certify",
    "check_backend",
    "compare",
    "cost",
    "coupled_activation",
    "exact_oracle",
    "explain",
    "get_backend",
    "gradient",
    "list_backends",
    "load",
    "load_digits",
    "per_example_gradients",
    "prepare",
    "register",
    "save",
    "sgd",
    "use_backend",
    "use_budget",
    "which",
]
