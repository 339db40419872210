"""What a numbered equation is, and how its LaTeX reads as plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Equation", "plain"]

RAISED = str.maketrans("0123456789+-−lLT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ˡᴸᵀ")
BRACED = r"\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
SIGNS = {
    r"\delta": "δ",
    r"\sigma": "σ",
    r"\Sigma": "Σ",
    r"\sum": "Σ",
    r"\nabla": "∇",
    r"\odot": "⊙",
    r"\Delta": "Δ",
    r"\approx": "≈",
    r"\equiv": "≡",
    r"\cdots": "⋯",
    r"\ldots": "…",
    r"\cdot": "·",
    r"\lVert": "‖",
    r"\rVert": "‖",
    r"\tfrac12": "½",
    r"\dot z": "ż",
    r"\dot a": "ȧ",
    r"\tilde x": "x̃",
    r"\otimes": "⊗",
    r"\leftarrow": "←",
    r"\to": "→",
    r"\ln": "ln",
    r"\theta": "θ",
    r"\quad": " ",
}


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
        output's equation), ``cost``, ``quotient`` (each parameter), ``demon`` (each weighted input), ``path``,
        ``direction``; ``way`` where it says how a backend gets to what other equations show; ``definition`` where
        nothing is computed.
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
        return plain(self.latex)


def plain(latex: str) -> str:
    r"""Write LaTeX as plain text.

    Examples
    --------
    >>> plain(r"\frac{\partial C}{\partial w^l_{jk}} = a^{l-1}_k \delta^l_j")
    '∂C/∂wˡ_jk = aˡ⁻¹_k δˡ_j'
    """
    text = re.sub(r"\\partial\s*", "∂", latex)
    text = re.sub(rf"\\frac{BRACED}{BRACED}", _quotient, text)
    text = re.sub(r"\\text\{([^{}]*)\}", r"\1", text)
    for command, sign in SIGNS.items():
        text = re.sub(re.escape(command) + r"(?![A-Za-z])", sign, text)
    text = re.sub(r"\\left|\\right|\\[,;]|\\", "", text)
    text = re.sub(r"\^(?:\{([^{}]*)\}|(.))", lambda found: _raised(found[1] or found[2]), text)
    text = re.sub(r"_\{([^{}]*)\}", lambda found: "_" + found[1].replace(" ", ""), text)
    text = re.sub(r"(?<=∇_a) |(?<=Δ) ", "", text.replace("'", "′"))
    return re.sub(r"\s+", " ", text.replace("-", "−")).strip()


def _quotient(found: re.Match[str]) -> str:
    above, below = found[1], found[2]
    return f"{f'({above})' if ' ' in above.strip() else above}/{below}"


def _raised(exponent: str) -> str:
    small = exponent.replace(" ", "").translate(RAISED)
    return "^{" + exponent + "}" if set(small) & set(exponent.replace(" ", "")) else small
