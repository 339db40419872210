"""What a notebook shows: one element, whose styles stay inside, which loads nothing and runs no script."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import accumulate

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.comparison import run_race
from formulations.display import html_mark, html_table, html_text

VOID = {"line", "circle"}


class Elements(HTMLParser):
    """The elements of a page, each with those that enclose it, and its texts."""

    def __init__(self, page):
        super().__init__()
        self.opened, self.found, self.texts = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs), tuple(self.opened)))
        self.opened.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID
        self.found.append((tag, dict(attrs), tuple(self.opened)))

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.opened[-1] if self.opened else "", data))

    def all(self, tag):
        return [attrs for name, attrs, _ in self.found if name == tag]

    @property
    def text(self):
        return " ".join(data for tag, data in self.texts if tag != "style")


def small():
    return fm.Network.random([3, 4, 2], ["tanh", "sigmoid"], seed=0), np.eye(3)[:2], np.eye(2)


class Wrong(makers.HadamardWrapper):
    """Everything twice."""

    name = "wrong"

    def errors(self, network, tape):
        errors = super().errors(network, tape)
        for delta in errors:
            delta *= 2
        return errors


def raced():
    return run_race(["digits"], ["float64"], ["hadamard"], [], budget=0.01)


THINGS = {
    "network": lambda: small()[0],
    "gradient": lambda: fm.gradient(*small()),
    "tape": lambda: small()[0].forward(*small()[1:]),
    "comparison": lambda: fm.compare(*small(), backends=["hadamard", "linear", Wrong()]),
    "certificate": lambda: fm.certify(*small(), -fm.gradient(*small()).vector),
    "history": lambda: fm.sgd(*small(), epochs=3, seed=0, validation=small()[1:]),
    "model": lambda: fm.Model(small()[0], classes=["left", "right"]),
    "report": lambda: fm.check_backend("sigma", laws=["same_bits"], scenarios=["single_neuron"]),
    "explanation": lambda: fm.explain(*small()),
}


@pytest.mark.parametrize("name", THINGS)
def test_a_notebook_gets_one_element_and_a_terminal_one_line(name):
    thing = THINGS[name]()
    page = thing._repr_html_()
    assert not re.search(r"https?:|src=|href=|<link|<script|@import|url\(|\bon\w+=", page)
    elements = Elements(page)
    assert elements.opened == []
    (root,) = [attrs["class"] for _, attrs, opened in elements.found if not opened]
    assert root.startswith("formulations-")
    assert not [attrs for _, attrs, _ in elements.found if "id" in attrs]
    (style,) = (data.strip() for tag, data in elements.texts if tag == "style")
    # One rule holds all others: every other selector is nested in it.
    assert style.startswith(f".{root} {{")
    depths = list(accumulate({"{": 1, "}": -1}.get(sign, 0) for sign in style))
    assert depths.index(0, style.index("{")) == len(style) - 1
    assert all(re.match(r"\s*(&|@media)", line) for line in style.splitlines()[1:-1] if "{" in line)
    # Colours follow the theme of the page.
    assert "currentColor" in style and not re.search(r"(?<![-\w])color: *(#|black|white)", style)
    line = repr(thing)
    assert line.startswith("<") and line.endswith(">") and "\n" not in line and len(line) < 160


def test_a_model_shows_its_network():
    elements = Elements(THINGS["model"]()._repr_html_())
    assert len(elements.all("circle")) == 9 and "classes: 'left', 'right'" in elements.text


def test_a_history_shows_its_last_epochs_and_its_failure():
    history = THINGS["history"]()
    assert repr(history).startswith("<History of 3 epochs by hadamard: cost ")
    assert repr(history).endswith(" %>")
    assert history._repr_html_().count("<tr>") == 4
    diverged = fm.sgd(fm.Network.random([3, 2], "identity", seed=0), *small()[1:], epochs=30, learning_rate=9.0)
    assert "training diverged" in diverged._repr_html_() and "training diverged" not in history._repr_html_()


@pytest.mark.slow
def test_the_figure_of_a_history():
    pytest.importorskip("matplotlib")
    history = THINGS["history"]()
    cost, accuracy = history.plot().axes
    assert cost.get_lines()[0].get_ydata().tolist() == history.costs
    assert accuracy.get_lines()[0].get_ydata().tolist() == [epoch.accuracy for epoch in history.epochs]
    (axes,) = fm.sgd(*small(), epochs=2).plot().axes
    assert axes.get_ylabel() == "cost"
    # Given axes have room for one scale.
    assert history.plot(ax=axes) is axes.figure and len(axes.figure.axes) == 1


@pytest.mark.slow
def test_a_race_is_shown_alike():
    race = raced()
    assert repr(race).startswith("<Race of 1 heat: ") and len(repr(race)) < 160
    elements = Elements(race._repr_html_())
    assert elements.opened == [] and len(elements.all("table")) == 1
    assert "hadamard" in elements.text and " ".join(race.where.split()) in elements.text


def test_text_is_escaped_and_html_is_not():
    hostile = "<script>&"
    assert html_text(hostile) == "<p>&lt;script&gt;&amp;</p>"
    assert "<td>&lt;script&gt;&amp;</td>" in html_table(["a"], [[hostile]])
    assert "<script" not in html_mark(hostile)
    marked = html_mark("equal", "good")
    assert f"<td>{marked}</td>" in html_table(["a"], [[marked]])


@pytest.mark.parametrize(("kind", "sign"), [("good", "✓ "), ("bad", "✗ "), ("unsure", "? "), ("none", "")])
def test_a_verdict_has_a_sign_besides_its_colour(kind, sign):
    assert html_mark("as found", kind) == f'<span class="fv-{kind}">{sign}as found</span>'


def test_every_verdict_is_marked_for_what_it_is():
    net, X, Y = fm.Network.random([2, 2, 1], seed=0), np.ones((1, 2)), np.ones((1, 1))
    right = fm.gradient(net, X, Y)
    assert "✗" not in fm.certify(net, X, Y, right.vector)._repr_html_()
    wrong = fm.certify(net, X, Y, -right.vector)._repr_html_()
    assert '"fv-title"><span class="fv-bad">✗ different</span>' in wrong and '<td><span class="fv-bad">✗' in wrong
    compared = fm.compare(net, X, Y, backends=["sigma", "linear_collapse"])._repr_html_()
    assert '<span class="fv-good">✓ equal</span>' in compared and '<span class="fv-none">refused</span>' in compared


def test_a_users_names_are_escaped():
    odd = fm.activation(lambda z: z, lambda z: 1 + 0 * z, name="<b>odd</b>")
    net = fm.Network.random([2, 2, 1], odd, seed=0)
    X, Y = np.ones((1, 2)), np.ones((1, 1))
    for thing in (net, net.forward(X, Y), fm.certify(net, X, Y, "sigma"), fm.compare(net, X, Y, backends=["sigma"])):
        assert "<b>" not in thing._repr_html_() and "&lt;b&gt;odd" in thing._repr_html_()


def test_the_table_of_a_comparison_shows_what_its_text_does():
    comparison = THINGS["comparison"]()
    assert repr(comparison).endswith("1 equal, 1 different, 1 refused>")
    text = Elements(comparison._repr_html_()).text
    for word in ("✓ equal", "✗ different", "refused", "Judged alone, wrong is different", "layer 2 has tanh"):
        assert word in text


def test_a_certificate_says_in_one_line_where_and_why():
    certificate = THINGS["certificate"]()
    assert repr(certificate).startswith("<Certificate: different in layer 3, (BP1), cause sign; 3-4-2, ")
    assert "The mistake is in layer 3, (BP1)" in Elements(certificate._repr_html_()).text
    right = fm.certify(*small(), fm.gradient(*small()))
    assert repr(right).startswith("<Certificate: equal; 3-4-2, ")
    assert "✓ equal" in right._repr_html_() and "✗" not in right._repr_html_()


def test_a_report_names_the_laws_that_are_broken():
    class Fickle(makers.HadamardWrapper):
        """Another result at each call."""

        name = "fickle"
        calls = 0

        def errors(self, network, tape):
            errors = super().errors(network, tape)
            type(self).calls += 1
            errors[-1] *= 1 + type(self).calls
            return errors

    report = fm.check_backend(Fickle(), laws=["same_bits", "dtype_kept"], scenarios=["single_neuron"])
    assert repr(report) == "<ConformanceReport on fickle: not kept, 2 laws; broken: same_bits>"
    text = Elements(report._repr_html_()).text
    assert "✗ broken" in text and "✓ kept" in text
