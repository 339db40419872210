"""The flag: keyword before ``with`` before environment before default; names, options, registration."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends import _registry as registry
from formulations.backends import _table, backend_facts
from formulations.backends.finite_difference import FiniteDifference
from formulations.backends.hadamard import Hadamard
from formulations.backends.sigma import Sigma
from formulations.exceptions import InvalidInput, UnknownName, WrongType

NET = makers.network()
DATA = makers.data(NET)


def used(**options) -> str:
    return fm.gradient(NET, *DATA, **options).backend


def test_precedence(monkeypatch):
    assert used() == "hadamard"
    monkeypatch.setenv(registry.VARIABLE, "product")
    assert used() == "product"
    with fm.use_backend("sigma"):
        assert used() == "sigma"
        assert used(backend="per_neuron") == "per_neuron"
    assert used() == "product"
    monkeypatch.delenv(registry.VARIABLE)
    assert used() == "hadamard"


def test_the_variable_is_read_at_call_time_with_its_options(monkeypatch):
    monkeypatch.setenv(registry.VARIABLE, "sigma:matrix=dense")
    assert used() == "sigma:matrix=dense"
    monkeypatch.setenv(registry.VARIABLE, "sigam")
    with pytest.raises(UnknownName, match="Did you mean 'sigma'"):
        used()


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv(registry.VARIABLE, "")
    assert used() == "hadamard"


def test_with_blocks_nest_and_end_after_an_exception():
    with fm.use_backend("sigma") as outer:
        assert repr(outer) == "<backend sigma>"
        with pytest.raises(UnknownName), fm.use_backend("product"):
            used(cost="unknown")
        assert used() == "sigma"
    assert used() == "hadamard"


def test_with_refuses_an_unknown_name_before_the_block():
    with pytest.raises(UnknownName), fm.use_backend("zzz"):
        pytest.fail("the block was entered")


def test_a_choice_belongs_to_its_thread():
    seen, inside, done = {}, threading.Event(), threading.Event()

    def work() -> None:
        inside.wait(10)
        seen["other"] = used()
        with fm.use_backend("product"):
            seen["chosen"] = used()
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    with fm.use_backend("sigma"):
        inside.set()
        assert done.wait(10)
        seen["mine"] = used()
    thread.join()
    assert seen == {"other": "hadamard", "chosen": "product", "mine": "sigma"}


def test_every_flag_comes_back_as_its_label(backend):
    assert fm.get_backend(backend).label == backend
    assert used_by(backend) == backend
    assert repr(fm.get_backend(backend)) == f"<backend {backend}>"


def used_by(flag: str) -> str:
    net = makers.network(flag)
    return fm.gradient(net, *makers.data(net), backend=flag).backend


def test_default_options_are_not_in_the_label():
    assert fm.get_backend("sigma:matrix=planned,batch=whole").label == "sigma"
    assert fm.get_backend("sigma: matrix = dense , batch = example").label == "sigma:matrix=dense,batch=example"


def test_a_number_among_options():
    backend = fm.get_backend("finite_difference:scheme=forward,step=1e-3")
    assert (backend.scheme, backend.step) == ("forward", 1e-3)
    assert backend.label == "finite_difference:scheme=forward,step=0.001"


def test_an_object_is_taken_as_it_is():
    mine = Hadamard()
    assert fm.get_backend(mine) is mine
    with fm.use_backend(mine):
        assert fm.get_backend() is mine


def test_one_example_at_a_time_is_there_for_every_backend(backend):
    if "batch=example" in backend:
        wrapped = fm.get_backend(backend)
        assert (wrapped.name, wrapped.equations) == (wrapped.inner.name, wrapped.inner.equations)
    else:
        assert fm.get_backend(backend).name == backend.partition(":")[0]


class Mine(makers.HadamardWrapper):
    """A backend of somebody else."""

    name = "mine"
    summary = "somebody else's"


@dataclass(frozen=True, repr=False)
class Tuned(makers.HadamardWrapper):
    """A backend with options of each kind."""

    depth: int = 1
    mode: Literal["a", "b"] = "a"
    factor: float | None = None

    name = "tuned"


@pytest.mark.usefixtures("clean_registry")
class TestRegister:
    def test_a_class(self):
        assert fm.register(Mine) is Mine
        assert fm.list_backends()[-1] == "mine"
        assert used(backend="mine") == "mine"
        assert used(backend="mine:batch=example") == "mine:batch=example"
        assert fm.which(NET)["mine"] is None

    def test_as_a_decorator(self):
        @fm.register
        class Decorated(makers.HadamardWrapper):
            name = "decorated"

        assert isinstance(fm.get_backend("decorated"), Decorated)

    def test_an_instance_takes_no_options_but_batch(self):
        fm.register(Tuned(depth=3))
        assert fm.get_backend("tuned").depth == 3
        assert fm.get_backend("tuned:batch=example").inner.depth == 3
        with pytest.raises(UnknownName, match="unknown option 'depth' of backend 'tuned'; valid"):
            fm.get_backend("tuned:depth=2")

    def test_options_are_converted_by_the_types_of_the_fields(self):
        fm.register(Tuned)
        made = fm.get_backend("tuned:depth=2,mode=b,factor=0.5")
        assert (made.depth, made.mode, made.factor) == (2, "b", 0.5)
        with pytest.raises(InvalidInput, match=r"option depth of backend 'tuned' must be of type int, got '2\.5'"):
            fm.get_backend("tuned:depth=2.5")

    @pytest.mark.parametrize("name", fm.list_backends())
    def test_a_name_twice_is_refused(self, name):
        class Twice(makers.HadamardWrapper):
            pass

        Twice.name = name
        with pytest.raises(InvalidInput, match=f"{name!r} is registered already; choose another name"):
            fm.register(Twice)

    def test_after_refusal_the_first_is_still_there(self):
        with pytest.raises(InvalidInput):
            fm.register(Hadamard)
        assert type(fm.get_backend("hadamard")) is Hadamard

    @pytest.mark.parametrize("name", ["", "two words", "a:b", "a=b", 3, None])
    def test_a_name_that_no_flag_could_spell(self, name):
        class Unspeakable(makers.HadamardWrapper):
            pass

        Unspeakable.name = name
        with pytest.raises(InvalidInput, match="must be a plain word"):
            fm.register(Unspeakable)

    @pytest.mark.parametrize("thing", [3, "hadamard", dict, None, lambda: None])
    def test_what_is_no_backend(self, thing):
        with pytest.raises(WrongType, match=r"derives from formulations\.Backend"):
            fm.register(thing)

    @pytest.mark.parametrize("missing", ["summary", "equations", "tier"])
    def test_what_a_backend_must_declare(self, missing):
        declared = {"name": "partial", "summary": "s", "equations": (), "tier": fm.Tier.PRODUCT}
        del declared[missing]
        with pytest.raises(InvalidInput, match=f"must declare {missing}"):
            fm.register(type("Partial", (fm.Backend,), declared))


class Point:
    """What importlib.metadata knows of a package that brings a backend."""

    def __init__(self, name, load, dist=None):
        self.name, self.load, self.dist = name, load, dist


@pytest.mark.usefixtures("clean_registry")
class TestEntryPoints:
    def test_what_it_loads_is_checked(self, monkeypatch):
        for loaded, exception, part in [(int, WrongType, "derives from"), (Mine, InvalidInput, "same name")]:
            self.install(monkeypatch, Point("another", lambda loaded=loaded: loaded))
            with pytest.raises(exception, match=part):
                fm.list_backends()

    @pytest.mark.parametrize(
        ("dist", "package"), [(SimpleNamespace(name="broken", version="1.0"), "broken 1.0"), (None, "a package")]
    )
    def test_a_package_that_cannot_be_imported_is_named(self, monkeypatch, dist, package):
        def load():
            raise ModuleNotFoundError("No module named 'nothere'")

        self.install(monkeypatch, Point("mine", load, dist))
        message = f"'mine' of {package} must load .* ModuleNotFoundError .No module named 'nothere'.; upgrade"
        for use in (fm.list_backends, backend_facts, lambda: fm.get_backend("mine")):
            with pytest.raises(InvalidInput, match=message):
                use()
        # Those of this library do not need it.
        assert used(backend="sigma") == "sigma"

    def install(self, monkeypatch, *points):
        monkeypatch.setattr(_table, "declared", lambda: points)

    def test_one_is_listed_and_used(self, monkeypatch):
        self.install(monkeypatch, Point("mine", lambda: Mine))
        assert "mine" in fm.list_backends()
        assert used(backend="mine") == "mine"

    def test_it_is_loaded_once(self, monkeypatch):
        loads = []
        self.install(monkeypatch, Point("mine", lambda: loads.append(1) or Mine))
        fm.list_backends()
        fm.get_backend("mine")
        assert loads == [1]

    def test_it_does_not_replace_one_of_this_library(self, monkeypatch):
        self.install(monkeypatch, Point("sigma", lambda: Mine))
        assert used(backend="sigma") == "sigma"
        assert not isinstance(fm.get_backend("sigma"), Mine)

    def test_the_group_is_the_documented_one(self):
        assert _table.ENTRY_POINTS == "formulations.backends"


def test_which_names_every_backend():
    assert list(fm.which(NET)) == fm.list_backends()
    linear = fm.Network([np.ones((1, 1))], [np.zeros(1)], "identity")
    assert {reason for reason in fm.which(linear).values() if reason and "not installed" not in reason} == set()


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: Sigma(matrix="round"), "must be one of planned, sparse, dense, got 'round'"),
        (lambda: FiniteDifference(scheme="sideways"), "must be one of central, forward"),
        (lambda: fm.get_backend("sigma:matrix=dense,matrix=sparse"), "option matrix is given twice"),
        (lambda: fm.get_backend("sigma:matrix"), "key=value, got 'matrix'"),
        (lambda: fm.get_backend("hadamard:batch=some"), "must be one of whole, example"),
    ],
)
def test_options_that_do_not_fit(make, part):
    with pytest.raises(InvalidInput, match=part):
        make()


def test_a_step_that_is_lost_in_rounding_is_refused():
    net = fm.Network([[[1.0]]], [[0.0]])
    with pytest.raises(InvalidInput, match=r"step 1e-30 is lost .* take a larger one"):
        fm.gradient(net, [[1.0]], [[0.0]], backend="finite_difference:step=1e-30")
