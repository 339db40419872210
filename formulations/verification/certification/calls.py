"""Candidate functions: called on copies, checked for side effects, and called again on single examples."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.display import counted
from formulations.exceptions import CandidateFailed, FormulationsException
from formulations.network import Network
from formulations.verification.certification.candidates import Candidate, read_candidate
from formulations.verification.certification.causes import Calls

__all__ = ["Watched"]

BUFFERS = "It returns views of its own buffers, which the next call overwrites; copies are judged."


REPEATS = 16
"""The calls on one example in which a neuron that is left out once in twenty is more likely missing than not."""


@dataclass
class Watched:
    """A candidate function, with notes on how it behaved.

    Attributes
    ----------
    function : callable (net, X, Y) -> candidate
        The user's function.
    network : Network
        The network; the function gets a copy.
    kernels : str
        What the rows of its weights are, ``"out_in"`` or ``"in_out"``.
    notes : list of str
        Findings that do not make the gradient wrong.
    """

    function: Callable[..., Any]
    network: Network
    kernels: str = "out_in"
    notes: list[str] = field(default_factory=list)
    _latest: Candidate | None = None

    def __call__(self, X: Array, Y: Array) -> Candidate:
        """Call the function on examples.

        Raises
        ------
        CandidateFailed
            If it raises, with its message, or if it changes its arguments.
        WrongShape, WrongType
            If it does not return a gradient of this network.
        """
        given = {"X": X.copy(), "Y": Y.copy()}
        network = self.network.copy()
        try:
            returned = self.function(network, given["X"], given["Y"])
        except Exception as caught:
            raise CandidateFailed(
                f"the candidate function must return a gradient, but raised {type(caught).__name__} on "
                f"{counted(len(X), 'example')}: {caught}; fix that first."
            ) from caught
        for name, before, after in (("X", X, given["X"]), ("Y", Y, given["Y"])):
            _check_unchanged(name, before, after)
        _check_unchanged("net.vector", self.network.vector, network.vector)
        if self._latest is not None and self._latest.has_changed() and BUFFERS not in self.notes:
            self.notes.append(BUFFERS)
        self._latest = read_candidate(returned, self.network.layout, self.network.dtype, len(X), self.kernels)
        return self._latest

    def observe(self, X: Array, Y: Array, first: Candidate) -> Calls:
        """Call the function a second time and on the first example alone, several times if the second result differs.

        A note says that it does.
        """
        again, alone = self(X, Y).gradient.vector, list[Array]()
        is_random = not np.array_equal(again, first.gradient.vector, equal_nan=True)
        if is_random:
            self.notes.append("Two identical calls returned different gradients; the first is judged.")
        # It may need several examples; if its gradient is wrong, a note will say so.
        with suppress(FormulationsException):
            for _ in range(REPEATS if is_random else int(len(X) > 1)):
                alone.append(self(X[:1], Y[:1]).gradient.vector)
        return Calls(again, tuple(alone))

    def singles(self, X: Array, Y: Array, most: int) -> list[Candidate]:
        """Call the function on each of the first examples alone, at most ``most``, until a call fails."""
        found = []
        for x in range(min(len(X), most)):
            try:
                found.append(self(X[x : x + 1], Y[x : x + 1]))
            except FormulationsException as caught:
                raised = caught.__cause__
                why = f"{type(raised).__name__}: {raised}." if raised is not None else str(caught)
                self.notes.append(f"The call on example {x} alone failed: {why}")
                break
        return found


def _check_unchanged(name: str, before: Array, after: Array) -> None:
    if np.array_equal(before, after):
        return
    place = tuple(int(i) for i in np.argwhere(before != after)[0])
    where = ", ".join(map(str, place))
    raise CandidateFailed(
        f"the candidate function must not change its arguments, but changed {name}[{where}] from {before[place]} "
        f"to {after[place]}; let it work on a copy."
    )
