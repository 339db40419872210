"""Whatever a caller's ``numpy.errstate`` and warning filter are, no public call raises or warns from the inside."""

# ruff: noqa: ARG005 - not every call needs the case

from __future__ import annotations

import copy
import inspect
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import cached_property
from typing import Any

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends import _registry as registry
from formulations.exceptions import FormulationsException

STATES = ("raise", "warn")
# One of each tier.
RACED = ["hadamard", "product", "per_neuron", "finite_difference"]
SCALES = {"zero": 0.0, "tiny": 1e-300, "saturated": 1e4, "huge": 1e300}


@contextmanager
def strict(state: str) -> Iterator[None]:
    """Raise for every floating-point error and every warning, unless it is an exception of the project's own."""
    with np.errstate(all=state), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a function returns, or the exception of the project's own that it raises."""
    try:
        return function(*arguments, **options)
    except FormulationsException as refused:
        return refused


def scaled(number: float, dtype: Any) -> Any:
    """Return a number as far from 1 as the dtype allows, at most."""
    info = np.finfo(dtype)
    return 0.0 if not number else min(max(number, float(info.smallest_normal) / 4), float(info.max) / 4)


class Case:
    """A network whose numbers lie at a scale, and examples that do."""

    def __init__(self, scale: str, dtype: Any = "float64", activations: Any = ("tanh", "sigmoid"), flag="hadamard"):
        factor = scaled(SCALES[scale], dtype)
        made = makers.network(flag, activations, dtype=dtype)
        self.net = fm.Network([w * factor for w in made.weights], [b * factor for b in made.biases], made.activations)
        X, Y = makers.data(made, 4)
        self.X, self.Y = X * np.asarray(factor, dtype), Y
        self.dtype = dtype

    @cached_property
    def gradient(self) -> Any:
        """A gradient of the network's layout, whose numbers lie at the scale too."""
        found = fm.gradient(fm.Network.random(self.net.sizes, seed=0, dtype=self.dtype), self.Y[:, :1] * self.X, self.Y)
        found.vector[...] = self.net.vector
        return found


def own_square() -> Any:
    """An activation that overflows."""
    return fm.activation(lambda z: z * z, lambda z: z + z, name="own_square")


def own_softmax() -> Any:
    """A coupled activation that overflows."""

    def value(Z):
        exponentials = np.exp(Z)
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def product(Z, V):
        a = value(Z)
        return a * (V - (a * V).sum(axis=1, keepdims=True))

    return fm.coupled_activation(value, product, product, name="own_softmax")


def own_cost() -> Any:
    """A cost that overflows."""
    return fm.cost(lambda A, Y: (np.exp(A) - A * Y).sum(axis=1), lambda A, Y: np.exp(A) - Y, name="own_cost")


def displayed(thing: Any) -> None:
    """Show a result as a notebook does, as HTML and as a figure."""
    thing._repr_html_()
    thing.plot()._repr_png_()


def saved(case: Case, folder: Any) -> str:
    """Save the network of a case and return the path."""
    path = f"{folder}/net.npz"
    fm.save(case.net, path)
    return path


LABELS = list("abca")


def labelled(case: Case) -> fm.Model:
    """Return a model of three classes for the examples of a case."""
    return fm.Model.for_data(case.X, LABELS, (3,), seed=0)


def standardised(case: Case) -> fm.Model:
    """Return a model with the network of a case, and a mean and scale that lie where its examples do."""
    smallest = np.finfo(case.X.dtype).smallest_subnormal
    return fm.Model(case.net, mean=case.X[0], scale=np.maximum(np.abs(case.X[1]), smallest))


def saved_model(case: Case, folder: Any) -> str:
    """Save a model with the network of a case and return the path."""
    path = f"{folder}/model.npz"
    standardised(case).save(path)
    return path


def table(folder: Any) -> str:
    """Write a table of numbers that vanish in single precision and return the path."""
    path = f"{folder}/table.csv"
    with open(path, "w") as file:
        file.write("1e-300,1e30,0.5\n-1e-300,1e-30,1e-310\n")
    return path


def images(case: Case, folder: Any) -> str:
    """Write the examples of a case as images and return the path."""
    X, path = case.X.astype(">f8"), f"{folder}/images"
    with open(path, "wb") as file:
        file.write(bytes([0, 0, 0x0E, 2]) + np.array(X.shape, ">u4").tobytes() + X.tobytes())
    return path


def judged(case: Case) -> fm.FunctionCertificate:
    """Judge the gradient of a cost that overflows at the scale of the case."""
    return fm.certify_function(lambda x: np.exp(x[0]) * x[1] ** 2 - x[2], lambda x: x, case.X[0])


def graded(case: Case) -> fm.Grade:
    """Mark a function that overflows."""
    return fm.grade({"bp3": lambda delta: delta.sum(axis=0) * case.X[0, 0] * np.exp(800.0)}, seed=0)


def squared_error() -> Any:
    """Return the mean squared error of PyTorch."""
    return pytest.importorskip("torch").nn.MSELoss()


def fitted(case: Case) -> Any:
    """Return a network of scikit-learn with the numbers of a case."""
    neural_network = pytest.importorskip("sklearn.neural_network")
    mlp = neural_network.MLPRegressor((3,), "tanh")
    # What its fit leaves behind.
    mlp.coefs_, mlp.intercepts_ = [w.T for w in case.net.weights], list(case.net.biases)
    mlp.out_activation_ = "identity"
    return mlp


def over(case: Case) -> Any:
    """Compute a gradient over two chunks, one of them in another dtype."""
    wide = [(case.X.astype("longdouble"), case.Y), (case.X, case.Y, np.array([1e-300, 0, 1e300, 1]))]
    return fm.prepare(case.net, "auto").over(wide)


def described(case: Case, folder: Any) -> Any:
    """Compute a gradient over examples in files."""
    np.save(f"{folder}/X.npy", case.X)
    np.save(f"{folder}/Y.npy", case.Y)
    return fm.prepare(case.net, "auto").over(fm.sources(f"{folder}/X.npy", f"{folder}/Y.npy"))


def stepped(case: Case) -> Any:
    """Train, with everything that sgd calls."""
    net = case.net.copy()
    return fm.sgd(net, case.X, case.Y, 2, 3, 1e-30, validation=(case.X, case.Y), progress=lambda _: np.exp(1e4))


def forward(case: Case) -> Any:
    """Return the tape of a forward pass."""
    return case.net.forward(case.X, case.Y, sample_weight=[1e-300, 1e300, 0, 1])


def candidate(net: fm.Network, X: Any, Y: Any) -> Any:
    """A user-supplied gradient that underflows and overflows."""
    found = fm.gradient(net, X, Y)
    found.vector[...] = found.vector * np.exp(-800.0) * np.exp(800.0)
    return found


def on_every_dtype(case: Case, do: Callable[[Any, Any], object]) -> None:
    """Call with the weighted inputs of every dtype, each activation of the case."""
    for activation in (*case.net.activations, own_square(), fm.PerNeuron(["tanh", "square", "sigmoid", "elu"])):
        call(do, activation, np.concatenate([case.X.ravel(), -case.X.ravel()]).reshape(-1, 4))


# Every public function, and every public method that a user calls, by its name in the package.
CALLS: dict[str, Callable[[Case, Any], object]] = {
    "Activation.slope": lambda case, _: on_every_dtype(case, lambda activation, z: activation.slope(z)),
    "Activation.value": lambda case, _: on_every_dtype(case, lambda activation, z: activation.value(z)),
    "Certificate.to_dict": lambda case, _: fm.certify(case.net, case.X, case.Y, case.gradient).to_dict(),
    "ChunkedPlan.__call__": lambda case, _: fm.prepare(case.net, "auto")(case.X.astype("longdouble"), case.Y),
    "ChunkedPlan.over": lambda case, _: over(case),
    "Comparison.plot": lambda case, _: displayed(fm.compare(case.net, case.X, case.Y, backends=["hadamard", "sigma"])),
    "Comparison.to_dict": lambda case, _: fm.compare(case.net, case.X, case.Y, RACED).to_dict(),
    "Cost.times": lambda case, _: fm.gradient(case.net, case.X, case.Y, own_cost().times(2**24)),
    "Diagnosis.plot": lambda case, _: displayed(fm.diagnose(case.net, case.X, case.Y)),
    "Diagnosis.to_dict": lambda case, _: fm.diagnose(case.net, case.X, case.Y).to_dict(),
    "Estimate.times": lambda case, _: fm.get_backend("sigma").estimate(case.net, 4).times(1.5),
    "Explanation.html": lambda case, _: fm.explain(case.net, case.X, case.Y).html(),
    "Explanation.latex": lambda case, _: fm.explain(case.net, case.X, case.Y).latex(),
    "Explanation.steps": lambda case, _: fm.explain(case.net, case.X, case.Y).steps("hadamard"),
    "Explanation.to_dict": lambda case, _: fm.explain(case.net, case.X, case.Y).to_dict(),
    "FunctionCertificate.to_dict": lambda case, _: judged(case).to_dict(),
    "Grade.to_dict": lambda case, _: graded(case).to_dict(),
    "Gradient.check_entries": lambda case, _: case.gradient.check_entries(),
    "Gradient.plot": lambda case, _: displayed(case.gradient),
    "Gradient.copy": lambda case, _: case.gradient.copy(),
    "Gradient.sparse_entries": lambda case, _: fm.gradient(makers.sparse_network(), *sparse_data()).sparse_entries(0),
    "History.plot": lambda case, _: displayed(stepped(case)),
    "History.to_dict": lambda case, _: stepped(case).to_dict(),
    "Model.confusion": lambda case, _: labelled(case).confusion(case.X, LABELS),
    "Model.examples": lambda case, _: [
        standardised(case).examples(case.X, case.Y),
        labelled(case).examples(case.X, LABELS),
    ],
    "Model.fit": lambda case, _: labelled(case).fit(case.X, LABELS, epochs=2, batch_size=3, progress=None),
    "Model.for_data": lambda case, _: [labelled(case), fm.Model.for_data(case.X, case.Y, (3,), seed=0)],
    "Model.load": lambda case, folder: fm.Model.load(saved_model(case, folder)),
    "Model.outputs": lambda case, _: standardised(case).outputs(case.X),
    "Model.places": lambda case, _: standardised(case).places(["a", "b", "c", "d"]),
    "Model.predict": lambda case, _: [standardised(case).predict(case.X), labelled(case).predict(case.X)],
    "Model.predict_proba": lambda case, _: labelled(case).predict_proba(case.X),
    "Model.save": lambda case, folder: saved_model(case, folder),
    "Model.score": lambda case, _: [standardised(case).score(case.X, case.Y), labelled(case).score(case.X, LABELS)],
    "Network.__call__": lambda case, _: case.net(case.X),
    "Network.astype": lambda case, _: [case.net.astype(dtype) for dtype in makers.DTYPES],
    "Network.check_entries": lambda case, _: case.net.check_entries(),
    "Network.check_examples": lambda case, _: case.net.check_examples(case.X.astype("longdouble"), case.Y),
    "Network.copy": lambda case, _: case.net.copy(),
    "Network.forward": lambda case, _: forward(case),
    "Network.from_sklearn": lambda case, _: fm.Network.from_sklearn(fitted(case)),
    "Network.from_torch": lambda case, _: fm.Network.from_torch(case.net.to_torch()),
    "Network.plot": lambda case, _: displayed(case.net),
    "Network.random": lambda case, _: [fm.Network.random([9, 9], dtype=dtype, seed=0) for dtype in makers.DTYPES],
    "Network.sparse_entries": lambda case, _: makers.sparse_network().sparse_entries(0),
    "Network.to_torch": lambda case, _: case.net.to_torch(),
    "Network.with_vector": lambda case, _: case.net.with_vector(case.net.vector),
    "Plan.__call__": lambda case, _: fm.prepare(case.net, 4)(
        case.X.astype("longdouble"), case.Y, [1e-300, 1, 1, 1e300]
    ),
    "ConformanceReport.to_dict": lambda case, _: report().to_dict(),
    "activation": lambda case, _: own_square(),
    "certify": lambda case, _: [
        fm.certify(case.net, case.X, case.Y, each)
        for each in ("product", "finite_difference", case.gradient, candidate)
    ],
    "certify_function": lambda case, _: judged(case),
    "check_backend": lambda case, _: report(),
    "clipped_gradient": lambda case, _: fm.clipped_gradient(case.net, case.X, case.Y, 1.0),
    "compare": lambda case, _: fm.compare(case.net, case.X, case.Y, RACED),
    "cost": lambda case, _: own_cost(),
    "coupled_activation": lambda case, _: own_softmax(),
    "diagnose": lambda case, _: fm.diagnose(case.net, case.X, case.Y),
    "exact_gradient": lambda case, _: fm.exact_gradient(case.net, case.X, case.Y),
    "explain": lambda case, _: fm.explain(case.net, case.X, case.Y, ["sigma", "finite_difference"]),
    "from_torch": lambda case, _: fm.from_torch(case.net.to_torch(), squared_error()),
    "get_backend": lambda case, _: fm.get_backend("sigma"),
    "grade": lambda case, _: graded(case),
    "gradient": lambda case, _: fm.gradient(
        case.net, case.X.astype("longdouble"), case.Y, sample_weight=[1e-300, 1, 1, 0]
    ),
    "gauss_newton": lambda case, _: fm.gauss_newton(case.net, case.X, case.Y) @ case.net.vector,
    "gradient_cosines": lambda case, _: fm.gradient_cosines(case.net, case.X, case.Y),
    "gradient_gram": lambda case, _: fm.gradient_gram(case.net, case.X, case.Y),
    "hessian": lambda case, _: fm.hessian(case.net, case.X, case.Y) @ case.net.vector,
    "input_gradient": lambda case, _: fm.input_gradient(case.net, case.X, case.Y),
    "jacobian": lambda case, _: fm.jacobian(case.net, case.X),
    "jacobian_operator": lambda case, _: fm.jacobian_operator(case.net, case.X) @ case.X.ravel(),
    "list_backends": lambda case, _: fm.list_backends(),
    "load": lambda case, folder: fm.load(saved(case, folder)),
    "load_digits": lambda case, _: fm.load_digits(case.dtype),
    "objective": lambda case, _: objective(case),
    "one_hot": lambda case, _: fm.one_hot([2, 0, 1], dtype=case.dtype),
    "per_example_gradients": lambda case, _: fm.per_example_gradients(case.net, case.X, case.Y),
    "per_example_norms": lambda case, _: fm.per_example_norms(case.net, case.X, case.Y),
    "prepare": lambda case, _: fm.prepare(case.net, 4),
    "prepare_jacobian": lambda case, _: fm.prepare_jacobian(case.net, 4),
    "read_csv": lambda case, folder: fm.read_csv(table(folder), dtype=case.dtype),
    "read_idx": lambda case, folder: fm.read_idx(images(case, folder)),
    "register": lambda case, _: registry.register(type("Own", (type(fm.get_backend("hadamard")),), {"name": "own"})),
    "save": lambda case, folder: saved(case, folder),
    "sgd": lambda case, _: stepped(case),
    "JacobianPlan.__call__": lambda case, _: fm.prepare_jacobian(case.net, 4)(case.X),
    "Spectrum.plot": lambda case, _: displayed(fm.spectrum(case.net, case.X)),
    "Spectrum.to_dict": lambda case, _: fm.spectrum(case.net, case.X).to_dict(),
    "sources": lambda case, folder: described(case, folder),
    "spectrum": lambda case, _: fm.spectrum(case.net, case.X),
    "split": lambda case, _: fm.split(case.X, case.Y),
    "use_backend": lambda case, _: entered(fm.use_backend("sigma"), case),
    "use_budget": lambda case, _: entered(fm.use_budget(seconds=1e300, memory="1e300"), case),
    "which": lambda case, _: fm.which(case.net),
}

# What runs inside a public call: what authors of activations, costs and backends write, and the verbs they have for
# it. They take the state that they find, as NumPy's functions do.
INSIDE = {
    "Activation": (
        "complex_value", "curvature", "curvature_at", "evaluate", "neuron", "slope_buffer", "slope_entries", "why_not",
        "why_not_width",
    ),
    "Backend": (
        "add_gradient", "allocate", "collect", "compiled_steps", "compiled_updates", "difference", "errors", "estimate",
        "estimate_operator", "gradient", "linearize", "prepare", "prepare_jacobian", "ready", "why_not",
        "why_not_operator", "written_product",
    ),
    "Cost": (
        "average", "check_outputs", "check_targets", "combined", "complex_values", "curvature_product", "evaluate",
        "why_not",
    ),
    "PerNeuron": (
        "complex_value", "curvature", "curvature_at", "evaluate", "neuron", "slope_buffer", "slope_entries", "why_not",
        "why_not_width",
    ),
    "Network": ("record",),
    "JacobianPlan": ("evaluate",),
    "Plan": ("evaluate", "give_away"),
    "Tape": (
        "blocks", "collect", "evaluate_cost", "first", "combined_output_error", "load", "output_error", "pull_back",
        "through_slope",
    ),
}  # fmt: skip

# What has no methods of its own but those that every object has, tested below.
INHERITED = {"PerNeuron.slope", "PerNeuron.value"}
SHOWN = {"Explanation.widget"}
"""Shows what ``Explanation.to_dict`` returns, and needs a package that may be absent."""


def objective(case: Case) -> object:
    """Compute everything that an objective has."""
    o, v = fm.objective(case.net, case.X, case.Y, l2=1e-3), case.net.vector
    J = o.residual_jacobian(v)
    return [o.fun_and_jac(v), o.hessp(v, v), o.hess(v) @ v, J.T @ (J @ v), J.T @ o.residuals(v), o.network(v)]


def sparse_data() -> Any:
    """Return examples for the sparse network."""
    return makers.data(makers.sparse_network())


def report() -> fm.ConformanceReport:
    """Check two laws of a backend on one problem."""
    return fm.check_backend("sigma", laws=["same_bits", "equal"], scenarios=["single_neuron"])


def entered(block: Any, case: Case) -> object:
    """Enter a block whose choice a gradient takes; the caller's state must hold inside."""
    before = np.geterr()
    with block:
        assert np.geterr() == before
        return fm.gradient(case.net, case.X, case.Y)


def public() -> set[str]:
    """Return the names of all public functions and methods."""
    names = set()
    for name in fm.__all__:
        thing = getattr(fm, name)
        if not inspect.isclass(thing):
            names.add(name)
            continue
        if issubclass(thing, Enum):
            continue
        for attribute in dir(thing):
            own = attribute == "__call__" and "__call__" in vars(thing)
            if own or (not attribute.startswith("_") and callable(getattr(thing, attribute))):
                names.add(f"{name}.{attribute}")
    return names


def test_every_public_function_and_method_is_called():
    inside = {f"{name}.{method}" for name, methods in INSIDE.items() for method in methods}
    assert not inside & set(CALLS)
    assert public() - INHERITED - SHOWN == set(CALLS) | inside


# Drawing takes a tenth of a second, and its numbers come from calls that are made in both states.
STATED = [(name, scale, state) for name in CALLS for scale in SCALES for state in STATES[: 1 + (name[-5:] != ".plot")]]


@pytest.mark.slow
@pytest.mark.usefixtures("clean_registry")
@pytest.mark.parametrize(("name", "scale", "state"), STATED)
def test_no_public_call_raises_or_warns(name, scale, state, tmp_path):
    chosen = [("tanh", "sigmoid"), ("square", "identity")]
    if name.endswith(".plot"):
        pytest.importorskip("matplotlib")
        chosen.pop()
    for activations in chosen:
        case = Case(scale, "float64", activations)
        with strict(state):
            call(CALLS[name], case, tmp_path)
            assert np.geterr()["over"] == state


# An option is one of how to compute, not in what.
TYPED = [(flag, dtype) for flag in makers.FLAGS for dtype in (["float64"] if ":" in flag else makers.DTYPES)]


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "dtype"), TYPED)
@pytest.mark.parametrize("scale", SCALES)
def test_no_backend_raises_or_warns(backend, scale, dtype):
    makers.skip_absent(backend)
    for activations, cost in (
        (("sigmoid", "tanh"), "quadratic"),
        (("relu", "softmax"), "log_likelihood"),
        (("silu", "sigmoid"), "binary_cross_entropy"),
    ):
        case = Case(scale, dtype, activations, backend)
        with strict("raise"):
            call(fm.gradient, case.net, case.X, case.Y, cost, backend)
            for batch_size in (6, "auto"):
                plan = call(fm.prepare, case.net, batch_size, cost, backend)
                if not isinstance(plan, FormulationsException):
                    call(plan, case.X, case.Y)
                    call(copy.copy(plan), case.X, case.Y, [1e-300, 1e300, 1, 1])


@pytest.mark.parametrize("scale", SCALES)
def test_user_supplied_functions_run_on_the_same_terms(scale):
    with strict("raise"):
        cost, square, softmax = own_cost(), own_square(), own_softmax()
        case = Case(scale, "float64", (square, softmax))
        call(case.net, case.X)
        call(fm.gradient, case.net, case.X, case.Y, cost)
        call(fm.prepare(case.net, 4, cost), case.X, case.Y)
        call(fm.certify, case.net, case.X, case.Y, "sigma", cost)
        call(fm.compare, case.net, case.X, case.Y, ["hadamard", "product"], cost)
        call(fm.sgd, case.net, case.X, case.Y, 1, cost=cost)


@pytest.mark.parametrize("scale", SCALES)
def test_what_is_returned_can_be_read_printed_and_copied(scale):
    case = Case(scale)
    with strict("raise"):
        things = [
            case.net,
            case.gradient,
            fm.prepare(case.net, 4),
            fm.prepare(case.net, "auto"),
            fm.PerNeuron(["tanh", "square"]),
            fm.get_backend("sigma"),
            fm.get_backend("sigma").estimate(case.net, 4),
            report(),
            *(
                call(function, case.net, case.X, case.Y, *arguments)
                for function, arguments in (
                    (fm.certify, (case.gradient,)),
                    (fm.compare, (["hadamard", "sigma"],)),
                    (fm.explain, ()),
                )
            ),
            call(forward, case),
            call(stepped, case),
        ]
        for thing in things:
            for name, held in inspect.getmembers_static(type(thing)):
                if isinstance(held, property | cached_property) and not name.startswith("_"):
                    call(getattr, thing, name)
            for read in (repr, str, bool, copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))):
                read(thing)
