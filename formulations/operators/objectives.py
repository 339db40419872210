r"""The cost of a network as SciPy's optimizers take it: a function of one vector, with its derivatives.

.. math:: F(v) = C(v) + \tfrac12 \lambda \sum w^2, \qquad \nabla F = \nabla C + \lambda w, \qquad
    \nabla^2 F\, p = \nabla^2 C\, p + \lambda p_w

with λ = ``l2``, w the weights among the parameters v, and :math:`p_w` those entries of p. For the quadratic cost F is
half a sum of squares, of the residuals

.. math:: r(v) = \bigl(\sqrt{s_x}\,(a^L_x - y_x),\ \sqrt{\lambda}\, w\bigr), \qquad F = \tfrac12 \lVert r \rVert^2

with :math:`s_x` the share of the example in the mean; their Jacobian is that of the outputs, scaled likewise.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from formulations.arrays import Array, as_real, check_finite, check_writable, nonnegative_number, quiet
from formulations.backends import PARAMETERS, Backend, BackendLike, get_backend
from formulations.exceptions import InvalidInput, Refused, UnknownName, WrongShape, WrongType
from formulations.functions import Cost, Quadratic, get_cost
from formulations.network import Batch, Network, check_network, load, network_arrays, save
from formulations.operators.evaluations import (
    FLOAT,
    Evaluation,
    GradientOverSources,
    Sources,
    SummedEvaluation,
    TapeEvaluation,
    Work,
)
from formulations.operators.jacobian_operators import JacobianOperator
from formulations.operators.network_operator import NetworkOperator, check_budget, provider
from formulations.plans import are_sources, check_alone, check_progress, check_without_sources, read_sources

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["Objective", "objective"]

EVALUATIONS = 2
"""The vectors whose passes are kept: a trial step, and the vector to return to if it is rejected."""


class Objective:
    """The cost of a network as a function of one vector; made by :func:`formulations.objective`.

    Vectors are float64, whatever the network's dtype, as SciPy's optimizers send and expect them. Results at the last
    two vectors are kept, so one forward pass serves :meth:`fun`, :meth:`jac` and :meth:`hessp` at
    the same vector. It may be called by several threads, which take turns.

    Attributes
    ----------
    x0 : ndarray of shape (P,)
        The parameters of the network, or of a checkpoint, where an optimizer may start.
    backend : Backend
        The formulation.
    work : Work
        The passes and the products with the Hessian so far.

    Examples
    --------
    >>> from scipy.optimize import minimize
    >>> import formulations as fm
    >>> net = fm.Network.random([2, 3, 1], "tanh", seed=0)
    >>> o = fm.objective(net, [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]])
    >>> found = minimize(o.fun_and_jac, o.x0, jac=True, method="L-BFGS-B")
    >>> o.network(found.x)([[0, 1], [1, 1]]).round(2).ravel().tolist()
    [1.0, 0.0]
    """

    def __init__(
        self,
        network: Network,
        data: Batch | Sources,
        backend: Backend,
        l2: float,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> None:
        self._network = network.copy()
        self._data = data
        self._cost = data.cost
        self._checkpoint = checkpoint
        self._lowest = np.inf
        if checkpoint is not None:
            self._resume(checkpoint)
        self.backend = backend
        self._l2 = l2
        self._on_weights = np.zeros(network.layout.count, bool)
        for of_weights, _ in network.layout.slices:
            self._on_weights[of_weights] = True
        self._provided: set[str] = set()
        self.work = Work()
        self._lock = RLock()
        self._new_evaluation: Callable[[], Evaluation]
        if isinstance(data, Batch):
            self._new_evaluation = partial(TapeEvaluation, self._network, data, backend, self.work)
        else:
            gradient_over = GradientOverSources(self._network, data, backend)
            self._new_evaluation = partial(SummedEvaluation, gradient_over, self.x0, self.work)
        self._evaluations: list[Evaluation] = [self._new_evaluation()]

    @property
    def x0(self) -> Array:
        """The parameters of the network, shape (P,)."""
        return self._network.vector.astype(FLOAT)

    @quiet
    def fun(self, v: Any) -> float:
        """Return F(v), the mean cost and the penalty.

        Parameters
        ----------
        v : array_like of shape (P,)
            Parameters, in the order of ``network.vector``.

        Returns
        -------
        float
            Infinite or NaN if the cost is: a line search then steps back.

        Raises
        ------
        WrongShape, WrongType, NotFinite
            If v cannot be used.
        """
        with self._lock:
            evaluation = self._at(v)
            found = float(evaluation.cost) + self._penalty(evaluation)
            self._save_if_lowest(found, evaluation)
            return found

    @quiet
    def jac(self, v: Any) -> Array:
        """Return the gradient ∇F(v), shape (P,); see :meth:`fun`."""
        with self._lock:
            evaluation = self._at(v)
            gradient: Array = evaluation.gradient.astype(FLOAT)
            if self._l2:
                gradient[self._on_weights] += self._l2 * evaluation.vector[self._on_weights]
            return gradient

    def fun_and_jac(self, v: Any) -> tuple[float, Array]:
        """Return F(v) and ∇F(v), for an optimizer that is called with ``jac=True``; see :meth:`fun`."""
        with self._lock:
            # The gradient first: for some formulations, its pass gives the cost as well.
            gradient = self.jac(v)
            return self.fun(v), gradient

    @quiet
    def hessp(self, v: Any, p: Any) -> Array:
        """Return the product ∇²F(v) p, shape (P,).

        Parameters
        ----------
        v, p : array_like of shape (P,)
            The parameters and the direction.

        Raises
        ------
        WrongShape, WrongType, NotFinite
            If v or p cannot be used.
        Refused
            If the backend provides no Hessian of this network, or the cost or an activation has no curvature.
        """
        with self._lock:
            self._require("hessian")
            return self._hessian_product(self._on_tape(v), self._checked(p, "p"))

    @quiet
    def hess(self, v: Any) -> NetworkOperator:
        """Return ∇²F(v) as a symmetric operator of shape (P, P); see :meth:`hessp`.

        It keeps the passes at v, so it stays valid whatever is computed elsewhere in the meantime. ``to_dense()``
        returns the matrix, for methods that take nothing else.
        """
        with self._lock:
            self._require("hessian")
            return _Hessian(self, self._on_tape(v, keep=True))

    @quiet
    def residuals(self, v: Any) -> Array:
        """Return the residuals r(v) of the quadratic cost, with F = ½‖r‖².

        Parameters
        ----------
        v : array_like of shape (P,)
            Parameters, in the order of ``network.vector``.

        Returns
        -------
        ndarray of shape (m·n_L,), or (m·n_L + weights,) with a penalty
            √s_x (a^L_x − y_x), example by example, and √λ w.

        Raises
        ------
        WrongShape, WrongType, NotFinite
            If v cannot be used.
        Refused
            If the cost is not the quadratic one.
        """
        self._check_squares()
        with self._lock:
            evaluation = self._on_tape(v)
            tape = evaluation.filled
            found = np.sqrt(tape.share_column, dtype=FLOAT) * (tape.output - tape.targets)
            residuals = self._with_weights(found.ravel(), evaluation.vector)
            self._save_if_lowest(0.5 * float(np.dot(residuals, residuals)), evaluation)
            return residuals

    @quiet
    def residual_jacobian(self, v: Any) -> NetworkOperator:
        """Return the Jacobian of the residuals as an operator, for ``least_squares``.

        It keeps the passes at v, so it stays valid whatever is computed elsewhere in the meantime. ``to_dense()``
        returns the matrix, which ``method="lm"`` and ``tr_solver="exact"`` need.

        Parameters
        ----------
        v : array_like of shape (P,)
            Parameters, in the order of ``network.vector``.

        Returns
        -------
        NetworkOperator of shape (m·n_L, P), or (m·n_L + weights, P) with a penalty

        Raises
        ------
        WrongShape, WrongType, NotFinite
            If v cannot be used.
        Refused
            If the cost is not the quadratic one, or the backend provides no Jacobian of this network.
        """
        self._check_squares()
        with self._lock:
            self._require("jacobian")
            return _ResidualJacobian(self, self._on_tape(v, keep=True))

    @quiet
    def network(self, v: Any) -> Network:
        """Return a network with these parameters, in the dtype of the objective's.

        Raises
        ------
        WrongShape, WrongType, NotFinite
            If v cannot be used, or has numbers beyond the range of that dtype.
        """
        return self._network.with_vector(as_real(self._vector(v), "v", self._network.dtype))

    def _vector(self, v: Any) -> Array:
        return self._checked(v, "v")

    def _checked(self, v: Any, name: str) -> Array:
        """Return a vector as float64, or raise an exception."""
        vector, count = as_real(v, name, FLOAT), self._network.layout.count
        if vector.shape == (count, 1):
            vector = vector[:, 0]
        if vector.shape != (count,):
            raise WrongShape(
                f"{name} must have shape ({count},), one number for each parameter of {self._network!r}, got "
                f"{np.shape(v)}; pass an array such as objective.x0."
            )
        check_finite(vector, name)
        return vector

    def _at(self, v: Any, *, keep: bool = False) -> Evaluation:
        """Return the evaluation of a vector, with all results so far; if there is none, the oldest one moves there.

        With ``keep``, the evaluation never moves again.
        """
        vector = self._vector(v)
        evaluations = self._evaluations
        i = next((i for i, evaluation in enumerate(evaluations) if np.array_equal(evaluation.vector, vector)), None)
        if i is None:
            evaluation = evaluations.pop() if len(evaluations) == EVALUATIONS else self._new_evaluation()
            if evaluation.kept:
                evaluation = self._new_evaluation()
            evaluation.move(vector)
        else:
            evaluation = evaluations.pop(i)
        evaluation.kept |= keep
        evaluations.insert(0, evaluation)
        return evaluation

    def _on_tape(self, v: Any, *, keep: bool = False) -> TapeEvaluation:
        """Return the evaluation of a vector on examples that are known to be in memory; see :meth:`_at`."""
        return cast("TapeEvaluation", self._at(v, keep=keep))

    def _require(self, operator: str) -> None:
        """Raise an exception if the backend does not provide an operator, or it exceeds the budget."""
        if operator not in self._provided:
            batch = self._in_memory("a product with the Hessian")
            provider(self._network, self._cost, self.backend, operator)
            check_budget(self.backend, self._network, len(batch.X), operator)
            self._provided.add(operator)

    def _in_memory(self, what: str) -> Batch:
        """Return the examples, or raise an exception if they are sources."""
        if not isinstance(self._data, Batch):
            raise Refused(
                f"{what} needs all examples in memory, got sources, over which only the cost and its gradient are "
                "summed; use fun_and_jac with method='L-BFGS-B' or 'CG', or pass X and Y."
            )
        return self._data

    def _resume(self, path: str | os.PathLike[str]) -> None:
        """Take the parameters of a checkpoint, if there is one."""
        # Refuse now, not after the first evaluation.
        network_arrays(self._network)
        check_writable(path)
        if not os.path.exists(path):
            return
        mine = self._network
        try:
            kept = load(path)
        except (InvalidInput, WrongType, UnknownName) as caught:
            raise InvalidInput(
                f"checkpoint must be a file that an objective wrote, got {os.fspath(path)!r}, which cannot be loaded "
                "as a network; pass another path, or delete the file."
            ) from caught
        if _kind(kept) != _kind(mine):
            raise Refused(
                f"checkpoint must hold parameters of {mine!r}, got {kept!r} in {os.fspath(path)!r}; pass a "
                "network like that one, or another path."
            )
        mine.vector[...] = kept.vector

    def _save_if_lowest(self, found: float, evaluation: Evaluation) -> None:
        """Write a checkpoint if F is lower than at every other vector so far."""
        if found < self._lowest:
            self._lowest = found
            if self._checkpoint is not None:
                save(self.network(evaluation.vector), self._checkpoint)

    def _penalty(self, evaluation: Evaluation) -> float:
        if not self._l2:
            return 0.0
        weights = evaluation.vector[self._on_weights]
        return 0.5 * self._l2 * float(np.dot(weights, weights))

    def _hessian_product(self, evaluation: TapeEvaluation, direction: Array) -> Array:
        """Return ∇²F p at an evaluation, for a checked p."""
        with self._lock:
            self.work.hessian_products += 1
            taken, exponents = _cast(direction, self._network.dtype)
            product: Array = np.ldexp(evaluation.linear.hessian_product(taken).astype(FLOAT), exponents)
        if self._l2:
            product[self._on_weights] += self._l2 * direction[self._on_weights]
        return product

    def _with_weights(self, residuals: Array, vector: Array) -> Array:
        """Return residuals, or their change along vectors, with those of the penalty."""
        if not self._l2:
            return residuals
        return np.concatenate([residuals, np.sqrt(self._l2) * vector[..., self._on_weights]], axis=-1)

    def _check_squares(self) -> None:
        if not isinstance(self._cost, Quadratic):
            raise Refused(
                f"residuals need the quadratic cost, whose value is half a sum of their squares, got "
                f"{self._cost.name!r}; use fun and jac with scipy.optimize.minimize, or cost='quadratic'."
            )
        self._in_memory("a vector of residuals")

    def __reduce__(self) -> Any:
        return Objective, (self._network, self._data, self.backend, self._l2, self._checkpoint)

    def __repr__(self) -> str:
        penalty = f", l2={self._l2:g}" if self._l2 else ""
        data = self._data
        examples = f"{len(data.X)} examples" if isinstance(data, Batch) else f"{len(data.sources)} sources"
        return f"<Objective of {self._network!r}, {self._cost.name} cost{penalty}, {examples}, by {self.backend.label}>"


def _kind(network: Network) -> tuple[Any, ...]:
    """Return all of a network but its parameters."""
    return network.sizes, network.layout.patterns, network.activations, network.dtype


def _cast(directions: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return directions in the dtype of a network, each divided by a power of two if it is narrower, and the exponents.

    Products are linear, so multiplied by that power they are those of directions beyond the range of the dtype, too.
    """
    exponents = np.zeros((*directions.shape[:-1], 1), np.int64)
    if np.finfo(dtype).maxexp < np.finfo(FLOAT).maxexp:
        exponents += np.frexp(np.abs(directions).max(axis=-1, keepdims=True))[1]
    return np.ldexp(directions, -exponents).astype(dtype), exponents


class _Hessian(NetworkOperator):
    """∇²F at an evaluation that is kept; see :meth:`Objective.hess`."""

    what = "Hessian of the objective"

    def __init__(self, objective: Objective, evaluation: TapeEvaluation) -> None:
        self._objective = objective
        self._evaluation = evaluation
        super().__init__(evaluation.network, evaluation.linear, (len(evaluation.vector),) * 2, FLOAT)

    def products(self, directions: Array, *, transposed: bool) -> Array:  # noqa: ARG002 - it is symmetric
        """Return ∇²F p of every row."""
        return np.stack([self._objective._hessian_product(self._evaluation, p) for p in directions])

    def _adjoint(self) -> NetworkOperator:
        return self


class _ResidualJacobian(NetworkOperator):
    """∂r/∂v at an evaluation that is kept: the Jacobian of the outputs, scaled, and √λ for each weight.

    See :meth:`Objective.residual_jacobian`.
    """

    what = "Jacobian of the residuals"

    def __init__(self, objective: Objective, evaluation: TapeEvaluation) -> None:
        self._objective = objective
        net, tape = evaluation.network, evaluation.filled
        n = tape.output.shape[1]
        self._scale = np.repeat(np.sqrt(tape.share_column[:, 0], dtype=FLOAT), n)
        self._outputs = JacobianOperator(net, evaluation.linear, net.layout.last, PARAMETERS)
        height = len(objective._with_weights(self._scale, evaluation.vector))
        super().__init__(net, evaluation.linear, (height, len(evaluation.vector)), FLOAT)

    def products(self, directions: Array, *, transposed: bool) -> Array:
        """Return ∂r/∂v p, or its transpose times u, of every row."""
        o, scale, outputs = self._objective, self._scale, self._outputs
        taken = scale * directions[:, : len(scale)] if transposed else directions
        with o._lock:
            o.work.jacobian_products += len(directions)
            taken, exponents = _cast(taken, outputs.dtype)
            found: Array = np.ldexp(outputs.products(taken, transposed=transposed).astype(FLOAT), exponents)
        if not transposed:
            return o._with_weights(scale * found, directions)
        if o._l2:
            found[:, o._on_weights] += np.sqrt(o._l2) * directions[:, len(scale) :]
        return found

    @quiet
    def to_dense(self) -> Array:
        """Return the matrix itself, by a backward pass for each output."""
        # The matrix, and the Jacobian of the outputs.
        self.check_dense(copies=2)
        o, count = self._objective, len(self._scale)
        dense = np.zeros(self.shape, FLOAT)
        with o._lock:
            o.work.jacobian_products += o._network.sizes[-1]
            np.multiply(self._scale[:, None], self._outputs.to_dense(), out=dense[:count])
        if o._l2:
            dense[range(count, len(dense)), np.flatnonzero(o._on_weights)] = np.sqrt(o._l2)
        return dense


@quiet
def objective(
    net: Network,
    X: Any,
    Y: Any = None,
    cost: str | Cost = "quadratic",
    l2: float = 0.0,
    backend: BackendLike = None,
    sample_weight: Any = None,
    *,
    executor: Executor | None = None,
    progress: bool | Callable[..., object] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Objective:
    """Return the cost of a network as a function of one vector, for SciPy's optimizers.

    Parameters
    ----------
    net : Network
        The network; it is not changed, and later changes to it have no effect.
    X : array_like of shape (m, n₁), or list of source
        All examples, one a row. They are copied. Or sources, as :meth:`formulations.ChunkedPlan.over` takes them, which
        hold inputs, targets and weights: each vector is then evaluated chunk by chunk, F and ∇F together, and there
        are neither products with the Hessian nor residuals.
    Y : array_like of shape (m, n_L)
        The targets; left out with sources.
    cost : str or Cost
        As in :func:`formulations.gradient`.
    l2 : float
        λ/n of Equation (87), as in :func:`formulations.sgd`: adds ½·l2·Σw², for the weights and not for the biases.
    backend : str, Backend or None
        The formulation of gradients, Hessian products and Jacobians; see :func:`formulations.get_backend`.
    sample_weight : array_like of shape (m,), optional
        Weights of the examples in the mean.
    executor, progress
        As in :meth:`formulations.ChunkedPlan.over`, for sources.
    checkpoint : str or path-like, optional
        A file to which :func:`formulations.save` writes the network whenever F is lower than before. If it exists,
        ``o.x0`` is what it holds, so that a program that was interrupted goes on from there when it is run again.

    Returns
    -------
    Objective
        ``o.x0``, ``o.fun(v)``, ``o.jac(v)``, ``o.fun_and_jac(v)``, ``o.hessp(v, p)``, ``o.hess(v)`` and
        ``o.network(v)``; for least squares ``o.residuals(v)`` and ``o.residual_jacobian(v)``.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data or ``l2`` cannot be used.
    UnknownName
        If no backend or cost has this name.
    Refused
        If the backend cannot serve the network, or the examples exceed the budget of :func:`formulations.use_budget`;
        if a checkpoint is that of another network, or cannot hold one of user-defined activations; or if the executor
        was shut down.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.optimize import least_squares
    >>> net = Network(weights=[[[0.0]]], biases=[[0.0]], activations="identity")
    >>> o = objective(net, [[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]])  # y = 2x + 1
    >>> o.fun(o.x0), o.jac(o.x0)  # ½·(1 + 9 + 25)/3, and the means of −y·x and −y
    (5.833333333333333, array([-4.33333333, -3.        ]))
    >>> found = least_squares(o.residuals, o.x0, jac=o.residual_jacobian)
    >>> found.x.round(6)
    array([2., 1.])
    """
    check_network(net)
    data: Batch | Sources
    if Y is None and are_sources(X):
        check_alone(sample_weight)
        if executor is not None:
            # Only a call with an executor loads the module that checks it.
            from formulations.plans import checked_executor

            checked_executor(executor)
        check_progress(progress)
        data = Sources(read_sources(net, X), get_cost(cost), executor, progress)
    else:
        check_without_sources(X, executor, progress)
        data = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight).copy().counted()
    return Objective(net, data, get_backend(backend), nonnegative_number(l2, "l2"), checkpoint)
