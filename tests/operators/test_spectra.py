"""Singular values of the Jacobian from the input to each layer."""

from __future__ import annotations

import tracemalloc
from html import escape

import numpy as np
import pytest
from scipy.sparse import csr_array, issparse
from scipy.sparse.linalg import ArpackNoConvergence

import formulations as fm
from formulations.arrays import gamma


@pytest.fixture
def random():
    return np.random.default_rng(11)


def slack(net, l, J):
    """How far the singular values of two computed Jacobians of layer l may lie apart, by Weyl's inequality.

    Each side rounds at most n + 3 times a layer, relative to the product of absolute values, whose slopes have norms of
    at most 2: those of tanh, sigmoid and identity are below 1, and diag(a) + aaᵀ of softmax is below 2. LAPACK's
    decompositions are backward stable with a modest polynomial in the dimensions, here n_l·n_1.
    """
    u = np.finfo(net.dtype).eps / 2
    weights = [w.toarray() if issparse(w) else w for w in net.weights[: l - 1]]
    absolute = np.prod([2 * np.linalg.norm(w.astype(float)) for w in weights])
    paths = 2 * gamma(sum(net.sizes[:l]) + 3 * l, u) * absolute
    return paths + 2 * J.shape[1] * J.shape[2] * u * np.linalg.norm(J, axis=(1, 2)).max()


CASES = {
    "bottleneck": lambda: fm.Network.random([6, 8, 2, 9], "tanh", seed=0),
    "wide input": lambda: fm.Network.random([40, 5, 7, 3], "sigmoid", seed=0),
    "softmax": lambda: fm.Network.random([4, 6, 3], ["tanh", "softmax"], seed=0),
    "coupled inside": lambda: fm.Network.random([4, 6, 5, 3], ["softmax", "tanh", "sigmoid"], seed=0),
    "sparse": lambda: fm.Network([csr_array(np.eye(5)[:4]), np.ones((3, 4))], [np.zeros(4), np.zeros(3)], "tanh"),
    "beyond a Krylov space": lambda: fm.Network.random([30, 40, 25], ["tanh", "softmax"], seed=0),
    "one layer": lambda: fm.Network.random([3, 2], "sigmoid", seed=0),
    "float32": lambda: fm.Network.random([6, 8, 4], "tanh", seed=0, dtype="float32"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("largest", [None, 1, 2, 100])
def test_they_are_those_of_the_jacobians(case, largest, random):
    net = CASES[case]()
    X = random.standard_normal((5, net.sizes[0])).astype(net.dtype)
    found = fm.spectrum(net, X, largest=largest)
    assert found.complete == (largest is None)
    for l, (layer, values) in enumerate(zip(found.layers, found.values, strict=True), start=2):
        J = fm.jacobian(net, X, of=l, backend="product").astype(float)
        expected = np.linalg.svd(J, compute_uv=False)[:, :largest]
        assert layer.layer == l
        assert layer.values is values
        assert values.shape == expected.shape
        assert values.dtype == net.dtype
        assert (np.diff(values) <= 0).all()
        # With ARPACK, the values are square roots of eigenvalues of JᵀJ, computed to its own tolerance, the roundoff.
        tolerance = slack(net, l, J)
        assert (np.abs(values - expected) <= tolerance if largest is None else
                np.abs(values**2 - expected**2) <= 20 * tolerance * expected[:, :1]).all()  # fmt: skip


def test_beyond_the_bottleneck_they_are_exactly_zero(random):
    net = CASES["bottleneck"]()
    values = fm.spectrum(net, random.standard_normal((3, 6))).values[-1]
    assert values.shape == (3, 6)
    assert (values[:, :2] > 0).all()
    assert not values[:, 2:].any()


def test_zeros_of_the_rank_need_no_convergence(random):
    net = fm.Network.random([60, 40, 3, 50], "tanh", seed=0)
    X = random.standard_normal((1, 60))
    values = fm.spectrum(net, X, largest=9).values[-1]
    J = fm.jacobian(net, X)
    assert np.abs(values[0, :3] - np.linalg.svd(J, compute_uv=False)[0, :3]).max() <= slack(net, 4, J)
    assert values.shape == (1, 9)
    assert not values[:, 3:].any()


@pytest.mark.parametrize(
    ("dtype", "exponents"), [("float64", (-900, -545, -538, 512, 1000)), ("float32", (-100, -80, -74, 64, 120))]
)
def test_the_largest_do_not_depend_on_the_scale(dtype, exponents, random):
    weights = random.standard_normal((30, 40)).astype(dtype)
    net = fm.Network([weights], [np.zeros(30, dtype)], "identity")
    values = fm.spectrum(net, np.zeros((1, 40)), largest=2).values[0]
    for exponent in exponents:
        scaled = fm.Network([np.ldexp(weights, exponent)], [np.zeros(30, dtype)], "identity")
        # Multiplication by a power of two rounds nothing.
        found = fm.spectrum(scaled, np.zeros((1, 40)), largest=2).values[0]
        assert np.array_equal(found, np.ldexp(values, exponent))


def test_the_largest_are_found_as_often_as_they_occur():
    random = np.random.default_rng(0)
    left, right = (np.linalg.qr(random.standard_normal((100, 100)))[0] for _ in range(2))
    expected = np.repeat(3.0 ** -np.arange(10), 10)
    net = fm.Network([left * expected @ right], [np.zeros(100)], "identity")
    values = fm.spectrum(net, np.zeros((1, 100)), largest=9).values[0][0]
    # The two orthogonal factors and their product are rounded.
    assert np.abs(values - 1).max() <= 3 * 100 * gamma(102, np.finfo(float).eps)


def test_largest_values_that_do_not_converge_are_refused(monkeypatch):
    def stop(*_, **__):
        raise ArpackNoConvergence("", np.ones(1), np.ones((30, 1)))

    monkeypatch.setattr("formulations.operators.arpack.eigsh", stop)
    with pytest.raises(fm.exceptions.Refused, match=r"2 singular values must converge .* and 1 did; ask for fewer"):
        fm.spectrum(CASES["beyond a Krylov space"](), np.ones((1, 30)), largest=2)


def test_blocks_of_examples_change_roundoff_only(monkeypatch, random):
    net, X = CASES["coupled inside"](), random.standard_normal((7, 4))
    whole = fm.spectrum(net, X).values
    monkeypatch.setattr("formulations.operators.spectra.BLOCK", 2 * 6 * 4)
    for l, (mine, its) in enumerate(zip(fm.spectrum(net, X).values, whole, strict=True), start=2):
        assert (np.abs(mine - its) <= slack(net, l, fm.jacobian(net, X, of=l, backend="product"))).all()


def test_a_value_within_roundoff_of_zero_counts_as_zero(random):
    net = CASES["softmax"]()
    found = fm.spectrum(net, random.standard_normal((5, 4)))
    # The outputs sum to 1.
    last = found.layers[-1]
    assert last.values[:, -1].any() and not last.smallest.any() and last.rms.all()
    assert (last.roundoff == last.largest * 4 * np.finfo(float).eps).all()
    assert found.layers[0].smallest.all()
    assert str(found).splitlines()[-2].split()[-1] == "0" and "within roundoff of 0" in str(found)
    assert list(found.plot().axes[0].lines[-1].get_xdata()) == [3]
    assert (
        fm.diagnose(net, random.standard_normal((5, 4)), np.eye(3)[[0, 1, 2, 0, 1]]).layers[-1].smallest_singular_value
        == 0
    )


def test_a_long_title_fits_the_figure(random):
    pytest.importorskip("matplotlib")
    net = fm.Network.random([64, *[30] * 12, 10], seed=0)
    figure = fm.spectrum(net, random.standard_normal((2, 64))).plot()
    figure.draw_without_rendering()
    title = figure.axes[0]._left_title.get_window_extent()
    assert title.x1 <= figure.bbox.x1


def test_a_layer_that_passes_nothing_has_only_zeros():
    net = fm.Network([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]], [[-100.0] * 3], "relu")
    for largest in (None, 1):
        assert not fm.spectrum(net, [[1.0, 1.0]], largest=largest).values[0].any()


def test_orthogonal_weights_have_singular_values_of_one():
    net = fm.Network.random([5, 5, 5], "identity", seed=0, init="orthogonal")
    for layer in fm.spectrum(net, np.ones((2, 5))).layers:
        # Each of the two matrices is orthogonal up to its own roundoff.
        assert np.abs(layer.values - 1).max() <= 2 * 5 * 5 * gamma(10, np.finfo(float).eps)
        for measure in (layer.largest, layer.smallest, layer.rms):
            assert measure.shape == (2,)


def test_the_largest_alone_take_no_matrices(random):
    net = fm.Network.random([300, 300, 300], "tanh", seed=0)
    X = random.standard_normal((1, 300))
    # What is imported and compiled at the first call does not count.
    fm.spectrum(fm.Network.random([3, 3], seed=0), X[:, :3], largest=1)
    tracemalloc.start()
    try:
        fm.spectrum(net, X, largest=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The copy of the parameters, and vectors; a Jacobian would take as much as one of the two matrices again.
    assert peak < 8 * (net.layout.count + 300 * 300 / 2)


def test_longdouble_is_decomposed_in_float64():
    net = fm.Network.random([3, 4, 2], seed=0, dtype="longdouble")
    found = fm.spectrum(net, np.ones((1, 3)))
    assert found.values[0].dtype == np.float64
    assert "longdouble" in found.title


def test_it_is_printed_drawn_and_kept():
    pytest.importorskip("matplotlib")
    net, X = CASES["bottleneck"](), np.ones((2, 6))
    found = fm.spectrum(net, X)
    assert repr(found) == "<Spectrum of 6-8-2-9, tanh, 2 examples, float64>"
    header = ["layer", "neurons", "activation", "values", "largest", "root mean square", "smallest"]
    assert str(found).splitlines()[1].split() == " ".join(header).split()
    plain = found.to_dict()
    assert plain["layers"][2]["values"] == found.values[2].tolist()
    assert plain["layers"][2] | {"values": None} == {"layer": 4, "neurons": 9, "activation": "tanh", "values": None}
    axes = found.plot().axes[0]
    # The fourth line marks the zeros.
    assert len(axes.lines) == 4 and axes.get_ylabel() == "singular value"
    norms = fm.spectrum(net, X, largest=1)
    assert len(norms.plot().axes[0].lines) == 1
    assert "smallest" not in str(norms)
    with pytest.raises(AttributeError):
        found.title = "another"


@pytest.mark.parametrize("largest", [None, 1])
def test_kinks_are_counted_once_and_said(largest, monkeypatch):
    # A block for each example, to each of which both layers belong.
    monkeypatch.setattr("formulations.operators.spectra.BLOCK", 1)
    net = fm.Network([np.eye(2), np.ones((1, 2))], [np.zeros(2), np.zeros(1)], "relu")
    X = np.array([[0.0, 1.0], [0.0, 0.0], [1.0, 2.0]])
    found = fm.spectrum(net, X, largest=largest)
    # Three zeros of layer 2, and one of layer 3.
    assert found.kinks == found.to_dict()["kinks"] == 4
    said = "4 weighted inputs lie on a kink, such as relu's 0: there the derivatives are the left ones."
    assert str(found).splitlines()[-1] == said
    assert escape(said) in found._repr_html_()
    assert "\n1 weighted input lies on a kink" in str(fm.spectrum(net, X[:1], largest=largest))
    none = fm.spectrum(net, X[2:], largest=largest)
    assert none.kinks == 0 and "kink" not in str(none) + none._repr_html_()


def test_what_cannot_be_used_is_refused():
    net = CASES["one layer"]()
    with pytest.raises(fm.exceptions.InvalidInput, match="largest must be at least 1"):
        fm.spectrum(net, np.ones((1, 3)), largest=0)
    with pytest.raises(fm.exceptions.NotFinite):
        fm.spectrum(net, [[np.nan] * 3])
    # Three times 2 × 3 numbers.
    with fm.use_budget(memory=3 * 6 * 8):
        fm.spectrum(net, np.ones((1, 3)))
    with (
        fm.use_budget(memory=3 * 6 * 8 - 1),
        pytest.raises(fm.exceptions.Refused, match="pass largest=1 for the norms alone"),
    ):
        fm.spectrum(net, np.ones((1, 3)))
    huge = fm.Network([[[1e200]], [[1e200]]], [[0.0], [0.0]], "identity")
    for largest in (None, 1):
        with pytest.raises(fm.exceptions.NotFinite, match="the Jacobian of layer 3 must be finite"):
            fm.spectrum(huge, [[0.0]], largest=largest)
