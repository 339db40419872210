"""Assertions for a test suite: a gradient is right, or the test fails with the certificate as its message.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> X, Y = [[1.0]], [[17.0]]  # a² = 9, δ³ = 1, δ² = 2·6
>>> fm.testing.assert_gradient(net, X, Y, ([[[12.0]], [[9.0]]], [[12.0], [1.0]]))
>>> fm.testing.assert_gradient(net, X, Y, ([[[2.0]], [[9.0]]], [[2.0], [1.0]]))
Traceback (most recent call last):
    ...
AssertionError: different: this is not the gradient of this cost.
...

Any function has a gradient, not only a network:

>>> fm.testing.assert_function_gradient(lambda x: x @ x, lambda x: 2 * x, [1.0, -3.0])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from formulations.functions import Cost
from formulations.network import Network
from formulations.verification import Certificate, FunctionCertificate, Status, certify, certify_function

__all__ = ["assert_function_gradient", "assert_gradient"]

UNDECIDED = "An inconclusive verdict fails too; pass allow_inconclusive=True to accept it."


def assert_gradient(
    net: Network,
    X: Any,
    Y: Any,
    candidate: Any,
    cost: str | Cost = "quadratic",
    *,
    allow_inconclusive: bool = False,
    **options: Any,
) -> None:
    """Fail with the certificate as the message unless a gradient is right.

    Parameters
    ----------
    net, X, Y, candidate, cost
        As in :func:`formulations.certify`.
    allow_inconclusive : bool
        Whether a verdict that roundoff leaves open passes.
    **options
        The other arguments of :func:`formulations.certify`, such as ``sample_weight``.

    Raises
    ------
    AssertionError
        If the gradient is different, or the verdict is inconclusive and that is not allowed. Everything that
        :func:`formulations.certify` raises is raised as it is: a gradient of another network is no failed test.

    Examples
    --------
    >>> import numpy as np
    >>> net = Network.random([3, 4, 2], seed=0)
    >>> assert_gradient(net, np.eye(3), np.ones((3, 2)), "sigma")
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    _check(certify(net, X, Y, candidate, cost, **options), allow_inconclusive)


def assert_function_gradient(
    f: Callable[[Any], Any], gradient: Any, x: Any, *, allow_inconclusive: bool = False, **options: Any
) -> None:
    """Fail with the certificate as the message unless a function has the claimed gradient at x.

    Parameters
    ----------
    f, gradient, x
        As in :func:`formulations.certify_function`.
    allow_inconclusive : bool
        Whether a verdict that the values of f leave open passes.
    **options
        The other arguments of :func:`formulations.certify_function`, such as ``typical``.

    Raises
    ------
    AssertionError
        If the gradient is different, or the verdict is inconclusive and that is not allowed. Everything that
        :func:`formulations.certify_function` raises is raised as it is.

    Examples
    --------
    >>> import numpy as np
    >>> assert_function_gradient(np.cos, lambda x: -np.sin(x), 0.5)
    """
    __tracebackhide__ = True
    _check(certify_function(f, gradient, x, **options), allow_inconclusive)


def _check(certificate: Certificate | FunctionCertificate, allow_inconclusive: bool) -> None:
    __tracebackhide__ = True
    if certificate.status is Status.EQUAL:
        return
    if certificate.status is not Status.INCONCLUSIVE:
        raise AssertionError(str(certificate))
    if not allow_inconclusive:
        raise AssertionError(f"{certificate}\n\n{UNDECIDED}")
