"""Explanations: every declared equation appears, and every number shown is the one that is computed."""

from __future__ import annotations

import json
import re
import shlex
from fractions import Fraction
from html.parser import HTMLParser
from itertools import accumulate, combinations_with_replacement

import click
import makers
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.sparse import csr_array

import formulations as fm
from formulations.cli.commands import formulations as command
from formulations.exceptions import InvalidInput, Refused, UnknownName, WrongType
from formulations.explanation.equations.formula import parse_latex
from formulations.explanation.equations.table import EQUATIONS
from formulations.explanation.explaining import explain
from formulations.explanation.latex import row_formula, symbol_formula
from formulations.explanation.operands import Operand
from formulations.explanation.text import WIDTH, entry
from formulations.functions.costs.quadratic import Quadratic

U = np.finfo(float).eps / 2
# Each step follows from the one before it, or, by (35), from all that lies behind: a bound of its own judges it.
STEPWISE = [
    flag
    for flag in makers.TAPE_READING
    if fm.get_backend(flag).tier is fm.Tier.RECURRENCE or flag.startswith("product")
]
EXACT = [*makers.TAPE_READING, "per_neuron"]
CASES = [
    ((2, 3, 2), "sigmoid", "quadratic", 1),
    ((2, 3, 3, 2), "tanh", "quadratic", 1),
    ((2, 3, 2), "identity", "quadratic", 3),
    ((3, 4, 2), "sigmoid", "binary_cross_entropy", 1),
    ((2, 3, 2), "sigmoid", "binary_cross_entropy", 2),
    ((2, 3, 3), ["tanh", "softmax"], "log_likelihood", 1),
    ((2, 3, 3), ["softmax", "softmax"], "quadratic", 2),
    ((2, 3, 3), "sigmoid", "2/3 quadratic", 1),
    ((2, 3, 2), "sigmoid", "1/2 binary_cross_entropy", 2),
    ((2, 3, 3), ["tanh", "softmax"], "3 log_likelihood", 2),
]


def case(sizes, activations, cost, m):
    random = np.random.default_rng(7)
    net = fm.Network.random(list(sizes), activations, seed=random, init="book")
    return net, random.random((m, sizes[0])), random.random((m, sizes[-1])), cost


def story(backend, problem):
    net, X, Y, cost = problem
    if not makers.serves(backend, net, cost):
        pytest.skip(f"{backend} refuses this network")
    return explain(net, X, Y, backends=[backend], cost=cost)


class Evaluated:
    """The value of a row's right side, and the sum of the absolute values that rounding acts on."""

    def __init__(self, pieces, activation):
        self.pieces, self.at, self.activation = list(pieces), 0, activation

    def peek(self):
        return self.pieces[self.at] if self.at < len(self.pieces) else None

    def take(self):
        self.at += 1
        return self.pieces[self.at - 1]

    def sum(self):
        sign = -1 if self.peek() == "−" and self.take() else 1
        value, size = self.product()
        value = sign * value
        while self.peek() in ("+", "−"):
            sign = 1 if self.take() == "+" else -1
            other, more = self.product()
            value, size = value + sign * other, size + more
        return value, size

    def product(self):
        if self.pieces[self.at + 1 : self.at + 2] == ["·"]:
            factor = float(Fraction(self.take()))
            self.take()
            value, size = self.product()
            return factor * value, factor * size
        factors = [self.chain()]
        while self.peek() == "⊙":
            self.take()
            factors.append(self.chain())
        value, size = factors[0]
        for other, more in factors[1:]:
            value, size = value * other, size * more
        while isinstance(self.peek(), str) and self.peek().startswith("/"):
            word = self.take()
            by = self.atom()[0] if word == "/" else float(word[1:])
            value, size = value / by, size / np.abs(by)
        return value, size

    def chain(self):
        factors = []
        while self.peek() is not None and (
            isinstance(self.peek(), Operand) or self.peek() in ("(", "σ", "ln", "½", "‖", "1")
        ):
            factors.append(self.atom())
        value, size = factors[-1]
        for other, more in reversed(factors[:-1]):
            scalar = other.size == 1 or value.size == 1
            value, size = (other * value, more * size) if scalar else (other @ value, more @ size)
        return value, size

    def atom(self):
        piece = self.take()
        if isinstance(piece, Operand):
            return piece.value, np.abs(piece.value)
        if piece == "1":
            return np.ones((1, 1)), np.ones((1, 1))
        if piece == "½":
            return np.full((1, 1), 0.5), np.full((1, 1), 0.5)
        if piece == "ln":
            value, _ = self.atom()
            return np.log(value), np.abs(np.log(value)) + 2
        if piece == "‖":
            value, size = self.sum()
            assert self.take() == "‖²"
            return np.full((1, 1), (value**2).sum()), np.full((1, 1), (size**2).sum())
        if piece == "σ":
            value, size = self.atom()
            found = self.activation.value(np.ascontiguousarray(value.T)).T
            # The activations of the cases have slopes of at most 1.
            return found, size.sum(axis=0, keepdims=True) + np.abs(found) + 1
        assert piece == "("
        inner = self.sum()
        assert self.take() == ")"
        return inner


def segments(row):
    parts = [[]]
    for piece in row[2:]:
        if piece == "=":
            parts.append([])
        else:
            parts[-1].append(piece)
    return parts


@pytest.mark.parametrize("problem", CASES, ids=str)
@pytest.mark.parametrize("backend", STEPWISE)
def test_every_row_comes_to_its_result(backend, problem):
    net, X, Y, cost = case(*problem)
    checked = 0
    for step in story(backend, (net, X, Y, cost)).steps(fm.get_backend(backend).label):
        assert step.rows or not step.symbols[0].latex.startswith(r"\delta^"), f"({step.equation}) has no numbers"
        found = re.search(r"a\^\{(\d)\}", step.symbols[0].latex)
        activation = net.activations[int(found[1]) - 2] if found else net.activations[-1]
        for row in step.rows:
            result = row[-1].value
            for segment in segments(row):
                if activation.coupled and "_" in step.symbols[0].latex:
                    continue
                value, size = Evaluated(segment, activation).sum()
                # At most 30 roundings on either side of each entry.
                assert np.all(np.abs(value - result) <= 60 * U * size), (step.equation, value, result)
                checked += 1
    assert checked > 6


@pytest.mark.parametrize("backend", EXACT)
def test_in_integers_every_row_comes_to_its_result_exactly(backend):
    random = np.random.default_rng(5)
    weights = [random.integers(-3, 4, shape).astype(float) for shape in ((3, 2), (3, 3), (2, 3))]
    net = fm.Network(weights, [random.integers(-3, 4, len(w)).astype(float) for w in weights], "identity")
    for m in (1, 2):
        X, Y = random.integers(-3, 4, (m, 2)), random.integers(-3, 4, (m, 2))
        found = story(backend, (net, X, Y, "quadratic"))
        for step in found.steps(found.backends[0]):
            for row in step.rows:
                for segment in segments(row):
                    value, _ = Evaluated(segment, net.activations[0]).sum()
                    assert np.array_equal(value, row[-1].value), (step.equation, value, row[-1].value)


@pytest.mark.parametrize("problem", CASES, ids=str)
@pytest.mark.slow
@pytest.mark.parametrize("backend", fm.list_backends())
def test_every_declared_equation_appears_and_every_result_is_the_gradients(backend, problem):
    net, X, Y, cost = case(*problem)
    found = story(backend, (net, X, Y, cost))
    text = str(found)
    declared = fm.get_backend(backend).equations
    assert [number for number in declared if f"({number})" not in text] == []
    gradient = fm.gradient(net, X, Y, cost=cost, backend=backend)
    tape = net.forward(X, Y, cost=cost)
    shown = {}
    for step in found.steps(backend):
        for row in step.rows:
            shown[row[0].latex] = row[-1].value
    for l in range(2, len(net.sizes) + 1):
        np.testing.assert_array_equal(shown[rf"\frac{{\partial C}}{{\partial w^{{{l}}}}}"], gradient.weights[l - 2])
        np.testing.assert_array_equal(
            shown[rf"\frac{{\partial C}}{{\partial b^{{{l}}}}}"][:, 0], gradient.biases[l - 2]
        )
        if f"a^{{{l}}}" in shown:
            np.testing.assert_array_equal(shown[f"a^{{{l}}}"].T, tape.activations[l - 1])
        delta = shown.get(rf"\delta^{{{l}}}")
        if delta is not None:
            np.testing.assert_array_equal(delta.T, gradient.errors[l - 2][: delta.shape[1]])
        components = [shown.get(rf"\delta^{{{l}}}_{{{j}}}") for j in range(1, net.sizes[l - 1] + 1)]
        if components[0] is not None:
            assert [each.item() for each in components] == gradient.errors[l - 2][0].tolist()
    assert shown["C"].item() == gradient.cost


def test_hadamard_and_sigma_can_be_followed_side_by_side():
    found = explain(backends=["hadamard", "sigma"])
    assert [stage.title for stage in found.stages if not stage.shared] == [
        "Error of the output layer 3",
        "Error of layer 2",
    ]
    text = str(found)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert re.search(r"\(BP1a\) δ³ = ∇_aC ⊙ σ′\(z³\) +│ +\(33\) +δ³ = Σ′\(z³\) ∇_aC", text)
    assert "(BP2)  δ² = ((w³)ᵀ δ³) ⊙ σ′(z²)" in text and "(34)   δ² = Σ′(z²) (w³)ᵀ δ³" in text
    for step in found.steps("sigma"):
        for row in step.rows:
            for number in row[-1].value.flat:
                assert entry(number) in text


@pytest.mark.parametrize("backend", fm.list_backends())
def test_the_default_fits_a_terminal(backend):
    activations = "sigmoid" if makers.serves(backend, fm.Network.random([2, 3, 2], seed=0)) else "identity"
    net = fm.Network.random([2, 3, 2], activations, seed=0, init="book")
    if not makers.serves(backend, net):
        pytest.skip(f"{backend} serves neither")
    assert max(map(len, str(explain(net, backends=backend)).splitlines())) <= WIDTH


@pytest.mark.slow
@pytest.mark.parametrize("columns", [30, 40, 60, 120])
@pytest.mark.parametrize(
    "backends", [["hadamard", "sigma"], ["per_neuron", "finite_difference:scheme=richardson"], ["path_sum"]]
)
def test_text_fits_the_terminal(monkeypatch, backends, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    net, X, Y, cost = case((3, 6, 2), "sigmoid", "binary_cross_entropy", 2)
    small = fm.Network.random([2, 2, 2, 2], seed=0)
    for problem in (
        (small, None, None, backends),
        (net, X, Y, backends, cost),
        (fm.Network.random([64, 30, 10], seed=0), None, None, backends),
    ):
        lines = str(explain(*problem)).splitlines()
        assert max(map(len, lines)) <= min(columns, WIDTH)


def test_the_columns_of_a_wide_matrix_continue_below(monkeypatch):
    monkeypatch.setenv("COLUMNS", "44")
    net = fm.Network([[[*range(101, 107)], [*range(201, 207)]]], [[0, 0]], "identity", dtype=float)
    text = str(explain(net, np.full((1, 6), 7001.0), [[0.0, 0.0]], digits=8))
    assert "⎡101  102  103  104  105  106⎤\n" in text
    monkeypatch.setenv("COLUMNS", "30")
    text = str(explain(net, np.full((1, 6), 7001.0), [[0.0, 0.0]], digits=8))
    assert re.search(r"⎡101  102  103 ⋯⎤\n.*⎣201  202  203 ⋯⎦\n.*⎡⋯ 104  105  106⎤\n.*⎣⋯ 204  205  206⎦\n", text)


def test_a_negative_factor_stands_in_parentheses():
    net = fm.Network([[[-2.0]], [[-3.0]]], [[0.0], [0.0]], "identity")
    found = explain(net, [[1.0]], [[0.0]], backends="per_neuron")
    assert "a³_1 = σ((-3·(-2)) + 0) = 6" in str(found) and "δ²_1 = (-3·6)·1 = -18" in str(found)
    assert r"\left( -3 \cdot (-2) \right)" in found.latex() and "= -18 " in found.latex()
    assert '<mo form="prefix">−</mo><mn>18</mn>' in found.html(fragment=True)


def test_a_long_row_of_scalars_is_continued_on_the_next_line():
    text = str(explain(cost="binary_cross_entropy"))
    assert "ln" in text and max(map(len, text.splitlines())) <= WIDTH


@pytest.mark.parametrize("scheme", ["central", "forward"])
def test_the_quotients_of_equation_46_are_those_of_the_costs_shown(scheme):
    found = explain(backends=f"finite_difference:scheme={scheme}")
    (step,) = (step for step in found.steps(found.backends[0]) if step.equation == "46")
    (cost,) = (step.rows[0][-1].value.item() for step in found.steps(found.backends[0]) if step.equation == "27")
    assert len(step.rows) == 3
    for row in step.rows:
        ahead, behind, h, result = (piece.value.item() for piece in row[1:] if isinstance(piece, Operand))
        assert (ahead - behind) / h == result
        assert (behind == cost) == (scheme == "forward")


def test_a_layer_without_stored_weights_shows_the_quotients_of_the_next_parameters():
    weights = [csr_array((2, 2)), np.ones((1, 2))]
    net = fm.Network(weights, [np.ones(2), np.ones(1)])
    (step,) = explain(net, [[1.0, 2.0]], [[1.0]], "finite_difference", equation="46").steps("finite_difference")
    assert [row[0].text for row in step.rows] == ["∂C/∂b²_1", "∂C/∂b²_2", "∂C/∂w³_11"]
    assert step.remarks == ("The numbers are those of the first 3 of 5 parameters.",)


def test_a_network_of_few_parameters_shows_the_quotients_of_all():
    net = fm.Network([[[1.0]]], [[1.0]])
    (step,) = explain(net, [[1.0]], [[1.0]], "finite_difference", equation="46").steps("finite_difference")
    assert [row[0].text for row in step.rows] == ["∂C/∂w²_11", "∂C/∂b²_1"]
    assert step.remarks == ()


@pytest.mark.parametrize(("activation", "remarks"), [("sigmoid", 0), ("softmax", 1)])
def test_the_components_of_a_coupled_activation_are_said_to_be_components(activation, remarks):
    net = fm.Network.random([2, 3, 2], ["sigmoid", activation], seed=0, init="book")
    hidden, output = explain(net, backends="per_neuron", cost="log_likelihood", equation="23").steps("per_neuron")
    assert hidden.remarks == () and len(output.remarks) == remarks
    assert all("softmax takes all weighted inputs" in remark for remark in output.remarks)


@pytest.mark.parametrize(("z", "remarks"), [(1.0, 0), (800.0, 1), (-800.0, 1)])
def test_the_cost_of_a_rounded_output_is_said_to_come_from_z(z, remarks):
    found = explain(fm.Network([[[z]]], [[0.0]]), [[1.0]], [[0.5]], cost="binary_cross_entropy", equation="63")
    (step,) = found.steps("hadamard")
    assert len(step.remarks) == remarks
    assert all("computed from z" in remark for remark in step.remarks)


def test_the_paths_of_equation_53_add_up():
    found = explain(fm.Network.random([2, 3, 2, 2], seed=1, init="book"), backends="path_sum")
    step = next(step for step in found.steps("path_sum") if step.equation == "53")
    assert step.remarks[0].startswith("From w²₁₁ there are 4 paths")
    assert [row[0].text for row in step.rows[:-1]] == ["1→1→1", "1→1→2", "1→2→1", "1→2→2"]
    for row in step.rows:
        (value, size) = Evaluated(segments(row)[0], None).sum()
        assert abs(value - row[-1].value) <= 60 * U * size


@pytest.mark.slow
@pytest.mark.parametrize("activations", ["identity", "sigmoid"])
def test_any_two_backends_stand_side_by_side(activations):
    net = fm.Network.random([2, 3, 2], activations, seed=0, init="book")
    served = [name for name in fm.list_backends() if makers.serves(name, net)]
    for pair in combinations_with_replacement(served, 2):
        found = explain(net, backends=pair)
        assert found.backends == pair and str(found)
        latex = found.latex()
        # Names of authors are the only letters beyond ASCII.
        assert latex.encode("latin-1") and latex.count("{") == latex.count("}")


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("scheme", ["central", "forward"])
@pytest.mark.parametrize("factor", [1, 2])
def test_the_demons_quotients_are_those_of_the_costs_shown(scheme, m, factor):
    net, X, Y, cost = case((2, 3, 2), "sigmoid", f"{factor} quadratic", m)
    backend = f"node_perturbation:scheme={scheme}"
    label = fm.get_backend(backend).label
    steps = [each for each in explain(net, X, Y, backend, cost).steps(label) if each.equation == "demon"]
    gradient = fm.gradient(net, X, Y, backend=backend, cost=cost)
    errors, cost_of_all = gradient.errors, gradient.cost
    assert [len(step.rows) for step in steps] == [2, 3]
    for step, delta in zip(steps, reversed(errors), strict=True):
        assert ("/2h" in step.symbols[0].text) == (scheme == "central")
        for row, expected in zip(step.rows, delta[0], strict=True):
            ahead, behind, h, result = (piece.value.item() for piece in row[1:] if isinstance(piece, Operand))
            assert result == expected
            # Shares of 1/2 and factors of 2 round nothing.
            assert factor * (ahead - behind) / h / m == result
            assert (row[2] == "2") == (factor == 2)
            assert m > 1 or (factor * behind == cost_of_all) == (scheme == "forward")


@pytest.mark.parametrize(
    ("scheme", "symbols"),
    [
        ("forward", "∂C/∂w_j ≈ (C(w + h e_j) − C(w))/h"),
        ("central", "∂C/∂w_j ≈ (C(w + h e_j) − C(w − h e_j))/2h"),
        ("richardson", "∂C/∂w_j ≈ (4 D(h) − D(2h))/3, D(h) = (C(w + h e_j) − C(w − h e_j))/2h"),
    ],
)
def test_the_symbols_of_a_quotient_are_those_of_its_scheme(scheme, symbols):
    found = explain(backends=f"finite_difference:scheme={scheme}")
    step = next(each for each in found.steps(found.backends[0]) if each.equation == "46")
    assert step.symbols[0].text == symbols
    if scheme == "richardson":
        four, near, far, three, result = (
            piece.value.item() for piece in step.rows[0][1:] if isinstance(piece, Operand)
        )
        assert (four * near - far) / three == result


@pytest.mark.parametrize("problem", [CASES[0], CASES[3]], ids=str)
def test_a_tangent_goes_from_the_first_weight_to_the_cost(problem):
    net, X, Y, cost = case(*problem)
    steps = [
        each
        for each in explain(net, X, Y, "tangent", cost).steps("tangent")
        if each.left and each.left.latex.startswith(r"\dot") and each.rows
    ]
    assert [each.left.text for each in steps][:3] == ["ż²", "ȧ²", "ż³"]
    (last,) = (each for each in explain(net, X, Y, "tangent", cost).steps("tangent") if "reaches" in each.says)
    value, size = Evaluated(segments(last.rows[0])[0], None).sum()
    assert np.all(np.abs(value - fm.gradient(net, X, Y, cost=cost).weights[0][0, 0]) <= 60 * U * size)


def test_a_result_that_is_only_renamed_is_shown_once():
    text = str(explain())
    assert re.search(r"\(BP3\) .*\n    = ⎡[^⎡]*⎤\n", text)


def test_the_log_likelihood_has_a_one_hot_target_of_its_own():
    net = fm.Network.random([2, 3, 3], ["tanh", "softmax"], seed=0)
    step = next(each for each in explain(net, cost="log_likelihood").steps("hadamard") if each.equation == "81")
    assert "δ³ = a³ Σ_j y_j − y" in str(explain(net, cost="log_likelihood"))
    assert sorted(step.rows[0][5].value[:, 0]) == [0, 0, 1]


@pytest.mark.parametrize(("order", "brackets"), [("reverse", "A²(A³δ⁴) = δ²"), ("forward", "(A²A³)δ⁴ = δ²")])
def test_the_brackets_of_a_product_are_shown(order, brackets):
    net = fm.Network.random([2, 3, 3, 2], seed=0)
    assert brackets in str(explain(net, backends=f"product:order={order}"))


@pytest.mark.parametrize("backend", ["neumann", "back_substitution", "activation_error", "kronecker"])
def test_results_in_the_books_form_come_after_the_backends_own_way(backend):
    text = " ".join(str(explain(backends=backend)).split())
    assert text.count("The results below are written in the book's form.") == 1
    assert text.index("The results below") < text.index("(BP1) δ")


def test_a_large_network_has_shapes_nonzeros_and_the_predicted_multiplications():
    net = fm.Network.random([64, 30, 10], seed=0)
    found = explain(net, backends=["hadamard", "sigma"])
    assert not found.numbers and "[30×30, 30 non-zeros] [30×10] [10×1]" in str(found)
    for name in found.backends:
        counted = sum(step.multiplications or 0 for step in found.steps(name) if step.equation not in ("26", "27"))
        assert counted == fm.get_backend(name).estimate(net, 1).multiplications


class Page(HTMLParser):
    """Elements of a page in which every element is closed, with their attributes and their text."""

    VOID = ("meta",)

    def __init__(self, page):
        super().__init__()
        self.opened, self.elements, self.texts = [], [], []
        self.feed(page)
        assert not self.opened

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), tuple(self.opened)))
        if tag not in self.VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.opened[-1] if self.opened else "", data))


def test_a_fragment_is_mathml_that_loads_nothing():
    text = explain(backends=["hadamard", "sigma"]).html(fragment=True)
    assert not re.search(r"https?:|src=|href=|<link|<script|@import|url\(", text)
    page = Page(text)
    tables = [opened for tag, _, opened in page.elements if tag == "mtable"]
    assert len(tables) > 10 and all("math" in opened for opened in tables)
    assert not [tag for tag, _, _ in page.elements if tag in ("table", "img")]


@pytest.mark.parametrize("sizes", [[2, 3, 2], [64, 30, 10]])
def test_a_fragment_can_stand_in_another_page(sizes):
    backends = ["hadamard", "sigma"]
    found = explain(fm.Network.random(sizes, seed=0), backends=backends)
    fragment = found.html(fragment=True)
    assert found._repr_html_() == fragment and fragment in found.html()
    page = Page(fragment)
    assert [attrs["class"] for _, attrs, opened in page.elements if not opened] == ["formulations-explanation"]
    classes = {attrs["class"] for _, attrs, opened in page.elements if opened and "class" in attrs}
    assert classes and all(name.startswith("fe-") for name in classes)
    assert not [attrs for _, attrs, _ in page.elements if "id" in attrs]
    (style,) = (data.strip() for tag, data in page.texts if tag == "style")
    # One rule holds all others: every other selector is nested in it.
    assert re.match(r"\.formulations-explanation \{", style)
    depths = list(accumulate({"{": 1, "}": -1}.get(sign, 0) for sign in style))
    assert depths.index(0, style.index("{")) == len(style) - 1
    assert all(re.match(r"\s*(&|@media)", line) for line in style.splitlines()[2:-1] if "{" in line)


def test_html_and_latex_have_the_same_formulas():
    net, X, Y, cost = case((2, 3, 2), "sigmoid", "binary_cross_entropy", 2)
    found = explain(net, X, Y, ["per_neuron", "product"], cost)
    page = found.html(fragment=True)
    for step in (*found.steps("per_neuron"), *found.steps("product")):
        assert parse_latex(symbol_formula(step.symbols)).mathml in page
        for row in step.rows:
            for latex in row_formula(row, numbers=True):
                assert latex in found.latex() and parse_latex(latex).mathml in page


HOSTILE = "</style></math><script>alert(1)</script>&\\{%_#^~$"


def test_names_of_users_are_escaped():
    cost = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1), lambda A, Y: 2 * (A - Y), name=HOSTILE)

    class Elsewhere(type(fm.get_backend("sigma"))):
        name = HOSTILE
        equations = ("33", HOSTILE, "34")

    found = explain(cost=cost, backends=["hadamard", Elsewhere()])
    page = found.html(fragment=True)
    assert "<script" not in page and Page(page).opened == []
    assert HOSTILE in "".join(data for tag, data in Page(page).texts if tag == "mtext")
    document = found.latex()
    assert "alert(1)" in document and not re.search(
        r"(?<!\\)[#%&~]", re.sub(r"\n&|begin\{align\}|" " & ", "", document)
    )


def test_latex_is_balanced_and_has_every_number():
    found = explain(backends=["per_neuron", "sigma"])
    document = found.latex()
    assert document.count("{") == document.count("}")
    assert document.count(r"\left") == document.count(r"\right")
    assert document.count(r"\begin{") == document.count(r"\end{")
    assert document.isascii()
    for step in (*found.steps("per_neuron"), *found.steps("sigma")):
        assert rf"\tag{{{step.equation}}}" in document


def test_bad_input_says_what_to_do():
    with pytest.raises(InvalidInput, match="one backend, or two"):
        explain(backends=["hadamard", "sigma", "product"])
    with pytest.raises(InvalidInput, match="both X and Y"):
        explain(X=[[0.0, 1.0]])
    with pytest.raises(Refused, match="identity"):
        explain(backends="linear")


def test_a_backend_without_errors_may_declare_the_same_equations_as_one_with_them():
    class Elsewhere(type(fm.get_backend("linear_collapse"))):
        name = "elsewhere"
        equations = ("BP1a", "BP2", "BP3", "BP4")

    net = fm.Network.random([2, 3, 2], "identity", seed=0, init="book")
    assert not any(stage.shared for stage in explain(net, backends=["hadamard", Elsewhere()]).stages[3:])


def test_a_backend_from_elsewhere_may_declare_an_equation_of_its_own():
    class Elsewhere(makers.HadamardWrapper):
        name = "elsewhere"
        equations = ("BP1a", "BP2", "K7", "BP3", "BP4")

    assert "(K7)" in str(explain(backends=Elsewhere()))


def test_a_cost_of_ones_own_is_shown_by_its_name():
    quartic = fm.cost(lambda A, Y: ((A - Y) ** 4).sum(axis=1), lambda A, Y: 4 * (A - Y) ** 3, name="quartic")
    assert "(quartic)" in str(explain(cost=quartic))


def test_a_user_defined_cost_may_name_its_equations():
    class Distance(fm.Cost):
        name = "distance"
        equation, mean_equation = "27", "26"

        def evaluate(self, A, Y, gradient=None):
            return Quadratic().evaluate(A, Y, gradient)

    for m, number in ((1, "27"), (2, "26")):
        (stage,) = [
            stage
            for stage in explain(None, np.ones((m, 2)), np.ones((m, 2)), cost=Distance()).stages
            if stage.title == "Cost"
        ]
        assert [step.equation for column in stage.columns for step in column] == [number]


def test_the_command_prints_text_latex_json_and_writes_a_page(tmp_path):
    run = CliRunner().invoke
    text = run(command, ["explain", "--backends", "hadamard,sigma"])
    assert text.exit_code == 0 and "(34)" in text.stdout
    assert run(command, ["explain", "--latex"]).stdout.startswith(r"\documentclass")
    found = json.loads(run(command, ["explain", "--json", "--sizes", "3,2", "--examples", "2"]).stdout)
    assert found["columns"] == ["hadamard"]
    page = tmp_path / "page.html"
    assert run(command, ["explain", "--html", str(page)]).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and '"command":"formulations walk --backends hadamard"' in text


def test_a_page_names_the_command_that_serves_it(tmp_path):
    net, page = str(tmp_path / "my net.npz"), tmp_path / "page.html"
    fm.save(fm.Network.random([3, 2], seed=0), net)
    given = ["--network", net, "--examples", "2", "--seed", "5", "--backend", "sigma,product"]
    assert CliRunner().invoke(command, ["explain", "--html", str(page), "--digits", "3", *given]).exit_code == 0
    served = re.search(r'"command":"(formulations [^"]*)"', page.read_text(encoding="utf-8"))[1]
    words = shlex.split(served)
    assert sorted(words) == sorted(["formulations", "walk", *given[:-2], "--backends", "sigma,product"])
    # The other command has all these options.
    assert not [word for word in words if word.startswith("--") and word not in walk_options()]


def walk_options():
    context = click.Context(command)
    return {name for option in command.get_command(context, "walk").params for name in option.opts}


def test_the_command_takes_a_network_and_data_from_files(tmp_path):
    net = fm.Network.random([3, 4, 2], ["tanh", "sigmoid"], seed=5, init="book")
    random = np.random.default_rng(5)
    X, Y = random.random((6, 3)), random.random((6, 2))
    fm.save(net, tmp_path / "net.npz")
    np.savez(tmp_path / "data.npz", X=X, Y=Y)
    files = ["--network", str(tmp_path / "net.npz"), "--data", str(tmp_path / "data.npz")]
    found = json.loads(CliRunner().invoke(command, ["explain", "--json", "--examples", "2", *files]).stdout)
    assert found == explain(net, X[:2], Y[:2]).to_dict()
    data_alone = CliRunner().invoke(command, ["explain", "--json", *files[2:]])
    assert json.loads(data_alone.stdout)["title"].startswith("3-30-2, sigmoid")
    for option in (["--sizes", "3,4,2"], ["--activations", "tanh"]):
        refused = CliRunner().invoke(command, ["explain", *files, *option])
        assert refused.exit_code == 2 and f"--network brings its own {option[0][2:]}" in refused.stderr
    assert CliRunner().invoke(command, ["explain", *files]).exit_code == 0


@pytest.mark.parametrize("backends", [["hadamard"], ["hadamard", "sigma"]])
def test_one_equation_alone(backends):
    found = explain(backends=backends, equation="BP2")
    assert [step.equation for step in found.steps("hadamard")] == ["BP2"]
    assert [step for backend in backends[1:] for step in found.steps(backend)] == []
    whole = str(explain(backends=backends))
    text = CliRunner().invoke(command, ["explain", "--backends", ",".join(backends), "--equation", "BP2"]).stdout
    assert re.findall(r"^\(\w+\)", text, re.MULTILINE) == ["(BP2)"]
    assert text.splitlines()[-1] in whole
    with pytest.raises(UnknownName, match=r"unknown equation 'BP5' of this computation; valid names are 25, 27, BP1a"):
        explain(equation="BP5")


@pytest.mark.parametrize("digits", [1, 4, 9])
@pytest.mark.parametrize("render", [str, lambda story: story.latex(), lambda story: story.html(fragment=True)])
def test_so_many_digits(digits, render):
    bias = 0.123456789123
    net = fm.Network([[[1.0], [0.0]]], [[bias, 0.5]], "identity")
    found = explain(net, [[0.0]], [[0.0, 0.0]], digits=digits)
    text = render(found)
    assert f"{bias:.{digits}g}" in text
    assert f"{bias:.{digits + 1}g}" not in text
    assert f"Numbers are rounded to {digits} digit" in text
    assert found.to_dict()["stages"][0]["columns"][0][0]["rows"][0][-1]["value"][0] == [bias]


def test_the_costs_of_a_quotient_keep_the_digits_that_they_need():
    few, many = (str(explain(backends="finite_difference", digits=digits)) for digits in (2, 16))
    plain = str(explain(backends="finite_difference"))
    costs = re.findall(r"0\.\d{9,}", plain)
    assert costs and set(costs) <= set(re.findall(r"0\.\d{9,}", few))
    assert len(max(re.findall(r"0\.\d{9,}", many), key=len)) > len(max(costs, key=len))


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--digits", "0"], "--digits must be at least 1, got 0; pass a positive"),
        (["--equation", "BP9"], "valid names are 25, 27, BP1a"),
        (["--network", "/no/such/file.npz"], "/no/such/file.npz"),
        (["--data", "/no/such/file.npz"], "/no/such/file.npz"),
        (["--backends", "sigmaa"], "Did you mean 'sigma'?"),
        (["--backends", "all"], "one or two"),
        (["--backends", "hadamard,sigma,product"], "got 3"),
        (["--backends", "a,b,c"], "one backend, or two side by side, got 3; name one or two."),
        (["--backends", "linear"], "identity"),
        (["--latex", "--json"], "exclude each other"),
        (["--html", "/no/such/folder/page.html"], "cannot be written"),
        (["--examples", "0"], "--examples must be at least 1, got 0; pass"),
        (["--sizes", "64,3,10", "--examples", "2000"], "--examples must be at most the number of examples, 1797"),
        (["--sizes", "2"], "at least two layers"),
    ],
)
def test_bad_usage_ends_with_2(arguments, part):
    result = CliRunner().invoke(command, ["explain", *arguments])
    assert result.exit_code == 2 and part in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_every_template_is_of_an_equation_that_is_applied():
    applied = {"forward", "output", "hidden", "layer", "combined", "cost", "mean"}
    assert all(equation.scope in applied for equation in EQUATIONS.values() if equation.template)


def test_what_names_no_backends_is_refused():
    with pytest.raises(WrongType, match=r"backends must be a list, got 3; pass one such as \['hadamard', 'sigma'\]"):
        explain(backends=3)
