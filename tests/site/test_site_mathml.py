"""Equations of the site: MathML that browsers draw as LaTeX would, in a font that has every character of them."""

from __future__ import annotations

import ast
import re
from functools import cache
from xml.etree import ElementTree

import pytest
from built import DOCS, ROOT

pytest.importorskip("latex2mathml")
pytest.importorskip("docutils")

from mathml import mathml

SPACE = '<mspace width="0.167em" />'
FIXED = '<mo stretchy="false">'
BAR = '<mo stretchy="false" lspace="0" rspace="0">'
FONTS = DOCS / "_static" / "fonts"


def programs():
    """The modules of the package and the programs of the gallery."""
    return sorted([*(ROOT / "formulations").rglob("*.py"), *(DOCS / "gallery").glob("plot_*.py")])


@cache
def equations():
    """Every displayed equation of the docstrings and the pages, by its place."""
    found = []
    for path in programs():
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if ".. math::" in source else ():
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                equation = r"^( *)\.\. math::(.*(?:\n(?: *$|\1 +.*))*)"
                text = ast.get_docstring(node) or ""
                found += [(path, latex) for _, latex in re.findall(equation, text, re.MULTILINE)]
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        found += [(path, latex) for latex in re.findall(r"^```math\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]
    return [(str(path.relative_to(ROOT)), latex) for path, latex in found]


def inline_formulas():
    texts = [path.read_text(encoding="utf-8").replace("\n# ", "\n") for path in programs()]
    return sorted({formula for text in texts for formula in re.findall(r":math:`([^`]+)`", text)})


def drawn(math):
    """Every character that the browser draws: a single letter as the italic one, unless it is upright."""
    for element in ElementTree.fromstring(math).iter():
        text = element.text or ""
        yield from text
        if element.tag == "mi" and len(text) == 1 and element.get("mathvariant") != "normal":
            for first, last, italic in (
                ("A", "Z", 0x1D434),
                ("a", "z", 0x1D44E),
                ("α", "ω", 0x1D6FC),
            ):
                if first <= text <= last:
                    yield "\N{PLANCK CONSTANT}" if text == "h" else chr(italic + ord(text) - ord(first))


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        # A prime beside its letter, not as a small exponent, and an exponent after it.
        (r"\sigma'", '<mrow><mi>σ</mi><mo lspace="0" rspace="0">′</mo></mrow>'),
        (r"\sigma'^T", '<msup><mrow><mi>σ</mi><mo lspace="0" rspace="0">′</mo></mrow><mrow><mi>T</mi></mrow></msup>'),
        ("f^{(m)}", f"<msup><mi>f</mi><mrow>{FIXED}(</mo><mi>m</mi>{FIXED})</mo></mrow></msup>"),
        # ∇ and ∂ are letters: operators stand apart from what they act on. Capital Greek letters are upright.
        (r"\nabla C", '<mi mathvariant="normal">∇</mi><mi>C</mi>'),
        (r"\partial \Sigma", '<mi>∂</mi><mi mathvariant="normal">Σ</mi>'),
        # The sign of a number.
        ("= -y", '<mo>=</mo><mo form="prefix">−</mo><mi>y</mi>'),
        ("a - y", "<mi>a</mi><mo>−</mo><mi>y</mi>"),
        # Names of functions, with their spaces.
        (r"2 \ln x", '<mn>2</mn><mspace width="0.167em" /><mi>ln</mi><mspace width="0.167em" /><mi>x</mi>'),
        (r"\mathrm{diag}(g)", f"<mi>diag</mi>{FIXED}(</mo><mi>g</mi>{FIXED})</mo>"),
        (r"(z)\ln x", f'{FIXED}(</mo><mi>z</mi>{FIXED})</mo>{SPACE}<mi>ln</mi>{SPACE}<mi>x</mi>'),
        (r"\operatorname{Im} a", '<mi>Im</mi><mspace width="0.167em" /><mi>a</mi>'),
        (r"\log_2 n", '<msub><mi>log</mi><mn>2</mn></msub><mspace width="0.167em" /><mi>n</mi>'),
        # Brackets and bars that are as tall as a letter, and next to it.
        ("|a|", f"{BAR}|</mo><mi>a</mi>{BAR}|</mo>"),
        (r"\lceil n \rceil", f"{FIXED}⌈</mo><mi>n</mi>{FIXED}⌉</mo>"),
        (r"\hat g", f'<mover accent="true"><mi>g</mi>{FIXED}\u02c6</mo></mover>'),
        (r"a \sim b", "<mi>a</mi><mo>\u223c</mo><mi>b</mi>"),
        # A matrix and its brackets form one thing, which has the exponent.
        (
            r"\begin{pmatrix} a \end{pmatrix}^T",
            '<msup><mrow><mo stretchy="true">(</mo><mtable><mtr><mtd><mi>a</mi></mtd></mtr></mtable>'
            '<mo stretchy="true">)</mo></mrow><mi>T</mi></msup>',
        ),
    ],
)  # fmt: skip
def test_what_latex2mathml_gets_wrong_is_corrected(latex, expected):
    assert mathml(latex) == f'<math display="inline"><mrow>{expected}</mrow></math>'


def test_limits_stand_below():
    assert "<munder><mo>∑</mo>" in mathml(r"\left( \sum_t x \right)", block=True)
    assert '<munder><mo movablelimits="true" lspace="0" rspace="0">max</mo>' in mathml(r"\max_t x", block=True)


def test_rows_are_aligned_and_numbered_at_the_margin():
    table = ElementTree.fromstring(mathml(r"a &= b \tag{BP1} \\ c &= d & e &= f", block=True)).find("mrow/mtable")
    assert table.get("class") == "aligned numbered"
    rows = [["".join(cell.itertext()) for cell in row] for row in table]
    assert rows == [["a", "=b", "", "", "(BP1)"], ["c", "=d", "e", "=f", ""]]


def test_an_equation_by_itself_is_numbered_too():
    table = ElementTree.fromstring(mathml(r"a = b \tag{25}", block=True)).find("mtable")
    assert [["".join(cell.itertext()) for cell in row] for row in table] == [["", "a=b", "(25)"]]
    assert table.get("displaystyle") == "true"


def test_a_matrix_within_an_equation_is_not_divided_into_rows():
    assert mathml(r"x = \begin{pmatrix} a \\ b \end{pmatrix}", block=True).count("<mtable") == 1


def test_there_are_equations():
    assert len(equations()) > 80


@pytest.mark.parametrize(("place", "latex"), equations())
def test_a_displayed_equation_has_no_tex_left_and_no_error(place, latex):
    found = mathml(latex, block=True)
    assert "\\" not in found and "merror" not in found and "&amp;" not in found, place


def subset():
    """The characters that the font keeps, as its README tells."""
    command = (FONTS / "README.md").read_text(encoding="utf-8").replace("\\\n", "")
    ranges = re.search(r"--unicodes=(\S+)", command)[1].split(",")
    ends = [re.fullmatch(r"U\+(\w+)(?:-(\w+))?", each).groups() for each in ranges]
    return {chr(code) for first, last in ends for code in range(int(first, 16), int(last or first, 16) + 1)}


def test_the_font_has_every_character_of_the_equations():
    formulas = [mathml(latex, block=True) for _, latex in equations()] + [mathml(each) for each in inline_formulas()]
    assert not any("\\" in formula for formula in formulas)
    assert {sign for formula in formulas for sign in drawn(formula)} - subset() == set()


def tables(font):
    """The tables of a WOFF2 file, as its directory lists them; common ones have a number."""
    known = dict(enumerate(["cmap", "head", "hhea", "hmtx", "maxp", "name", "OS/2", "post"])) | {
        10: "glyf",
        11: "loca",
        31: "MATH",
    }
    count, at, found = int.from_bytes(font[12:14]), 48, []
    for _ in range(count):
        flags, at = font[at], at + 1
        tag = known.get(flags & 63, str(flags & 63))
        found.append(tag)
        # Lengths of seven bits a byte; glyf and loca have a second one unless their transformation is 3.
        for _ in range(1 + (tag in ("glyf", "loca") and flags >> 6 != 3)):
            while font[at] & 128:
                at += 1
            at += 1
    return found


def test_the_font_has_the_table_for_mathematics_and_its_licence():
    font = (FONTS / "stix-two-math.woff2").read_bytes()
    assert font[:4] == b"wOF2" and len(font) < 100_000
    assert {"MATH", "cmap", "glyf"} <= set(tables(font))
    assert "SIL OPEN FONT LICENSE" in (FONTS / "LICENSE").read_text(encoding="utf-8")


def test_the_font_is_the_style_sheets():
    style = (DOCS / "_static" / "math.css").read_text(encoding="utf-8")
    assert re.findall(r"url\(\"([^\"]+)\"\)", style) == ["fonts/stix-two-math.woff2"]
