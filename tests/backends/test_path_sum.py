"""What is special to the sum over paths: their number, and that each of them counts once."""

from __future__ import annotations

from itertools import product

import bounds
import makers
import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import Refused


def test_equation_53_written_out():
    net = makers.network(sizes=(2, 3, 2, 2), activations=("tanh", "sigmoid", "sine"))
    X, Y = makers.data(net, 1)
    tape, g = net.forward(X, Y), fm.gradient(net, X, Y, backend="path_sum")
    d2, d3, d4 = (slope[0] for slope in tape.slopes)
    _, w3, w4 = net.weights
    absolute = bounds.absolute_errors(net, tape)[0][0]
    for j in range(3):
        paths = [
            tape.cost_gradient[0, m] * (d4[m] * w4[m, n]) * (d3[n] * w3[n, j]) * d2[j]
            for m, n in product(range(2), range(2))
        ]
        assert bounds.within(g.errors[0][0, j] - sum(paths), 2 * bounds.path_constant(net, 1) * absolute[j])


@pytest.mark.parametrize("sizes", [(3, 2), (3, 4, 2), (2, 3, 2, 4), (2, 2, 2, 2, 3)])
def test_predicted_paths_are_those_that_can_be_listed(sizes):
    net = fm.Network.random(list(sizes), seed=0)
    widths = sizes[1:]
    walks = [product(*map(range, widths[i:])) for i in range(len(widths))]
    listed = [path for walk in walks for path in walk]
    from_weights = sum(sizes[len(sizes) - 1 - len(path)] for path in listed)
    estimate = fm.get_backend("path_sum").estimate(net, 5)
    assert estimate.detail == f"{len(listed)} paths from the neurons to the output, {from_weights} from the weights"
    # Walks share the steps of the paths that begin alike: a step for each distinct beginning of two neurons or more.
    steps = {(len(path), path[:k]) for path in listed for k in range(2, len(path) + 1)}
    P = net.layout.weight_count
    assert estimate.multiplications == 5 * (2 * P + 2 * len(steps) + sizes[-1])


def test_only_stored_entries_are_edges():
    net = makers.sparse_network()
    deep = fm.Network([np.ones((4, 2)), *net.weights], [np.ones(4), *net.biases], "tanh")
    X, Y = makers.data(deep)
    stored = net.layout.patterns[0].indices.size
    detail = fm.get_backend("path_sum").estimate(deep, 1).detail
    # Each stored edge of the sparse layer leads to 5 neurons' 3 outputs; 5·3 paths and 3 more begin later.
    assert detail.startswith(f"{3 * stored + 15 + 3} paths from the neurons")
    found, truth = (fm.gradient(deep, X, Y, backend=each).vector for each in ("path_sum", "hadamard"))
    assert bounds.within(found - truth, 2 * bounds.propagated(deep, X, Y).vector)


@pytest.mark.parametrize("depth", [12, 300])
def test_the_unreasonable_is_refused_with_the_number_of_paths(depth):
    net = fm.Network.random([30] * depth + [10], seed=0)
    with pytest.raises(Refused, match=r"paths from the neurons to the output.*more than the budget"):
        fm.prepare(net, 10, backend="path_sum")


def test_the_books_first_network_is_not_unreasonable():
    net = fm.Network.random([784, 30, 10], seed=0)
    assert fm.which(net, batch_size=10)["path_sum"] is None
    assert fm.get_backend("path_sum").estimate(net, 10).detail.startswith("310 paths")


def test_a_coupled_layer_is_refused_unless_it_is_fused():
    hidden = makers.network("tangent", activations=("softmax", "sigmoid"))
    assert "softmax in layer 2 couples" in fm.which(hidden)["path_sum"]
    output = makers.network("tangent", activations=("tanh", "softmax"))
    assert "softmax in layer 3 couples" in fm.which(output)["path_sum"]
    assert fm.which(output, "log_likelihood")["path_sum"] is None


def test_predicted_forward_passes_are_counted():
    net = makers.network()
    g = fm.gradient(net, *makers.data(net), backend="path_sum")
    assert g.forward_passes == fm.get_backend("path_sum").estimate(net, 8).forward_passes == 1
