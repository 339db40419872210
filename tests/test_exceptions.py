"""The exceptions: every message is a sentence with a full stop, and an absent package names its extra."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import formulations
import formulations as fm
from formulations import exceptions
from formulations.exceptions import FormulationsException, MissingExtra, Refused, UnknownName, WrongType, needs
from formulations.functions.activations.table import ACTIVATIONS, get_activation
from formulations.functions.activations.table import ELSEWHERE as NAMES_OF_ACTIVATIONS
from formulations.functions.costs.table import COSTS, get_cost
from formulations.functions.costs.table import ELSEWHERE as NAMES_OF_COSTS

SOURCES = sorted(Path(formulations.__file__).parent.rglob("*.py"))


def endings(message):
    """Return the last character of each form of a message, None if it is not written out."""
    match message:
        case ast.Constant(value=str(text)):
            return [text[-1:]]
        case ast.JoinedStr(values=[*_, end]):
            return endings(end)
        case ast.BinOp(op=ast.Add(), right=end):
            return endings(end)
        case ast.IfExp(body=one, orelse=other):
            return endings(one) + endings(other)
        case _:
            return [None]


@cache
def raised(source):
    """Return line and message of each exception of ours that is raised with a single argument."""
    text, found = source.read_text(encoding="utf-8"), []
    # Many files raise nothing, and to parse and walk them takes a second.
    for node in ast.walk(ast.parse(text if "raise " in text else "")):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name), args=[message])) if name in exceptions.__all__:
                found.append((node.lineno, message))
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_messages_end_with_a_full_stop(source):
    open_ended = [line for line, message in raised(source) for end in endings(message) if end not in (".", None)]
    assert not open_ended, f"{source.name}, lines {open_ended}"


def test_the_walk_finds_the_messages():
    found = [end for source in SOURCES for _, message in raised(source) for end in endings(message)]
    assert found.count(".") > 50
    (message,) = (node.exc.args[0] for node in ast.walk(ast.parse("raise X(f'{a}' + ('b.' if c else f'd {e}'))"))
                  if isinstance(node, ast.Raise))  # fmt: skip
    assert endings(message) == [".", None]


def test_a_package_that_is_there_is_returned():
    assert needs("cli", "ast", "nothing") is ast


@pytest.mark.parametrize("package", ["absent_package", "blocked_package"])
def test_a_package_that_is_absent_names_its_extra(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "blocked_package", None)
    with pytest.raises(MissingExtra) as caught:
        needs("peers", package, "the backend")
    assert str(caught.value) == (
        f"the backend needs {package}, which is not installed; install it with: pip install {package}, or this library "
        "with its extra 'peers'."
    )
    assert isinstance(caught.value, FormulationsException) and isinstance(caught.value, ImportError)


def test_a_package_that_is_broken_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import another_absent_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="another_absent_package") as caught:
        needs("peers", "broken_package", "the backend")
    assert not isinstance(caught.value, MissingExtra)


def test_what_is_absent_is_named_as_it_is_installed(monkeypatch):
    assert exceptions.why_absent("numpy") is None
    monkeypatch.setattr(exceptions, "find_spec", lambda _: None)
    said = "it needs the package sklearn, and that is not installed: pip install scikit-learn"
    assert exceptions.why_absent("sklearn") == said


@pytest.mark.parametrize(
    ("read", "name", "meant"),
    [
        (get_activation, "linear", "'identity'"),
        (get_activation, "swish", "'silu'"),
        (get_activation, "ReLU", "'relu'"),
        (get_activation, "LeakyReLU", "'leaky_relu'"),
        (get_cost, "cross_entropy", "'binary_cross_entropy' or 'log_likelihood'"),
        (get_cost, "Cross-Entropy", "'binary_cross_entropy' or 'log_likelihood'"),
        (get_cost, "mse", "'quadratic'"),
    ],
)
def test_names_of_other_libraries_are_understood(read, name, meant):
    with pytest.raises(UnknownName, match=rf"unknown .* {name!r}; valid names are .*\. Did you mean {meant}\?$"):
        read(name)


def test_a_long_name_is_cut():
    message = str(UnknownName("cost", "q" * 100_000, ["quadratic"]))
    assert message.startswith("unknown cost 'qqq") and "…; valid names are quadratic." in message and len(message) < 200


@pytest.mark.parametrize(("valid", "elsewhere"), [(ACTIVATIONS, NAMES_OF_ACTIVATIONS), (COSTS, NAMES_OF_COSTS)])
def test_every_name_of_another_library_can_be_found_and_leads_to_names_here(valid, elsewhere):
    for name, meant in elsewhere.items():
        assert name.isalnum() and name == name.lower()
        assert meant and set(meant) <= set(valid)


X, Y = np.zeros((360, 64)), np.zeros((360, 10))
IN_A_WRONG_PLACE = {
    "epochs": lambda: fm.sgd(fm.Network.random([64, 10]), X, Y, X, Y),
    "early_stopping": lambda: fm.sgd(fm.Network.random([64, 10]), X, Y, validation=(X, Y), early_stopping=X),
    "learning_rate": lambda: fm.sgd(fm.Network.random([64, 10]), X, Y, learning_rate=X),
    "momentum": lambda: fm.sgd(fm.Network.random([64, 10]), X, Y, momentum=X),
    "optimizer": lambda: fm.sgd(fm.Network.random([64, 10]), X, Y, optimizer=X),
    "schedule": lambda: fm.sgd(fm.Network.random([64, 10]), X, Y, schedule=X),
    "callback": lambda: fm.sgd(fm.Network.random([64, 10]), X, Y, callback=X),
    "cost": lambda: fm.gradient(fm.Network.random([64, 10]), X, Y, X),
    "backend": lambda: fm.gradient(fm.Network.random([64, 10]), X, Y, backend=X),
    "test": lambda: fm.split(X, Y, X),
    "batch_size": lambda: fm.prepare(fm.Network.random([64, 10]), X),
}


@pytest.mark.parametrize("name", IN_A_WRONG_PLACE)
def test_a_message_shows_the_shape_of_an_array_and_not_its_entries(name):
    with pytest.raises(WrongType, match=r"got an array of shape \(360, 64\)"):
        IN_A_WRONG_PLACE[name]()


def test_the_default_backend_is_called_the_default_where_a_cost_would_suit_it():
    net = fm.Network.random([64, 30, 10], ["tanh", "softmax"], seed=0)
    expected = (
        "the default backend 'hadamard' cannot serve .* with the quadratic cost: .*'log_likelihood' needs no slope"
    )
    with pytest.raises(Refused, match=expected):
        fm.sgd(net, X, Y)
    with pytest.raises(Refused, match=r"^backend 'per_neuron' cannot serve"):
        fm.sgd(net, X, Y, backend="per_neuron")
