"""The contract: the base class of backends, and the laws that every backend keeps.

A backend is one formulation of the gradient. Most backends only define how the errors δ are computed, in
:meth:`Backend.errors`; those that do not compute δ on the tape override :meth:`Backend.gradient`.

Laws
----
1. *Linear in ∇_aC*: the gradient of αC + βC′ is α times that of C plus β times that of C′.
2. *A mean*: the gradient of a batch is the (weighted) mean of its examples' gradients.
3. *No side effects*: X, Y, the sample weights and the network's parameters are unchanged.
4. *Same bits*: repeating a call gives the same gradient, bit for bit.
5. *No order*: the order of the examples affects rounding only.
6. *dtype in = dtype out*: float32 stays float32.
7. *One cost*: ``gradient.cost`` is the value of the cost that is differentiated.
8. *Refusals are exceptions*: a backend that cannot serve a network gives the reason; there is no silent fallback.
9. *Operators*: those that it declares are right within a derived bound, linear, symmetric or each other's transposes,
   and have the same bits each time.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from formulations.arrays import DTYPES, Array, format_dtype
from formulations.backends._base.estimates import (
    Estimate,
    backward_multiplications,
    forward_multiplications,
    tape_bytes,
)
from formulations.backends._base.linearization import PARAMETERS, Linearization, Where
from formulations.backends._base.options import check_choices
from formulations.backends._base.perturbation import Difference
from formulations.backends._base.tiers import Tier
from formulations.backends._base.updates import CompiledSteps, CompiledUpdates, StepRule
from formulations.functions import COSTS, Cost
from formulations.network import Gradient, Network, Point, Tape, forward

__all__ = ["Backend"]


class Backend(ABC):
    """One formulation of the gradient; a subclass with options is a frozen dataclass with the options as fields.

    Attributes
    ----------
    name : str
        File, flag and documentation page have this same name.
    summary : str
        One line for tables that says how it differs from the others.
    equations : tuple of str
        The numbers of the chapter's equations that it computes.
    tier : Tier
        How it relates to the tape.
    variant_of : str or None
        The formulation of which it is a variant; None if it is not a variant.
    serves_sparse, serves_coupled : bool
        Whether it supports sparse weights, and slopes that are not diagonal.
    linear_in_shares : bool
        Whether it takes the examples' shares from the tape, whatever their sign and sum. A step of gradient descent
        then gets −η∇C at once, from shares that are multiplied by −η.
    dtypes : tuple of numpy.dtype
        The dtypes that it supports.
    operators : tuple of str
        The operators that it provides, of ``"jacobian"``, ``"hessian"`` and ``"gauss_newton"``.
    no_operators : str
        Why it does not provide the others.
    orders : tuple of str
        The orders in which it can compute a Jacobian: ``"reverse"``, ``"forward"``.
    needs_curvature : tuple of str
        The operators that it computes from σ″ and ∇²_aC, or from ∇²_aC for ``"gauss_newton"``.
    """

    name: str
    summary: str
    equations: tuple[str, ...]
    tier: Tier
    variant_of: str | None = None
    serves_sparse: bool = True
    serves_coupled: bool = True
    linear_in_shares: bool = False
    dtypes: tuple[np.dtype[Any], ...] = DTYPES
    operators: tuple[str, ...] = ()
    no_operators: str = "it computes gradients only"
    orders: tuple[str, ...] = ("reverse", "forward")
    needs_curvature: tuple[str, ...] = ("hessian", "gauss_newton")

    def __post_init__(self) -> None:
        """Raise an exception if an option has an invalid value; dataclasses call this."""
        check_choices(self)

    def why_not(self, network: Network, cost: Cost) -> str | None:
        """Return None if this backend supports the network and cost, else the reason why it does not."""
        if reason := self._why_not_numbers(network):
            return reason
        combined = cost.combined(network.activations[-1]) is not None
        l = None if self.serves_coupled else _coupled_layer(network, network.layout.last - combined)
        if l is None:
            return None
        activation = network.activations[l - 2]
        fitting = [name for name, each in COSTS.items() if each.combined(activation) is not None]
        needless = fitting and l == network.layout.last
        return _coupled(network, l) + (f"; cost {fitting[0]!r} needs no slope there" if needless else "")

    def why_not_operator(self, operator: str, network: Network, cost: Cost, of: int | None = None) -> str | None:
        """Return None if this backend provides an operator of the network and cost, else the reason why it does not.

        Parameters
        ----------
        operator : str
            One of :attr:`operators`, or ``"input_gradient"``, which goes with ``"jacobian"``.
        network : Network
            The network.
        cost : Cost
            The cost, which a Jacobian does not need.
        of : int, optional
            The layer that a Jacobian differentiates; by default the output.
        """
        if ("jacobian" if operator == "input_gradient" else operator) not in self.operators:
            return self.no_operators
        if operator == "jacobian":
            # The dtype and the weights, with a cost that combines with no output.
            l = None if self.serves_coupled else _coupled_layer(network, of or network.layout.last)
            return self._why_not_numbers(network) if l is None else _coupled(network, l)
        if reason := self.why_not(network, cost):
            return reason
        return _why_no_curvature(operator, network, cost) if operator in self.needs_curvature else None

    def linearize(self, point: Point) -> Linearization:
        """Return this formulation's derivatives at a point, for the operators that it provides."""
        raise NotImplementedError(f"backend {self.name!r} must define linearize(point), since it declares operators.")

    def prepare_jacobian(self, tape: Tape, of: int, wrt: int, order: str) -> Callable[[], Array] | None:  # noqa: ARG002
        """Return a function that computes the Jacobian from the tape's present slopes, into memory of its own.

        Parameters
        ----------
        tape : Tape
            A tape, filled before each call.
        of, wrt, order
            As in :meth:`Linearization.jacobian`.

        Returns
        -------
        callable () -> ndarray of shape (m, n_of, n_wrt), or None
            None if this backend prepares nothing and linearises anew at each point.
        """
        return None

    def _why_not_numbers(self, network: Network) -> str | None:
        """Return None if this backend supports the network's dtype and weights, else the reason why it does not."""
        if network.dtype not in self.dtypes:
            known = " or ".join(map(format_dtype, self.dtypes))
            return f"it needs {known}, and this network has {format_dtype(network.dtype)}"
        if network.layout.is_sparse and not self.serves_sparse:
            return "it works on dense weights, and this network has sparse ones"
        return None

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate the cost of a gradient over m examples; by default, that of a recurrence on the tape."""
        return Estimate(
            multiplications=forward_multiplications(network, m) + backward_multiplications(network, m),
            bytes=tape_bytes(network, m),
            forward_passes=1,
            calls=10 * len(network.activations),
        )

    def estimate_operator(self, operator: str, network: Network, m: int, wrt: Where = PARAMETERS) -> Estimate:
        """Estimate the cost of one product with an operator over m examples, or its transpose, whichever costs more.

        By default, a product with the Hessian costs two gradients, and any other at most one. Without a reverse order
        a gradient goes along every parameter, and the transpose of a Jacobian in a layer along each of its neurons.

        Parameters
        ----------
        operator : str
            As in :meth:`why_not_operator`.
        network, m : Network, int
            As in :meth:`estimate`.
        wrt : int or "parameters"
            The layer, or the parameters, with respect to which a Jacobian differentiates.
        """
        gradient = self.estimate(network, m)
        if operator == "hessian":
            return gradient.times(2)
        if "reverse" in self.orders or wrt == PARAMETERS:
            return gradient
        return gradient.times(network.sizes[wrt - 1] / network.layout.count)

    def difference(self) -> Difference | None:
        """Return the difference quotient that this backend computes; None if it computes none."""
        return None

    def compiled_updates(self) -> CompiledUpdates | None:
        """Return the optimizers' updates of the parameters, compiled; None if NumPy makes them."""
        return None

    def compiled_steps(self, network: Network, tape: Tape, rule: StepRule) -> CompiledSteps | None:  # noqa: ARG002
        """Return compiled steps of a training run, on mini-batches of ``tape.m``; None if they are taken one by one.

        Parameters
        ----------
        network, tape : Network, Tape
            A network, and a tape that this backend has prepared.
        rule : StepRule
            How the gradient changes the parameters.

        Returns
        -------
        CompiledSteps or None
            Takes as many steps as it is told; None if the network, cost, batch or rule has no compiled form.
        """
        return None

    def written_product(self, network: Network, factors: Sequence[str]) -> str | None:  # noqa: ARG002 - few multiply one
        """Return δ² as a product of these factors, with brackets in the order in which they are multiplied.

        Parameters
        ----------
        network : Network
            The network.
        factors : sequence of str
            The names of the factors of the layers 2, …, L − 1, and that of δ^L.

        Returns
        -------
        str or None
            None if this backend does not multiply them.
        """
        return None

    def ready(self, network: Network, tape: Tape) -> Gradient:
        """Prepare a tape for this backend, and return a buffer for the gradient."""
        tape.workspace = self.prepare(network, tape)
        return self.allocate(network)

    def allocate(self, network: Network) -> Gradient:
        """Return a buffer for a gradient."""
        return Gradient(network.layout, np.empty(network.layout.count, network.dtype), backend=self.label)

    def prepare(self, network: Network, tape: Tape) -> Any:  # noqa: ARG002 - most need nothing
        """Return what all calls on this tape share; it becomes ``tape.workspace``."""
        return None

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ², …, δ^L, each of shape (m, n_l), after a forward pass on the tape.

        Parameters
        ----------
        network : Network
            The network for which the tape was prepared.
        tape : Tape
            Its z, a, σ′(z) and ∇_aC.
        """
        raise NotImplementedError(
            f"backend {self.name!r} must define errors(network, tape) or gradient(network, tape, gradient)."
        )

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write C, δ, ∂C/∂b and ∂C/∂w into ``gradient``, for the examples on the tape."""
        forward(network, tape)
        errors = self.errors(network, tape)
        self.collect(tape, errors, gradient)
        gradient.errors = tuple(errors)
        gradient.cost = tape.cost_value

    def add_gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Add the gradient to the network's parameters, which takes a step if the shares are multiplied by −η.

        It is the one method that changes a network.

        Parameters
        ----------
        network : Network
            The network, whose parameters change.
        tape : Tape
            A tape that this backend has prepared, with the examples and their shares.
        gradient : Gradient
            Receives C; its vector is a buffer, which may hold anything afterwards.
        """
        if type(self).gradient is Backend.gradient and type(self).collect is Backend.collect:
            forward(network, tape)
            tape.collect(self.errors(network, tape), gradient, add_to=network)
            gradient.cost = tape.cost_value
        else:
            self.gradient(network, tape, gradient)
            np.add(network.vector, gradient.vector, network.vector)

    def collect(self, tape: Tape, errors: Sequence[Array], gradient: Gradient) -> None:
        """Write ∂C/∂b and ∂C/∂w, which follow from the errors by (BP3) and (BP4)."""
        tape.collect(errors, gradient)

    @property
    def inner(self) -> Backend:
        """The wrapped formulation, or the backend itself."""
        return self

    @property
    def kind(self) -> str:
        """``"formulation"``, or ``"variant of …"``."""
        return "formulation" if self.variant_of is None else f"variant of {self.variant_of}"

    @property
    def label(self) -> str:
        """The flag that selects this backend, with all options that differ from their defaults."""
        if not is_dataclass(self):
            return self.name
        changed = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"{self.name}:{','.join(changed)}" if changed else self.name

    def __repr__(self) -> str:
        return f"<backend {self.label}>"


def _coupled_layer(network: Network, last: int) -> int | None:
    """Return the first layer up to ``last`` whose activation is coupled; None if there is none."""
    layers = enumerate(network.activations[: last - 1], start=2)
    return next((l for l, activation in layers if activation.coupled), None)


def _coupled(network: Network, l: int) -> str:
    return (
        f"it needs a slope for each neuron by itself, and {network.activations[l - 2].name} in layer {l} couples the "
        "neurons of its layer"
    )


def _why_no_curvature(operator: str, network: Network, cost: Cost) -> str | None:
    """Return None if the cost and, for a Hessian, the activations have a curvature, else the reason with the remedy."""
    combined = cost.combined(network.activations[-1]) is not None
    if not combined and not cost.has_curvature:
        return (
            f"it needs ∇²_aC, and cost {cost.name!r} has no curvature; pass one: cost(value, gradient, curvature=...)"
        )
    if operator == "gauss_newton":
        return None
    for l, activation in enumerate(network.activations[: len(network.activations) - combined], start=2):
        if not activation.has_curvature:
            make = "coupled_activation" if activation.coupled else "activation"
            return (
                f"it needs σ″, and {activation.name} in layer {l} has no curvature; pass one: "
                f"{make}(..., curvature=...)"
            )
    return None
