"""Formulas in the prose of the pages are found whole, and words are left alone."""

from __future__ import annotations

import pytest

pytest.importorskip("sphinx")

from docutils import nodes
from docutils.utils import new_document
from symbols import SetSymbols, as_latex, symbols


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("z^l_j affects a δ^l, b^{l+1}_k and n_{l−1}.", ["z^l_j", "δ^l", "b^{l+1}_k", "n_{l-1}"]),
        ("Σ_i w^{l+1}_{ki} σ(z^l_i) + b", ["Σ_i w^{l+1}_{ki} σ(z^l_i)"]),
        ("is entry j of (w^{l+1})ᵀδ^{l+1}; then", ["(w^{l+1})^{T}δ^{l+1}"]),
        ("(as in δ^l)", ["δ^l"]),
        ("(w^l)ᵀδ^l and (a^{x,l−1})ᵀ, Σ′ᵀ, w^lᵀ", ["(w^l)^{T}δ^l", "(a^{x,l-1})^{T}", "Σ'^{T}", "w^{l T}"]),
        ("∂C/∂w^l_{jk} and ∇_aC, ∇_a C ⊙ σ′(z^L)", ["∂C/∂w^l_{jk}", "∇_aC", "∇_a C ⊙ σ'(z^L)"]),
        ("‖δ^l‖/‖δ^{l+1}‖: by weights", [r"\|δ^l\|/\|δ^{l+1}\|"]),
        ("e^−z, 1/(1 + e^(−z_j)) of δ̇^l and ż^l", ["e^{-z}", "e^{-z_j}", r"\dot{δ}^l", r"\dot{z}^l"]),
        ("shape (m, n₁), O(h²), δˡ_j", ["n_{1}", "O(h^{2})", "δ^{l}_j"]),
        ("the root of Σ(cᵀP_tρ_t)², E_δ^L", ["Σ(c^{T}P_tρ_t)^{2}", "E_δ^L"]),
        ("∂a^of/∂a^wrt and w̃^{L−1}", [r"∂a^{\mathrm{of}}/∂a^{\mathrm{wrt}}", r"\tilde{w}^{L-1}"]),
        ("check_grad, x_scale, n_jobs, __all__, 2 × 3, a, C and l−1", []),
    ],
)
def test_formulas_are_found_whole_and_words_left_alone(text, formulas):
    assert [as_latex(text[start:end]) for start, end in symbols(text)] == formulas


def test_code_titles_and_links_stay_text():
    document = new_document("")
    document += nodes.section(
        "", nodes.title("", "δ^l"), nodes.paragraph("", "", nodes.literal("", "a^l"), nodes.Text(" is a^l"))
    )
    SetSymbols(document).apply()
    assert [node.astext() for node in document.findall(nodes.math)] == ["a^l"]
    assert [node.astext() for node in document.findall(nodes.literal)] == ["a^l"]
