"""A numbered equation."""

from __future__ import annotations

from dataclasses import dataclass

from formulations.equations.formula import parse_latex

__all__ = ["Equation"]


@dataclass(frozen=True)
class Equation:
    """A numbered equation, and how one layer's numbers are put into it.

    Attributes
    ----------
    number : str
        Its number in the book, such as ``"BP2"`` or ``"34"``, or a word for an equation from elsewhere.
    latex : str
        The equation, for a layer l in general.
    template : str
        The same, as operands and operators between blanks, from which symbols, numbers and LaTeX of a single layer
        are written: ``w:l+1.T`` is (w^{l+1})ᵀ, ``w:l_jk`` a component, ``{ … }`` is repeated for k = l, …, L − 1,
        and what has a ``?`` before it is left out for a single example. Empty where there is no such picture.
    says : str
        What it says, in one sentence.
    scope : str
        Where it is applied: ``forward``, ``hidden`` or ``layer`` (each one), ``output``, ``fused`` (instead of an
        output's equation), ``cost`` (of one example), ``mean`` (of several), ``quotient`` (each parameter), ``demon``
        (each weighted input), ``path``, ``direction``; ``way`` for the method by which a backend gets to what other
        equations show; ``definition`` if nothing is computed.
    functions : tuple of str
        Dotted names of what uses it, beside the backends that declare it.
    """

    number: str
    latex: str
    template: str
    says: str
    scope: str = "definition"
    functions: tuple[str, ...] = ()

    @property
    def plain(self) -> str:
        """The equation as plain text."""
        return parse_latex(self.latex).text
