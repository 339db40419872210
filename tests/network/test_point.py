"""The place at which operators linearise a network."""

from __future__ import annotations

from threading import Thread

import makers
import numpy as np

import formulations as fm
from formulations.network import Point


def test_a_point_on_a_tape_shares_its_records_and_not_its_errors():
    net = makers.network()
    X, Y = makers.data(net)
    tape = net.forward(X, Y)
    point, other = Point.on(tape), Point(net, net.check_examples(X, Y))
    assert all(mine is theirs for mine, theirs in zip(point.tape.activations, tape.activations, strict=True))
    errors = [delta.copy() for delta in point.errors]
    for delta in tape.errors:
        delta[...] = np.nan
    for found, mine, theirs in zip(point.errors, errors, other.errors, strict=True):
        assert np.array_equal(found, mine) and np.array_equal(found, theirs)


def test_threads_share_one_backward_pass():
    # From Python 3.12 on, two threads would run it in the same buffers, each while the other writes into them.
    calls, others = [], []

    def transposed(_, v):
        if point and not others:
            others.append(Thread(target=lambda: point[0].errors))
            others[0].start()
        calls.append(len(v))
        return 2 * v

    point = []
    doubled = fm.coupled_activation(
        lambda z: 2 * z, lambda _, v: 2 * v, transposed, curvature=lambda _z, _a, v, _u: np.zeros_like(v)
    )
    net = fm.Network([np.eye(2), np.eye(2)], [np.zeros(2)] * 2, [doubled, "identity"])
    point.append(Point(net, net.check_examples(np.ones((3, 2)), np.zeros((3, 2)))))
    calls.clear()
    errors = point[0].errors
    others[0].join()
    assert calls == [3]
    assert np.array_equal(errors[0], 2 * errors[1])
