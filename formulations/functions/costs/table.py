"""The built-in costs by name.

A cost satisfies the two assumptions of the chapter: it is an average C = (1/m) Σ_x C_x of costs of single
examples, and each C_x is a function of the outputs a^L (and of the target y, which is a constant).
"""

from __future__ import annotations

import re
from functools import lru_cache

from formulations.exceptions import InvalidInput, UnknownName, WrongType, described
from formulations.functions.costs.base import CombinedOutput, Cost
from formulations.functions.costs.binary_cross_entropy import BinaryCrossEntropy
from formulations.functions.costs.custom import cost
from formulations.functions.costs.log_likelihood import LogLikelihood
from formulations.functions.costs.quadratic import Quadratic

__all__ = ["COSTS", "BinaryCrossEntropy", "CombinedOutput", "Cost", "LogLikelihood", "Quadratic", "cost", "get_cost"]

FACTOR = re.compile(r"(?P<numerator>[0-9]{1,8})(/(?P<denominator>0*[1-9][0-9]{0,7}))? (?P<cost>.+)")
"""A name with a factor."""

COSTS: dict[str, Cost] = {made.name: made for made in (Quadratic(), BinaryCrossEntropy(), LogLikelihood())}

ELSEWHERE: dict[str, list[str]] = {
    "bce": ["binary_cross_entropy"],
    "bceloss": ["binary_cross_entropy"],
    "categoricalcrossentropy": ["log_likelihood"],
    "crossentropy": ["binary_cross_entropy", "log_likelihood"],
    "crossentropyloss": ["binary_cross_entropy", "log_likelihood"],
    "leastsquares": ["quadratic"],
    "logloss": ["binary_cross_entropy", "log_likelihood"],
    "meansquarederror": ["quadratic"],
    "mse": ["quadratic"],
    "mseloss": ["quadratic"],
    "negativeloglikelihood": ["log_likelihood"],
    "nll": ["log_likelihood"],
    "nllloss": ["log_likelihood"],
    "squarederror": ["quadratic"],
}
"""Names in other libraries (only lower-case letters and digits) → names here."""


def get_cost(cost: str | Cost) -> Cost:
    """Return the cost of that name; a cost is returned as it is.

    A name may begin with a factor: ``"2/3 quadratic"``, see :meth:`Cost.times`.

    Raises
    ------
    UnknownName
        If no cost has this name; lists the valid names.
    InvalidInput
        If its factor is not positive, or too long.
    WrongType
        If it is neither a name nor a cost.
    """
    if isinstance(cost, Cost):
        return cost
    if not isinstance(cost, str):
        remedy = "try 'quadratic'"
        if hasattr(cost, "named_parameters"):
            remedy = "if it is a loss of PyTorch, network, cost = formulations.from_torch(module, loss) makes both"
        raise WrongType(f"cost must be a name or a cost made by formulations.cost, got {described(cost)}; {remedy}.")
    return COSTS.get(cost) or _named(cost)


@lru_cache(maxsize=64)
def _named(name: str) -> Cost:
    """Return the cost whose name begins with a factor, the same object at each call."""
    found = FACTOR.fullmatch(name)
    factor, _, cost = name.rpartition(" ")
    if found is None and factor and cost in COSTS:
        raise InvalidInput(
            f"a cost's factor must be a positive integer or fraction of at most 8 digits, got {factor!r}; write it as "
            f"in '2/3 {cost}', or use Cost.times."
        )
    if found is None or found["cost"] not in COSTS:
        raise UnknownName("cost", found["cost"] if found else name, COSTS, elsewhere=ELSEWHERE)
    from fractions import Fraction  # which takes longer to load than a gradient to compute

    return COSTS[found["cost"]].times(Fraction(int(found["numerator"]), int(found["denominator"] or 1)))
