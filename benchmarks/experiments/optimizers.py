"""Optimizers: the cost of the digits against the work spent, by SciPy's methods and by gradient descent.

Work is counted in gradients: the multiplications of matrix products, over those of one gradient of all examples. With
P weights, F of them in the first layer, a forward pass takes P for each example, a backward pass 2P − F, a product with
the Hessian 6P − 4F (Pearlmutter's recurrences), and one with the Jacobian of the residuals or its transpose 2P − F. So
the curves do not depend on the machine; the times beside them do.

Every method minimises the same function, the mean cost with a penalty on the weights, from the same random network.
Stochastic gradient descent takes one gradient's work an epoch, and the best of several constant rates; that search is
not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from time import process_time
from typing import Any

import click
import numpy as np
from scipy.optimize import least_squares, minimize

from benchmarks.experiments.pattern import Column, experiment, plain, table
from formulations.arrays import Array, positive_integer, positive_number
from formulations.data import load_digits
from formulations.display import Colour, format_seconds, new_figure, tidy, titled
from formulations.exceptions import NotFinite
from formulations.network import Network
from formulations.operators import Objective, Work, objective
from formulations.training import sgd

__all__ = ["Curve", "OptimizerCurves", "Setting", "draw_optimizers", "measure_optimizers", "multiplications"]

L2 = 1e-4
RATES = (0.3, 1.0, 3.0)
DESCENTS = {"SGD, batches of 10": 10, "gradient descent": 0}
METHODS = {"L-BFGS-B": False, "Newton-CG": True, "trust-ncg": True, "trust-krylov": True}
"""SciPy's methods, and whether they take products with the Hessian."""
LEAST_SQUARES = "least_squares"
LINES: dict[str, tuple[str, Any]] = {
    "SGD, batches of 10": (Colour.INK, "-"),
    "gradient descent": (Colour.OCHRE, (0, (1, 1))),
    "L-BFGS-B": (Colour.BLUE, (0, (6, 1))),
    "Newton-CG": (Colour.GREEN, (0, (3, 1))),
    "trust-ncg": (Colour.RUST, (0, (5, 1, 1, 1))),
    "trust-krylov": (Colour.PURPLE, (0, (5, 1, 1, 1, 1, 1))),
    LEAST_SQUARES: (Colour.RED, (0, (1, 3))),
}
"""The colour of each method's line, and its dashes, which tell it from the others without colour."""


@dataclass(frozen=True)
class Setting:
    """A network and its cost.

    Attributes
    ----------
    outputs, cost : str
        The activation of the last layer, and the cost.
    """

    outputs: str
    cost: str

    def __str__(self) -> str:
        return f"{self.outputs} outputs, {self.cost.replace('_', '-')} cost"

    def network(self, hidden: int, seed: int) -> Network:
        """Return the random network that every method starts from."""
        return Network.random([64, hidden, 10], ["sigmoid", self.outputs], seed=seed)


SETTINGS = (Setting("softmax", "log_likelihood"), Setting("sigmoid", "quadratic"))


@dataclass(frozen=True)
class Curve:
    """The search of one method.

    Attributes
    ----------
    setting : str
        The network and its cost.
    method : str
        SciPy's name, or that of the descent, with its rate.
    work, costs : list of float
        The lowest cost so far, with penalty, and the gradients' worth of work until then.
    accuracy : float
        On the held-out digits, at the lowest cost.
    seconds : float
        The CPU time of the search, which other programs hardly disturb; with one thread, as long as the search.
    """

    setting: str
    method: str
    work: list[float]
    costs: list[float]
    accuracy: float
    seconds: float

    @property
    def name(self) -> str:
        """The method without its rate."""
        return self.method.partition(" at ")[0]

    def work_to(self, cost: float) -> float | None:
        """Return the work after which the cost was at most this; None if it never was."""
        return next((work for work, reached in zip(self.work, self.costs, strict=True) if reached <= cost), None)


def _columns(best_descent: float) -> tuple[Column[Curve], ...]:
    def until(curve: Curve) -> str:
        work = curve.work_to(best_descent)
        return "–" if work is None else f"{work:.0f}"

    return (
        Column[Curve]("method", lambda curve: curve.method, left=True),
        Column[Curve]("work", lambda curve: f"{curve.work[-1]:.0f}"),
        Column[Curve]("lowest cost", lambda curve: f"{curve.costs[-1]:.4f}"),
        Column[Curve](f"work to {best_descent:.4f}", until),
        Column[Curve]("test accuracy", lambda curve: f"{curve.accuracy:.1%}"),
        Column[Curve]("CPU time", lambda curve: format_seconds(curve.seconds)),
    )


@dataclass(frozen=True)
class OptimizerCurves:
    """The result of :func:`measure_optimizers`; true if L-BFGS-B ends below both descents in each setting.

    Attributes
    ----------
    limit : float
        The work after which a search ends, in gradients.
    curves : tuple of Curve
        Setting by setting, in the order of the methods.
    """

    limit: float
    curves: tuple[Curve, ...]

    @property
    def settings(self) -> dict[str, list[Curve]]:
        """The curves of each setting."""
        return {name: [each for each in self.curves if each.setting == name] for name in _once(self.curves)}

    def __bool__(self) -> bool:
        for curves in self.settings.values():
            lowest = {curve.name: curve.costs[-1] for curve in curves}
            if any(lowest["L-BFGS-B"] >= lowest[name] for name in DESCENTS):
                return False
        return True

    def __str__(self) -> str:
        parts = [f"Digits, l2 = {L2:g}, searches of at most {self.limit:g} gradients' worth of work"]
        for name, curves in self.settings.items():
            best = min(curve.costs[-1] for curve in curves if curve.name in DESCENTS)
            parts.append(f"{name}\n{table(curves, _columns(best))}")
        return "\n\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {"limit": self.limit, "curves": [plain(curve) for curve in self.curves]}


def _once(curves: Iterable[Curve]) -> list[str]:
    return list(dict.fromkeys(curve.setting for curve in curves))


def multiplications(network: Network, m: int, work: Work) -> int:
    """Return the multiplications of matrix products in what an objective has computed over m examples."""
    layout = network.layout
    P, F = layout.weight_count, layout.slices[0][0].stop
    passes = work.forward_passes * P + (work.backward_passes + work.jacobian_products) * (2 * P - F)
    return m * int(passes + work.hessian_products * (6 * P - 4 * F))


class _Enough(Exception):
    """The work is spent."""


class _Recorder:
    """The lowest cost of a search so far, and the work until then."""

    def __init__(self, o: Objective) -> None:
        self.o = o
        self.work: list[float] = []
        self.costs: list[float] = []
        self.best = o.x0

    def record(self, v: Array, cost: float, work: float) -> None:
        if not self.costs or cost < self.costs[-1]:
            self.work.append(work)
            self.costs.append(cost)
            self.best = v.copy()

    def curve(self, setting: Setting, method: str, seconds: float) -> Curve:
        """Return what has been recorded, with the accuracy on the held-out digits."""
        digits, trained = load_digits(), self.o.network(self.best)
        correct = trained(digits.X_test).argmax(axis=1) == digits.Y_test.argmax(axis=1)
        return Curve(str(setting), method, self.work, self.costs, float(correct.mean()), seconds)


def _search(net: Network, X: Array, Y: Array, setting: Setting, method: str, limit: float) -> Curve:
    """Run one of SciPy's methods until it ends or the work is spent."""
    o = objective(net, X, Y, setting.cost, l2=L2)
    recorder, start = _Recorder(o), process_time()
    gradient = multiplications(net, len(X), Work(forward_passes=1, backward_passes=1))

    def spent() -> float:
        work = multiplications(net, len(X), o.work) / gradient
        if work > limit:
            raise _Enough
        return work

    def fun_and_jac(v: Array) -> tuple[float, Array]:
        cost, slope = o.fun_and_jac(v)
        recorder.record(v, cost, spent())
        return cost, slope

    def hessp(v: Array, p: Array) -> Array:
        spent()
        return o.hessp(v, p)

    def residuals(v: Array) -> Array:
        found = o.residuals(v)
        recorder.record(v, o.fun(v), spent())
        return found

    with suppress(_Enough):
        if method == LEAST_SQUARES:
            least_squares(residuals, o.x0, jac=o.residual_jacobian, tr_solver="lsmr")
        else:
            second = {"hessp": hessp} if METHODS[method] else {}
            options = {"maxiter": 10_000} | ({"maxfun": 10_000} if method == "L-BFGS-B" else {})
            minimize(fun_and_jac, o.x0, jac=True, method=method, options=options, **second)
    return recorder.curve(setting, method, process_time() - start)


def _descend(net: Network, X: Array, Y: Array, setting: Setting, name: str, rate: float, epochs: int) -> Curve:
    """Train by gradient descent, an epoch for each gradient's worth of work."""
    o = objective(net, X, Y, setting.cost, l2=L2)
    recorder, trained, start, spent = _Recorder(o), net.copy(), process_time(), count(1)
    recorder.record(o.x0, o.fun(o.x0), 0.0)

    def record(_: object) -> bool:
        cost = o.fun(trained.vector)
        recorder.record(trained.vector, cost, float(next(spent)))
        # At this rate it diverges.
        return not cost < 2 * recorder.costs[0]

    batch = DESCENTS[name] or len(X)
    # A cost beyond the dtype ends it, too.
    with suppress(NotFinite):
        sgd(trained, X, Y, epochs=epochs, batch_size=batch, learning_rate=rate, cost=setting.cost, l2=L2, seed=0,
            callback=record)  # fmt: skip
    return recorder.curve(setting, f"{name} at rate {rate:g}", process_time() - start)


def measure_optimizers(
    settings: Iterable[Setting] = SETTINGS,
    *,
    limit: float = 300.0,
    hidden: int = 30,
    examples: int | None = None,
    seed: int = 0,
    progress: Callable[[str], object] = lambda _: None,
) -> OptimizerCurves:
    """Minimise the cost of the digits by every method.

    Parameters
    ----------
    settings : iterable of Setting
        The networks and costs.
    limit : float
        The work after which a search ends, in gradients of all examples.
    hidden : int
        Neurons of the hidden layer.
    examples : int, optional
        The first so many digits; all by default.
    seed : int
        Of the random network.
    progress : callable
        Called with each step before it begins.

    Returns
    -------
    OptimizerCurves
        True if L-BFGS-B ends below both descents.
    """
    limit, hidden = positive_number(limit, "limit"), positive_integer(hidden, "hidden")
    digits = load_digits()
    X, Y = digits.X_train[:examples], digits.Y_train[:examples]
    curves: list[Curve] = []
    for setting in settings:
        net = setting.network(hidden, seed)
        for name in DESCENTS:
            progress(f"{setting}: {name}")
            tried = [_descend(net, X, Y, setting, name, rate, max(1, int(limit))) for rate in RATES]
            curves.append(min(tried, key=lambda curve: curve.costs[-1]))
        for method in [*METHODS, *[LEAST_SQUARES] * (setting.cost == "quadratic")]:
            progress(f"{setting}: {method}")
            curves.append(_search(net, X, Y, setting, method, limit))
    return OptimizerCurves(limit, tuple(curves))


def draw_optimizers(found: OptimizerCurves) -> Any:
    """Return a figure of the lowest cost against the work, a panel for each setting."""
    settings = found.settings
    figure = new_figure(5.2 * len(settings), 4.2)
    panels = np.atleast_1d(figure.subplots(1, len(settings)))
    for axes, (name, curves) in zip(panels, settings.items(), strict=True):
        for curve in curves:
            # The first work is drawn at the left edge of the logarithmic axis.
            work = [max(1.0, work) for work in curve.work]
            colour, dashes = LINES[curve.name]
            axes.step([*work, found.limit], [*curve.costs, curve.costs[-1]], where="post", label=curve.name,
                      color=colour, linestyle=dashes, linewidth=1.8)  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("work, in gradients of all examples")
        axes.set_ylabel("lowest cost so far, with penalty")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_major_formatter("{x:g}")
        # Above the curves, which all start at one cost.
        axes.set_ylim(top=4 * max(curve.costs[0] for curve in curves))
        axes.legend(frameon=False, fontsize=8, loc="upper right", handlelength=4, ncols=2)
        titled(axes, f"digits: {name}")
        tidy(axes, "both")
    return figure


@experiment(
    draw_optimizers,
    click.option("--limit", type=float, default=300.0, show_default=True, help="Work of a search, in gradients."),
    click.option("--hidden", type=int, default=30, show_default=True, help="Neurons of the hidden layer."),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random network."),
)
def main(limit: float, hidden: int, seed: int, progress: Callable[[str], object]) -> OptimizerCurves:
    """Minimise the cost of the digits by SciPy's methods and by gradient descent, and compare the work.

    \b
    Examples:
      python -m benchmarks.experiments.optimizers
      python -m benchmarks.experiments.optimizers --limit 100 --plot optimizers.png

    Exit status 0 if L-BFGS-B ends below stochastic and full gradient descent, else 1.
    """
    return measure_optimizers(limit=limit, hidden=hidden, seed=seed, progress=progress)


if __name__ == "__main__":
    main()
