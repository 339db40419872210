"""The base of all backends: the contract, cost estimates, options, difference schemes and compiled updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.backends._base.contract import Backend as Backend
    from formulations.backends._base.estimates import Estimate as Estimate
    from formulations.backends._base.estimates import forward_multiplications as forward_multiplications
    from formulations.backends._base.estimates import tape_bytes as tape_bytes
    from formulations.backends._base.facts import ESTIMATED_EXAMPLES as ESTIMATED_EXAMPLES
    from formulations.backends._base.facts import ESTIMATED_SIZES as ESTIMATED_SIZES
    from formulations.backends._base.facts import BackendFacts as BackendFacts
    from formulations.backends._base.linearization import OPERATORS as OPERATORS
    from formulations.backends._base.linearization import PARAMETERS as PARAMETERS
    from formulations.backends._base.linearization import Linearization as Linearization
    from formulations.backends._base.linearization import Where as Where
    from formulations.backends._base.one_at_a_time import OneAtATime as OneAtATime
    from formulations.backends._base.options import convert as convert
    from formulations.backends._base.options import option_types as option_types
    from formulations.backends._base.options import read_options as read_options
    from formulations.backends._base.perturbation import SCHEMES as SCHEMES
    from formulations.backends._base.perturbation import Difference as Difference
    from formulations.backends._base.perturbation import Extrapolation as Extrapolation
    from formulations.backends._base.perturbation import Quotient as Quotient
    from formulations.backends._base.perturbation import derivative_along as derivative_along
    from formulations.backends._base.perturbation import step_sizes as step_sizes
    from formulations.backends._base.tiers import Tier as Tier
    from formulations.backends._base.updates import CompiledSteps as CompiledSteps
    from formulations.backends._base.updates import CompiledUpdates as CompiledUpdates
    from formulations.backends._base.updates import StepRule as StepRule
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "contract": ["Backend"],
            "estimates": ["Estimate", "forward_multiplications", "tape_bytes"],
            "facts": ["ESTIMATED_EXAMPLES", "ESTIMATED_SIZES", "BackendFacts"],
            "linearization": ["OPERATORS", "PARAMETERS", "Linearization", "Where"],
            "one_at_a_time": ["OneAtATime"],
            "options": ["convert", "option_types", "read_options"],
            "perturbation": ["SCHEMES", "Difference", "Extrapolation", "Quotient", "derivative_along", "step_sizes"],
            "tiers": ["Tier"],
            "updates": ["CompiledSteps", "CompiledUpdates", "StepRule"],
        },
    )
