"""Pairwise agreement: in units of both bounds, with the odd one out named, as text, values and a picture."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.comparison.agreement import agreement_of, short
from formulations.display import heat_map, save_figure
from formulations.exceptions import InvalidInput


class Wrong(makers.HadamardWrapper):
    """Everything twice."""

    name = "wrong"

    def errors(self, network, tape):
        errors = super().errors(network, tape)
        for delta in errors:
            delta *= 2
        return errors


def agreement(values, bounds):
    vectors = [np.array(value, float) for value in values.values()]
    return agreement_of(list(values), vectors, [np.array(bound, float) for bound in bounds])


def small():
    net = fm.Network.random([4, 3, 2], seed=0)
    return net, np.eye(4), np.ones((4, 2))


def test_ratios_are_in_units_of_both_bounds():
    found = agreement({"a": [1, 0], "b": [4, 0], "c": [1, 0]}, [[1, 1], [2, 1], [0, 0]])
    assert found.ratios.tolist() == [[0, 1, 0], [1, 0, 1.5], [0, 1.5, 0]]
    assert not found.agree
    assert found.odd_ones == ("b", "c")
    assert not found.certain


@pytest.mark.parametrize(
    ("values", "odd", "certain"),
    [
        ({"a": [1], "b": [1], "c": [1]}, (), True),
        ({"a": [1], "b": [9], "c": [1], "d": [1]}, ("b",), True),
        ({"a": [1], "b": [9], "c": [1], "d": [5], "e": [1]}, ("b", "d"), True),
        ({"a": [1], "b": [9]}, ("a", "b"), False),
        ({"a": [np.nan], "b": [1], "c": [1]}, ("a",), True),
    ],
)
def test_the_odd_one_out(values, odd, certain):
    found = agreement(values, [[0.1]] * len(values))
    assert (found.odd_ones, found.certain) == (odd, certain)
    assert all(name in found.sentence for name in odd)


def test_without_a_bound_nothing_is_said():
    found = agreement({"a": [1], "b": [2]}, [[np.inf], [1]])
    assert (found.ratios[0, 1], found.odd_ones, found.undecided) == (0, (), ("a",))
    assert "No finite bound holds in every entry for a." in found.sentence


@pytest.mark.parametrize(
    ("values", "bounds", "doubts", "said"),
    [
        ({"a": [1], "b": [1]}, [[1], [1]], {"b": "different"}, "b is different"),
        ({"a": [1], "b": [1]}, [[9], [9]], {"a": "inconclusive"}, "a is inconclusive"),
        ({"a": [np.nan], "b": [1], "c": [1]}, [[np.inf], [1], [1]], {}, "a is not finite"),
        (
            {"a": [1], "b": [np.inf], "c": [1]}, [[1], [np.inf], [1]], {"a": "different"},
            "a is different and b is not finite",
        ),
        ({"a": [1], "b": [9], "c": [1], "d": [1]}, [[0.1]] * 4, {"c": "inconclusive"}, "c is inconclusive"),
    ],
)  # fmt: skip
def test_what_is_in_doubt_does_not_agree(values, bounds, doubts, said):
    vectors = [np.array(value, float) for value in values.values()]
    found = agreement_of(list(values), vectors, np.array(bounds, float), doubts)
    assert not found.agree
    assert "Both agree" not in found.sentence
    assert "agree pairwise" not in found.sentence
    assert found.sentence.endswith(f"Judged alone, {said}.")
    assert list(found.to_dict()["doubts"]) == list(found.doubts)


def test_a_comparison_does_not_end_in_agreement_if_a_row_is_not_equal():
    class Near(makers.HadamardWrapper):
        """Off by more than T1 allows, and less than the bounds of two forward passes."""

        name = "near"

        def errors(self, network, tape):
            errors = super().errors(network, tape)
            for delta in errors:
                delta *= 1 + 2e-15
            return errors

    net = fm.Network.random([20, 1], seed=0)
    X, Y = np.random.default_rng(0).random((4, 20)), np.ones((4, 1))
    c = fm.compare(net, X, Y, backends=["hadamard", Near()])
    assert [str(row.status) for row in c.rows] == ["equal", "different"]
    assert str(c).endswith("Judged alone, near is different.")
    assert "Both agree" not in str(c)
    assert not c.to_dict()["agreement"]["agree"]


def test_a_comparison_names_the_odd_one_out():
    c = fm.compare(*small(), backends=["hadamard", "sigma", Wrong(), "per_neuron", "finite_difference"])
    assert c.agreement.odd_ones == ("wrong",)
    assert "wrong is the odd one out: it differs from all 4 others, which agree with each other." in str(c)
    assert c.to_dict()["agreement"]["odd_ones"] == ["wrong"]
    assert "5  finite_difference" in str(c.agreement)


def test_gradients_without_a_difference_agree_exactly():
    assert agreement({"a": [1, 0], "b": [1, 0]}, [[1, 1]] * 2).sentence == "Both agree, exactly."
    assert "exactly" not in agreement({"a": [1], "b": [2]}, [[np.inf], [1]]).sentence


def test_right_ones_agree():
    c = fm.compare(*small())
    assert c.agreement.agree
    assert "agree pairwise: the largest difference is" in str(c)


@pytest.mark.slow
def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    c = fm.compare(*small(), backends=["hadamard", "sigma", Wrong()])
    figure = c.plot()
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hadamard", "sigma", "wrong"]
    # Every pair has its number, as the text does, and the diagonal has none.
    written = [short(ratio) for i, row in enumerate(c.agreement.ratios) for j, ratio in enumerate(row) if i != j]
    assert [text.get_text() for text in axes.texts] == written
    for suffix in ("png", "svg"):
        path = tmp_path / f"agreement.{suffix}"
        save_figure(figure, str(path))
        assert path.stat().st_size > 5000
    with pytest.raises(InvalidInput, match=r"must end in one of .*png.*, got '.*plot.xyz'; try plot\.png\."):
        save_figure(figure, str(tmp_path / "plot.xyz"))
    with pytest.raises(InvalidInput, match="cannot be written"):
        save_figure(figure, str(tmp_path / "nowhere" / "plot.png"))
    with pytest.raises(InvalidInput, match="at least two gradients"):
        fm.compare(*small(), backends=["hadamard"]).plot()


@pytest.mark.slow
@pytest.mark.parametrize("labels", [["a", "b"], ["hadamard", "sigma:matrix=dense,batch=example", "c"], "abcdefghi"])
def test_everything_in_the_picture_has_its_place(labels):
    pytest.importorskip("matplotlib")
    title = "Gauss–Newton product of 64-30-10, sigmoid, quadratic cost, 10 examples, float64"
    figure = heat_map(labels, np.ones((len(labels), len(labels))), title)
    (axes,) = figure.axes
    (scale,) = axes.child_axes
    figure.draw_without_rendering()
    drawn, page = figure.get_tightbbox(), figure.bbox_inches
    assert drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= page.x1 and drawn.y1 <= page.y1
    matrix, bar, label = axes.get_window_extent(), scale.get_window_extent(), scale.yaxis.label.get_window_extent()
    assert (bar.y0, bar.y1) == pytest.approx((matrix.y0, matrix.y1), abs=1)
    assert matrix.y0 <= label.y0 and label.y1 <= matrix.y1
    assert figure.get_suptitle().count("\n") <= 2


def test_the_matrix_says_what_the_comparison_does_not():
    found = agreement({"a": [1, 0], "b": [1, 0]}, [[1, 1]] * 2)
    assert str(found) == f"{found.table}\n{found.sentence}" and found.sentence not in found.table
