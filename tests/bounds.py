"""Rounding bounds of gradients, for the tests; Higham, *Accuracy and Stability of Numerical Algorithms*, ch. 3.

They are the independent oracle of ``formulations.verification.tolerances.forward_bounds``: derived by curvatures, while
that module evaluates the ends of intervals, and in the precision of the network instead of a higher one.
``verification/tolerances/test_forward_bounds.py`` compares the two; the other tests judge by these bounds, so none
relies on what it tests.

u = eps/2 and γ_k = ku/(1 − ku). All bounds are componentwise. They are evaluated in floating point themselves, whose
rounding is far below the slack of γ_k against what a sum really loses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import formulations as fm
from formulations.backends._base.perturbation import step_sizes


def unit(dtype) -> float:
    return float(np.finfo(dtype).eps) / 2


def gamma(k: int, dtype) -> float:
    return k * unit(dtype) / (1 - k * unit(dtype))


@dataclass
class Bound:
    """How far any correct implementation's numbers are from those of the exact gradient."""

    vector: np.ndarray
    errors: list[np.ndarray]
    cost: float


def propagated(net: fm.Network, X, Y, cost="quadratic", sample_weight=None) -> Bound:
    """T4: the roundoff of a forward and a backward pass, propagated to first order, the second order in E_z kept."""
    u, m, dtype = unit(net.dtype), len(X), net.dtype
    tape = net.forward(X, Y, cost=cost, sample_weight=sample_weight)
    found = fm.gradient(net, X, Y, cost=cost, sample_weight=sample_weight)
    shares = np.full((m, 1), 1 / m) if sample_weight is None else np.asarray(tape.shares)
    E_a, E_d, E_all = np.zeros_like(tape.X), [], [np.zeros_like(tape.X)]
    for i, function in enumerate(net.activations):
        w, b = np.abs(dense(net.weights[i])), np.abs(net.biases[i])
        z, a, d = tape.weighted_inputs[i], tape.activations[i + 1], np.abs(tape.slopes[i])
        E_z = E_a @ w.T + gamma(w.shape[1] + 2, dtype) * (np.abs(tape.activations[i]) @ w.T + b)
        E_a = d * E_z + function.curvature_bound / 2 * E_z**2 + 8 * u * np.abs(a)
        # |σ‴| ≤ 2 for every activation here that has one.
        slope = np.abs(function.curvature(z)) * E_z + E_z**2 + 8 * u * (d + np.abs(a))
        for kink in function.kinks:
            # A z that everybody finds without rounding is on the same side for everybody.
            slope = np.where((np.abs(z - kink) > E_z) | (E_z == 0), slope, np.inf)
        E_d.append(slope)
        E_all.append(E_a)
    y, a = np.abs(tape.Y), np.abs(tape.output)
    E_delta = shares * (E_a + 5 * u * (a + y))
    G = np.abs(tape.output - tape.Y) * shares
    values = found.cost
    # C is a sum of terms of one sign; the square root of a term is known to E_a and 2u(|a| + |y|).
    residual = np.abs(tape.output - tape.Y)
    if tape.combined is None:
        noise = E_a + 2 * u * (a + y)
        E_cost = float((shares * (residual * noise + noise**2)).sum()) + gamma(a.shape[1] + m + 4, dtype) * values
        d = np.abs(tape.slopes[-1])
        E_delta = d * E_delta + G * E_d[-1] + E_delta * E_d[-1] + gamma(5, dtype) * d * G
    else:
        # ∂C/∂z = a − y, and a logarithm loses at most a few units of the largest of its terms.
        reach = 1 + np.abs(tape.weighted_inputs[-1])
        E_cost = float((shares * (residual * E_z + E_z**2 + 16 * u * reach)).sum())
        E_cost += gamma(a.shape[1] + m + 4, dtype) * values
    errors = [E_delta]
    for i in range(len(net.weights) - 2, -1, -1):
        w, delta, d = dense(net.weights[i + 1]), found.errors[i + 1], np.abs(tape.slopes[i])
        pulled = np.abs(delta) @ np.abs(w)
        E_pull = E_delta @ np.abs(w) + gamma(w.shape[0] + 2, dtype) * pulled
        E_delta = d * E_pull + np.abs(delta @ w) * E_d[i] + E_d[i] * (E_delta @ np.abs(w))
        errors.insert(0, E_delta)
    parts = []
    for i, E in enumerate(errors):
        delta, a, E_a = np.abs(found.errors[i]), np.abs(tape.activations[i]), E_all[i]
        E_w = E.T @ a + delta.T @ E_a + E.T @ E_a + gamma(m + 3, dtype) * delta.T @ a
        pattern = net.layout.patterns[i]
        parts.append(E_w.ravel() if pattern is None else E_w[pattern.rows, pattern.indices])
        parts.append(E.sum(axis=0) + gamma(m + 3, dtype) * delta.sum(axis=0))
    return Bound(np.concatenate(parts), errors, E_cost)


def noise(flag: str, net: fm.Network, X, Y, cost="quadratic", sample_weight=None) -> np.ndarray:
    """How far a backend's result is from what it would compute without rounding, shape (P + N,)."""
    bound = propagated(net, X, Y, cost, sample_weight)
    difference = fm.get_backend(flag).difference()
    if difference is None:
        return bound.vector
    h = step_sizes(net.vector, difference.scheme, difference.relative_step)
    spread = difference.scheme.roundoff
    g = np.abs(fm.gradient(net, X, Y, cost=cost, sample_weight=sample_weight).vector)
    # Both costs of the quotient are computed a step away from here, where their bound differs by O(h): hence 1 + √h.
    return spread * bound.cost * (1 + np.sqrt(h)) / h + gamma(4, net.dtype) * (g + h)


def distance(flag: str, net: fm.Network, X, Y, cost="quadratic", sample_weight=None) -> np.ndarray:
    """How far a backend's result is from the gradient itself: rounding, and truncation if it perturbs."""
    rounding = noise(flag, net, X, Y, cost, sample_weight)
    difference = fm.get_backend(flag).difference()
    if difference is None:
        return rounding
    scheme = difference.scheme
    step = scheme.relative_step(net.dtype)

    def quotient(relative: float) -> np.ndarray:
        form = difference.with_step(relative)
        return fm.gradient(net, X, Y, cost=cost, sample_weight=sample_weight, backend=form).vector

    # D_h − D_2h is (1 − 2^order) times the leading term of the truncation, so 1/(2^order − 1) of it is the
    # truncation at h; the double leaves buffer for the next order.
    return rounding + 2 * (np.abs(quotient(step) - quotient(2 * step)) + 2 * rounding) / (2**scheme.order - 1)


def dense(weights) -> np.ndarray:
    return weights.toarray() if hasattr(weights, "toarray") else weights


def path_constant(net: fm.Network, m: int) -> float:
    """T2: γ_K over the longest path of a product on the tape, K = Σ (n_j + 2) + m + 8."""
    return gamma(sum(n + 2 for n in net.sizes) + m + 8, net.dtype)


def absolute_errors(net: fm.Network, tape: fm.Tape) -> list[np.ndarray]:
    """The recurrence of the errors in absolute values: what every term that is summed is bounded by."""
    errors = [np.abs(tape.cost_gradient) * np.abs(tape.slopes[-1])]
    for i in range(len(net.weights) - 2, -1, -1):
        errors.insert(0, (errors[0] @ np.abs(dense(net.weights[i + 1]))) * np.abs(tape.slopes[i]))
    return errors


def within(difference, bound) -> bool:
    """Whether a residual is within a finite bound; NaN is not."""
    return bool(np.all(np.isfinite(bound)) and not np.any(~(np.abs(difference) <= bound)))
