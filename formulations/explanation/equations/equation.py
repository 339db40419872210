"""A numbered equation."""

from __future__ import annotations

from dataclasses import dataclass

from formulations.explanation.equations.formula import parse_latex

__all__ = ["Equation"]


@dataclass(frozen=True)
class Equation:
    """A numbered equation, with a template for the numbers of one layer.

    Attributes
    ----------
    number : str
        Its number in the book, such as ``"BP2"`` or ``"34"``, or a word for an equation from another source.
    latex : str
        The equation for a general layer l.
    template : str
        The equation as operands and operators separated by spaces, from which the symbols, numbers and LaTeX of one
        layer are made: ``w:l+1.T`` is (w^{l+1})ᵀ, ``w:l_jk`` is a component, ``{ … }`` is repeated for
        k = l, …, L − 1, and an operand after ``?`` is omitted for a single example. Empty if there is no template.
    says : str
        Its meaning, in one sentence.
    scope : str
        Where it applies: ``forward``, ``hidden`` or ``layer`` (each one), ``output``, ``combined`` (replaces the
        equation of the output), ``cost`` (of one example), ``mean`` (of several), ``quotient`` (each parameter),
        ``demon`` (each weighted input), ``path``, ``direction``; ``method`` if it is the method by which a backend
        computes the quantities of other equations; ``definition`` if nothing is computed.
    functions : tuple of str
        Dotted names of the objects that use it, except the backends that declare it.
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
