"""``formulations.testing``: what passes, what fails, and with which message."""

from __future__ import annotations

import subprocess
import sys

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.testing import assert_function_gradient, assert_gradient
from formulations.verification import Status

NET = makers.network()
X, Y = makers.data(NET, 5)


def right(net, X, Y):
    g = fm.gradient(net, X, Y)
    return list(g.weights), list(g.biases)


def twice(net, X, Y):
    return 2 * fm.gradient(net, X, Y).vector


@pytest.mark.parametrize("candidate", [right, "sigma", fm.gradient(NET, X, Y), fm.gradient(NET, X, Y).vector])
def test_a_right_gradient_passes(candidate):
    assert assert_gradient(NET, X, Y, candidate) is None


def test_the_message_of_a_wrong_one_is_the_certificate():
    with pytest.raises(AssertionError) as caught:
        assert_gradient(NET, X, Y, twice)
    certificate = fm.certify(NET, X, Y, twice)
    assert str(caught.value) == str(certificate)
    assert "too large by a factor of 2" in str(caught.value)


def test_cost_and_weights_go_to_certify():
    weights = np.arange(1.0, 6.0)
    candidate = fm.gradient(NET, X, Y, cost="binary_cross_entropy", sample_weight=weights)
    assert_gradient(NET, X, Y, candidate, "binary_cross_entropy", sample_weight=weights)
    with pytest.raises(AssertionError, match="different"):
        assert_gradient(NET, X, Y, candidate, cost="binary_cross_entropy")


def hidden_by_roundoff():
    """A network of forty layers in float32, whose bound is wider than its gradient."""
    net = fm.Network.random([3] * 40, "tanh", seed=0, dtype="float32")
    net.vector[...] *= np.float32(3)
    X, Y = makers.data(net, 4)
    return net, X, Y, fm.gradient(net, X, Y).vector


def test_an_inconclusive_verdict_fails_unless_it_is_allowed():
    given = hidden_by_roundoff()
    assert fm.certify(*given).status is Status.INCONCLUSIVE
    with pytest.raises(AssertionError, match="inconclusive: roundoff hides") as caught:
        assert_gradient(*given)
    assert str(caught.value).endswith("pass allow_inconclusive=True to accept it.")
    assert_gradient(*given, allow_inconclusive=True)
    with pytest.raises(AssertionError, match="different") as caught:
        assert_gradient(NET, X, Y, twice, allow_inconclusive=True)
    assert "allow_inconclusive" not in str(caught.value)


def test_what_is_no_gradient_of_the_network_is_an_error_and_no_failed_assertion():
    with pytest.raises(fm.exceptions.WrongShape):
        assert_gradient(NET, X, Y, np.zeros(3))


def cubes(x):
    return (np.asarray(x) ** 3).sum()


def test_the_gradient_of_a_function_passes_or_fails_with_its_certificate():
    x = np.array([1.0, -2.0, 0.5])
    assert assert_function_gradient(cubes, lambda x: 3 * x**2, x) is None
    with pytest.raises(AssertionError) as caught:
        assert_function_gradient(cubes, 3 * x, x)
    assert str(caught.value) == str(fm.certify_function(cubes, 3 * x, x))
    with pytest.raises(fm.exceptions.WrongShape):
        assert_function_gradient(cubes, np.zeros(2), x)


def test_a_function_that_leaves_it_open_fails_unless_that_is_allowed():
    random = np.random.default_rng(0)

    def noisy(x):
        return float((x**2).sum() + random.normal())

    x = np.ones(2)
    with pytest.raises(AssertionError, match="inconclusive: ") as caught:
        assert_function_gradient(noisy, 2 * x, x)
    assert str(caught.value).endswith("pass allow_inconclusive=True to accept it.")
    assert_function_gradient(noisy, 2 * x, x, allow_inconclusive=True)
    with pytest.raises(fm.exceptions.InvalidInput, match="typical"):
        assert_function_gradient(cubes, 27.0, 3.0, typical=-1.0)


@pytest.mark.slow
def test_pytest_shows_the_line_of_the_test_and_the_certificate(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "import formulations as fm\n"
        "def test_it():\n"
        "    net = fm.Network.random([2, 3, 1], seed=0)\n"
        "    fm.testing.assert_gradient(net, [[0.0, 1.0]], [[1.0]], lambda *given: -fm.gradient(*given).vector)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no", "test_mine.py"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120).stdout
    assert "E       AssertionError: different: this is not the gradient of this cost." in found
    assert "Likely cause" in found and "test_mine.py:4: AssertionError" in found
    assert "testing.py" not in found
