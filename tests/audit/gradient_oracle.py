"""The gradient in sixty digits from the book's equations, and bounds on the roundoff of a correct computation.

The oracle shares no code with the package: σ, σ′, the costs, (25) and (BP1)–(BP4) are implemented independently, the
values with mpmath, the bounds in extended precision. It reads only a network's weights, biases and activation names.

The bounds propagate the roundoff of every operation, entry by entry. For each activation f the range of f and f′ over
[z − e, z + e] follows from a bound on the logarithmic slope of f′ or on f″ near z, so that it stays relative if a
neuron saturates. An evaluation of f or f′ may lose 8u of its terms, and an absolute amount below the normal numbers.
Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 3: u = eps/2, γ_k = ku/(1 − ku).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

__all__ = ["Bounds", "Exact", "Problem", "cost_of_perturbed", "exact_gradient", "flat", "gradient_bounds"]

mp = mpmath.mp.clone()
mp.dps = 60
WIDE = np.longdouble


@dataclass(frozen=True)
class Problem:
    """A network with its examples, in plain arrays."""

    weights: list[Any]
    biases: list[Any]
    activations: list[Any]
    """For each layer a name, ``("leaky_relu", ν)``, or a list of these, one for each neuron."""
    patterns: list[Any]
    """For each layer None, or the rows and columns of the stored weights."""
    X: Any
    Y: Any
    cost: str
    sample_weight: Any
    dtype: Any

    @property
    def form(self) -> str:
        """``"sigmoid"`` or ``"softmax"`` if the cost is combined with these outputs, else ``"outputs"``."""
        last, sigmoids = self.activations[-1], {"binary_cross_entropy", "log_likelihood"}
        if self.cost == "log_likelihood" and last == "softmax":
            return "softmax"
        if self.cost in sigmoids and (last == "sigmoid" or (isinstance(last, list) and set(last) == {"sigmoid"})):
            return "sigmoid"
        return "outputs"


# Numbers of sixty digits ------------------------------------------------------------------------------------------


def _digits(x: Any) -> Any:
    fraction, exponent = np.frexp(WIDE(x))
    return mp.ldexp(mp.mpf(int(np.ldexp(fraction, 64))), int(exponent) - 64)


def _wide(x: Any) -> Any:
    man, exponent = x.man_exp
    surplus = max(0, man.bit_length() - 64)
    # Beyond the range of longdouble, 0 or infinity.
    size = np.ldexp(WIDE(man >> surplus), min(max(exponent + surplus, -20000), 20000))
    return -size if x < 0 else size


digits = np.frompyfunc(_digits, 1, 1)
_to_wide = np.frompyfunc(_wide, 1, 1)


def wide(array: Any) -> Any:
    """Return an array of mpf in extended precision, rounded towards 0."""
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(_to_wide(array)).astype(WIDE)


# The functions, in sixty digits -----------------------------------------------------------------------------------


def _sigmoid(z: Any) -> Any:
    falling = mp.exp(-abs(z))
    quotient = 1 / (1 + falling)
    return (quotient if z >= 0 else falling * quotient), falling * quotient * quotient


def _tanh(z: Any) -> Any:
    falling = mp.exp(-2 * abs(z))
    return mp.tanh(z), 4 * falling / (1 + falling) ** 2


def _softplus(z: Any) -> Any:
    return max(z, mp.mpf(0)) + mp.log1p(mp.exp(-abs(z))), _sigmoid(z)[0]


def _elu(z: Any) -> Any:
    return (z, mp.mpf(1)) if z > 0 else (mp.expm1(z), mp.exp(z))


def _silu(z: Any) -> Any:
    sigma = _sigmoid(z)[0]
    return z * sigma, sigma * (1 + z * _sigmoid(-z)[0])


def _gelu(z: Any) -> Any:
    tail = mp.erfc(-z / mp.sqrt(2)) / 2
    return z * tail, tail + z * mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


FUNCTIONS = {
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "softplus": _softplus,
    "elu": _elu,
    "silu": _silu,
    "gelu": _gelu,
    "relu": lambda z: (z, mp.mpf(1)) if z > 0 else (mp.mpf(0), mp.mpf(0)),
    "identity": lambda z: (z, mp.mpf(1)),
    "square": lambda z: (z * z, 2 * z),
    "sine": lambda z: (mp.sin(z), mp.cos(z)),
}
_VECTORISED = {name: np.frompyfunc(f, 1, 2) for name, f in FUNCTIONS.items()}


def _element(name: Any, z: Any, dtype: Any) -> tuple[Any, Any]:
    if isinstance(name, tuple):
        # The slope is ν rounded to the dtype of the network.
        nu = _digits(dtype.type(name[1]))
        return np.where(z > 0, z, nu * z), np.where(z > 0, mp.mpf(1), nu)
    value, slope = _VECTORISED[name](z)
    return value, slope


def _evaluate(activation: Any, z: Any, dtype: Any) -> tuple[Any, Any]:
    """Return a and σ′(z); for a softmax the slope is None, since a determines it."""
    if activation == "softmax":
        shifted = np.frompyfunc(mp.exp, 1, 1)(z - z.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True), None
    if isinstance(activation, list):
        columns = [_element(name, z[:, j], dtype) for j, name in enumerate(activation)]
        return np.stack([a for a, _ in columns], axis=1), np.stack([d for _, d in columns], axis=1)
    return _element(activation, z, dtype)


def _through_softmax(a: Any, v: Any) -> Any:
    """Return a_j Σ_k a_k (v_j − v_k), which is a ⊙ (v − aᵀv) without cancellation."""
    return a * (a[:, None, :] * (v[:, :, None] - v[:, None, :])).sum(axis=2)


@dataclass(frozen=True)
class Exact:
    """The gradient, each number in two parts, high + low, and the quantities of the passes."""

    vector: tuple[Any, Any]
    errors: list[tuple[Any, Any]]
    cost: tuple[Any, Any]
    z: list[Any]
    a: list[Any]
    d: list[Any]
    s: list[Any]
    delta: list[Any]
    G: Any


def exact_gradient(problem: Problem) -> Exact:
    """Compute C, δ, ∂C/∂w and ∂C/∂b in sixty digits."""
    W, b = [digits(w) for w in problem.weights], [digits(each) for each in problem.biases]
    Y, m = digits(problem.Y), len(problem.X)
    shares = np.full((m, 1), mp.mpf(1) / m)
    if problem.sample_weight is not None:
        given = digits(problem.sample_weight)
        shares = (given / given.sum())[:, None]
    z, a, d = [], [digits(problem.X)], []
    for w, bias, activation in zip(W, b, problem.activations, strict=True):
        z.append(a[-1] @ w.T + bias)
        value, slope = _evaluate(activation, z[-1], problem.dtype)
        a.append(value)
        d.append(slope)
    values, G, delta = _output(problem, z[-1], a[-1], d[-1], Y)
    # A share of 0 excludes its example, whatever its cost.
    counted = shares[:, 0] != 0
    cost = (values[counted] * shares[counted, 0]).sum()
    delta, s = [np.where(counted[:, None], delta * shares, mp.mpf(0))], [None]
    for i in range(len(W) - 2, -1, -1):
        pulled = delta[0] @ W[i + 1]
        s.insert(0, pulled)
        delta.insert(0, _through_softmax(a[i + 1], pulled) if d[i] is None else d[i] * pulled)
    vector = flat(problem, [e.T @ below for e, below in zip(delta, a, strict=False)], [e.sum(axis=0) for e in delta])
    scaled = None if G is None else np.where(counted[:, None], G * shares, mp.mpf(0))
    return Exact(
        _parts(vector), [_parts(e) for e in delta], _parts(np.array([cost], object)),
        [wide(each) for each in z], [wide(each) for each in a], [None if each is None else wide(each) for each in d],
        [None if each is None else wide(each) for each in s], [wide(each) for each in delta],
        None if scaled is None else wide(scaled),
    )  # fmt: skip


def _parts(array: Any) -> tuple[Any, Any]:
    high = wide(array)
    return high, wide(array - digits(high)) if np.isfinite(high).all() else np.zeros_like(high)


def flat(problem: Problem, weights: list[Any], biases: list[Any]) -> Any:
    """Return w², b², w³, … as one vector, with only the stored entries of sparse weights."""
    pieces = []
    for w, b, pattern in zip(weights, biases, problem.patterns, strict=True):
        pieces += [w.ravel() if pattern is None else w[pattern], b]
    return np.concatenate(pieces)


def _output(problem: Problem, z: Any, a: Any, d: Any, Y: Any) -> tuple[Any, Any, Any]:
    """Return C_x, ∇_aC_x if (BP1) is not combined, and δ^L, without the shares."""
    softplus, log = np.frompyfunc(lambda x: _softplus(x)[0], 1, 1), np.frompyfunc(mp.log, 1, 1)
    sigma = np.frompyfunc(lambda x: _sigmoid(x)[0], 1, 1)
    if problem.form == "sigmoid" and problem.cost == "log_likelihood":
        return (Y * softplus(-z)).sum(axis=1), None, -Y * sigma(-z)
    if problem.form == "sigmoid":
        return (Y * softplus(-z) + (1 - Y) * softplus(z)).sum(axis=1), None, (1 - Y) * sigma(z) - Y * sigma(-z)
    if problem.form == "softmax":
        top = z.max(axis=1, keepdims=True)
        reach = log(np.frompyfunc(mp.exp, 1, 1)(z - top).sum(axis=1, keepdims=True))
        return (Y * (reach + top - z)).sum(axis=1), None, a * Y.sum(axis=1, keepdims=True) - Y
    if problem.cost == "quadratic":
        values, G = ((a - Y) ** 2).sum(axis=1) / 2, a - Y
    elif problem.cost == "log_likelihood":
        # 0·ln 0 is 0.
        values = np.array(
            [-sum((y * mp.log(o) for y, o in zip(*row, strict=True) if y), mp.mpf(0)) for row in zip(Y, a, strict=True)]
        )
        G = np.where(Y == 0, mp.mpf(0), -Y / a)
    else:
        other = 1 - a
        if problem.activations[-1] == "softmax":
            other = a.sum(axis=1, keepdims=True) - a
            other = np.stack(
                [np.delete(a, j, axis=1).sum(axis=1) if a.shape[1] > 1 else 0 * a[:, j] for j in range(a.shape[1])],
                axis=1,
            )
        values = np.array([
            -sum((y * mp.log(o) for y, o in zip(ys, os, strict=True) if y), mp.mpf(0))
            - sum(((1 - y) * mp.log(p) for y, p in zip(ys, ps, strict=True) if y != 1), mp.mpf(0))
            for ys, os, ps in zip(Y, a, other, strict=True)
        ])  # fmt: skip
        hit = np.where(Y == 0, mp.mpf(0), Y / np.where(Y == 0, mp.mpf(1), a))
        G = np.where(Y == 1, mp.mpf(0), (1 - Y) / np.where(Y == 1, mp.mpf(1), other)) - hit
    return values, G, _through_softmax(a, G) if d is None else d * G


# Bounds -----------------------------------------------------------------------------------------------------------


def _grown(e: Any) -> Any:
    """Return e^e − 1, which is infinite if e is large."""
    return np.where(e > 1000, np.inf, np.expm1(np.minimum(e, 1000)))


def reach(name: Any, z: Any, a: Any, d: Any, e: Any, unit: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return bounds on the errors of computed f and f′ at a z whose error is at most e."""
    u, tiny = unit
    size, own_d = np.abs(z), 8 * u * np.abs(d)
    if name == "sigmoid":
        # |(ln σ′)′| ≤ 1, so that σ′ over the interval is at most e^e σ′(z), and |σ″| ≤ σ′.
        of_a = of_d = d * _grown(e)
    elif name == "tanh":
        of_a, of_d = d * _grown(2 * e) / 2, d * _grown(2 * e)
    elif name == "softplus":
        # f′ = σ, whose own slope is σ(1 − σ).
        of_a, of_d = np.minimum(e, d * _grown(e)), d * np.exp(-np.maximum(z, 0)) * _grown(e)
    elif name == "elu":
        steepest = np.exp(np.minimum(z + e, 0))
        of_a, of_d = np.minimum(e, steepest * e), np.where(z - e > 0, 0, steepest * e)
    elif name == "silu":
        # |f″| = σ′|2 + z(1 − 2σ)|.
        falling = np.exp(-np.minimum(size, 12000))
        of_d = falling / (1 + falling) ** 2 * (2 + size + e) * _grown(e)
        of_a, own_d = np.abs(d) * e + of_d * e, 8 * u * (np.abs(a) + np.abs(d) + np.where(z > 0, 1, falling))
    elif name == "gelu":
        # The exponent z²/2 is rounded, as if z were: |f″| = φ(z)|2 − z²|.
        e = e + 8 * u * size
        near = np.maximum(size - e, 0)
        density = np.exp(-(near**2) / 2) / 2
        of_d = density * (2 + (size + e) ** 2) * e
        of_a = np.abs(d) * e + of_d * e
        own_d = 8 * u * (np.abs(d) + density * (1 + size))
    elif name == "sine":
        of_a, of_d = np.minimum(np.abs(d) * e + e * e / 2, 2), np.minimum(np.abs(a) * e + e * e / 2, 2)
    elif name == "square":
        of_a, of_d = np.abs(d) * e + e * e, 2 * e
    elif name == "identity":
        return e, np.zeros_like(e)
    else:
        # At 0 itself a computation that finds z = 0 without rounding takes the left slope.
        of_a, of_d = np.where(z + e > 0, e, np.abs(d) * e), np.where((size <= e) & (e > 0), 1, 0)
        if name == "relu":
            return of_a, of_d * WIDE(1)
        return of_a + u * np.abs(a), of_d + own_d
    floor = 8 * tiny * (1 + np.minimum(size, 12000))
    return of_a + 8 * u * np.abs(a) + floor, of_d + own_d + floor


def _reach_of_layer(activation: Any, z: Any, a: Any, d: Any, e: Any, unit: Any) -> tuple[Any, Any]:
    u, tiny = unit
    if activation == "softmax":
        # a_j lies within e^{t_j} / Σ a_k e^{−t_k} of itself, t_k what z_k − max z and its exponential lose.
        t = e + e.max(axis=-1, keepdims=True) + 4 * u * (z.max(axis=-1, keepdims=True) - z + 2)
        weight = (a * np.exp(-np.minimum(t, 1000))).sum(axis=-1, keepdims=True)
        ratio = (1 + _grown(t)) / weight - 1
        n = z.shape[-1]
        return a * (ratio + (n + 8) * u * (1 + ratio)) + 4 * (n + 2) * tiny, None
    if isinstance(activation, list):
        parts = [reach(name, z[..., j], a[..., j], d[..., j], e[..., j], unit) for j, name in enumerate(activation)]
        return np.stack([p[0] for p in parts], axis=-1), np.stack([p[1] for p in parts], axis=-1)
    return reach(activation, z, a, d, e, unit)


def _unit(dtype: Any) -> tuple[Any, Any]:
    return WIDE(np.finfo(dtype).eps) / 2, WIDE(np.finfo(dtype).smallest_normal)


def gamma(k: int, u: Any) -> Any:
    """Return γ_k = ku/(1 − ku)."""
    return k * u / (1 - k * u)


def _in_range(bound: Any, size: Any, dtype: Any) -> Any:
    """Return the bound if numbers of this size can be squared without overflow, else infinity."""
    held = np.abs(size) + bound < WIDE(np.finfo(dtype).max) / 1024
    return np.where(held, bound, np.inf)


def _forward(problem: Problem, W: list[Any], b: list[Any], z: Any, a: Any, d: Any) -> tuple[Any, Any, Any]:
    """Return E_z, E_a and E_d of every layer."""
    unit = u, tiny = _unit(problem.dtype)
    of_z, of_a, of_d = [], [np.zeros_like(a[0])], []
    for i, activation in enumerate(problem.activations):
        magnitude, n = np.abs(W[i]).swapaxes(-1, -2), W[i].shape[-1]
        size = (np.abs(a[i]) + of_a[-1]) @ magnitude
        # If every product is 0, nothing is rounded.
        e = of_a[-1] @ magnitude + gamma(n + 2, u) * (size + np.abs(b[i])) + np.where(size == 0, 0, (n + 2) * tiny)
        e = np.broadcast_to(_in_range(e, size + np.abs(b[i]), problem.dtype), z[i].shape)
        of_z.append(e)
        moved, turned = _reach_of_layer(activation, z[i], a[i + 1], d[i], e, unit)
        # Nothing is known if z may be infinite, not even if f is bounded.
        moved, turned = (None if each is None else np.where(np.isfinite(e), each, np.inf) for each in (moved, turned))
        of_a.append(_in_range(moved, a[i + 1], problem.dtype))
        of_d.append(None if turned is None else _in_range(turned, d[i], problem.dtype))
    return of_z, of_a, of_d


def _of_softplus(z: Any, e: Any, u: Any) -> tuple[Any, Any]:
    """Return softplus(z) and the bound of its computed value at a z whose error is at most e."""
    value = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
    slope = np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))
    return value, np.minimum(e, slope * _grown(e)) + 8 * u * value


def _of_cost(problem: Problem, z: Any, a: Any, e: tuple[Any, Any], shares: Any) -> tuple[Any, Any]:
    """Return C in extended precision and the bound of a computed C; z and a may have further axes in front."""
    u, tiny = _unit(problem.dtype)
    of_z, of_a = e
    Y = problem.Y.astype(WIDE)
    m, n = Y.shape
    # 0·∞ belongs to an entry without weight.
    weighed = lambda y, term: np.where(y == 0, 0, y * term)  # noqa: E731
    if problem.form == "sigmoid":
        (miss, of_miss), (hit, of_hit) = _of_softplus(z, of_z, u), _of_softplus(-z, of_z, u)
        other = 1 - Y if problem.cost == "binary_cross_entropy" else np.zeros_like(Y)
        values, bound = weighed(Y, hit) + weighed(other, miss), weighed(Y, of_hit) + weighed(other, of_miss)
    elif problem.form == "softmax":
        top = z.max(axis=-1, keepdims=True)
        reached = np.log(np.exp(z - top).sum(axis=-1, keepdims=True)) + top
        largest = np.abs(z).max(axis=-1, keepdims=True)
        values = weighed(Y, reached - z)
        # The logarithm of the sum and z are rounded, and their difference may be smaller than both.
        spread = of_z + of_z.max(axis=-1, keepdims=True)
        bound = weighed(Y, spread + 8 * u * (largest + np.abs(z) + np.log(WIDE(n)) + 1))
    elif problem.cost == "quadratic":
        residual = np.abs(a - Y)
        noise = of_a + u * (residual + of_a)
        values, bound = residual**2 / 2, residual * noise + noise**2 / 2
    else:
        values = bound = np.zeros_like(a)
        for y, p, nearly in ((Y, a, of_a), (1 - Y, 1 - a, of_a + u * (1 - a))):
            if problem.cost == "log_likelihood" and y is not Y:
                continue
            p = np.maximum(p, 0)
            logarithm = np.where(p > 0, -np.log(np.where(p > 0, p, 1)), np.inf)
            of_log = np.where(nearly < p, -np.log1p(-nearly / np.where(p > 0, p, 1)), np.inf)
            values, bound = values + weighed(y, logarithm), bound + weighed(y, of_log + 8 * u * np.abs(logarithm))
    counted = shares[:, 0] != 0
    values, bound = values[..., counted, :], bound[..., counted, :]
    of_values = bound.sum(axis=-1) + gamma(n + 6, u) * (np.abs(values) + bound).sum(axis=-1) + n * tiny
    of_values = _in_range(of_values, (np.abs(values) + bound).sum(axis=-1), problem.dtype)
    s = shares[counted, 0]
    total = (np.abs(values).sum(axis=-1) + of_values) * s
    of_C = (of_values * s).sum(axis=-1) + gamma(2 * m + 12, u) * total.sum(axis=-1) + (m + 2) * tiny
    return (values.sum(axis=-1) * s).sum(axis=-1), of_C


@dataclass(frozen=True)
class Bounds:
    """Bounds on the error of a correct computation, entry by entry; infinite if nothing is known."""

    vector: Any
    errors: list[Any]
    cost: Any


def shares_of(problem: Problem) -> Any:
    """Return w_x/Σw, or 1/m, shape (m, 1)."""
    m = len(problem.X)
    if problem.sample_weight is None:
        return np.full((m, 1), WIDE(1) / m)
    given = problem.sample_weight.astype(WIDE) / problem.sample_weight.max()
    return (given / given.sum())[:, None]


def gradient_bounds(problem: Problem, exact: Exact) -> dict[str, Bounds]:
    """Return the bounds of three kinds of computation.

    ``"local"`` is for recurrences from layer to layer. ``"paths"`` is for products with any bracketing, whose terms are
    summed along every path, with |w| and |σ′|. ``"moments"`` is for formulations that sum over examples and layers
    before they subtract the targets.
    """
    with np.errstate(all="ignore"):
        unit = _unit(problem.dtype)
        W, b = [w.astype(WIDE) for w in problem.weights], [each.astype(WIDE) for each in problem.biases]
        of_z, of_a, of_d = _forward(problem, W, b, exact.z, exact.a, exact.d)
        shares = shares_of(problem)
        _, of_C = _of_cost(problem, exact.z[-1], exact.a[-1], (of_z[-1], of_a[-1]), shares)
        found = {}
        for kind in ("local", "paths"):
            errors, deltas = _backward(problem, exact, W, (of_z, of_a, of_d), shares, unit, kind)
            found[kind] = _collected(problem, errors, deltas, exact.a, of_a, of_C, unit)
        found["moments"] = _of_moments(problem, exact, W, b, shares, of_C)
        return found


def _collected(problem: Problem, errors: Any, deltas: Any, a: Any, of_a: Any, of_C: Any, unit: Any) -> Bounds:
    u, tiny = unit
    m = len(problem.X)
    weights, biases = [], []
    for i, (e, delta) in enumerate(zip(errors, deltas, strict=True)):
        below, size = np.abs(a[i]), delta + e
        # An excluded example has δ = 0, even if its activations overflow.
        loose = np.where((e == 0) & (delta == 0), 0, 1).max(axis=1, keepdims=True)
        moved = np.where(loose == 0, 0, of_a[i])
        each = (
            e.T @ np.where(np.isfinite(moved), below, 0)
            + size.T @ moved
            + gamma(m + 4, u) * (size.T @ (below + moved))
            + np.where((size.T @ below) == 0, 0, (m + 2) * tiny)
        )
        weights.append(_in_range(each, size.T @ (below + moved), problem.dtype))
        total = size.sum(axis=0)
        biases.append(
            _in_range(e.sum(axis=0) + gamma(m + 4, u) * total + np.where(total == 0, 0, m * tiny), total, problem.dtype)
        )
    vector = flat(problem, weights, biases)
    sure = lambda bound: np.where(np.isnan(bound), np.inf, bound)  # noqa: E731
    return Bounds(sure(vector), [sure(e) for e in errors], sure(of_C))


def _backward(problem: Problem, exact: Exact, W: Any, moved: Any, shares: Any, unit: Any, kind: str) -> tuple[Any, Any]:
    """Return E_δ of every layer with its |δ|; for paths, the sum of the magnitudes of all of them."""
    (u, tiny), (of_z, of_a, of_d) = unit, moved
    last, dtype = len(W) - 1, problem.dtype
    e = _of_output(problem, exact, (of_z[-1], of_a[-1], of_d[-1]), shares, unit)
    out = shares == 0
    e, delta = np.where(out, 0, e), np.where(out, 0, np.abs(exact.delta[-1]))
    if kind == "paths":
        # The terms are those that the combined form subtracts, or that J·∇C sums.
        delta = np.maximum(delta, np.where(out, 0, _magnitude_of_output(problem, exact, shares)))
        e = np.where(out, 0, e + 8 * u * delta)
    errors, deltas = [_in_range(e, delta, dtype)], [delta]
    for i in range(last - 1, -1, -1):
        magnitude, n = np.abs(W[i + 1]), len(W[i + 1])
        size = (deltas[0] + errors[0]) @ magnitude
        of_s = errors[0] @ magnitude + gamma(n + 4, u) * size + np.where(size == 0, 0, (n + 2) * tiny)
        of_s = _in_range(of_s, size, dtype)
        s = deltas[0] @ magnitude if kind == "paths" else np.abs(exact.s[i])
        if exact.d[i] is None:
            e, delta = _through(exact.a[i + 1], of_a[i + 1], s, of_s, exact.s[i], unit, kind)
            delta = delta if kind == "paths" else np.abs(exact.delta[i])
        else:
            d, turned = np.abs(exact.d[i]), of_d[i]
            delta = d * s if kind == "paths" else np.abs(exact.delta[i])
            e = d * of_s + s * turned + of_s * turned + 4 * u * (d + turned) * (s + of_s)
            # An error of exactly 0, as of an excluded example, stays 0.
            e = e + np.where((s == 0) & (of_s == 0), 0, tiny)
        e = np.where(((s == 0) & (of_s == 0)).all(axis=1, keepdims=True), 0, e)
        errors.insert(0, _in_range(e, delta, dtype))
        deltas.insert(0, delta)
    return errors, deltas


def _through(a: Any, of_a: Any, s: Any, of_s: Any, signed: Any, unit: Any, kind: str) -> tuple[Any, Any]:
    """Return the bound of a ⊙ (v − aᵀv), and the sum of its terms' magnitudes, for |v| = s within of_s."""
    u, tiny = unit
    n = a.shape[1]
    inner = (a * s).sum(axis=1, keepdims=True)
    of_inner = (a * of_s + of_a * s + of_a * of_s).sum(axis=1, keepdims=True)
    of_inner = of_inner + gamma(n + 2, u) * ((a + of_a) * (s + of_s)).sum(axis=1, keepdims=True) + n * tiny
    total = a * (s + inner)
    outer = s + inner
    if kind == "local":
        outer = np.abs(signed - (a * signed).sum(axis=1, keepdims=True))
    e = (a + of_a) * (of_s + of_inner) + of_a * outer + (n + 8) * u * (a + of_a) * (s + of_s + inner + of_inner)
    return e + 4 * tiny, total


def _magnitude_of_output(problem: Problem, exact: Exact, shares: Any) -> Any:
    a, Y = np.abs(exact.a[-1]), np.abs(problem.Y.astype(WIDE))
    if problem.form == "softmax":
        return (a * Y.sum(axis=1, keepdims=True) + Y) * shares
    if problem.form == "sigmoid":
        return (a * (Y if problem.cost == "log_likelihood" else 1) + Y) * shares
    G = np.abs(exact.G)
    if exact.d[-1] is None:
        return a * (G + (a * G).sum(axis=1, keepdims=True))
    return np.abs(exact.d[-1]) * G


def _of_output(problem: Problem, exact: Exact, moved: Any, shares: Any, unit: Any) -> Any:
    """Return E of δ^L."""
    (u, tiny), (of_z, of_a, of_d) = unit, moved
    a, Y, (m, n) = exact.a[-1], problem.Y.astype(WIDE), problem.Y.shape
    rounding = gamma(m + 10, u)
    if problem.form == "softmax":
        total = Y.sum(axis=1, keepdims=True)
        return shares * (total * of_a + (rounding + (n + 4) * u) * (total * (a + of_a) + Y)) + 2 * tiny
    if problem.form == "sigmoid" and problem.cost == "binary_cross_entropy":
        return shares * (of_a + rounding * (a + of_a + Y)) + 2 * tiny
    if problem.form == "sigmoid":
        # −yσ(−z), whose slope is −σ′.
        falling = np.exp(-np.abs(exact.z[-1]))
        other = np.where(exact.z[-1] > 0, falling, 1) / (1 + falling)
        moved_other = other * _grown(of_z) + 8 * u * other + 8 * tiny
        return shares * Y * (moved_other + rounding * (other + moved_other)) + 2 * tiny
    if problem.cost == "quadratic":
        e = shares * (of_a + rounding * (np.abs(a - Y) + of_a)) + tiny
    else:
        e = np.where(Y == 0, 0, Y * of_a / (a * np.maximum(a - of_a, 0)) + rounding * Y / np.maximum(a - of_a, 0))
        if problem.cost == "binary_cross_entropy":
            other, nearly = np.maximum(1 - a, 0), of_a + u * (1 - a)
            gap = np.maximum(other - nearly, 0)
            e = e + np.where(Y == 1, 0, (1 - Y) * nearly / (other * gap) + rounding * (1 - Y) / gap)
            e = e + rounding * np.abs(np.where(shares == 0, 0, exact.G / shares))
        e = shares * e + tiny
    e = np.where(np.isnan(e), np.inf, e)
    G = np.abs(exact.G)
    if exact.d[-1] is None:
        return _through(a, of_a, G, e, exact.G, unit, "local")[0]
    d = np.abs(exact.d[-1])
    return d * e + G * of_d + e * of_d + 4 * u * (d + of_d) * (G + e) + tiny


def _of_moments(problem: Problem, exact: Exact, W: Any, b: Any, shares: Any, of_C: Any) -> Bounds:
    u, tiny = _unit(problem.dtype)
    sizes = [W[0].shape[1], *(len(w) for w in W)]
    factor = gamma(2 * (sum(sizes) + 3 * len(sizes) + len(problem.X) + 8), u)
    a = [np.abs(exact.a[0])]
    for w, bias in zip(W, b, strict=True):
        a.append(a[-1] @ np.abs(w).T + np.abs(bias))
    deltas = [shares * (a[-1] + np.abs(problem.Y.astype(WIDE)))]
    for w in W[:0:-1]:
        deltas.insert(0, deltas[0] @ np.abs(w))
    weights = [delta.T @ below for delta, below in zip(deltas, a, strict=False)]
    vector = flat(problem, weights, [delta.sum(axis=0) for delta in deltas])
    # C is computed from the outputs T x̃, whose relative errors have the same bound.
    residual, e = np.abs(exact.a[-1] - problem.Y), factor * a[-1]
    cost = (shares * (residual * e + e * e)).sum() + factor * (shares * residual**2).sum() + of_C
    # Products of weights may overflow although the network itself does not.
    largest = max(float(np.max(each)) for each in (*a, *deltas, vector))
    limit = np.inf if not largest**2 < np.finfo(problem.dtype).max else 0
    floor = tiny * len(sizes) * max(sizes) * (1 + largest)
    return Bounds(factor * vector + floor + limit, [], cost + limit)


# Difference quotients ---------------------------------------------------------------------------------------------


def _plain(name: Any, z: Any, dtype: Any) -> tuple[Any, Any]:
    """Return f and f′ in extended precision, or NaN if NumPy has no such function."""
    falling = np.exp(-np.abs(z))
    sigma = np.where(z >= 0, 1, falling) / (1 + falling)
    slope = falling / (1 + falling) ** 2
    if isinstance(name, tuple):
        nu = WIDE(dtype.type(name[1]))
        return np.where(z > 0, z, nu * z), np.where(z > 0, WIDE(1), nu)
    table = {
        "sigmoid": lambda: (sigma, slope),
        "tanh": lambda: (np.tanh(z), 4 * np.exp(-2 * np.abs(z)) / (1 + np.exp(-2 * np.abs(z))) ** 2),
        "softplus": lambda: (np.maximum(z, 0) + np.log1p(falling), sigma),
        "elu": lambda: (np.where(z > 0, z, np.expm1(np.minimum(z, 0))), np.exp(np.minimum(z, 0))),
        "silu": lambda: (z * sigma, sigma * (1 + z * np.where(z >= 0, falling, 1) / (1 + falling))),
        "relu": lambda: (np.maximum(z, 0), (z > 0).astype(WIDE)),
        "identity": lambda: (z, np.ones_like(z)),
        "square": lambda: (z * z, 2 * z),
        "sine": lambda: (np.sin(z), np.cos(z)),
        "gelu": lambda: (np.full_like(z, np.nan),) * 2,
    }
    return table[name]()


def cost_of_perturbed(
    problem: Problem, W: list[Any], b: list[Any], shifts: dict[int, Any] | None = None
) -> tuple[Any, Any]:
    """Return C in extended precision and the bound of C as computed, for stacks of parameters at once.

    Parameters
    ----------
    problem : Problem
        The network and the examples.
    W, b : list of ndarray
        For each layer, shape (n, n′) and (n,), or with a leading axis over networks.
    shifts : dict of int to ndarray, optional
        Added to z of a layer, shape (K, m, n).
    """
    with np.errstate(all="ignore"):
        z, a, d = [], [problem.X.astype(WIDE)], []
        for i, activation in enumerate(problem.activations):
            moved = a[-1] @ W[i].swapaxes(-1, -2) + b[i][..., None, :]
            z.append(moved + shifts[i] if shifts and i in shifts else moved)
            if activation == "softmax":
                shifted = np.exp(z[-1] - z[-1].max(axis=-1, keepdims=True))
                a.append(shifted / shifted.sum(axis=-1, keepdims=True))
                d.append(None)
                continue
            if isinstance(activation, list):
                parts = [_plain(name, z[-1][..., j], problem.dtype) for j, name in enumerate(activation)]
                value, slope = (np.stack([part[k] for part in parts], axis=-1) for k in (0, 1))
            else:
                value, slope = _plain(activation, z[-1], problem.dtype)
            a.append(value)
            d.append(slope)
        W = [np.asarray(w) for w in W]
        of_z, of_a, _ = _forward(problem, W, [each[..., None, :] for each in b], z, a, d)
        C, e = _of_cost(problem, z[-1], a[-1], (of_z[-1], of_a[-1]), shares_of(problem))
        return C, np.where(np.isnan(e + C), np.inf, e)
