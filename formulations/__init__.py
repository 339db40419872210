"""The gradient of a feed-forward network in every formulation, behind one interface.

>>> import formulations as fm
>>> net = fm.Network.random([2, 3, 2], seed=0)
>>> by_hadamard = fm.gradient(net, [[0.0, 1.0]], [[1.0, 0.0]], backend="hadamard")
>>> by_sigma = fm.gradient(net, [[0.0, 1.0]], [[1.0, 0.0]], backend="sigma")
>>> bool((by_hadamard.vector == by_sigma.vector).all())
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from formulations._lazy import attach

if TYPE_CHECKING:
    __version__: str

    from formulations import exceptions as exceptions
    from formulations import testing as testing
    from formulations.arrays import use_budget as use_budget
    from formulations.backends import Backend as Backend
    from formulations.backends import Estimate as Estimate
    from formulations.backends import Tier as Tier
    from formulations.backends import get_backend as get_backend
    from formulations.backends import list_backends as list_backends
    from formulations.backends import register as register
    from formulations.backends import use_backend as use_backend
    from formulations.comparison import Comparison as Comparison
    from formulations.comparison import compare as compare
    from formulations.data import load_digits as load_digits
    from formulations.data import one_hot as one_hot
    from formulations.data import read_csv as read_csv
    from formulations.data import read_idx as read_idx
    from formulations.data import split as split
    from formulations.explanation import Explanation as Explanation
    from formulations.explanation import explain as explain
    from formulations.functions import Activation as Activation
    from formulations.functions import Cost as Cost
    from formulations.functions import PerNeuron as PerNeuron
    from formulations.functions import activation as activation
    from formulations.functions import cost as cost
    from formulations.functions import coupled_activation as coupled_activation
    from formulations.network import Gradient as Gradient
    from formulations.network import Network as Network
    from formulations.network import Tape as Tape
    from formulations.network import from_torch as from_torch
    from formulations.network import load as load
    from formulations.network import save as save
    from formulations.operators import Diagnosis as Diagnosis
    from formulations.operators import JacobianPlan as JacobianPlan
    from formulations.operators import Spectrum as Spectrum
    from formulations.operators import clipped_gradient as clipped_gradient
    from formulations.operators import diagnose as diagnose
    from formulations.operators import gauss_newton as gauss_newton
    from formulations.operators import gradient_cosines as gradient_cosines
    from formulations.operators import gradient_gram as gradient_gram
    from formulations.operators import hessian as hessian
    from formulations.operators import input_gradient as input_gradient
    from formulations.operators import jacobian as jacobian
    from formulations.operators import jacobian_operator as jacobian_operator
    from formulations.operators import objective as objective
    from formulations.operators import per_example_gradients as per_example_gradients
    from formulations.operators import per_example_norms as per_example_norms
    from formulations.operators import prepare_jacobian as prepare_jacobian
    from formulations.operators import spectrum as spectrum
    from formulations.plans import ChunkedPlan as ChunkedPlan
    from formulations.plans import Plan as Plan
    from formulations.plans import Source as Source
    from formulations.plans import gradient as gradient
    from formulations.plans import prepare as prepare
    from formulations.plans import sources as sources
    from formulations.plans import which as which
    from formulations.training import History as History
    from formulations.training import Model as Model
    from formulations.training import sgd as sgd
    from formulations.verification import Certificate as Certificate
    from formulations.verification import ConformanceReport as ConformanceReport
    from formulations.verification import FunctionCertificate as FunctionCertificate
    from formulations.verification import Grade as Grade
    from formulations.verification import certify as certify
    from formulations.verification import certify_function as certify_function
    from formulations.verification import check_backend as check_backend
    from formulations.verification import exact_gradient as exact_gradient
    from formulations.verification import grade as grade
else:
    _load, __dir__, __all__ = attach(
        __name__,
        {
            "arrays": ["use_budget"],
            "backends": ["Backend", "Estimate", "Tier", "get_backend", "list_backends", "register", "use_backend"],
            "comparison": ["Comparison", "compare"],
            "data": ["load_digits", "one_hot", "read_csv", "read_idx", "split"],
            "exceptions": [],
            "explanation": ["Explanation", "explain"],
            "functions": ["Activation", "Cost", "PerNeuron", "activation", "cost", "coupled_activation"],
            "network": ["Gradient", "Network", "Tape", "from_torch", "load", "save"],
            "operators": [
                "Diagnosis",
                "JacobianPlan",
                "Spectrum",
                "clipped_gradient",
                "diagnose",
                "gauss_newton",
                "gradient_cosines",
                "gradient_gram",
                "hessian",
                "input_gradient",
                "jacobian",
                "jacobian_operator",
                "objective",
                "per_example_gradients",
                "per_example_norms",
                "prepare_jacobian",
                "spectrum",
            ],
            "plans": ["ChunkedPlan", "Plan", "Source", "gradient", "prepare", "sources", "which"],
            "testing": [],
            "training": ["History", "Model", "sgd"],
            "verification": [
                "Certificate",
                "ConformanceReport",
                "FunctionCertificate",
                "Grade",
                "certify",
                "certify_function",
                "check_backend",
                "exact_gradient",
                "grade",
            ],
        },
    )

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            # Reading the metadata takes longer than the rest of the import.
            from importlib.metadata import version

            return version("backprop-formulations")
        return _load(name)
