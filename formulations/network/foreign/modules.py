"""PyTorch's modules as networks, and networks as modules."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Array, format_dtype, unit_roundoff
from formulations.exceptions import InvalidInput, Refused, needs
from formulations.functions import Activation, LeakyReLU, get_activation
from formulations.network.foreign.tracing import ACCEPTED, Linear, Step, trace
from formulations.network.network import Network

__all__ = ["LOG_SOFTMAX", "Chain", "module_of", "network_of", "read_chain"]

LOG_SOFTMAX = "LogSoftmax"
"""What follows the last layer of a module whose outputs are logarithms of probabilities."""

WITHOUT_OPTIONS = {"Sigmoid": "sigmoid", "Tanh": "tanh", "ReLU": "relu", "SiLU": "silu"}
"""Modules whose function has no options, and the names of the activations."""

DROPOUTS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")


@dataclass(frozen=True, eq=False)
class Chain:
    """What a module computes: linear maps, each followed by one activation.

    Attributes
    ----------
    layers : list of Linear
        In the order of the computation.
    activations : list of Activation or str
        One for each layer; the last may be :data:`LOG_SOFTMAX`.
    """

    layers: list[Linear]
    activations: list[Activation | str]

    def network(self, last: str | None = None) -> Network:
        """Return the network, whose arrays are copies; ``last`` replaces the activation of the output layer."""
        weights = [_array(layer.weight, layer.name, "weight") for layer in self.layers]
        biases = [
            np.zeros(len(w), w.dtype) if layer.bias is None else _array(layer.bias, layer.name, "bias")
            for layer, w in zip(self.layers, weights, strict=True)
        ]
        return Network(weights, biases, self.activations if last is None else [*self.activations[:-1], last])


def network_of(module: Any) -> Network:
    """Return the network that a module computes; see :meth:`formulations.Network.from_torch`."""
    chain = read_chain(module)
    if chain.activations[-1] == LOG_SOFTMAX:
        raise Refused(
            "a network's outputs must be activations, got those of LogSoftmax, which are logarithms of probabilities; "
            "pass the loss, too: formulations.from_torch(module, torch.nn.NLLLoss())."
        )
    return chain.network()


def read_chain(module: Any) -> Chain:
    """Return the layers and activations of a module.

    Raises
    ------
    WrongType
        If it is no module.
    Refused
        If it computes what no network does; the message names the part.
    """
    torch = needs("peers", "torch", "reading a module")
    none, parts = get_activation("identity"), list(trace(module))
    layers: list[Linear] = []
    activations: list[Activation | str] = []
    for part in parts:
        if isinstance(part, Linear):
            if LOG_SOFTMAX in activations:
                raise Refused("LogSoftmax must come last, got a layer after it; its outputs are no activations.")
            layers.append(part)
            activations.append(none)
        elif _passes(torch, part):
            _check_width(part, parts, layers)
        else:
            activation = _activation(torch, part, layers[-1].weight.dtype if layers else None)
            if not layers:
                raise Refused(f"a network must begin with a Linear layer, got {part.name}; apply it to the inputs X.")
            if activations[-1] != none:
                raise Refused(
                    f"a layer must have one activation, got {part.name} after that of layer {layers[-1].name!r}; "
                    "put a Linear layer between them."
                )
            activations[-1] = activation
    if not layers:
        raise Refused(f"a network must have a Linear layer, got {type(module).__name__} without one.")
    _check_untied(layers)
    return Chain(layers, activations)


def _check_width(step: Step, parts: list[Linear | Step], layers: list[Linear]) -> None:
    """Refuse a view as a matrix of other columns than the layers have there."""
    if step.width is None:
        return
    widths = [part.weight.shape[1] for part in parts if isinstance(part, Linear)][:1]
    if layers:
        widths = [len(layers[-1].weight)]
    if [step.width] != widths:
        raise Refused(
            f"a view must leave a matrix as it is, got {step.name} with {step.width} columns where the layers have "
            f"{', '.join(map(str, widths))}; use torch.flatten(x, 1)."
        )


def _passes(torch: Any, step: Step) -> bool:
    """Whether a step leaves a matrix as it is."""
    nn, module = torch.nn, step.module
    kind = type(module)
    if kind is nn.Identity:
        return True
    if kind is nn.Flatten:
        if (module.start_dim, module.end_dim) not in ((1, -1), (1, 1)):
            raise Refused(
                f"Flatten must keep the examples apart, got {step.name} with start_dim={module.start_dim} and "
                f"end_dim={module.end_dim}; use Flatten()."
            )
        return True
    if any(kind is getattr(nn, name) for name in DROPOUTS):
        if module.training and module.p > 0:
            raise Refused(
                f"a network is a function of its inputs, got {step.name} in training, which is random; "
                "call module.eval() first."
            )
        return True
    return False


def _activation(torch: Any, step: Step, dtype: Any) -> Activation | str:
    """Return the activation of a module in a layer of some dtype; None if the layer is unknown."""
    nn, module = torch.nn, step.module
    kind = type(module)
    name = kind.__name__ if kind is getattr(nn, kind.__name__, None) else ""
    if name in WITHOUT_OPTIONS:
        return get_activation(WITHOUT_OPTIONS[name])
    if name == "LeakyReLU":
        if not 0 <= module.negative_slope < 1:
            raise _other(step, f"negative_slope={module.negative_slope}", "a slope of at least 0 and less than 1")
        return LeakyReLU(float(module.negative_slope))
    if name == "ELU":
        if module.alpha != 1:
            raise _other(step, f"alpha={module.alpha}", "alpha=1")
        return get_activation("elu")
    if name == "GELU":
        if module.approximate != "none":
            raise _other(step, f"approximate={module.approximate!r}", "approximate='none'")
        return get_activation("gelu")
    if name == "Softplus":
        if module.beta != 1:
            raise _other(step, f"beta={module.beta}", "beta=1")
        # Beyond its threshold it is z, which is ln(1 + e^z) to within a rounding if e^−threshold is less than one.
        if dtype is not None and math.exp(-module.threshold) > unit_roundoff(_numpy_dtype(torch, dtype)):
            raise _other(step, f"threshold={module.threshold} in {dtype}", "threshold=40, beyond which it rounds to z")
        return get_activation("softplus")
    if name in ("Softmax", "LogSoftmax"):
        if module.dim not in (None, 1, -1):
            raise _other(step, f"dim={module.dim}", "dim=1, over the outputs of an example")
        return LOG_SOFTMAX if name == "LogSoftmax" else get_activation("softmax")
    remedy = ""
    if kind.__name__.startswith("BatchNorm"):
        remedy = "; in evaluation, torch.nn.utils.fusion.fuse_linear_bn_eval makes it part of its Linear layer"
    raise Refused(f"a network cannot express {step.name}; it has {ACCEPTED}{remedy}.")


def _other(step: Step, got: str, expected: str) -> Refused:
    return Refused(
        f"{step.name} must have {expected}, got {got}, which is another function; change the module, or make the "
        "network's activation with formulations.activation."
    )


def _check_untied(layers: list[Linear]) -> None:
    """Refuse layers that share parameters: a network's are independent, and so are their derivatives."""
    owner: dict[Any, str] = {}
    for layer in layers:
        for tensor in (layer.weight, layer.bias):
            if tensor is None or tensor.device.type == "meta":
                continue
            key = tensor.data_ptr()
            if key in owner:
                what = f"with those of layer {owner[key]!r}" if owner[key] != layer.name else "twice"
                raise Refused(
                    f"each layer must have parameters of its own, got layer {layer.name!r} {what}; untie them, as with "
                    "copy.deepcopy(layer)."
                )
            owner[key] = layer.name


def _array(tensor: Any, name: str, which: str) -> Array:
    """Return a parameter as an array, which may share its memory."""
    torch = needs("peers", "torch", "reading a module")
    what = f"{name}.{which}" if name else which
    if tensor.device.type == "meta":
        raise InvalidInput(f"{what} must hold numbers, got a tensor of the meta device; load the module's parameters.")
    if tensor.dtype not in (torch.float32, torch.float64):
        raise Refused(f"{what} must be float32 or float64, got {tensor.dtype}; call module.float() or module.double().")
    if tensor.layout is not torch.strided:
        raise Refused(f"{what} must be dense, got {tensor.layout}; call to_dense() on it.")
    array: Array = tensor.detach().cpu().numpy()
    return array


def _numpy_dtype(torch: Any, dtype: Any) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype is torch.float64 else np.float32)


def module_of(net: Network) -> Any:
    """Return a module that computes what a network does; see :meth:`formulations.Network.to_torch`."""
    torch = needs("peers", "torch", "writing a module")
    nn = torch.nn
    if net.dtype not in (np.float32, np.float64):
        raise Refused(f"a module must be float32 or float64, got a network of {format_dtype(net.dtype)}; call astype.")
    makers: dict[str, Callable[[], Any]] = {name: getattr(nn, kind) for kind, name in WITHOUT_OPTIONS.items()}
    makers |= {"elu": nn.ELU, "gelu": nn.GELU, "softplus": lambda: nn.Softplus(threshold=40.0)}
    makers |= {"softmax": lambda: nn.Softmax(dim=1)}
    parts = []
    for l, (w, b, activation) in enumerate(zip(net.weights, net.biases, net.activations, strict=True), start=2):
        if issparse(w):
            raise Refused(
                f"a Linear module has dense weights, got a sparse matrix in layer {l}, whose pattern would be lost; "
                "make a network of dense ones: weights.toarray()."
            )
        dtype = torch.float32 if net.dtype == np.float32 else torch.float64
        # A new layer draws parameters, which the caller's random numbers must not notice.
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            linear = nn.Linear(w.shape[1], w.shape[0], dtype=dtype, device="cpu")
            linear.weight.copy_(torch.from_numpy(w.copy()))
            linear.bias.copy_(torch.from_numpy(b.copy()))
        parts.append(linear)
        if isinstance(activation, LeakyReLU):
            parts.append(nn.LeakyReLU(activation.negative_slope))
        elif activation != get_activation("identity"):
            # A user's function may have the name of a built-in one.
            known = activation.name in makers and activation == get_activation(activation.name)
            if not known:
                raise Refused(
                    f"an activation must have a module in torch.nn, got {activation.name} in layer {l}; use one of "
                    f"{', '.join(['identity', 'leaky_relu', *makers])}."
                )
            parts.append(makers[activation.name]())
    return nn.Sequential(*parts)
