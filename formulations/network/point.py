"""A point: the parameters and examples at which derivatives of the network are taken."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from threading import RLock
from typing import Any, Literal

import numpy as np

from formulations.arrays import Array
from formulations.display import counted
from formulations.exceptions import InvalidInput
from formulations.functions import through
from formulations.network.batch import Batch
from formulations.network.network import Network
from formulations.network.tape import Tape

__all__ = ["Point", "remark_on_kinks"]

_PASSING_BACK = RLock()
"""For the backward passes of points, each of which writes into buffers of its tape and runs once."""


class Point:
    """A network with its examples on a tape, at which operators linearise it.

    A point keeps copies of the parameters and the examples, so that the operators made at it do not change
    with the network. What the forward pass does not compute is computed when it is first used, and then kept.

    Parameters
    ----------
    network : Network
        The network; its parameters are copied.
    batch : Batch
        Checked examples, which are copied. Without targets the point only serves Jacobians.

    Attributes
    ----------
    network : Network
        The copy.
    tape : Tape
        z, a, σ′(z) and, if there are targets, C and ∇_aC.
    m : int
        The number of examples.
    """

    def __init__(self, network: Network, batch: Batch) -> None:
        self.network = network.copy()
        self.tape = self.network.record(batch.copy())
        self.m = self.tape.m

    @classmethod
    def on(cls, tape: Tape) -> Point:
        """Return the point of a filled tape, whose records it shares: they must stay while the point is used.

        It has errors of its own, since a backend may compute its own on the tape.
        """
        point = cls.__new__(cls)
        point.tape = copy(tape)
        point.tape.__dict__.pop("errors", None)
        point.network, point.m = tape.network, tape.m
        return point

    @property
    def slopes(self) -> list[Any]:
        """σ′(z^l) at ``slopes[l-2]``, shape (m, n_l), or a :class:`CoupledSlope`."""
        return self.tape.slopes

    @cached_property
    def shares(self) -> Array:
        """What multiplies each example's C_x in C, shape (m, 1): its share times the cost's factor."""
        return self.tape.share_column

    @cached_property
    def curvatures(self) -> list[Any]:
        """σ″(z^l) at ``curvatures[l-2]``, shape (m, n_l), or a :class:`CoupledCurvature`.

        None for the output layer if cost and output activation have a combined form, which does not need it.
        """
        tape = self.tape
        layers = list(zip(self.network.activations, tape.weighted_inputs, tape.activations[1:], strict=True))
        needed = layers if tape.combined is None else layers[:-1]
        found: list[Any] = [activation.curvature_at(z, a) for activation, z, a in needed]
        return found if tape.combined is None else [*found, None]

    @property
    def errors(self) -> list[Array]:
        """δ^l = ∂C/∂z^l at ``errors[l-2]``, shape (m, n_l)."""
        return self._backward()[0]

    @property
    def pulled(self) -> list[Any]:
        """∂C/∂a^l = (w^{l+1})ᵀδ^{l+1} at ``pulled[l-2]``, shape (m, n_l).

        For the output layer it is ∇_aC, and None if cost and output activation have a combined form.
        """
        return self._backward()[1]

    def _backward(self) -> tuple[list[Array], list[Any]]:
        # Threads may share a point. From Python 3.12 on, a cached_property would run in each of them.
        if "_kept" not in self.__dict__:
            with _PASSING_BACK:
                if "_kept" not in self.__dict__:
                    self._kept = self._passed_back()
        return self._kept

    def _passed_back(self) -> tuple[list[Array], list[Any]]:
        """Run the backward pass, and return δ and g of every layer."""
        tape = self.tape
        if tape.Y is None:
            raise InvalidInput("the errors of a point need targets, got none; pass Y.")
        delta = tape.output_error()
        pulled: list[Any] = [None if tape.combined is not None else tape.cost_gradient]
        for l in self.network.hidden_layers:
            g = delta @ self.network.weights[l - 1]
            pulled.append(g)
            delta = through(tape.slopes[l - 2], g, out=tape.errors[l - 2])
        return tape.errors, pulled[::-1]

    @property
    def output_at(self) -> Literal["a", "z"]:
        """Where the Gauss–Newton matrix JᵀBJ splits the cost from the network: at z^L if they are combined, else a^L.

        Combined with a softmax or with sigmoids, ∇²_{z^L}C is the Fisher matrix of the output and has no ∞·0.
        """
        return "a" if self.tape.combined is None else "z"

    @cached_property
    def kinks(self) -> int:
        """How many weighted inputs lie on a kink of their activation, where a derivative is that of one side."""
        counted, found = self.shares[:, 0] > 0, 0
        for activation, z in zip(self.network.activations, self.tape.weighted_inputs, strict=True):
            for kink in activation.kinks:
                kinked = [kink in activation.neuron(j).kinks for j in range(z.shape[1])]
                found += int(np.count_nonzero(z[counted][:, kinked] == kink))
        return found

    def output_curvature(self, v: Array) -> Array:
        """Return ∇²C v times each example's share, shape (m, n_L), with ∇² in a^L or z^L as :attr:`output_at` says."""
        tape = self.tape
        if tape.combined is None:
            product = tape.known_cost.curvature_product(tape.output, tape.targets, v)
        else:
            product = tape.combined.curvature_product(tape.slopes[-1], tape.targets, v)
        curved: Array = np.multiply(product, self.shares)
        return curved

    def __repr__(self) -> str:
        return f"<Point of {self.network!r} at {self.m} examples>"


def remark_on_kinks(kinks: int) -> str:
    """Return the sentence that says how many weighted inputs lie on a kink; empty if none does."""
    if not kinks:
        return ""
    lie = "lies" if kinks == 1 else "lie"
    found = f"{counted(kinks, 'weighted input')} {lie} on a kink, such as relu's 0"
    return f"{found}: there the derivatives are the left ones."
