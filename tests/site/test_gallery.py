"""The gallery: each program runs, draws what it says, and its closing sentences hold."""

from __future__ import annotations

import re
import runpy
import warnings

import numpy as np
import pytest
from built import DOCS

pytest.importorskip("matplotlib")

import matplotlib.pyplot as plt
from gallery import ORDER

GALLERY = DOCS / "gallery"
PROGRAMS = sorted(path.stem.removeprefix("plot_") for path in GALLERY.glob("plot_*.py"))


def within(values, low, high):
    return all(low <= value <= high for value in np.ravel(values))


def ordered(first, second):
    """Say whether every value of the first is below the one of the second."""
    return bool((np.asarray(first) < np.asarray(second)).all())


def vanishing_gradients(of):
    size = of["size_of_delta"]
    factors = size["sigmoid"][1:] / size["sigmoid"][:-1]
    return (
        size["sigmoid"][0] < 1e-6 * size["sigmoid"][-1]
        and 4 < np.exp(np.log(factors).mean()) < 5
        and within([size[sigma][0] / size[sigma][-1] for sigma in ("tanh", "relu")], 0.2, 5)
    )


def saturation(of):
    slow, fast = of["errors"]["quadratic"], of["errors"]["binary_cross_entropy"]
    return of["outputs"]["quadratic"][100] > 0.95 and max(fast) == fast[0] and slow[0] < max(slow) / 5


def faces_of_sigma(of):
    return of["difference"] < 1e-14 and np.isnan(of["system"]).sum() == 100


def paths(of):
    rates = np.array(list(of["paths"].values()))
    bound = 40 * np.finfo(float).eps * abs(rates).sum()
    return len(rates) == 12 and rates.min() < 0 < rates.max() and abs(of["total"] - of["derivative"]) <= bound


def decision_boundaries(of):
    return of["wrong"][0] > 50 and 10 < of["wrong"][5] < 50 and of["wrong"][200] <= 2


def learned_weights(of):
    zero = of["single"].weights[0][0].reshape(8, 8)
    return zero[3:5, 3:5].max() < 0 and min(of["history"].accuracy, of["history_hidden"].accuracy) > 0.9


def planted_mistake(of):
    after, before = of["ratios"]["with the mistake"][2:], of["ratios"]["with the mistake"][:2]
    return (
        bool(of["right"])
        and (of["wrong"].layer, of["wrong"].equation) == (3, "BP2")
        and "transpose" in str(of["wrong"].cause)
        and max(after) < 1
        and min(before) > 1e11
    )


def tolerances(of):
    margin = of["residual"] / of["bound"]
    right, wrong = margin[~of["planted"]], margin[of["planted"]]
    return (
        set(of["status"][~of["planted"]]) == {"equal"}
        and set(of["status"][of["planted"]]) == {"different"}
        and right.max() < 0.2
        and np.median(right) < 0.03
        and wrong.min() > 1
    )


def step_size(of):
    return 1e-9 < min(of["forward"]) < 1e-6 and 1e-12 < min(of["central"]) < 1e-9 and of["imaginary"] < 1e-15


def digits_lost(of):
    last = {gain: digits[-1] for gain, digits in of["digits"].items()}
    return last[1] > 5.5 and 1 < last[2] < 4.5 and last[3] < 1.5


def crossover(of):
    median = {name: {width: found[1] for width, found in rows.items()} for name, rows in of["quartiles"].items()}
    # Only what differs by a large factor: a busy machine must not fail the test.
    return (
        median["per_neuron"][2] < 2 * median["back_substitution"][2]
        and median["per_neuron"][32] > median["back_substitution"][32]
        and all(median["hadamard"][width] < 2 * row[width] for row in median.values() for width in row)
        and 128 not in median["finite_difference"]
    )


def sparse_weights(of):
    speed = dict(zip(of["shares"].tolist(), of["median"], strict=True))
    return speed[0.01] > 1 > speed[1.0]


def agreement(of):
    same = (of["digit"][of["some"]][:, None] == of["digit"][of["some"]]) & ~np.eye(200, dtype=bool)
    other = of["digit"][of["some"]][:, None] != of["digit"][of["some"]]
    before, after = of["before"], of["after"]
    pairs = after.reshape(10, 20, 10, 20).mean(axis=(1, 3))
    return (
        before[same].mean() > 0.9
        and abs(before[other]).mean() < 0.3
        and after[same].mean() < 0.9
        and sorted(divmod(int(pairs.argmin()), 10)) == [1, 8]
    )


def clipping(of):
    places = np.flatnonzero(of["planted"])
    return len(places) == 12 and places.max() < 40 and of["after"] < of["before"] / 2


def jacobian_spectrum(of):
    random, kept, tanh, sigmoid = of["medians"].values()
    return (
        within(kept, 1 - 1e-12, 1 + 1e-12)
        and random[-1].min() < 1e-6 < 1 < random[-1].max()
        and tanh[-1].min() < 1e-6 < 1 < tanh[-1].max()
        and sigmoid[-1].max() < 1e-5
        and (sigmoid.max(axis=1) / sigmoid.min(axis=1)).max() < 30
    )


def edge_of_stability(of):
    return all(abs(np.median(of["sharpness"][eta][-25:]) * eta / 2 - 1) < 0.1 for eta in of["rates"])


def lbfgs_against_sgd(of):
    def at(costs, work):
        return costs[max(key for key in costs if key <= work)]

    lbfgs, sgd, descent = of["lbfgs"], of["sgd"], of["descent"]
    return at(sgd, 10) < at(lbfgs, 10) / 2 and at(lbfgs, 120) < at(sgd, 120) < at(descent, 120)


CLAIMS = {name: found for name, found in list(globals().items()) if name in PROGRAMS}
"""What the closing sentences of each program say, of the variables that it leaves."""


def test_each_program_has_a_claim_and_a_place():
    assert sorted(ORDER) == sorted(CLAIMS) == PROGRAMS
    assert len(PROGRAMS) >= 12


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_reads_on_a_page(name):
    text = (GALLERY / f"plot_{name}.py").read_text("utf-8")
    title, line, _, question = text.removeprefix('r"""\n').split("\n")[:4]
    assert len(title) == len(line) and set(line) == {"="}
    assert "?" in text.split('"""')[1] and question
    assert re.search(r":doc:`/[\w/-]+`", text.rpartition("# %%")[2]), "the last paragraph says where to read on"
    for page in re.findall(r":doc:`/([\w/-]+)`", text):
        assert (DOCS / f"{page}.md").is_file(), page
    for program in re.findall(r":doc:`plot_(\w+)`", text):
        assert program in PROGRAMS


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_program_draws_what_it_says(name, monkeypatch):
    monkeypatch.chdir(GALLERY)
    plt.switch_backend("Agg")
    with plt.style.context(GALLERY / "gallery.mplstyle"), warnings.catch_warnings():
        # Agg has no window to show.
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        try:
            of = runpy.run_path(f"plot_{name}.py")
            figures = [plt.figure(number) for number in plt.get_fignums()]
            assert figures
            for figure in figures:
                figure.draw_without_rendering()
            assert any(labelled(figure) for figure in figures)
        finally:
            plt.close("all")
    assert CLAIMS[name](of)


def labelled(figure):
    """Say whether the axes of a figure, or the figure for all of them, name both quantities."""
    shown = [axes for axes in figure.axes if axes.axison]
    x = figure.get_supxlabel() or any(axes.get_xlabel() for axes in shown)
    y = figure.get_supylabel() or any(axes.get_ylabel() for axes in shown)
    colours = any(axes.get_ylabel() or axes.get_xlabel() for axes in shown if axes.get_label() == "<colorbar>")
    return bool((x and y) or colours)
