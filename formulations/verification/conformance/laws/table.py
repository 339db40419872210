"""The laws by name; the first line of each function's docstring says what it checks."""

from __future__ import annotations

from formulations.verification.conformance.law import Law
from formulations.verification.conformance.laws import manners, operators, plans, sums, values

__all__ = ["LAWS"]

_OF_BACKENDS = {
    values.value_belongs: "it returns no cost",
    sums.linear_in_cost: "it does not get the cost",
    sums.weight_zero: "it does not get sample weights",
    plans.stale_plans: "it has no plans",
    plans.refusals: "it does not say what it refuses",
    plans.counted_passes: "it does not count its forward passes",
    manners.views_belong: "it does not write into a gradient",
    operators.operators_equal: "it has no operators",
    operators.operators_linear: "it has no operators",
    operators.operators_symmetric: "it has no operators",
    operators.operators_repeatable: "it has no operators",
}
"""The laws that say nothing about a plain function, and why."""

LAWS: dict[str, Law] = {
    function.__name__: Law(
        function.__name__, (function.__doc__ or "").splitlines()[0], function, _OF_BACKENDS.get(function, "")
    )
    for function in (
        values.equal,
        values.conclusive,
        values.exact,
        values.closed_form,
        values.value_belongs,
        values.errors_belong,
        sums.linear_in_cost,
        sums.mean_of_examples,
        sums.order_of_examples,
        sums.weight_zero,
        sums.neurons_permuted,
        manners.inputs_unchanged,
        manners.same_bits,
        manners.dtype_kept,
        manners.views_belong,
        manners.threads,
        plans.plan_reuse,
        plans.stale_plans,
        plans.refusals,
        plans.counted_passes,
        operators.operators_equal,
        operators.operators_linear,
        operators.operators_symmetric,
        operators.operators_repeatable,
    )
}
"""In the order in which they are checked."""
