"""Growth: exact counts of passes, slopes through known times, and who is left out. No duration is asserted."""

from __future__ import annotations

import json
from dataclasses import replace

import makers
import multiplications
import numpy as np
import pytest

import formulations as fm
from benchmarks.experiments import admission
from benchmarks.experiments import growth as module
from benchmarks.experiments.growth import MILLION, draw_growth, measure_growth
from formulations.comparison import timing
from formulations.display import Ratio
from formulations.exceptions import InvalidInput, UnknownName, WrongShape, WrongType

TINY = {"networks": [(3, 2, 1)], "widths": (1, 2), "budget": 1e-6}


@pytest.fixture(scope="module")
def found():
    return measure_growth(**TINY, batch_size=2, backward_batch=3)


def test_forward_passes_are_counted_exactly(found):
    curves = {curve.backend: curve for curve in found.curves}
    assert list(curves) == [fm.get_backend(name).label for name in module.BACKENDS]
    P, N = 4 * 2**2, 3 * 2
    last = {name: curve.points[-1] for name, curve in curves.items()}
    assert {(point.weights, point.biases) for point in last.values()} == {(P, N)}
    assert {name: point.forward_passes for name, point in last.items()} == {
        "hadamard": 1,
        "tangent": 1,
        "node_perturbation": 1,
        "complex_step": P + N + 1,
        "finite_difference:scheme=forward": P + N + 1,
        "finite_difference": 2 * (P + N) + 1,
    }


def test_a_million_weights_take_a_million_and_more_passes(found):
    curves = {curve.backend: curve for curve in found.curves}
    forward = curves["finite_difference:scheme=forward"]
    assert forward.million_passes == MILLION + 1500 + 1
    assert forward.million_by_passes == forward.million_passes * found.pass_seconds
    # Partial passes, and a pass of which more than the pass is taken, are not so many whole ones.
    whole = {name for name, curve in curves.items() if curve.million_by_passes is not None}
    assert whole == {"finite_difference:scheme=forward", "finite_difference"}
    assert all(curve.is_extrapolated for curve in curves.values())


def test_backward_is_counted_as_it_multiplies(found, monkeypatch):
    row = found.backward[0]
    assert (row.layers, row.weights) == ("3-2-1", 8)
    assert row.predicted == 2 - 6 / 8
    net = fm.Network.random([3, 2, 1], seed=0)
    X, Y = makers.data(net, 3)
    assert row.counted == multiplications.counted(monkeypatch, net, X, Y, "hadamard") / (3 * 8)


def test_the_backward_pass_is_what_a_gradient_takes_beyond_a_forward_pass(monkeypatch):
    taken = {
        "forward": timing.Timing(2.0, Ratio.exactly(1.0), (2.0,)),
        "gradient": timing.Timing(5.0, Ratio(2.5, 2.25, 3.0), (5.0,)),
    }
    monkeypatch.setattr(module, "interleave", lambda *_, **__: taken)
    row = module._backward(module._problem((3, 2, 1), np.dtype("float64"), 3), 0.1)
    assert (row.forward_seconds, row.gradient_seconds) == (2.0, 5.0)
    assert row.measured == Ratio(1.5, 1.25, 2.0)


def timed_as(monkeypatch, law):
    """Replace the stopwatch by a law of time over the number of weights."""

    def interleave(calls, **_):
        weights = {name: call.func.network.layout.weight_count for name, call in calls.items() if name != "forward"}
        seconds = {name: law(P) for name, P in weights.items()} or {"forward": 2.0}
        return {name: timing.Timing(taken, Ratio.exactly(1.0), (taken,)) for name, taken in seconds.items()}

    for place in (module, admission):
        monkeypatch.setattr(place, "interleave", interleave)
    monkeypatch.setattr(module, "_backward", lambda *_: None)


def test_the_exponent_is_fitted_to_the_largest_half_and_extrapolated(monkeypatch):
    # P^1.5 from the third network on; the two before it would bend the line.
    timed_as(monkeypatch, lambda P: 1e-6 * P**1.5 if P >= 100 else 1.0)
    curve = measure_growth([(2, 1)], (1, 2, 5, 6, 8), ["hadamard"], seconds=100).curves[0]
    assert len(curve.points) == 5 and curve.fitted == 3
    assert curve.exponent == pytest.approx(1.5, rel=1e-12)
    assert curve.million == pytest.approx(1e3, rel=1e-9)
    assert curve.is_extrapolated


def test_what_is_measured_at_a_million_is_not_extrapolated(monkeypatch):
    timed_as(monkeypatch, lambda P: 7.0 if P == MILLION else 1e-6 * P)
    curve = measure_growth([(2, 1)], (4, 16, 500), ["hadamard"], seconds=100).curves[0]
    assert curve.million == 7.0 and not curve.is_extrapolated


def test_a_backend_goes_on_while_it_is_expected_to_stay_within_the_time(monkeypatch):
    timed_as(monkeypatch, lambda P: P**2)
    names = ["hadamard", "finite_difference"]
    curves = measure_growth([(2, 1)], (1, 2, 4, 8), names, seconds=500).curves
    # After 256 s at 16 weights, three times as many passes are too long, and a single one is not.
    assert {curve.backend: len(curve.points) for curve in curves} == {"hadamard": 3, "finite_difference": 2}


def test_one_point_has_no_slope():
    curve = measure_growth([(2, 1)], (1,), ["hadamard"], budget=1e-6).curves[0]
    assert curve.exponent is None and curve.million is None and curve.fitted == 0


def test_a_backend_left_out_has_a_reason():
    class Wrong(fm.Backend):
        name, summary, equations, tier = "wrong", "twice the gradient", (), fm.Tier.RECURRENCE

        def errors(self, network, tape):
            return [2 * delta for delta in fm.get_backend("hadamard").errors(network, tape)]

    found = measure_growth([(2, 1)], (2,), ["linear", Wrong(), "finite_difference"], budget=1e-6, seconds=1e-6)
    assert found, "who is too slow to be judged is not different"
    assert "it needs the activation identity" in found.left_out["linear"]
    assert "estimated to take" in found.left_out["finite_difference"]
    found = measure_growth([(2, 1)], (2, 3), [Wrong(), "sigma"], budget=1e-6)
    assert not found
    assert found.different == ("wrong",)
    assert "further apart than roundoff explains" in found.left_out["wrong"]
    assert [curve.backend for curve in found.curves] == ["sigma"]
    assert "wrong: layer" in str(found)


def test_printed_and_as_plain_values(found):
    text = str(found)
    assert "3-2-1" in text and "2 examples, float64" in text
    assert "extrapolated by that slope, not measured" in text
    assert "1,001,501" in text and "~ " in text
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["baseline"] == "hadamard" and plain["curves"][0]["points"][1]["weights"] == 16
    row, point = found.backward[0], found.curves[0].points[1]
    assert list(plain["backward"][0])[-2:] == ["measured", "spread"]
    assert plain["backward"][0]["spread"] == [row.measured.lower, row.measured.upper]
    assert plain["curves"][0]["points"][1]["ratio"] == point.ratio.median


def test_many_equal_sizes_are_written_by_their_number():
    written = [module._written(sizes) for sizes in [(784, 30, 10), (5, 5, 5, 5), (100,) * 11, (9, 9, 9, 9, 8)]]
    assert written == ["784-30-10", "5-5-5-5", "100-…-100 (10 layers)", "9-9-9-9-8"]


def test_progress_names_every_network():
    lines = []
    measure_growth(**TINY, backends=["hadamard"], progress=lines.append)
    assert [line.split(", ")[0] for line in lines] == [
        "backward over forward: 3-2-1",
        "growth: 1-2-1",
        "growth: 2-4-2",
        "a forward pass: 500-1000-500",
    ]


def test_the_picture_writes_the_slopes_in(found):
    pytest.importorskip("matplotlib")
    left, right = draw_growth(found).axes
    labels = [text.get_text() for text in right.get_legend().get_texts()]
    assert labels == [f"{curve.backend}, slope {curve.exponent:.2f}" for curve in found.curves]
    assert [text.get_text() for text in left.get_yticklabels()] == ["3-2-1"]
    with pytest.raises(InvalidInput, match="no backend was timed"):
        draw_growth(replace(found, curves=()))


@pytest.mark.parametrize(
    ("options", "exception", "message"),
    [
        ({"widths": ()}, InvalidInput, "widths must not be empty"),
        ({"widths": 3}, WrongType, "widths must be a list"),
        ({"widths": (0,)}, InvalidInput, "widths must be at least 1"),
        ({"networks": []}, InvalidInput, "networks must not be empty"),
        ({"networks": 3}, WrongType, "networks must be a list"),
        ({"networks": [3]}, WrongShape, "sizes must name at least two layers"),
        ({"backends": []}, InvalidInput, "backends must not be empty"),
        ({"networks": [(3, 0)]}, InvalidInput, "must be at least 1"),
        ({"backends": ["hadamar"]}, UnknownName, "unknown backend"),
        ({"dtype": "float16"}, WrongType, "dtype must be"),
        ({"seconds": 0}, InvalidInput, "seconds must be positive"),
        ({"budget": "1"}, WrongType, "budget must be a positive number"),
        ({"batch_size": 0}, InvalidInput, "batch_size must be at least 1"),
        ({"backward_batch": 1.5}, WrongType, "backward_batch must be a positive integer"),
    ],
)
def test_bad_input_is_refused(options, exception, message):
    lines = []
    with pytest.raises(exception, match=message):
        measure_growth(**{**TINY, **options}, progress=lines.append)
    assert not lines, "what is refused is refused before anything is measured"
