"""The network, its batches, its tape, its gradient, the forward pass, and saved networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.network.batch import Batch as Batch
    from formulations.network.foreign import from_torch as from_torch
    from formulations.network.foreign import layers_in_order as layers_in_order
    from formulations.network.forward_pass import examples_in_one_pass as examples_in_one_pass
    from formulations.network.forward_pass import forward as forward
    from formulations.network.forward_pass import passes as passes
    from formulations.network.gradients import Gradient as Gradient
    from formulations.network.gradients import check_gradient as check_gradient
    from formulations.network.initialization import INITIALIZATIONS as INITIALIZATIONS
    from formulations.network.network import Network as Network
    from formulations.network.network import check_network as check_network
    from formulations.network.network import check_parameters as check_parameters
    from formulations.network.point import Point as Point
    from formulations.network.point import remark_on_kinks as remark_on_kinks
    from formulations.network.saved import MODEL as MODEL
    from formulations.network.saved import load as load
    from formulations.network.saved import network_arrays as network_arrays
    from formulations.network.saved import read_network as read_network
    from formulations.network.saved import save as save
    from formulations.network.tape import Tape as Tape
    from formulations.network.tape import outer_sums as outer_sums
    from formulations.network.views import network_drawing as network_drawing
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "batch": ["Batch"],
            "foreign": ["from_torch", "layers_in_order"],
            "forward_pass": ["examples_in_one_pass", "forward", "passes"],
            "gradients": ["Gradient", "check_gradient"],
            "initialization": ["INITIALIZATIONS"],
            "network": ["Network", "check_network", "check_parameters"],
            "point": ["Point", "remark_on_kinks"],
            "saved": ["MODEL", "load", "network_arrays", "read_network", "save"],
            "tape": ["Tape", "outer_sums"],
            "views": ["network_drawing"],
        },
    )
