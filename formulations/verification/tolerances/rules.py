"""The rules that judge a gradient: their names, their bounds, and how each of them judges."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """One way to judge a gradient.

    Attributes
    ----------
    name : str
        ``"T1"``, ``"T2"``, ``"T3"``, ``"T4"`` or ``"P"``.
    bound : str
        The bound of the candidate's distance from the reference.
    judges : str
        How it judges; completes "the gradient is judged".
    on_tape : bool
        Whether candidate and reference read the same tape.
    """

    name: str
    bound: str
    judges: str
    on_tape: bool


RULES = {
    rule.name: rule
    for rule in (
        Rule("T1", "the local bound", "each equation by itself", True),
        Rule("T2", "the path bound", "as a product over layers", True),
        Rule("T3", "the bound of partial products", "by its partial products", True),
        Rule("T4", "the propagated roundoff of both passes", "against a forward pass in a higher precision", False),
        Rule("P", "truncation and roundoff", "as a difference quotient", False),
    )
}
"""The rules by name; an exact agreement, T0, has no bound."""
