r"""Equations as MathML, made when the site is built: no script draws them, and no page needs another host.

latex2mathml translates them, and ``correct`` changes what it gets wrong. (The package's own ``parse_latex`` reads only
what ``formulations explain`` writes; the pages also have aligned rows, roots, norms and braces.) A row may end in
``\tag{BP2}``: the number of its equation, at the right margin.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from docutils import nodes
from latex2mathml.converter import convert

__all__ = ["mathml", "setup"]

MARKS = re.compile(r"\\begin\{|\\end\{|\\\\|(?<!\\)&|\\.", re.DOTALL)
TAG = re.compile(r"\s*\\tag\{([^{}]*)\}")
NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'
OPENING, CLOSING = "([{⌈⌊⟨", ")]}⌉⌋⟩"
BARS = "|‖"
PRIMES = "′″‴"
SIMILAR, HAT, TILDE = "\N{TILDE OPERATOR}", "\N{MODIFIER LETTER CIRCUMFLEX ACCENT}", "\N{SMALL TILDE}"
ACCENTS = {"˙": "˙", "¯": "¯", "^": HAT, SIMILAR: TILDE}
RELATIONS = f"=≈≡≤≥{SIMILAR}≠∈→←↦⇒"
OPERATORS = {*PRIMES, *RELATIONS, *"⊙⊗×·⋅±+−-", *OPENING, *CLOSING, *BARS}
BEFORE_A_SIGN = {*RELATIONS, *"<>,;+⊙⋅×±", *OPENING}
"""After these a minus is the sign of a number, not a difference."""
TOKENS = {"mi", "mn", "mo", "mtext"}
ROWS = {"math", "mrow", "mstyle", "mtd", "msqrt"}
"""Elements whose children follow one another on the line."""


def mathml(latex: str, *, block: bool = False) -> str:
    r"""Translate LaTeX to a ``math`` element.

    Parameters
    ----------
    latex : str
        An equation; if it is displayed, also several, with ``&`` and ``\\`` as in ``align``.
    block : bool
        Whether it is displayed, on lines of its own.
    """
    rows = _rows(latex.strip()) if block else [latex.strip()]
    tags = [TAG.search(row) for row in rows]
    rows = [TAG.sub("", row) for row in rows]
    aligned = len(rows) > 1 or "&" in _outer_marks(rows[0]).values()
    body = r"\begin{align*}" + r"\\".join(rows) + r"\end{align*}" if aligned else rows[0]
    body = re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{align*}", body)
    text = convert(body, display="block" if block else "inline").replace(NAMESPACE, "")
    root = ElementTree.fromstring(text)
    correct(root)
    if any(tags):
        _number(root, [tag[1] if tag else "" for tag in tags])
    return ElementTree.tostring(root, encoding="unicode")


def _outer_marks(latex: str) -> dict[int, str]:
    r"""Return the ``\\`` and ``&`` that are in no environment, by their positions."""
    depth, found = 0, {}
    for match in MARKS.finditer(latex):
        depth += {r"\begin{": 1, r"\end{": -1}.get(match[0], 0)
        if not depth and match[0] in (r"\\", "&"):
            found[match.start()] = match[0]
    return found


def _rows(latex: str) -> list[str]:
    ends = [at for at, mark in _outer_marks(latex).items() if mark == r"\\"]
    return [latex[start:end].strip() for start, end in zip([0, *(at + 2 for at in ends)], [*ends, None], strict=True)]


def _number(root: Element, tags: Sequence[str]) -> None:
    """Write the numbers of the equations into a last column."""
    table = root.find("mrow/mtable")
    if len(tags) == 1 or table is None:
        content, root[:] = list(root), []
        table = SubElement(root, "mtable", {"displaystyle": "true"})
        row = SubElement(table, "mtr")
        SubElement(row, "mtd")
        SubElement(row, "mtd").extend(content)
    table.set("class", " ".join(filter(None, [table.get("class"), "numbered"])))
    width = max(map(len, table))
    for row, tag in zip(table, tags, strict=True):
        for _ in range(width - len(row)):
            SubElement(row, "mtd")
        cell = SubElement(row, "mtd", {"class": "number"})
        SubElement(cell, "mtext").text = tag and f"({tag})"


def correct(element: Element) -> None:
    """Correct the elements and attributes that latex2mathml chose, inside out."""
    for child in element:
        correct(child)
    if element.tag in TOKENS:
        _correct_token(element)
    elif element.tag in ("msub", "msup") and len(element) > 2:
        # The brackets of a matrix and the matrix, with one script.
        element[:-1] = [_matrix(element[:-1])]
    elif element.tag in ("msup", "msubsup") and (prime := _prime(element[-1])) is not None:
        _correct_prime(element, prime)
    elif element.tag == "mover" and element[1].text in ACCENTS:
        # An accent is as wide as it is, and close to its letter.
        element.set("accent", "true")
        element[1].attrib = {"stretchy": "false"}
        element[1].text = ACCENTS[element[1].text]
    elif element.tag == "msqrt" and not any(inner.tag in ("msup", "msubsup", "mfrac") for inner in element.iter()):
        element.set("class", "low")
    elif element.tag == "msub" and element[0].text in ("max", "min", "∑"):
        # Below where there is room, as between \left and \right, where latex2mathml forgets it.
        element.tag = "munder"
    elif element.tag == "mtable":
        _correct_table(element)
    elif element.tag in ("mrow", "mstyle") and len(element) > 1 and all(map(_is_upright_letter, element)):
        # \mathrm gives a letter at a time, with the spaces of a product.
        name = "".join(letter.text or "" for letter in element)
        element[:], element.tag, element.text = [], "mi", name
    if element.tag in ROWS:
        _correct_row(element)


def _correct_token(token: Element) -> None:
    text = token.text or ""
    if token.tag == "mtext":
        return
    if text == "~":
        token.text, token.tag = SIMILAR, "mo"
    elif text == "…":
        token.tag, token.attrib = "mi", {}
    elif text == "∂":
        # As operators these two would stand apart from what they act on.
        token.tag, token.attrib = "mi", {}
    elif text == "∇" or (len(text) == 1 and "\N{GREEK CAPITAL LETTER ALPHA}" <= text <= "Ω"):
        # Letters that are upright in TeX; a single letter is italic otherwise.
        token.tag, token.attrib = "mi", {"mathvariant": "normal"}
    elif text in ("max", "min"):
        token.tag, token.attrib = "mo", {"movablelimits": "true", "lspace": "0", "rspace": "0"}
    elif len(text) > 1 and text.isalpha():
        token.tag, token.attrib = "mi", {}
    elif token.tag == "mi" and text in OPERATORS:
        token.tag = "mo"
    if text == "/":
        token.attrib |= {"lspace": "0", "rspace": "0"}
    if token.tag == "mo" and text in {*OPENING, *CLOSING, *BARS} and "minsize" not in token.attrib:
        # Only what \left and \right enclose is as tall as its contents.
        token.attrib.setdefault("stretchy", "false")
        if text in BARS and token.get("stretchy") == "false":
            token.attrib |= {"lspace": "0", "rspace": "0"}


def _prime(exponent: Element) -> Element | None:
    first = exponent[0] if exponent.tag == "mrow" and len(exponent) else exponent
    return first if first.text and first.text in PRIMES else None


def _correct_prime(element: Element, prime: Element) -> None:
    """Write a prime beside its letter: as an exponent, the font's small prime would be made smaller still."""
    upper = element[-1]
    prime.attrib = {"lspace": "0", "rspace": "0"}
    base = Element("mrow")
    base.extend([element[0], prime])
    element[0] = base
    if upper is not prime:
        upper.remove(prime)
        return
    element.remove(prime)
    if element.tag == "msubsup":
        element.tag = "msub"
    else:
        element.tag, element[:] = "mrow", list(base)


def _correct_table(table: Element) -> None:
    """Replace the attributes that browsers do not know by a class: columns right and left of = by turns."""
    aligned = any(cell.get("columnalign") for row in table for cell in row)
    table.attrib = {"class": "aligned", "displaystyle": "true"} if aligned else {}
    for row in table:
        for cell in row:
            cell.attrib = {}


def _correct_row(row: Element) -> None:
    children = list(row)
    at = 0
    while at < len(children):
        child = children[at]
        before = children[at - 1] if at else None
        after = children[at + 1] if at + 1 < len(children) else None
        if (
            child.tag == "mo"
            and child.text in ("−", "+", "±")
            and (before is None or _core(before).text in BEFORE_A_SIGN)
        ):
            child.set("form", "prefix")
        if _is_name(child):
            # 2 ln x has two spaces, ln(x) none.
            if after is not None and (not _is_operator(after) or _core(after).text in BARS):
                children.insert(at + 1, Element("mspace", {"width": "0.167em"}))
            if before is not None and before.tag != "mspace" and _ends_factor(before):
                children.insert(at, Element("mspace", {"width": "0.167em"}))
                at += 1
        if child.tag == "mtable" and not child.attrib and before is not None and after is not None:
            children[at - 1 : at + 2] = [_matrix(children[at - 1 : at + 2])]
            at -= 1
        at += 1
    row[:] = children


def _matrix(parts: Sequence[Element]) -> Element:
    """Return a matrix in a row of its own, so that its brackets are as tall as it is and no taller."""
    row = Element("mrow")
    row.extend(parts)
    for bracket in (parts[0], parts[-1]):
        bracket.attrib = {"stretchy": "true"}
    return row


def _core(element: Element) -> Element:
    """Return the letter or operator that carries the scripts."""
    scripted = element.tag in ("msub", "msup", "msubsup", "munder", "mover", "munderover")
    return _core(element[0]) if len(element) and (scripted or len(element) == 1) else element


def _is_name(element: Element) -> bool:
    """Return whether it is a function such as ln, with or without an index."""
    core = _core(element)
    return core.tag in ("mi", "mo") and len(core.text or "") > 1 and (core.text or "").isalpha()


def _is_operator(element: Element) -> bool:
    return _core(element).tag == "mo" and not _is_name(element)


def _ends_factor(element: Element) -> bool:
    return not _is_operator(element) or (_core(element).text or "") in CLOSING


def _is_upright_letter(element: Element) -> bool:
    return element.tag == "mi" and element.get("mathvariant") == "normal" and len(element.text or "") == 1


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    translator.body.append(f"{mathml(node.astext(), block=True)}</div>\n")
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer, which conf.py chooses by its name, ``mathml``."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
