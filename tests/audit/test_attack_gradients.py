"""An attack on every backend and on the judge: random networks, compared with sixty digits.

Each gradient, each δ and each cost of each backend has to lie within what rounding can explain by the oracle's own
bounds. The judge is a second opinion: it must not call a right gradient different, nor a wrong one equal.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise
from typing import Any

import makers
import numpy as np
import pytest
from scipy.sparse import csr_array

import formulations as fm
from formulations.exceptions import FormulationsException
from formulations.functions.activations.piecewise import LeakyReLU
from formulations.functions.costs.table import get_cost
from formulations.plans.admission import seconds_for
from formulations.verification.oracles.reference import reference_gradient
from formulations.verification.tolerances.judging import judge, judge_backend
from formulations.verification.tolerances.verdict import Status

oracle = pytest.importorskip("tests.audit.gradient_oracle", exc_type=ImportError)

EXTENDED = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not EXTENDED, reason="the oracle's bounds need a precision above float64"),
]

BLOCKS, NETWORKS = 4, 90
GRADIENTS = 1_300
"""The least number of gradients in a block: 360 networks and 5,200 gradients in total."""
SECONDS = 0.003
"""A backend gets the networks whose estimated time is at most this."""
ELEMENTWISE = [
    "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "identity", "square", "sine",
]  # fmt: skip
BACKENDS = [flag for flag in makers.FLAGS if ":" not in flag]
OPTIONS = [flag for flag in makers.FLAGS if ":" in flag]
COMPILING = 30
"""A compiling engine gets every 30th network; ten consecutive ones differ only in their numbers."""


class Drawn:
    """A network of the series, as the package and as the oracle represent it."""

    def __init__(self, number: int) -> None:
        compiling = number % COMPILING == 0
        shape = np.random.default_rng([2026, number // (10 * COMPILING) * 10 * COMPILING if compiling else number])
        random = np.random.default_rng([11, number])
        self.compiling = compiling
        self.dtype = dtype = np.dtype(
            shape.choice(["float32", "float64"]) if compiling else shape.choice(makers.DTYPES, p=[0.4, 0.45, 0.15])
        )
        widest = int(shape.choice([2, 4, 8]))
        sizes = shape.integers(1, widest, int(shape.integers(2, 6, endpoint=True)), endpoint=True).tolist()
        m = int(shape.integers(1, 5, endpoint=True))
        names = self._activations(shape, sizes, dtype)
        cost = self._cost(shape, names, sizes)
        mask = shape.random() < 0.15
        scale = 10 ** random.uniform(-3, 1.5)
        if random.random() < 0.08:
            scale = float(random.choice([1e-30, 1e-12, 1e6, 1e15]))
        weights, biases, patterns = [], [], []
        for before, after in pairwise(sizes):
            w = (random.standard_normal((after, before)) * scale / before**0.5).astype(dtype)
            kept = shape.random(w.shape) < 0.6
            weights.append(w * kept if mask else w)
            # A stored zero is a parameter.
            patterns.append(np.nonzero(kept) if mask else None)
            spread = float(random.choice([0, 0.5, scale]))
            biases.append((random.standard_normal(after) * spread).astype(dtype))
        reach = 10 ** random.uniform(-2, 1) if random.random() < 0.9 else float(random.choice([1e-20, 1e4]))
        X = (random.standard_normal((m, sizes[0])) * reach).astype(dtype)
        self.problem = oracle.Problem(
            weights, biases, names, patterns, X, self._targets(random, cost, (m, sizes[-1])).astype(dtype), cost,
            self._sample_weight(random, m), dtype,
        )  # fmt: skip
        stored = [
            w if pattern is None else csr_array((w[pattern], pattern), shape=w.shape)
            for w, pattern in zip(weights, patterns, strict=True)
        ]
        self.net = fm.Network(stored, biases, [self._object(name) for name in names], dtype=dtype)

    def _activations(self, shape: Any, sizes: list[int], dtype: Any) -> list[Any]:
        served = [name for name in ELEMENTWISE if dtype != np.longdouble or name != "gelu"]
        one = lambda: str(shape.choice(served))  # noqa: E731
        leaky = lambda name: ("leaky_relu", float(shape.choice([0.01, 0.3, 0.0]))) if name == "leaky_relu" else name  # noqa: E731
        if shape.random() < 0.1:
            return ["identity"] * (len(sizes) - 1)
        names: list[Any] = [leaky(one()) for _ in sizes[1:]]
        if shape.random() < 0.15:
            place = int(shape.integers(len(names)))
            names[place] = [leaky(one()) for _ in range(sizes[place + 1])]
        if shape.random() < 0.15:
            names[int(shape.integers(len(names)))] = "softmax"
        if shape.random() < 0.35:
            outputs: list[Any] = ["sigmoid", "softmax", "softplus", ["sigmoid"] * sizes[-1]]
            names[-1] = outputs[int(shape.integers(4))]
        return names

    def _cost(self, shape: Any, names: list[Any], sizes: list[int]) -> str:
        last, costs = names[-1], ["quadratic"]
        sigmoids = isinstance(last, list) and set(last) == {"sigmoid"}
        # A softmax of one neuron is 1, at which the cross-entropy of an output without a combined form is infinite.
        if last == "sigmoid" or sigmoids or (last == "softmax" and sizes[-1] > 1):
            costs += ["binary_cross_entropy", "log_likelihood"]
        elif last in ("softplus", "softmax"):
            costs.append("log_likelihood")
        return str(shape.choice(costs))

    def _targets(self, random: Any, cost: str, shape: tuple[int, int]) -> Any:
        kind = random.random()
        if kind < 0.4:
            return random.random(shape)
        if kind < 0.7 or cost != "quadratic":
            return np.eye(shape[1])[random.integers(shape[1], size=shape[0])]
        return random.standard_normal(shape) * 10 ** random.uniform(-2, 3)

    def _sample_weight(self, random: Any, m: int) -> Any:
        kind = random.random()
        if kind < 0.6:
            return None
        weights = random.random(m) + 0.01
        if kind > 0.75:
            weights[1:] *= random.random(m - 1) < 0.5
            random.shuffle(weights)
        return weights * float(random.choice([1e-30, 1, 1e20]))

    def _object(self, name: Any) -> Any:
        if isinstance(name, list):
            return fm.PerNeuron([self._object(member) for member in name])
        return LeakyReLU(name[1]) if isinstance(name, tuple) else name

    def flags(self, number: int) -> list[str]:
        """Every backend that serves it in a short time, and a few of the options in turn."""
        chosen = BACKENDS + [OPTIONS[(number * 4 + k) % len(OPTIONS)] for k in range(4)]
        cost, m = get_cost(self.problem.cost), len(self.problem.X)
        found = []
        for flag in chosen:
            backend = fm.get_backend(flag)
            if flag.startswith("autodiff_jax") and not self.compiling:
                continue
            if backend.why_not(self.net, cost) is None and seconds_for(backend.estimate(self.net, m)) <= SECONDS:
                found.append(flag)
        return found


def residual(found: Any, exact: tuple[Any, Any]) -> Any:
    """Return |found − exact| for an exact value in two parts."""
    high, low = exact
    return np.abs((np.asarray(found).astype(np.longdouble) - high) - low)


def outside(found: Any, exact: tuple[Any, Any], bound: Any) -> Any:
    """Return where a number is further away than its bound; an infinite bound excludes nothing."""
    return ~(residual(found, exact) <= bound) & np.isfinite(bound)


@cache
def _scheme(flag: str) -> Any:
    backend = fm.get_backend(flag)
    options = dict(part.split("=") for part in flag.partition(":")[2].split(",") if part)
    name = backend.name
    return (name, options.get("scheme", "central")) if name in ("finite_difference", "node_perturbation") else None


def quotients(drawn: Drawn, scheme: str) -> tuple[Any, Any]:
    """Return the exact difference quotients of all parameters, and bounds on the error of computed ones."""
    problem, dtype = drawn.problem, drawn.dtype
    eps = np.finfo(dtype).eps
    theta = oracle.flat(problem, problem.weights, problem.biases)
    order = {"forward": 1, "central": 2, "richardson": 4}[scheme]
    h = (theta + dtype.type(float(eps ** (1 / (order + 1)))) * np.maximum(dtype.type(1), np.abs(theta))) - theta

    def at(step: Any) -> tuple[Any, Any]:
        places = [np.arange(theta.size)] * 2
        moved = np.repeat(theta[None], theta.size, axis=0)
        moved[places[0], places[1]] = theta + step
        weights, biases, start = [], [], 0
        for w, b, pattern in zip(problem.weights, problem.biases, problem.patterns, strict=True):
            count = w.size if pattern is None else len(pattern[0])
            part = moved[:, start : start + count].astype(np.longdouble)
            if pattern is None:
                weights.append(part.reshape(-1, *w.shape))
            else:
                weights.append(np.zeros((theta.size, *w.shape), np.longdouble))
                weights[-1][:, pattern[0], pattern[1]] = part
            biases.append(moved[:, start + count : start + count + b.size].astype(np.longdouble))
            start += count + b.size
        return oracle.cost_of_perturbed(problem, weights, biases)

    u = np.longdouble(eps) / 2

    def quotient(ahead: Any, behind: Any, width: Any) -> tuple[Any, Any]:
        (C, e), (C0, e0) = ahead, behind
        width = width.astype(np.longdouble)
        found = (C - C0) / width
        return found, (e + e0) / np.abs(width) + 4 * u * np.abs(found) + np.finfo(dtype).smallest_normal / np.abs(width)

    with np.errstate(all="ignore"):
        if scheme == "forward":
            return quotient(at(h), at(np.zeros_like(h)), h)
        found = [quotient(at(step), at(-step), (theta + step) - (theta - step)) for step in (h, h + h)]
        if scheme == "central":
            return found[0]
        (D, e), (D2, e2) = found
        return (4 * D - D2) / 3, (4 * e + e2) / 3 + 4 * u * (np.abs(D) * 2 + np.abs(D2))


def node_quotients(drawn: Drawn, exact: Any, scheme: str, local: Any) -> tuple[Any, Any]:
    """Return the exact quotients δ of every neuron and example, and bounds on the error of computed ones."""
    problem, dtype = drawn.problem, drawn.dtype
    eps, m = np.finfo(dtype).eps, len(problem.X)
    W = [w.astype(np.longdouble) for w in problem.weights]
    b = [each.astype(np.longdouble) for each in problem.biases]
    shares, found = oracle.shares_of(problem), []
    u = np.longdouble(eps) / 2
    for i, z in enumerate(exact.z):
        n = z.shape[1]
        place = z.astype(dtype)
        relative = dtype.type(float(eps ** (1 / (3 if scheme == "central" else 2))))
        h = ((place + relative * np.maximum(dtype.type(1), np.abs(place))) - place).astype(np.longdouble)
        ahead, behind = (np.zeros((m, n, m, n), np.longdouble) for _ in range(2))
        x, j = np.meshgrid(range(m), range(n), indexing="ij")
        ahead[x, j, x, j] = h
        behind[x, j, x, j] = -h if scheme == "central" else 0
        (C, e), (C0, e0) = (
            oracle.cost_of_perturbed(problem, W, b, {i: shift.reshape(m * n, m, n)}) for shift in (ahead, behind)
        )
        width = h * (2 if scheme == "central" else 1)
        with np.errstate(all="ignore"):
            delta = (C - C0).reshape(m, n) / width
            bound = (e + e0).reshape(m, n) / width + 4 * u * np.abs(delta)
        # The perturbed z itself is rounded, which changes δ by at most the bound of δ.
        found.append((np.where(shares == 0, 0, delta), np.where(shares == 0, 0, bound + local.errors[i])))
    return found


def complaints(drawn: Drawn, exact: Any, bounds: dict[str, Any], flag: str, gradient: Any) -> list[str]:
    """Return what is certainly wrong with a gradient."""
    backend, scheme = fm.get_backend(flag), _scheme(flag)
    kind = "local" if backend.inner.tier is fm.Tier.RECURRENCE else "paths"
    found = []
    bound = bounds["moments" if backend.name == "linear_collapse" else kind]
    if np.any(outside(gradient.cost, exact.cost, bound.cost)):
        found.append(f"C is {gradient.cost!r} and should be {float(exact.cost[0][0])!r}, ± {float(bound.cost):.2g}")
    vector, target = bound.vector, exact.vector
    if scheme is not None:
        name, quotient = scheme
        if name == "finite_difference":
            value, vector = quotients(drawn, quotient)
            target = value, np.zeros_like(value)
        else:
            for i, (delta, e) in enumerate(node_quotients(drawn, exact, quotient, bound)):
                if outside(gradient.errors[i], (delta, np.zeros_like(delta)), e).any():
                    found.append(f"δ^{i + 2} is not the difference quotient")
            return found
    elif gradient.errors is not None and bound.errors:
        for i, (delta, e) in enumerate(zip(gradient.errors, bound.errors, strict=True)):
            wrong = outside(delta, exact.errors[i], e)
            if wrong.any():
                place = tuple(int(k) for k in np.argwhere(wrong)[0])
                found.append(
                    f"δ^{i + 2}{list(place)} is {delta[place]!r} and should be {exact.errors[i][0][place]!r}, "
                    f"± {float(e[place]):.2g}"
                )
    wrong = outside(gradient.vector, target, vector)
    if wrong.any():
        i = int(np.argmax(wrong))
        found.append(
            f"{gradient.layout.locate(i)} is {gradient.vector[i]!r} and should be {target[0][i]!r}, "
            f"± {float(vector[i]):.2g}"
        )
    return found


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_gradient_is_wrong_and_no_verdict_is_false(block, record_property):
    found, counts = [], Counter()
    for number in range(block * NETWORKS, (block + 1) * NETWORKS):
        drawn = Drawn(number)
        found += [
            f"network {number}, {drawn.net}, {drawn.problem.cost}: {each}" for each in attack(drawn, number, counts)
        ]
    record_property("counts", dict(counts))
    print(counts)
    assert not found, f"{len(found)} defects\n" + "\n".join(found)
    assert counts["gradients"] >= GRADIENTS, counts


def attack(drawn: Drawn, number: int, counts: Counter[str]) -> list[str]:
    problem, net = drawn.problem, drawn.net
    exact = oracle.exact_gradient(problem)
    bounds = oracle.gradient_bounds(problem, exact)
    arguments = {"cost": problem.cost, "sample_weight": problem.sample_weight}
    with np.errstate(all="ignore"):
        reference = reference_gradient(net.forward(problem.X, problem.Y, **arguments))
    found = []
    known = {kind: bool(np.isfinite(bound.vector).all() and np.isfinite(bound.cost)) for kind, bound in bounds.items()}
    for flag in drawn.flags(number):
        counts["gradients"] += 1
        plan = fm.prepare(net, len(problem.X), cost=problem.cost, backend=flag)
        with np.errstate(all="ignore"):
            gradient = plan(problem.X, problem.Y, problem.sample_weight)
            verdict = judge_backend(plan.backend, plan.tape, gradient, reference)
        if not (np.isfinite(gradient.vector).all() and np.isfinite(gradient.cost)):
            counts["not finite"] += 1
            if known["local"] and known["paths"]:
                found.append(f"{flag}: it is not finite, and C is {gradient.cost}")
            continue
        wrong = complaints(drawn, exact, bounds, flag, gradient)
        found += [f"{flag}: {each}" for each in wrong]
        counts[str(verdict.status)] += 1
        counts["known"] += known["local"]
        if verdict.status is Status.DIFFERENT and not wrong and known["local"]:
            found.append(f"{flag} is right, and called different: {verdict.reason}")
        found += [f"{flag}: {each}" for each in overstated(drawn, exact, bounds["local"].vector, gradient, verdict)]
    found += in_one_call(drawn, one_of(number, drawn.flags(number)), all(known.values()))
    if known["local"]:
        found += planted(drawn, number, exact, bounds["local"].vector, reference, counts)
    return found


def one_of(number: int, held: list[str]) -> str:
    return held[number % len(held)]


def in_one_call(drawn: Drawn, flag: str, known: bool) -> list[str]:
    """Return where the gradient of one call differs from that of a plan, or is refused without a reason."""
    problem = drawn.problem
    arguments = {"cost": problem.cost, "backend": flag}
    plan = fm.prepare(drawn.net, len(problem.X), **arguments)
    with np.errstate(all="ignore"):
        prepared = plan(problem.X, problem.Y, problem.sample_weight)
    try:
        found = fm.gradient(drawn.net, problem.X, problem.Y, sample_weight=problem.sample_weight, **arguments)
    except FormulationsException as refusal:
        return [f"{flag} refuses: {refusal}"] if known else []
    same = np.array_equal(found.vector, prepared.vector) and np.array_equal(found.cost, prepared.cost)
    return [] if same else [f"{flag}: one call and a plan do not give the same bits"]


def overstated(drawn: Drawn, exact: Any, bound: Any, gradient: Any, verdict: Any) -> list[str]:
    """Return where a gradient called equal is further from the exact one than candidate and reference can be."""
    if verdict.status is not Status.EQUAL or verdict.rule != "T4":
        return []
    found, distance = [], residual(gradient.vector, exact.vector)
    for line in verdict.layers:
        if line.equation not in ("∂C/∂w", "∂C/∂b"):
            continue
        part = drawn.net.layout.slices[line.layer - 2][line.equation == "∂C/∂b"]
        largest = np.abs(exact.vector[0][part]).max()
        furthest = distance[part].max()
        # A difference within roundoff is not certainly wrong, even if the gradient is subnormal.
        if not furthest <= min(2 * line.bound, 2e-3 * largest) + bound[part].max():
            found.append(
                f"{line.equation} of layer {line.layer} is off by {furthest:.2g} of {largest:.2g}, and called equal"
            )
    return found


def planted(drawn: Drawn, number: int, exact: Any, bound: Any, reference: Any, counts: Counter[str]) -> list[str]:
    """Judge the exact gradient, and the same gradient with faults."""
    random, layout = np.random.default_rng([5, number]), drawn.net.layout
    with np.errstate(over="ignore", under="ignore"):
        right = exact.vector[0].astype(drawn.dtype)
        cost = exact.cost[0][0].astype(drawn.dtype)

    def verdict(vector: Any) -> tuple[Any, Any]:
        counts["planted"] += 1
        gradient = fm.Gradient(layout, vector, cost=cost)
        return gradient, judge(reference.tape, gradient, fm.Tier.FORWARD, reference=reference)

    found = []
    if verdict(right.copy())[1].status is Status.DIFFERENT:
        found.append("the exact gradient is called different")
    part = layout.slices[int(random.integers(len(layout.slices)))][int(random.integers(2))]
    if part.start == part.stop:
        return found
    faults = {
        "sign": lambda v: -v,
        "factor": lambda v: v * drawn.dtype.type(1 + 10 ** random.uniform(-12, -1)),
        "entry": lambda v: np.where(np.arange(v.size) == v.size // 2, v + np.abs(v).max() / 100, v),
        "NaN": lambda v: np.full_like(v, np.nan),
    }
    for name, fault in faults.items():
        wrong = right.copy()
        with np.errstate(all="ignore"):
            wrong[part] = fault(right[part])
        gradient, said = verdict(wrong)
        counts["seen"] += said.status is Status.DIFFERENT
        found += [f"planted {name}: {each}" for each in overstated(drawn, exact, bound, gradient, said)]
        if name == "NaN" and said.status is Status.EQUAL:
            found.append("NaN is called equal")
    return found
