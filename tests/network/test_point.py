"""The place at which operators linearise a network."""

from __future__ import annotations

import makers
import numpy as np

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
