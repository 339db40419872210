"""Refusal, at run time, of subclasses of what ``typing.final`` marks."""

from __future__ import annotations

from formulations.exceptions import WrongType

__all__ = ["refuse_final_bases"]


def refuse_final_bases(made: type, remedy: str) -> None:
    """Refuse a class if one of its bases is marked with :func:`typing.final`.

    A final class can state facts about the function that it evaluates (its formula, its curvature bound, a combined
    form), and other files can select compiled or exact code by its type: no subclass can evaluate another function.

    Parameters
    ----------
    made : type
        The new class.
    remedy : str
        What to do instead.

    Raises
    ------
    WrongType
        If a base is final.
    """
    for base in made.__mro__[1:]:
        if vars(base).get("__final__", False):
            raise WrongType(f"class {made.__name__} must not derive from {base.__name__}, which is final; {remedy}.")
