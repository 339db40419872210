"""What a plain function is asked for: what its author claims, and what a first probe has found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from formulations.arrays import items, positive_integer
from formulations.exceptions import InvalidInput, UnknownName, WrongType, described
from formulations.functions import ACTIVATIONS, Activation, get_activation, get_cost
from formulations.network import Network

__all__ = ["KEYS", "OUTPUTS", "Feature", "Pair", "Serves", "names_of", "read_serves", "without_factor"]

KEYS = ("activations", "outputs", "costs", "sparse", "coupled", "sizes")
"""The keys of ``serves=``."""

OUTPUTS = {
    "quadratic": tuple(ACTIVATIONS),
    "binary_cross_entropy": ("sigmoid",),
    "log_likelihood": ("softmax", "sigmoid"),
}
"""Each cost with the activations of the output layer that go with it, unless a function claims others."""

Pair = tuple[str, str, str]
"""The activation of a hidden layer, that of the output layer, and the cost."""

Feature = tuple[str, ...] | tuple[str, int]
"""A property of a network and its cost that a function may not serve: a pair, ``("layers", n)``, ``("sparse",)``, …"""


@dataclass(frozen=True)
class Serves:
    """What a plain function is asked for.

    Attributes
    ----------
    activations : tuple of Activation, or None
        The claimed activations; None if a probe finds them.
    outputs : tuple of Activation, or None
        The claimed activations of the output layer, if they are others.
    costs : tuple of str
        The costs, also with a factor. A plain function does not get the cost, so no probe looks for another than the
        quadratic one: a wrong gradient of one cost may be the gradient of another.
    sparse : bool or None
        Whether it takes sparse weights; None if a probe finds out.
    coupled : bool or None
        Whether it takes activations that couple the neurons of a layer, such as softmax; None if a probe finds out.
    sizes : tuple of tuple of int, or None
        The only sizes that it takes.
    excused : mapping of Feature to str
        What a probe has found that it does not serve, and why.
    main : Pair or None
        The activations and the cost on which it is asked for all sizes; None if it serves none.
    more : tuple of Pair
        Other pairs to ask it for, so that each activation that it serves occurs.
    notes : tuple of str
        What a probe has found, for the report.
    """

    activations: tuple[Activation, ...] | None = None
    outputs: tuple[Activation, ...] | None = None
    costs: tuple[str, ...] = ("quadratic",)
    sparse: bool | None = None
    coupled: bool | None = None
    sizes: tuple[tuple[int, ...], ...] | None = None
    excused: Mapping[Feature, str] = field(default_factory=dict)
    main: Pair | None = None
    more: tuple[Pair, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def hidden(self) -> tuple[Activation, ...]:
        """The activations that a hidden layer may have: the claimed ones, or all."""
        return self._allowed(self.activations)

    @property
    def last(self) -> tuple[Activation, ...]:
        """The activations that the output layer may have."""
        return self._allowed(self.activations if self.outputs is None else self.outputs)

    def _allowed(self, claimed: tuple[Activation, ...] | None) -> tuple[Activation, ...]:
        if claimed is not None:
            return claimed
        return tuple(each for each in ACTIVATIONS.values() if not (each.coupled and self.coupled is False))

    def pairs(self) -> list[Pair]:
        """Return the pairs that it may serve, those first in which all layers have one activation."""
        found = [
            (hidden, last, cost)
            for cost, last, hidden in product(self.costs, self.last, self.hidden)
            if self.outputs is not None or last.name in OUTPUTS[without_factor(cost)]
        ]
        found.sort(key=lambda pair: (pair[0].coupled, pair[0].name != pair[1].name))
        return [(hidden.name, last.name, cost) for hidden, last, cost in found]

    def why_not(self, network: Network, cost: str) -> str | None:
        """Return None if the function is asked for the gradient of this network and cost, else the reason."""
        if cost not in self.costs:
            return f"it does not get the cost, and is asked for {' and '.join(self.costs)} alone"
        if self.sizes is not None and network.sizes not in self.sizes:
            return "serves= leaves out these sizes"
        if network.layout.is_sparse and self.sparse is False:
            return "serves= leaves out sparse weights"
        hidden, last = names_of(network)
        if not (hidden <= {each.name for each in self.hidden} and last <= {each.name for each in self.last}):
            return "serves= leaves out these activations"
        return next((self._excuse(each) for each in features(network, cost) if self._excuse(each)), None)

    def _excuse(self, feature: Feature) -> str | None:
        if feature[0] != "output":
            return self.excused.get(feature)
        # Without a hidden layer, any pair with this output will do.
        reasons = [self.excused.get((each.name, *feature[1:])) for each in self.hidden]
        return reasons[0] if reasons and all(reasons) else None


def features(network: Network, cost: str) -> Iterator[Feature]:
    """Yield the features of a network and its cost: layers, sparse weights, layers of several functions, pairs."""
    yield "layers", len(network.sizes)
    if network.layout.is_sparse:
        yield ("sparse",)
    if any(len(activation.functions) > 1 for activation in network.activations):
        yield ("mixed",)
    hidden, last = names_of(network)
    for o in sorted(last):
        if not hidden:
            yield "output", o, cost
        for h in sorted(hidden):
            yield h, o, cost


def names_of(network: Network) -> tuple[set[str], set[str]]:
    """Return the names of the functions of the hidden neurons, and of the output neurons."""
    *hidden, last = ({f.name for f in activation.functions} for activation in network.activations)
    return set().union(*hidden), last


def read_serves(serves: Any) -> Serves:
    """Return what ``serves=`` claims.

    Raises
    ------
    WrongType
        If it is not a dictionary, or a value has another type.
    UnknownName
        If there is no such key, activation or cost.
    InvalidInput
        If a list is empty, or ``coupled`` contradicts the activations.
    """
    if serves is None:
        return Serves()
    if not isinstance(serves, Mapping):
        raise WrongType(
            f"serves must be a dictionary, got {described(serves)}; pass one such as {{'activations': ['sigmoid']}}."
        )
    for key in serves:
        if key not in KEYS:
            raise UnknownName("key", key, KEYS, of="serves")
    given = {key: value for key, value in serves.items() if value is not None}
    read = Serves(
        activations=_activations(given, "activations"),
        outputs=_activations(given, "outputs"),
        costs=_costs(given),
        sparse=_flag(given, "sparse"),
        coupled=_flag(given, "coupled"),
        sizes=_sizes(given),
    )
    named = [*(read.activations or ()), *(read.outputs or ())]
    if read.coupled is not None and read.activations is not None and read.coupled != any(f.coupled for f in named):
        names = ", ".join(each.name for each in named)
        raise InvalidInput(
            f"serves['coupled'] must agree with the activations, got {read.coupled} and {names}; leave it out."
        )
    return read


def without_factor(cost: str) -> str:
    """Return the name of a cost without its factor."""
    return cost.rpartition(" ")[2]


def _costs(given: Mapping[str, Any]) -> tuple[str, ...]:
    name, example = "serves['costs']", "['quadratic']"
    listed = items(given.get("costs", "quadratic"), name, example, one=str)
    for each in listed:
        if not isinstance(each, str):
            raise WrongType(f"each of {name} must be the name of a cost, got {described(each)}; pass {example}.")
    return tuple(dict.fromkeys(get_cost(each).name for each in listed))


def _activations(given: Mapping[str, Any], key: str) -> tuple[Activation, ...] | None:
    if key not in given:
        return None
    listed = items(given[key], f"serves['{key}']", "['sigmoid']", one=(str, Activation))
    return tuple({each.name: each for each in map(get_activation, listed)}.values())


def _flag(given: Mapping[str, Any], key: str) -> bool | None:
    value = given.get(key)
    if not isinstance(value, bool | None):
        raise WrongType(
            f"serves['{key}'] must be True or False, got {described(value)}; leave it out to have it probed."
        )
    return value


def _sizes(given: Mapping[str, Any]) -> tuple[tuple[int, ...], ...] | None:
    if "sizes" not in given:
        return None
    name, example = "serves['sizes']", "[[64, 30, 10]]"
    read = []
    for each in items(given["sizes"], name, example):
        sizes = tuple(positive_integer(n, name) for n in items(each, f"each of {name}", "[64, 30, 10]"))
        if len(sizes) < 2:
            raise InvalidInput(
                f"{name} must give at least two layers for each network, got {list(sizes)}; pass {example}."
            )
        read.append(sizes)
    return tuple(read)
