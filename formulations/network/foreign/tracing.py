"""A module of PyTorch as a chain of simple modules.

``torch.fx`` traces a module: its ``forward`` runs once with a stand-in for the inputs, and what it calls is recorded.
So modules in any nesting, functions such as ``torch.relu`` and methods of tensors are read alike. A computation with
branches is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from formulations.exceptions import MissingExtra, Refused, WrongType, needs

__all__ = ["ACCEPTED", "Linear", "Step", "layers_in_order", "trace"]

ACCEPTED = (
    "Linear, Sigmoid, Tanh, ReLU, LeakyReLU, ELU(alpha=1), Softplus, SiLU, GELU(approximate='none'), Softmax(dim=1), "
    "Sequential, Identity, Flatten, Dropout in evaluation, and a last LogSoftmax(dim=1) before NLLLoss"
)
"""What a network can express, for messages."""

CALLS = {
    "relu": ("ReLU", ("inplace",)),
    "relu_": ("ReLU", ()),
    "sigmoid": ("Sigmoid", ()),
    "expit": ("Sigmoid", ()),
    "tanh": ("Tanh", ()),
    "silu": ("SiLU", ("inplace",)),
    "leaky_relu": ("LeakyReLU", ("negative_slope", "inplace")),
    "elu": ("ELU", ("alpha", "inplace")),
    "gelu": ("GELU", ("approximate",)),
    "softplus": ("Softplus", ("beta", "threshold")),
    "softmax": ("Softmax", ("dim", "_stacklevel", "dtype")),
    "log_softmax": ("LogSoftmax", ("dim", "_stacklevel", "dtype")),
    "flatten": ("Flatten", ("start_dim", "end_dim")),
    "dropout": ("Dropout", ("p", "training", "inplace")),
}
"""Functions and methods: the module that does the same, and their arguments after the input."""

NEUTRAL = ("inplace", "_stacklevel")
"""Arguments that change no number."""


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear map.

    Attributes
    ----------
    name : str
        Its place in the module, such as ``"0"`` or ``"body.fc1"``.
    weight, bias : torch.Tensor of shape (n_l, n_{l−1}) and (n_l,)
        Its parameters; ``bias`` is None without one.
    """

    name: str
    weight: Any
    bias: Any


@dataclass(frozen=True, eq=False)
class Step:
    """Anything else that a module applies.

    Attributes
    ----------
    name : str
        What a message calls it.
    module : torch.nn.Module
        The module, or one that does what the function in its place does.
    width : int or None
        The number of columns that a view needs to be the matrix itself; None if it needs none.
    """

    name: str
    module: Any
    width: int | None = None


def trace(module: Any) -> Iterator[Linear | Step]:
    """Yield what a module applies to its input, one after the other.

    Raises
    ------
    WrongType
        If it is no module.
    Refused
        If its computation cannot be traced, or is no chain.
    """
    torch = needs("peers", "torch", "reading a module")
    module = getattr(module, "_orig_mod", module)  # what torch.compile wraps
    if not isinstance(module, torch.nn.Module):
        raise WrongType(
            f"expected a torch.nn.Module, got {type(module).__name__}; pass the model itself, or make a network from "
            "arrays: formulations.Network(weights, biases, activations)."
        )
    for name, part in module.named_modules():
        if isinstance(part, torch.nn.modules.lazy.LazyModuleMixin):
            raise Refused(f"a module must know its shapes, got {_place(name, part)}; call the module once first.")
        if part._forward_hooks or part._forward_pre_hooks:
            raise Refused(
                f"a module must compute what its layers do, got a forward hook on {_place(name, part)}, which can "
                "change that; remove the hook."
            )
        if "forward" in vars(part):
            raise Refused(
                f"a module must compute what its class does, got {_place(name, part)}, whose forward was replaced; "
                "write a class with that forward, or remove it: del module.forward."
            )
    if torch.fx.Tracer().is_leaf_module(module, ""):
        module = torch.nn.Sequential(module)
    return _chain(torch, module, _graph(torch, module))


def layers_in_order(module: Any) -> list[Linear] | None:
    """Return the linear maps of a module in the order in which it applies them.

    ``module.parameters()`` has the order in which a module was written, which may be another.

    Returns
    -------
    list of Linear, or None
        None if the module cannot be traced, or has other parameters than those of its linear maps.
    """
    try:
        parts = list(trace(module))
    except (MissingExtra, Refused, WrongType):
        return None
    if any(list(part.module.parameters()) for part in parts if isinstance(part, Step)):
        return None
    return [part for part in parts if isinstance(part, Linear)]


def _graph(torch: Any, module: Any) -> Any:
    try:
        return torch.fx.Tracer().trace(module)
    except Exception as caught:  # the module's own code runs, and may raise anything
        reason = (str(caught).splitlines() or [""])[0]
        raise Refused(
            f"a module must apply the same layers to every input, one after the other; tracing "
            f"{type(module).__name__}.forward raised {type(caught).__name__}: {reason}; pass a torch.nn.Sequential."
        ) from caught


def _chain(torch: Any, module: Any, graph: Any) -> Iterator[Linear | Step]:
    functions = {function: name for name in (*CALLS, "squeeze") for function in _functions(torch, name)}
    inputs = [node for node in graph.nodes if node.op == "placeholder" and node.users]
    before = inputs[0] if inputs else None
    for node in graph.nodes:
        if node.op in ("placeholder", "get_attr") or _is_size(node):
            continue
        used = [each for each in node.all_input_nodes if each.op != "get_attr" and not _is_size(each)]
        called = _called(module, node)
        if used != [before]:
            raise Refused(
                f"each layer must have one input, the result of the one before it, got {called} in "
                f"{type(module).__name__}.forward, which has other inputs or none; a network has no branches."
            )
        before = node
        if node.op == "output":
            if node.args != (used[0],):
                raise Refused(
                    f"a network has one result, that of its last layer, got a {type(node.args[0]).__name__} from "
                    f"{type(module).__name__}.forward; return the result alone."
                )
        elif node.op == "call_module":
            part = module.get_submodule(node.target)
            is_linear = type(part) is torch.nn.Linear
            yield Linear(str(node.target), part.weight, part.bias) if is_linear else Step(called, part)
        elif node.target is torch.nn.functional.linear:
            yield _by_function(module, node, called)
        else:
            yield _by_call(torch, node, functions, called)


def _functions(torch: Any, name: str) -> list[Any]:
    """Return the functions of that name."""
    places = (torch, torch.nn.functional, torch.special)
    return [function for place in places if (function := getattr(place, name, None)) is not None]


def _place(name: str, part: Any) -> str:
    return f"module {name!r}, {type(part).__name__}" if name else f"the module, {type(part).__name__}"


def _called(module: Any, node: Any) -> str:
    """Return what a message calls a node."""
    if node.op == "call_module":
        return _place(str(node.target), module.get_submodule(node.target))
    if node.op == "output":
        return "the result"
    if node.op == "call_method":
        return f"the method {node.target!r}"
    return f"the function {getattr(node.target, '__name__', str(node.target))!r}"


def _is_size(node: Any) -> bool:
    """Whether a node is a length of an array, which serves a view of it."""
    if node.op == "call_method":
        return node.target in ("size", "dim")
    if node.op != "call_function":
        return False
    name = getattr(node.target, "__name__", "")
    return (name == "getattr" and node.args[1] in ("shape", "ndim")) or (name == "getitem" and _is_size(node.args[0]))


def _by_function(module: Any, node: Any, called: str) -> Linear:
    """Return the linear map of a call such as ``torch.nn.functional.linear(x, self.weight, self.bias)``."""
    given = dict(zip(("input", "weight", "bias"), node.args, strict=False)) | node.kwargs
    names = [given.get("weight"), given.get("bias")]
    if names[0] is None or any(each is not None and getattr(each, "op", "") != "get_attr" for each in names):
        raise Refused(f"{called} must get parameters of the module, got what is computed from them; use Linear layers.")
    parameters = [None if each is None else _attribute(module, each.target) for each in names]
    return Linear(str(names[0].target).rpartition(".")[0], *parameters)


def _attribute(module: Any, path: str) -> Any:
    for name in path.split("."):
        module = getattr(module, name)
    return module


def _by_call(torch: Any, node: Any, functions: dict[Any, str], called: str) -> Step:
    """Return the module that does what a call does."""
    name = node.target if node.op == "call_method" else functions.get(node.target)
    if name in ("view", "reshape"):
        return _by_view(torch, node, called)
    if name == "squeeze" and node.args[1:] in ((1,), (-1,)) and not node.kwargs:
        return Step(called, torch.nn.Flatten(), 1)
    if name not in CALLS:
        raise Refused(f"a network cannot express {called}; it has {ACCEPTED}.")
    kind, names = CALLS[name]
    given = dict(zip(names, node.args[1:], strict=False)) | node.kwargs
    if kind == "Flatten":
        # Unlike the module, the function flattens the examples, too.
        given.setdefault("start_dim", 0)
    options = {key: value for key, value in given.items() if key not in (*NEUTRAL, "input") and value is not None}
    training = options.pop("training", True) if kind == "Dropout" else False
    if any(isinstance(value, torch.fx.Node) for value in options.values()) or "dtype" in options:
        raise Refused(f"a network cannot express {called} with {', '.join(options)}; its options must be constants.")
    return Step(called, getattr(torch.nn, kind)(**options).train(bool(training)))


def _by_view(torch: Any, node: Any, called: str) -> Step:
    """Return the step of a call such as ``x.view(len(x), -1)``, which leaves a matrix as it is."""
    _, *shape = node.args
    if len(shape) == 1 and isinstance(shape[0], tuple | list):
        shape = list(shape[0])
    if len(shape) == 2 and not node.kwargs:
        rows, columns = shape
        counted = isinstance(rows, torch.fx.Node) and _is_size(rows) and rows.args[1:] == (0,)
        if isinstance(columns, int) and (counted or (rows == -1 and columns > 0)):
            return Step(called, torch.nn.Flatten(), None if columns == -1 else columns)
    raise Refused(
        f"a network cannot express {called} of other dimensions than (x.size(0), -1); use torch.flatten(x, 1)."
    )
