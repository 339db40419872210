"""The layout of the flat vector: places have names, and patterns are equal if they store the same entries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

import formulations as fm
from formulations.arrays.layout import Pattern
from formulations.exceptions import InvalidInput, Refused


def places(net):
    """Name each parameter by writing into it and finding the entry of the vector that has changed."""
    for kind, parts in (("weights", net.weights), ("biases", net.biases)):
        for i, part in enumerate(parts):
            for index in np.ndindex(part.shape):
                net.vector[...] = 0
                part[index] = 1
                yield int(np.flatnonzero(net.vector)[0]), f"{kind}[{i}][{', '.join(map(str, index))}]"


def test_every_place_has_its_name_also_if_a_layer_is_not_square():
    net = fm.Network.random([2, 5, 3], seed=0)
    found = dict(places(net))
    assert sorted(found) == list(range(net.layout.count))
    assert {place: net.layout.locate(place) for place in found} == found


def test_a_sparse_entry_is_named_by_row_and_column():
    w = csr_array((np.ones(3), np.array([4, 0, 3]), np.array([0, 1, 3])), shape=(2, 5))
    layout = fm.Network([w], [np.zeros(2)]).layout
    assert [layout.locate(place) for place in range(5)] == [
        "weights[0][0, 4]", "weights[0][1, 0]", "weights[0][1, 3]", "biases[0][0]", "biases[0][1]",
    ]  # fmt: skip
    with pytest.raises(InvalidInput, match="no position 5"):
        layout.locate(5)


def test_patterns_are_equal_if_rows_and_columns_are():
    def pattern(indices, indptr):
        return Pattern(np.array(indices), np.array(indptr))

    one = pattern([0, 1], [0, 1, 2])
    assert one == pattern([0, 1], [0, 1, 2]) and hash(one) == hash(pattern([0, 1], [0, 1, 2]))
    assert one != pattern([0, 2], [0, 1, 2])
    assert one != pattern([0, 1], [0, 2, 2])
    assert one != "pattern"


@pytest.mark.parametrize("sparse_layer", [0, 1])
def test_one_sparse_layer_is_enough_for_a_backend_that_serves_none(sparse_layer):
    weights = [np.ones((3, 2)), np.ones((1, 3))]
    weights[sparse_layer] = csr_array(weights[sparse_layer])
    net = fm.Network(weights, [np.zeros(3), np.zeros(1)], "identity")
    assert net.layout.is_sparse
    dense = type("Dense", (type(fm.get_backend("hadamard")),), {"name": "dense", "serves_sparse": False})()
    with pytest.raises(Refused, match=r"'dense' .* it works on dense weights, and this network has sparse ones"):
        fm.prepare(net, 2, backend=dense)
