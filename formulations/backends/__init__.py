"""One small file for each formulation; none imports another."""

from __future__ import annotations

from formulations.backends.finite_difference import FiniteDifference
from formulations.backends.hadamard import Hadamard
from formulations.backends.linear import Linear
from formulations.backends.per_neuron import PerNeuronBackend
from formulations.backends.product import Product
from formulations.backends.sigma import Sigma
from formulations.contract import Backend

__all__ = ["BUILT_IN"]

BUILT_IN: tuple[type[Backend], ...] = (Hadamard, Sigma, Product, Linear, PerNeuronBackend, FiniteDifference)
