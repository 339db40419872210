r"""Formulas in three notations: LaTeX, in which they are written here, MathML and plain text.

>>> formula = parse_latex(r"\frac{\partial C}{\partial w^l_{jk}} = a^{l-1}_k \delta^l_j")
>>> print(formula.text)
∂C/∂wˡ_jk = aˡ⁻¹_k δˡ_j
>>> print(parse_latex(r"\delta^L").mathml)
<msup><mi>δ</mi><mi>L</mi></msup>
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

__all__ = ["Formula", "escape_latex", "parse_latex"]

TOKEN = re.compile(r"\\tfrac12|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
LETTERS = {
    r"\delta": "δ",
    r"\sigma": "σ",
    r"\Sigma": "Σ",
    r"\theta": "θ",
    r"\nabla": "∇",
    r"\Delta": "Δ",
    r"\partial": "∂",
    r"\ln": "ln",
}
OPERATORS = {
    "-": "−",
    r"\sum": "Σ",
    r"\odot": "⊙",
    r"\otimes": "⊗",
    r"\times": "×",
    r"\approx": "≈",
    r"\equiv": "≡",
    r"\cdots": "⋯",
    r"\ldots": "…",
    r"\cdot": "·",
    r"\lVert": "‖",
    r"\rVert": "‖",
    r"\leftarrow": "←",
    r"\to": "→",
}
ACCENTS = {r"\dot": ("˙", "\N{COMBINING DOT ABOVE}"), r"\tilde": ("~", "\N{COMBINING TILDE}")}
SPACES = {r"\quad": "1em", r"\ ": "0.3em", r"\,": ""}
PREFIXES = ("∂", "Δ", "∇", "∇_a")
"""Symbols after which plain text has no space."""
RAISED = str.maketrans("0123456789+-lLT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ˡᴸᵀ")
ESCAPES = {sign: rf"\{sign}" for sign in "_#%&${}"}
ESCAPES |= {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}


@dataclass(frozen=True)
class Formula:
    """A formula, or a part of one, in three notations.

    Attributes
    ----------
    latex : str
        LaTeX for mathematics mode, which needs amsmath alone.
    mathml : str
        The contents of a ``math`` element.
    text : str
        Plain text on one line.
    """

    latex: str
    mathml: str
    text: str


@lru_cache(maxsize=1024)
def parse_latex(latex: str) -> Formula:
    r"""Read a formula written in the LaTeX of the table of equations.

    Examples
    --------
    >>> parse_latex(r"\frac{C(w + h e_j) - C(w)}{h}").text
    '(C(w + h e_j) − C(w))/h'
    >>> parse_latex(r"\begin{bmatrix} 1 & 0 \\ 0 & 1 \end{bmatrix}").text
    '[1 0; 0 1]'
    """
    found = _Parser(latex).row()
    return Formula(latex, found.mathml, found.text.strip())


def escape_latex(text: str) -> str:
    r"""Write text such that LaTeX prints it as it is.

    Examples
    --------
    >>> print(escape_latex("50 % of a_b"))
    50 \% of a\_b
    """
    return "".join(ESCAPES.get(sign, sign) for sign in text)


def _unescaped(latex: str) -> str:
    for sign, escaped in sorted(ESCAPES.items(), key=lambda pair: -len(pair[1])):
        latex = latex.replace(escaped, sign)
    return latex


def _symbol(element: str, latex: str, sign: str) -> Formula:
    return Formula(latex, f"<{element}>{escape(sign)}</{element}>", sign)


def _in_row(parts: Sequence[str]) -> str:
    """Return MathML as one element, which scripts and fractions need."""
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


class _Parser:
    """The tokens of a formula, read from left to right."""

    def __init__(self, latex: str) -> None:
        self.tokens, self.at = TOKEN.findall(latex), 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return str(self.tokens[self.at - 1])

    def row(self, ends: Sequence[str] = ("",)) -> Formula:
        """Read up to one of these tokens, which stays unread."""
        latex, mathml, text = "", [], ""
        last = before = ""
        while self.peek() not in ends:
            if self.peek().isspace() or self.peek() in SPACES:
                part = self.space()
            elif self.peek() == "-" and before in ("", "(", "=", "≈"):
                # The sign of a number, not a difference: no space follows.
                part = Formula(self.take(), '<mo form="prefix">−</mo>', "−")
            else:
                part = self.scripted()
            latex += part.latex
            mathml += [part.mathml] if part.mathml else []
            if not (part.text == " " and (last in PREFIXES or text.endswith(" "))):
                text += part.text
            last, before = part.text, part.text if part.text.strip() else before
        return Formula(latex, _in_row(mathml), text)

    def space(self) -> Formula:
        token = self.take()
        width = SPACES.get(token)
        return Formula(token, f'<mspace width="{width}"/>' if width else "", "" if token == r"\," else " ")

    def scripted(self) -> Formula:
        """Read an atom with its prime, index and exponent."""
        base = self.atom()
        latex, text, element = base.latex, base.text, base.mathml
        if self.peek() == "'":
            latex, text = latex + self.take(), f"{text}′"
            element = f"<msup>{element}<mo>′</mo></msup>"
        lower = upper = None
        while self.peek() in ("_", "^"):
            sign = self.take()
            script = self.argument()
            latex += sign + script.latex
            if sign == "_":
                lower = script
            else:
                upper = script
        if upper is not None:
            text += _raised(upper)
        if lower is not None:
            text += "_" + lower.text.replace(" ", "")
        scripts = [script for script in (lower, upper) if script is not None]
        if scripts:
            beside = base.latex != r"\sum"
            names = (("sub", "under"), ("sup", "over"))
            name = "".join(
                pair[0 if beside else 1] for pair, script in zip(names, (lower, upper), strict=True) if script
            )
            element = f"<m{name}>{element}{''.join(script.mathml for script in scripts)}</m{name}>"
        return Formula(latex, element, text)

    def argument(self) -> Formula:
        """Read the argument of a command or script: one atom, or a group in braces."""
        while self.peek().isspace():
            self.take()
        if self.peek() != "{":
            return self.atom()
        self.take()
        inner = self.row(("}", ""))
        self.close("}")
        return Formula(f"{{{inner.latex}}}", inner.mathml, inner.text)

    def close(self, end: str) -> None:
        if self.peek() != end:
            raise ValueError(f"a formula lacks {end!r}: {''.join(self.tokens)!r}; close every bracket that it opens.")
        self.take()

    def atom(self) -> Formula:
        token = self.take()
        if token in LETTERS:
            return _symbol("mi", token, LETTERS[token])
        if token == r"\sum":
            return Formula(token, "<mo>∑</mo>", OPERATORS[token])
        if token in OPERATORS:
            return _symbol("mo", token, OPERATORS[token])
        if token == r"\tfrac12":
            return _symbol("mn", token, "½")
        if token == r"\frac":
            return self.fraction()
        if token in ACCENTS:
            return self.accented(token)
        if token == r"\text":
            return self.words()
        if token == r"\left":
            return self.bracketed()
        if token == r"\begin":
            return self.matrix()
        if token == "{":
            self.at -= 1
            return self.argument()
        if token.startswith("\\"):
            raise ValueError(f"unknown command {token} in the formula {''.join(self.tokens)!r}; add it to formula.py.")
        if token in "()[]":
            return Formula(token, f'<mo stretchy="false">{token}</mo>', token)
        return _symbol("mi" if token.isalpha() else "mn" if token[0].isdigit() else "mo", token, token)

    def fraction(self) -> Formula:
        above, below = self.argument(), self.argument()
        line = f"({above.text})" if " " in above.text.strip() else above.text
        return Formula(
            rf"\frac{above.latex}{below.latex}",
            f"<mfrac>{above.mathml}{below.mathml}</mfrac>",
            f"{line}/{below.text}",
        )

    def accented(self, command: str) -> Formula:
        base = self.argument()
        mark, combining = ACCENTS[command]
        return Formula(
            f"{command} {base.latex}",
            f'<mover accent="true">{base.mathml}<mo>{mark}</mo></mover>',
            unicodedata.normalize("NFC", base.text + combining),
        )

    def words(self) -> Formula:
        self.close("{")
        depth, latex = 1, ""
        while self.peek():
            token = self.take()
            depth += {"{": 1, "}": -1}.get(token, 0)
            if not depth:
                text = _unescaped(latex)
                return Formula(rf"\text{{{latex}}}", f"<mtext>{escape(text)}</mtext>", text)
            latex += token
        raise ValueError(r"a formula lacks '}' after \text; close it.")

    def bracketed(self) -> Formula:
        r"""Read from \left to its \right, into one row, so that the brackets are as tall as their contents."""
        opening = self.fence()
        inner = self.row((r"\right", ""))
        self.close(r"\right")
        closing = self.fence()
        return Formula(
            rf"\left{opening.latex}{inner.latex}\right{closing.latex}",
            f"<mrow>{opening.mathml}{inner.mathml}{closing.mathml}</mrow>",
            opening.text + inner.text.strip() + closing.text,
        )

    def fence(self) -> Formula:
        token = self.take()
        return _symbol("mo", token, OPERATORS.get(token, token))

    def matrix(self) -> Formula:
        self.argument()
        rows: list[list[Formula]] = [[]]
        while True:
            rows[-1].append(self.row(("&", r"\\", r"\end", "")))
            end = self.take() if self.peek() else ""
            if end == r"\\":
                rows.append([])
            elif end != "&":
                break
        self.argument()
        return Formula(
            r"\begin{bmatrix}" + r"\\".join("&".join(cell.latex for cell in row) for row in rows) + r"\end{bmatrix}",
            f"<mtable>{''.join(map(_table_row, rows))}</mtable>",
            f"[{'; '.join(' '.join(cell.text.strip() for cell in row) for row in rows)}]",
        )


def _table_row(cells: Iterable[Formula]) -> str:
    return f"<mtr>{''.join(f'<mtd>{cell.mathml}</mtd>' for cell in cells)}</mtr>"


def _raised(exponent: Formula) -> str:
    """Write an exponent in superscript characters, or as in LaTeX if a character has no such form."""
    inner = exponent.latex.removeprefix("{").removesuffix("}")
    signs = inner.replace(" ", "")
    small = signs.translate(RAISED)
    return f"^{{{inner.replace('-', '−')}}}" if set(small) & set(signs) else small
