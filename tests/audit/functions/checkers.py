"""The checkers of the study: each is given f and a claimed gradient at a point, and answers with a verdict.

None of them differentiates f itself: torch and JAX are given f as an operation whose derivative is the claimed
gradient, as one would pass a function that is written in C.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import scipy

from formulations.verification import Status, certify_function
from tests.audit.functions.function import Function, flatten, rebuild

__all__ = ["CERTIFY", "CHECKERS", "Answer", "Case", "Verdict", "judge"]

CERTIFY = "certify_function"
"""The name of this library's checker in the table."""

MANY = 5000
"""The number of coordinates above which others are asked to compare along random directions, to save minutes."""
WIDE = 1000
"""The number of coordinates above which ``scipy.differentiate`` would need too much memory."""


class Verdict(Enum):
    """What a checker says of a gradient."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNDECIDED = "undecided"
    NOT_APPLIED = "not applied"


@dataclass(frozen=True)
class Answer:
    """A verdict, and what the checker says that it cannot see.

    Attributes
    ----------
    verdict : Verdict
        The verdict.
    detectable : ndarray or None
        For each entry of the gradient, the largest fault that its tolerance passes, from a checker that has one.
    """

    verdict: Verdict
    detectable: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """A function at one of its points.

    Attributes
    ----------
    function : Function
        The function.
    x : ndarray or structure of arrays
        The point.
    """

    function: Function
    x: Any

    @functools.cached_property
    def flat(self) -> np.ndarray:
        """All coordinates, shape (n,)."""
        return flatten(self.x)

    def value(self, flat: np.ndarray) -> Any:
        """Return f of a vector of all coordinates, in the dtype of x."""
        return self.function.f(rebuild(np.asarray(flat, dtype=self.flat.dtype), self.x))

    @functools.cached_property
    def gradient(self) -> np.ndarray:
        """The right gradient (n,), or the right Jacobian matrix (k, n)."""
        gradient = self.function.gradient(self.x)
        return flatten(gradient) if self.function.nested else np.asarray(gradient)


def certified(case: Case, claimed: np.ndarray) -> Answer:
    """Ask ``certify_function``, which is given the structure of x."""
    function = case.function
    gradient = rebuild(claimed, case.x) if function.nested else claimed
    certificate = certify_function(function.f, gradient, case.x, typical=function.typical)
    return Answer(VERDICTS[certificate.status], 2 * certificate.bounds)


def check_grad(threshold: Callable[[np.ndarray], float]) -> Callable[[Case, np.ndarray], Answer]:
    """Return a checker by ``scipy.optimize.check_grad``, which has no threshold, with one."""

    def checker(case: Case, claimed: np.ndarray) -> Answer:
        direction = "random" if case.flat.size > MANY else "all"
        error = scipy.optimize.check_grad(case.value, lambda _: claimed, case.flat, direction=direction, rng=0)
        allowed = threshold(claimed)
        verdict = Verdict.UNDECIDED if np.isnan(error) else EQUAL_IF[bool(error <= allowed)]
        return Answer(verdict, np.full(claimed.shape, allowed))

    return checker


def differentiate(case: Case, claimed: np.ndarray) -> Answer:
    """Compare with ``scipy.differentiate.jacobian``: ten times its error estimate and its relative tolerance."""
    if case.flat.size > WIDE:
        return Answer(Verdict.NOT_APPLIED)

    def f(points: np.ndarray) -> np.ndarray:
        columns = points.reshape(len(points), -1).T
        values = np.array([np.atleast_1d(case.value(column)) for column in columns]).T
        return values.reshape(len(values), *points.shape[1:])

    found = scipy.differentiate.jacobian(f, case.flat.astype(np.float64))
    if not np.all(found.success):
        return Answer(Verdict.UNDECIDED)
    tolerance = 10 * found.error + np.sqrt(np.finfo(np.float64).eps) * np.abs(found.df)
    fits = np.abs(np.atleast_2d(claimed) - found.df) <= tolerance
    return Answer(EQUAL_IF[bool(fits.all())], tolerance.reshape(claimed.shape))


def gradcheck(case: Case, claimed: np.ndarray) -> Answer:
    """Ask ``torch.autograd.gradcheck`` with its defaults, which are meant for float64 alone."""
    import torch

    if case.function.single:
        return Answer(Verdict.NOT_APPLIED)

    class Operation(torch.autograd.Function):
        @staticmethod
        def forward(_: Any, x: Any) -> Any:
            return torch.as_tensor(np.asarray(case.value(x.detach().numpy()), dtype=np.float64).copy())

        @staticmethod
        def backward(_: Any, above: Any) -> Any:
            return torch.as_tensor(np.atleast_1d(above.numpy()) @ np.atleast_2d(claimed))

    x = torch.tensor(case.flat, requires_grad=True)
    fast = case.flat.size > MANY
    holds = torch.autograd.gradcheck(Operation.apply, (x,), raise_exception=False, fast_mode=fast)
    return Answer(EQUAL_IF[holds], 1e-5 + 1e-3 * np.abs(case.gradient))


def check_grads(case: Case, claimed: np.ndarray) -> Answer:
    """Ask ``jax.test_util.check_grads`` with its defaults, backward and of first order.

    It compares along one random direction, and says nothing about single entries.
    """
    import jax
    import jax.test_util

    # Its arrays are float32 by default.
    with jax.enable_x64(True):
        operation = jax_operation(case)
        try:
            jax.test_util.check_grads(lambda x: operation(x, claimed), (case.flat,), order=1, modes=["rev"])
        except AssertionError:
            return Answer(Verdict.DIFFERENT)
    return Answer(Verdict.EQUAL)


@functools.lru_cache(maxsize=1)
def jax_operation(case: Case) -> Any:
    """Return f as an operation of JAX on x and the claimed gradient, which JAX then compiles once a case."""
    import jax

    dtype = case.flat.dtype
    shape = jax.ShapeDtypeStruct(np.shape(case.value(case.flat)), dtype)

    def value(x: Any) -> np.ndarray:
        return np.asarray(case.value(np.asarray(x)), dtype=dtype)

    @jax.custom_vjp
    def operation(x: Any, _: Any) -> Any:
        return jax.pure_callback(value, shape, x)

    def backward(claimed: Any, above: Any) -> tuple[Any, Any]:
        return jax.numpy.atleast_1d(above) @ jax.numpy.atleast_2d(claimed), jax.numpy.zeros_like(claimed)

    operation.defvjp(lambda x, claimed: (operation(x, claimed), claimed), backward)
    return operation


EQUAL_IF = {True: Verdict.EQUAL, False: Verdict.DIFFERENT}
VERDICTS = {
    Status.EQUAL: Verdict.EQUAL,
    Status.DIFFERENT: Verdict.DIFFERENT,
    Status.INCONCLUSIVE: Verdict.UNDECIDED,
}

CHECKERS: dict[str, Callable[[Case, np.ndarray], Answer]] = {
    CERTIFY: certified,
    "check_grad, 1e-6": check_grad(lambda _: 1e-6),
    "check_grad, relative": check_grad(lambda claimed: 1e-5 * float(np.linalg.norm(claimed))),
    "scipy.differentiate": differentiate,
    "torch gradcheck": gradcheck,
    "JAX check_grads": check_grads,
}
"""The checkers by their names in the table."""


def judge(checker: str, case: Case, claimed: np.ndarray) -> Answer:
    """Return a checker's answer; one of the others that f makes fail decides nothing."""
    if checker == CERTIFY:
        return certified(case, claimed)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return CHECKERS[checker](case, claimed)
        except (ArithmeticError, RuntimeError, TypeError, ValueError, np.linalg.LinAlgError):
            return Answer(Verdict.UNDECIDED)
