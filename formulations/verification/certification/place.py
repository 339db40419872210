"""The place of a mistake: the layer and the equation, derived from the verdicts on each layer."""

from __future__ import annotations

from formulations.arrays import Array, Layout
from formulations.backends import Tier
from formulations.functions import Cost
from formulations.network import Batch, Network
from formulations.verification.certification.candidates import Candidate
from formulations.verification.oracles import reference_gradient
from formulations.verification.tolerances import Status, Verdict, judge

__all__ = ["place_of", "single_examples"]


def place_of(verdict: Verdict, layout: Layout) -> tuple[int, str]:
    """Return the layer and the equation of the first mistake, from the output backwards.

    If no layer is wrong, the place is the cost, ``"C"``, in the output layer. Without δ, a wrong δ^l shows in both
    ∂C/∂w^l and ∂C/∂b^l, and a wrong sum in only one of them. If the candidate has only one of the two, a wrong δ^l
    shows in the layer below.
    """
    wrong = [line for line in verdict.layers if line.status is Status.DIFFERENT]
    if not wrong:
        return layout.last, "C"
    first = max(wrong, key=lambda line: line.layer)
    if first.local:
        return wrong[0].layer, wrong[0].equation
    kinds = {line.equation for line in wrong if line.layer == first.layer}
    judged = {line.equation for line in verdict.layers if line.layer == first.layer} - {"δ"}
    below = [line.status is Status.DIFFERENT for line in verdict.layers if line.layer == first.layer - 1]
    if "δ" in kinds or (judged <= kinds and (len(judged) == 2 or any(below) or not below)):
        return first.layer, "BP1" if first.layer == layout.last else "BP2"
    return first.layer, "BP4" if "∂C/∂w" in kinds else "BP3"


def single_examples(net: Network, X: Array, Y: Array, cost: Cost, found: list[Candidate], l2: float = 0.0) -> list[str]:
    """Say whether the gradients of single examples are correct, or which are wrong, and from which equation on.

    Parameters
    ----------
    net, X, Y, cost
        The arguments of the function.
    found : list of Candidate
        Its results for each of the first examples alone.
    l2 : float
        λ of the weight decay that belongs in them.

    Returns
    -------
    list of str
        One sentence, or none if there are no results.
    """
    if not found:
        return []
    wrong: dict[tuple[int, str], list[int]] = {}
    equal = True
    for x, each in enumerate(found):
        tape = net.record(Batch(X[x : x + 1], Y[x : x + 1], None, cost))
        verdict = judge(tape, each.gradient, Tier.ELSEWHERE, reference=reference_gradient(tape, l2), given=each.given)
        equal = equal and verdict.status is Status.EQUAL
        if verdict.status is Status.DIFFERENT:
            wrong.setdefault(place_of(verdict, net.layout), []).append(x)
    if not wrong:
        which = f"each of the first {len(found)} examples" if len(found) > 1 else "example 0"
        if not equal:
            return [f"The gradient of {which} alone shows no mistake, but roundoff could hide one."]
        return [f"The gradient of {which} alone is correct: the mistake is in how the examples are combined."]
    (layer, equation), examples = max(wrong.items(), key=lambda item: len(item[1]))
    which = "every example" if len(examples) == len(found) else f"example {', '.join(map(str, examples))}"
    return [f"Called on one example at a time, {which} is wrong from layer {layer}, ({equation}), on."]
