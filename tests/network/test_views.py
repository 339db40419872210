"""How a network, a gradient and a tape are shown: as drawings and tables, in a notebook and with matplotlib."""

from __future__ import annotations

import pickle
import re
import sys

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.display import new_figure
from formulations.exceptions import MissingExtra, WrongType


def shapes(page):
    """The circles of neurons, the circles of dots, and the lines of a drawing."""
    circles = re.findall(r'<circle [^>]*r="([\d.]+)"', page)
    return sum(float(r) > 5 for r in circles), sum(float(r) < 5 for r in circles), page.count("<line ")


def test_a_small_network_has_every_neuron_and_every_weight():
    page = fm.Network.random([2, 3, 2], ["tanh", "softmax"], seed=0)._repr_html_()
    assert shapes(page) == (7, 0, 12)
    for text in (">3<", ">tanh<", ">softmax<", ">input<", "17 parameters (weights: 12, biases: 5)"):
        assert text in page


def test_wide_layers_and_deep_networks_have_dots():
    assert shapes(fm.Network.random([64, 8, 9], seed=0)._repr_html_()) == (20, 6, 96)
    deep = fm.Network.random([2, *[3] * 20, 1], seed=0)._repr_html_()
    # Five layers, three dots, five layers.
    assert shapes(deep) == (2 + 4 * 3 + 4 * 3 + 1, 3, 6 + 27 + 27 + 3)


def test_a_weight_has_its_sign_and_a_sparse_matrix_no_line_without_entry():
    page = fm.Network([[[4.0, -2.0], [0.0, 1.0]]], [[0.0, 0.0]], "identity")._repr_html_()
    lines = re.findall(r'stroke="(#\w+)" stroke-width="([\d.]+)"', page)
    positive, negative = lines[0][0], lines[1][0]
    assert positive != negative
    assert lines == [(positive, "2.50"), (negative, "1.50"), (positive, "0.50"), (positive, "1.00")]
    sparse = makers.sparse_network()
    assert shapes(sparse._repr_html_())[2] == sparse.layout.weight_count
    assert "sparse weights: 23" in sparse._repr_html_()


def test_zero_weights_are_drawn():
    assert shapes(fm.Network([np.zeros((2, 2))], [np.zeros(2)])._repr_html_()) == (4, 0, 4)


def test_a_long_name_is_cut_and_whole_in_its_title():
    net = fm.Network.random([2, 4, 1], [fm.PerNeuron(["tanh", "relu", "elu", "sigmoid"]), "tanh"], seed=0)
    page = net._repr_html_()
    assert ">per_neuron(1 tan…<" in page and "<title>layer 2: per_neuron(1 tanh, 1 relu, 1 elu, 1 sigmoid)" in page


def cells(page):
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(<td.*?)</tr>", page)]


def by_hand():
    """A network of one linear layer with δ = (3, 4) in its one example of input (1, 0)."""
    net = fm.Network([[[3.0, 0.0], [4.0, 0.0]]], [[0.0, 0.0]], "identity")
    return net, [[1.0, 0.0]], [[0.0, 0.0]]


def test_a_gradient_shows_the_norms_of_each_layer():
    gradient = fm.gradient(*by_hand())
    page = gradient._repr_html_()
    assert cells(page) == [["2", "2 × 2", "5", "5", "5"]]
    assert "by hadamard" in page and "cost 12.5, float64, forward passes: 1" in page
    without = fm.gradient(*by_hand(), backend="finite_difference")._repr_html_()
    assert "‖δ‖" in page and "‖δ‖" not in without
    assert [row[2] for row in cells(without)] == ["5"]


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_a_norm_neither_overflows_nor_underflows(scale):
    gradient = fm.gradient(*by_hand())
    gradient.vector[...] *= scale
    assert cells(gradient._repr_html_())[0][2] == f"{5 * scale:.3g}"


def test_a_tape_shows_the_range_of_each_quantity():
    net, X, Y = by_hand()
    tape = net.forward(X, Y)
    assert repr(tape) == "<Tape of 1 example through 2-2, cost 12.5>"
    page = tape._repr_html_()
    assert cells(page) == [["1", "input", "2", "", "0 … 1", ""], ["2", "identity", "2", "3 … 4", "3 … 4", "1"]]
    assert "quadratic cost 12.5, float64" in page
    assert repr(net.forward(X)) == "<Tape of 1 example through 2-2>"


def test_a_tape_shows_nothing_that_was_not_computed():
    net, X, Y = by_hand()
    plan = fm.prepare(net, 1, backend="finite_difference")
    assert "not recorded a forward pass" in plan.tape._repr_html_()
    plan(X, Y)
    assert "σ′" not in plan.tape._repr_html_() and cells(plan.tape._repr_html_())[1][4] == "3 … 4"
    coupled = fm.Network.random([2, 3], "softmax", seed=0)
    assert cells(coupled.forward(np.ones((1, 2)))._repr_html_())[1][5] == "a matrix"


def test_figures_without_matplotlib_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for thing in (by_hand()[0], fm.gradient(*by_hand())):
        with pytest.raises(MissingExtra, match="its extra 'plot'"):
            thing.plot()


@pytest.mark.slow
def test_figures():
    pytest.importorskip("matplotlib")
    net, X, Y = fm.Network.random([2, 3, 3, 1], seed=0), np.ones((2, 2)), np.ones((2, 1))
    gradient = fm.gradient(net, X, Y)
    (axes,) = net.plot().axes
    assert len(axes.patches) == 9 and len(axes.collections[0].get_segments()) == 18
    assert [text.get_text() for text in axes.texts] == ["2\ninput", "3\nsigmoid", "3\nsigmoid", "1\nsigmoid"]
    (axes,) = gradient.plot().axes
    weights, errors = axes.get_lines()
    assert weights.get_label() == "‖∂C/∂w‖" and errors.get_label() == "‖δ‖"
    assert weights.get_xdata().tolist() == [2, 3, 4]
    for line, arrays in ((weights, gradient.weights), (errors, gradient.errors)):
        expected = [np.linalg.norm(array) for array in arrays]
        np.testing.assert_array_max_ulp(line.get_ydata(), np.array(expected), 16)
    assert len(fm.gradient(net, X, Y, backend="finite_difference").plot().axes[0].get_lines()) == 1


@pytest.mark.slow
def test_a_figure_goes_into_given_axes_and_is_shown_by_a_notebook():
    pytest.importorskip("matplotlib")
    net, X, Y = by_hand()
    figure = new_figure(6, 3)
    left, right = figure.subplots(1, 2)
    assert net.plot(ax=left) is figure and fm.gradient(net, X, Y).plot(ax=right) is figure
    assert left.get_title() == "2-2, 6 parameters"
    picture, size = figure._repr_png_()
    assert picture.startswith(b"\x89PNG") and size == {"width": 600, "height": 300}
    # The first block of the file starts with its width in pixels.
    assert int.from_bytes(picture[16:20], "big") == 1200
    assert pickle.loads(pickle.dumps(figure))._repr_png_()[1] == size
    with pytest.raises(WrongType, match=r"ax must be a matplotlib Axes, got list; pass one"):
        net.plot(ax=[left, right])


@pytest.mark.slow
def test_a_figure_of_zeros():
    pytest.importorskip("matplotlib")
    gradient = fm.gradient(*by_hand())
    gradient.vector[...] = 0
    gradient.plot()._repr_png_()
