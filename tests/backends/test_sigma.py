"""What is special to Σ′(z): its matrix, which is a view of the tape, and its three faces."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends import sigma

FACES = [flag for flag in makers.FLAGS if flag.startswith("sigma") and "batch" not in flag]


def test_there_are_three_faces():
    assert FACES == ["sigma", "sigma:matrix=sparse", "sigma:matrix=dense"]


@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize("flag", FACES)
def test_every_face_does_the_arithmetic_of_hadamard(flag, dtype):
    net = makers.network(sizes=(4, 5, 3, 2), activations=("tanh", "sigmoid", "sine"), dtype=dtype)
    X, Y = makers.data(net)
    found, hadamard = (fm.gradient(net, X, Y, backend=each) for each in (flag, "hadamard"))
    # `==` and not bytes: a sum with zeros turns −0 into +0.
    assert np.array_equal(found.vector, hadamard.vector)


def test_the_planned_matrix_is_made_once_over_the_slopes(monkeypatch):
    made = []
    sigma_matrix = sigma.sigma_matrix
    monkeypatch.setattr(sigma, "sigma_matrix", lambda slopes: made.append(sigma_matrix(slopes)) or made[-1])
    net = makers.network()
    plan = fm.prepare(net, 8, backend="sigma")
    assert len(made) == 2
    for matrix, slopes in zip(made, plan.tape.slopes, strict=True):
        assert np.shares_memory(matrix.data, slopes)
        assert matrix.shape == (slopes.size, slopes.size)
    for seed in range(3):
        plan(*makers.data(net, seed=seed))
        assert all(
            np.array_equal(matrix.diagonal(), slopes.ravel())
            for matrix, slopes in zip(made, plan.tape.slopes, strict=True)
        )
    assert len(made) == 2


def test_the_sparse_matrix_is_made_at_every_call(monkeypatch):
    made = []
    sigma_matrix = sigma.sigma_matrix
    monkeypatch.setattr(sigma, "sigma_matrix", lambda slopes: made.append(slopes) or sigma_matrix(slopes))
    net = makers.network()
    plan = fm.prepare(net, 8, backend="sigma:matrix=sparse")
    assert made == []
    plan(*makers.data(net))
    plan(*makers.data(net))
    assert len(made) == 4


def test_the_matrix_of_one_example_is_the_chapters():
    slopes = np.array([[0.25, 0.5, 0.0]])
    assert np.array_equal(sigma.sigma_matrix(slopes).toarray(), np.diag([0.25, 0.5, 0.0]))


def test_a_dead_neuron_keeps_its_place_on_the_diagonal():
    slopes = np.zeros((2, 3))
    matrix = sigma.sigma_matrix(slopes)
    slopes[1, 2] = 7
    assert matrix.toarray()[5, 5] == 7


def test_the_plan_of_a_smaller_batch_reads_its_own_slopes():
    net = makers.network()
    X, Y = makers.data(net)
    plan = fm.prepare(net, 8, backend="sigma")
    plan(X, Y)
    assert np.array_equal(plan(X[5:], Y[5:]).vector, fm.gradient(net, X[5:], Y[5:], backend="hadamard").vector)


def test_the_dense_face_is_predicted_to_multiply_by_zeros():
    net = makers.network(sizes=(4, 5, 3))
    planned, dense = (fm.get_backend(flag).estimate(net, 8) for flag in ("sigma", "sigma:matrix=dense"))
    assert dense.multiplications - planned.multiplications == 8 * (5 * 4 + 3 * 2)
    assert dense.bytes > planned.bytes


@pytest.mark.parametrize("flag", FACES)
def test_predicted_forward_passes_are_counted(flag):
    net = makers.network()
    g = fm.gradient(net, *makers.data(net), backend=flag)
    assert g.forward_passes == fm.get_backend(flag).estimate(net, 8).forward_passes == 1
