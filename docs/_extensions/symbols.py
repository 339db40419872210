"""Symbols in prose are set as mathematics: δ^l_j, w^{l+1}_{kj}, ∂C/∂b^l, (w^{l+1})ᵀδ^{l+1}, e^(−z).

In the sources of the pages and in docstrings they are text, which a forge, an editor and a terminal show as it is.
Titles, code and signatures stay text here, too.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.ext.autosummary import autosummary_table
from sphinx.transforms import SphinxTransform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

__all__ = ["as_latex", "setup", "symbols"]

GREEK = "αβγδεζηθκλμνξπρστφψωΓΔΘΛΞΠΣΦΨΩ"
SMALL = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵀˡᴸ₀₁₂₃₄₅₆₇₈₉"
ACCENTS = {"\u0302": r"\\hat", "\u0303": r"\\tilde", "\u0307": r"\\dot"}
LETTER = rf"(?:[A-Za-zżȧẇḃĝ{GREEK}][{''.join(ACCENTS)}]?)"
WORDS = "abs|in|of|out|wrt"
"""Words that are indices; others are parts of names."""
SCRIPT = rf"(?:[_^](?:\{{[^{{}}\s]+\}}|\([^()\s]+\)|{WORDS}|jk|xx|yx|−?[A-Za-z0-9∞{GREEK}])|[{SMALL}]+)"
INDEXED = rf"(?:{LETTER}[′″]?{SCRIPT}+|\d+\^\w)"
ANY = rf"{LETTER}[′″]?{SCRIPT}*"
SYMBOL = re.compile(
    rf"""(?<![A-Za-z0-9_^\\])
    (?: ∂²?{ANY}/∂{ANY}      # a derivative
      | ∇²?{SCRIPT}?\ ?[A-Z]{SCRIPT}?  # a gradient
      | {INDEXED}
      | [{GREEK}][{"".join(ACCENTS)}]?[′″]?          # a Greek letter is never a word
    )+(?![A-Za-z0-9_^])""",
    re.VERBOSE,
)
BETWEEN = re.compile(rf"[ ()⊙⊗·/|‖⋯{SMALL}]*")
"""What stands between the factors of one product."""
BEFORE = re.compile(r"(?:(?<![A-Za-z0-9])[A-Za-z][′″]?)?[(|‖]*$")
AFTER = re.compile(rf"[)|‖{SMALL}]*")
PAIRS = {")": "(", "]": "["}
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵀˡᴸ", "0123456789-+TlL")
LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
TEXT = (
    addnodes.desc_signature,
    addnodes.pending_xref,
    nodes.caption,
    nodes.comment,
    nodes.literal,
    nodes.literal_block,
    nodes.math,
    nodes.math_block,
    nodes.raw,
    nodes.reference,
    nodes.title,
)
"""Nodes whose text stays text."""


def symbols(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the formulas of a text begin and end."""
    found = [match.span() for match in SYMBOL.finditer(text)]
    while found:
        start, end = found.pop(0)
        last = [(start, end)]
        while found and BETWEEN.fullmatch(text, last[-1][1], found[0][0]):
            last.append(found.pop(0))
        end = last[-1][1]
        wide = (BEFORE.search(text, 0, start).start(), AFTER.match(text, end).end())  # type: ignore[union-attr]
        for span in (wide, (wide[0], end), (start, wide[1]), (start, end)):
            if balanced(text[slice(*span)]):
                yield span
                break
        else:
            yield from last


def balanced(formula: str) -> bool:
    """Return whether every bracket of a formula has its partner, and the bars are even in number."""
    opened = []
    for sign in formula:
        if sign in PAIRS.values():
            opened.append(sign)
        elif sign in PAIRS and (not opened or opened.pop() != PAIRS[sign]):
            return False
    return not opened and not formula.count("|") % 2 and not formula.count("‖") % 2


def as_latex(formula: str) -> str:
    """Write a formula of the prose in LaTeX."""
    latex = unicodedata.normalize("NFD", formula)
    for accent, command in ACCENTS.items():
        latex = re.sub(f"(.){accent}", rf"{command}{{\1}}", latex)
    latex = re.sub(rf"([_^])({WORDS})\b", r"\1{\\mathrm{\2}}", latex)
    latex = re.sub(r"([_^])(jk|xx|yx)\b", r"\1{\2}", latex)
    latex = re.sub(r"\^(?:\(([^()]*)\)|(−\w))", r"^{\1\2}", latex)
    latex = re.sub(f"[{''.join(map(chr, RAISED))}]+", lambda match: f"^{{{match[0].translate(RAISED)}}}", latex)
    latex = re.sub(f"[{''.join(map(chr, LOWERED))}]+", lambda match: f"_{{{match[0].translate(LOWERED)}}}", latex)
    # A transposed power, and a power of what is primed, are one exponent.
    latex = re.sub(r"\^\{?((?<=\{)[^{}]+(?=\})|\w)\}?\^\{(\w)\}", r"^{\1 \2}", latex)
    for sign, command in (("″", "''"), ("′", "'"), ("−", "-"), ("‖", r"\|"), ("⋯", r"\cdots "), ("·", r"\cdot ")):
        latex = latex.replace(sign, command)
    return latex


class SetSymbols(SphinxTransform):
    """Replace the formulas in the text of a page by mathematics."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Divide each text into words and formulas."""
        for text in list(self.document.findall(nodes.Text)):
            ancestor = text.parent
            # The table of an autosummary is a comment, too, for other builders.
            while ancestor is not None and (not isinstance(ancestor, TEXT) or isinstance(ancestor, autosummary_table)):
                ancestor = ancestor.parent
            spans = list(symbols(text)) if ancestor is None else []
            if spans:
                self.replace(text, spans)

    def replace(self, text: nodes.Text, spans: list[tuple[int, int]]) -> None:
        """Replace one text."""
        parts: list[nodes.Node] = []
        at = 0
        for start, end in spans:
            parts += [nodes.Text(text[at:start]), nodes.math("", as_latex(text[start:end]))]
            at = end
        text.parent.replace(text, [*parts, nodes.Text(text[at:])])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.add_transform(SetSymbols)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
