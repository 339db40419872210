"""Formulas: the LaTeX of the table as MathML and as plain text."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from formulations.explanation.equations.formula import escape_latex, parse_latex
from formulations.explanation.equations.table import EQUATIONS


@pytest.mark.parametrize("equation", EQUATIONS.values(), ids=EQUATIONS)
def test_every_equation_is_one_well_formed_element_without_latex(equation):
    formula = parse_latex(equation.latex)
    assert formula.latex == equation.latex
    assert len(list(ElementTree.fromstring(f"<math>{formula.mathml}</math>"))) == 1
    assert "\\" not in formula.mathml + formula.text and "{" not in formula.mathml


@pytest.mark.parametrize(
    ("latex", "mathml"),
    [
        (r"w^l_{jk}", "<msubsup><mi>w</mi><mrow><mi>j</mi><mi>k</mi></mrow><mi>l</mi></msubsup>"),
        (r"w_j^l", "<msubsup><mi>w</mi><mi>j</mi><mi>l</mi></msubsup>"),
        (r"\frac{a}{b}", "<mfrac><mi>a</mi><mi>b</mi></mfrac>"),
        (r"\sum_k a", "<mrow><munder><mo>∑</mo><mi>k</mi></munder><mi>a</mi></mrow>"),
        (r"\sigma'", "<msup><mi>σ</mi><mo>′</mo></msup>"),
        (r"\dot z", '<mover accent="true"><mi>z</mi><mo>˙</mo></mover>'),
        (r"\left(a\right)^2", "<msup><mrow><mo>(</mo><mi>a</mi><mo>)</mo></mrow><mn>2</mn></msup>"),
        (r"a - 1.5", "<mrow><mi>a</mi><mo>−</mo><mn>1.5</mn></mrow>"),
        (r"= -1.5", '<mrow><mo>=</mo><mo form="prefix">−</mo><mn>1.5</mn></mrow>'),
        (r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}",
         "<mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr>"
         "<mtr><mtd><mn>3</mn></mtd><mtd><mn>4</mn></mtd></mtr></mtable>"),
    ],
)  # fmt: skip
def test_mathml(latex, mathml):
    assert parse_latex(latex).mathml == mathml


@pytest.mark.parametrize("text", ["a_b", r"{\frac} & <b>$x^2$</b>", "50 % ~ #1", "\\textbackslash{}", "}{"])
def test_escaped_text_is_read_as_it_was(text):
    formula = parse_latex(rf"\text{{{escape_latex(text)}}}")
    assert formula.text == text.strip()
    assert ElementTree.fromstring(formula.mathml).text == text


@pytest.mark.parametrize(
    ("latex", "message"),
    [
        (r"\nosuch a", r"unknown command \\nosuch"),
        (r"\frac{a}{b", "lacks '}'"),
        (r"\left( a", r"lacks '\\\\right'"),
        (r"\text{a", "lacks '}'"),
    ],
)
def test_a_formula_that_cannot_be_read_is_refused(latex, message):
    with pytest.raises(ValueError, match=message):
        parse_latex(latex)
