"""The first probe of a plain function: a few calls on a small network find what it can serve.

A function is excused from what it raises an exception for, or returns NaN for, and from activations for which it
returns the same bits as for others, which it serves: it does not look at them. It is never excused from a gradient that
is merely wrong, nor from what its author claims, which is not probed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from formulations.arrays import Array
from formulations.backends import Tier
from formulations.display import counted
from formulations.exceptions import FormulationsException
from formulations.functions import Activation, PerNeuron
from formulations.network import Gradient, Network
from formulations.plans import gradient
from formulations.verification.certification import read_candidate
from formulations.verification.conformance.problems import problems_for
from formulations.verification.conformance.serves import OUTPUTS, Feature, Pair, Serves, names_of
from formulations.verification.oracles import reference_gradient
from formulations.verification.tolerances import RESOLUTION, Status, judge

__all__ = ["probed"]

SAME_BITS = "it returns the same bits as for"


def probed(function: Callable[..., Any], serves: Serves) -> Serves:
    """Return what a function is asked for, with what a first probe excuses it from."""
    return _Probe(function, serves).run()


class _Probe:
    """A probe of a function: its gradients of a small network with each pair of activations, by pair."""

    def __init__(self, function: Callable[..., Any], serves: Serves) -> None:
        self.function, self.serves = function, serves
        self.sizes = (3, 4, 3) if serves.sizes is None else max(serves.sizes, key=len)
        self.excused: dict[Feature, str] = {}
        self.gradients: dict[Pair, Gradient] = {}
        self.expected: dict[Pair, Gradient] = {}
        self.taken_for: set[Pair] = set()

    def run(self) -> Serves:
        """Probe the pairs of activations, and with the first that is served the other features."""
        pairs = self.serves.pairs()
        if self.serves.activations is None:
            self._probe_pairs(pairs)
        main = next((pair for pair in pairs if pair not in self.excused), None)
        if main is not None:
            self._probe_features(main)
        note = self._note(main) if main in self.gradients else ""
        found = replace(self.serves, excused=self.excused, main=main, notes=(note,) if note else ())
        return replace(found, more=_uncovered(found, pairs))

    def _probe_pairs(self, pairs: list[Pair]) -> None:
        """Excuse the pairs for which the function fails, or returns the same bits as for others that it serves."""
        alike: dict[bytes, list[Pair]] = {}
        for pair in pairs:
            found = self._call(self._network(pair))
            if isinstance(found, Gradient):
                self.gradients[pair] = found
                alike.setdefault(found.vector.tobytes(), []).append(pair)
            elif not self._claimed(pair):
                self.excused[pair] = found
        for group in alike.values():
            served = self._served(group) if len(group) > 1 else None
            if served is not None:
                self.taken_for.add(served)
                reason = f"{SAME_BITS} {_words(served)}, and does not tell these activations apart"
                self.excused |= {pair: reason for pair in group if pair != served and not self._claimed(pair)}

    def _served(self, group: list[Pair]) -> Pair | None:
        """Return the pair whose gradient a group of equal results is, or that of its output layer up to a factor.

        A gradient that is wrong is never excused: the pair is asked for, and found to be wrong.
        """
        right = next((pair for pair in group if self._is_right(pair, self.gradients[pair])), None)
        if right is not None:
            return right
        nearest = min(group, key=self._misfit)
        return nearest if self._misfit(nearest) <= 2 * RESOLUTION else None

    def _probe_features(self, main: Pair) -> None:
        """Excuse numbers of layers, sparse weights and layers of several functions for which the function fails."""
        network = self._network(main)
        if not isinstance(self._call(network), Gradient):
            return  # what is claimed and fails excuses nothing
        if self.serves.sizes is None:
            problems = problems_for(replace(self.serves, main=main))
            for n in {len(make().network.sizes) for make in problems.values()}:
                self._excuse(("layers", n), self._network(main, [3] * n))
        if len(self.sizes) < 3:
            return
        if self.serves.sparse is None:
            first, *rest = network.weights
            sparse = Network(
                [csr_array(np.where(first > 0, first, 0)), *rest], list(network.biases), network.activations
            )
            self._excuse(("sparse",), sparse)
        others = [h for h, *rest in self.serves.pairs() if (h, *rest) not in self.excused and tuple(rest) == main[1:]]
        names = [name for name in others if not self._activation(name).coupled]
        if len(names) > 1:
            mixed = PerNeuron([self._activation(names[j % 2]) for j in range(self.sizes[1])])
            layers = [mixed, *network.activations[1:]]
            found = self._excuse(("mixed",), Network(list(network.weights), list(network.biases), layers))
            for pair in ((name, *main[1:]) for name in names):
                alone = self._call(self._network(pair))
                if found is not None and isinstance(alone, Gradient) and np.array_equal(alone.vector, found.vector):
                    self.excused["mixed",] = f"{SAME_BITS} {_words(pair)}, though a layer has several functions"

    def _excuse(self, feature: Feature, network: Network) -> Gradient | None:
        """Return the function's gradient, or excuse it from a feature for which it gives none."""
        found = self._call(network)
        if isinstance(found, Gradient):
            return found
        self.excused[feature] = found
        return None

    def _claimed(self, pair: Pair) -> bool:
        """Whether the pair is claimed as one of coupled activations."""
        return bool(self.serves.coupled) and any(self._activation(name).coupled for name in pair[:2])

    def _activation(self, name: str) -> Activation:
        return next(each for each in (*self.serves.hidden, *self.serves.last) if each.name == name)

    def _network(self, pair: Pair, sizes: Sequence[int] | None = None) -> Network:
        """Return a network with a pair's activations, always with the same parameters."""
        sizes = [*(sizes or self.sizes)]
        hidden, last = map(self._activation, pair[:2])
        return _with_biases(Network.random(sizes, [hidden] * (len(sizes) - 2) + [last], seed=0))

    def _call(self, network: Network) -> Gradient | str:
        """Return the function's gradient, or why it is none."""
        X, Y = _examples(network)
        try:
            returned = self.function(network.copy(), X, Y)
        except Exception as caught:  # whatever a user-supplied function raises is a finding
            return f"it raised {type(caught).__name__}: {str(caught).rstrip('.')}"
        try:
            found = read_candidate(returned, network.layout, network.dtype, len(X)).whole()
        except FormulationsException as caught:
            return f"it returned no gradient of the network: {str(caught).rstrip('.')}"
        return found if np.isfinite(found.vector).all() else "it returned NaN or infinity"

    def _expected(self, pair: Pair) -> Gradient:
        """Return the gradient for a pair, computed once."""
        if pair not in self.expected:
            network = self._network(pair)
            self.expected[pair] = gradient(network, *_examples(network), cost=pair[2], backend="sigma")
        return self.expected[pair]

    def _is_right(self, pair: Pair, given: Gradient) -> bool:
        """Whether a result of the function is the gradient for a pair."""
        expected = self._expected(pair).vector
        # No result that is equal is further away, and the verdict takes longer.
        if not np.max(np.abs(given.vector - expected)) <= 2 * RESOLUTION * np.max(np.abs(expected)):
            return False
        network = self._network(pair).astype(given.dtype)
        X, Y = _examples(network)
        reference = reference_gradient(network.record(network.check_examples(X, Y, cost=pair[2])))
        return judge(reference.tape, given, Tier.ELSEWHERE, reference=reference).status is Status.EQUAL

    def _misfit(self, pair: Pair) -> float:
        """Return how far the output layer's ∂C/∂w or ∂C/∂b, the nearer one, is from a multiple of what it should be."""
        given, expected = self.gradients[pair], self._expected(pair)
        misfits = []
        for f, g in ((given.weights[-1], expected.weights[-1]), (given.biases[-1], expected.biases[-1])):
            multiple = np.vdot(f, g) / np.vdot(g, g) * g
            size = float(np.max(np.abs(multiple)))
            # A single entry is a multiple of any other.
            misfits += [float(np.max(np.abs(f - multiple))) / size] if g.size > 1 and size > 0 else []
        return min(misfits, default=np.inf)

    def _note(self, main: Pair) -> str:
        """Say what the function serves, or how to say it."""
        again = self._call(self._network(main))
        if not isinstance(again, Gradient) or not np.array_equal(again.vector, self.gradients[main].vector):
            return "Two identical calls gave different results, so a probe cannot tell which activations it knows."
        if self._is_right(main, self.gradients[main]):
            served = [pair for pair in self.gradients if pair not in self.excused]
            names = [list(dict.fromkeys(each)) for each in zip(*served, strict=True)]
            return (
                f"After a first probe it is asked for {_layers(*names[:2])}, with the {' and '.join(names[2])} cost; "
                "serves= says what it must serve."
            )
        for (hidden, last, _), given in self.gradients.items():
            for cost in (each for each in OUTPUTS if each not in self.serves.costs and last in OUTPUTS[each]):
                if self._is_right((hidden, last, cost), given):
                    serves = {"activations": [hidden], "outputs": [last], "costs": [cost]}
                    return f"It returns the gradient of the {cost} cost; if that is meant, pass serves={serves}."
        if main in self.taken_for:
            return f"It returns the gradient for no activations. The nearest are {_words(main)}: it is asked for these."
        if len({given.vector.tobytes() for given in self.gradients.values()}) == 1 < len(self.gradients):
            return (
                "It returns the same bits for all activations, and the gradient for none; serves= says what it must "
                "serve, such as serves={'activations': ['sigmoid']}."
            )
        return ""


def _uncovered(serves: Serves, pairs: list[Pair]) -> tuple[Pair, ...]:
    """Return pairs in which each activation and cost occurs that is served and that no problem asked for has."""
    seen: set[tuple[int, str]] = set()
    for make in problems_for(serves).values():
        problem = make()
        if problem.sample_weight is None and serves.why_not(problem.network, problem.cost) is None:
            hidden, last = names_of(problem.network)
            seen |= {(0, name) for name in hidden} | {(1, name) for name in last} | {(2, problem.cost)}
    more = []
    for pair in pairs:
        if pair not in serves.excused and not seen.issuperset(enumerate(pair)):
            more.append(pair)
            seen.update(enumerate(pair))
    return tuple(more)


def _with_biases(network: Network) -> Network:
    """Give a network biases, which are zero at random initialisation and would hide what is wrong with them."""
    for biases in network.biases:
        biases[...] = np.linspace(-1, 1, len(biases) + 2)[1:-1]
    return network


def _examples(network: Network) -> tuple[Array, Array]:
    """Return four examples of each sign, with targets that every cost takes."""
    random = np.random.default_rng(0)
    X = 2 * random.standard_normal((4, network.sizes[0]))
    Y = np.eye(network.sizes[-1])[np.arange(4) % network.sizes[-1]]
    return X.astype(network.dtype), Y.astype(network.dtype)


def _words(pair: Pair) -> str:
    return _layers([pair[0]], [pair[1]])


def _layers(hidden: list[str], last: list[str]) -> str:
    """Return the activations of the hidden layers and of the output layer in words."""
    if set(hidden) == set(last):
        return f"{_listed(hidden)} in every layer"
    return f"{_listed(hidden)} in hidden layers and {_listed(last)} in the output layer"


def _listed(names: list[str]) -> str:
    if len(names) > 4:
        return counted(len(names), "activation")
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
