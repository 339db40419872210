"""The backends, one file for each formulation, and the registry that finds them by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.backends._base.contract import Backend as Backend
    from formulations.backends._base.estimates import Estimate as Estimate
    from formulations.backends._base.estimates import backward_multiplications as backward_multiplications
    from formulations.backends._base.estimates import forward_multiplications as forward_multiplications
    from formulations.backends._base.facts import ESTIMATED_EXAMPLES as ESTIMATED_EXAMPLES
    from formulations.backends._base.facts import ESTIMATED_SIZES as ESTIMATED_SIZES
    from formulations.backends._base.facts import BackendFacts as BackendFacts
    from formulations.backends._base.linearization import OPERATORS as OPERATORS
    from formulations.backends._base.linearization import PARAMETERS as PARAMETERS
    from formulations.backends._base.linearization import Linearization as Linearization
    from formulations.backends._base.linearization import Where as Where
    from formulations.backends._base.perturbation import SCHEMES as SCHEMES
    from formulations.backends._base.perturbation import Difference as Difference
    from formulations.backends._base.perturbation import Extrapolation as Extrapolation
    from formulations.backends._base.perturbation import Quotient as Quotient
    from formulations.backends._base.perturbation import Scheme as Scheme
    from formulations.backends._base.perturbation import step_sizes as step_sizes
    from formulations.backends._base.tiers import Tier as Tier
    from formulations.backends._base.updates import CompiledSteps as CompiledSteps
    from formulations.backends._base.updates import CompiledUpdates as CompiledUpdates
    from formulations.backends._base.updates import StepRule as StepRule
    from formulations.backends._facts import backend_facts as backend_facts
    from formulations.backends._registry import DEFAULT as DEFAULT
    from formulations.backends._registry import BackendLike as BackendLike
    from formulations.backends._registry import chosen_backend as chosen_backend
    from formulations.backends._registry import chosen_backends as chosen_backends
    from formulations.backends._registry import get_backend as get_backend
    from formulations.backends._registry import list_backends as list_backends
    from formulations.backends._registry import register as register
    from formulations.backends._registry import use_backend as use_backend
    from formulations.backends._shared.jacobian_chain import JacobianFactors as JacobianFactors
    from formulations.backends._shared.recurrence import errors_by_recurrence as errors_by_recurrence
    from formulations.backends._shared.recurrence import khatri_rao as khatri_rao
    from formulations.backends._table import BUILT_IN as BUILT_IN
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "_base.contract": ["Backend"],
            "_base.estimates": ["Estimate", "backward_multiplications", "forward_multiplications"],
            "_base.facts": ["ESTIMATED_EXAMPLES", "ESTIMATED_SIZES", "BackendFacts"],
            "_base.linearization": ["OPERATORS", "PARAMETERS", "Linearization", "Where"],
            "_base.perturbation": ["SCHEMES", "Difference", "Extrapolation", "Quotient", "Scheme", "step_sizes"],
            "_base.tiers": ["Tier"],
            "_base.updates": ["CompiledSteps", "CompiledUpdates", "StepRule"],
            "_facts": ["backend_facts"],
            "_registry": [
                "DEFAULT",
                "BackendLike",
                "chosen_backend",
                "chosen_backends",
                "get_backend",
                "list_backends",
                "register",
                "use_backend",
            ],
            "_shared.jacobian_chain": ["JacobianFactors"],
            "_shared.recurrence": ["errors_by_recurrence", "khatri_rao"],
            "_table": ["BUILT_IN"],
        },
    )
