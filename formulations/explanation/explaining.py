"""The function that explains gradients, and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from formulations.arrays import items, positive_integer, quiet, random_generator
from formulations.backends import Backend, get_backend
from formulations.data import unit_vectors
from formulations.display import counted
from formulations.exceptions import InvalidInput
from formulations.explanation.computation import story_of
from formulations.explanation.html import as_fragment
from formulations.explanation.latex import as_latex
from formulations.explanation.operands import DIGITS
from formulations.explanation.story import Story
from formulations.explanation.text import as_text
from formulations.explanation.walk import Scene, document_of, static_page, widget_for
from formulations.functions import Cost, LogLikelihood, get_cost
from formulations.network import Network, check_network

if TYPE_CHECKING:
    from anywidget import AnyWidget

__all__ = ["DEFAULT_SIZES", "Explanation", "explain"]

DEFAULT_SIZES = (2, 3, 2)
"""The network that is explained if none is given."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Explanation(Story):
    """The steps of one or two gradients; printed, an explanation is text, and a notebook displays it as HTML.

    Attributes
    ----------
    scene : Scene
        The network, examples, cost and backends.
    """

    scene: Scene

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        steps = sum(len(column) for stage in self.stages for column in stage.columns)
        return f"<Explanation of {self.title}, by {' and '.join(self.backends)}: {counted(steps, 'step')}>"

    def latex(self) -> str:
        """Return a LaTeX document, which needs only amsmath."""
        return as_latex(self)

    def html(self, *, fragment: bool = False) -> str:
        """Return an HTML page to step through, in MathML, which loads nothing from elsewhere.

        Network, equation and matrices are linked: pointing at one entry lights it up in all three. Without scripts the
        page shows all steps one below the other.

        Parameters
        ----------
        fragment : bool
            Return only the element to put into another page, which runs no script. Its styles do not apply outside it.
        """
        return as_fragment(self) if fragment else static_page(self.to_dict(), as_fragment(self))

    def widget(self) -> AnyWidget:
        """Return a notebook widget that shows the walk and recomputes it when a number changes.

        Raises
        ------
        MissingExtra
            If anywidget is not installed.
        """
        return widget_for(self.to_dict())

    def _repr_html_(self) -> str:
        return as_fragment(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all steps as plain Python values, with all digits: the document of the walk, as its schema says."""
        return document_of(self.scene, self)


@quiet
def explain(
    net: Network | None = None,
    X: Any = None,
    Y: Any = None,
    backends: Sequence[str | Backend] | str | Backend = ("hadamard",),
    cost: str | Cost = "quadratic",
    *,
    equation: str | None = None,
    digits: int = DIGITS,
) -> Explanation:
    """Show how a gradient is computed: each equation with its number, in symbols and in numbers, and its result.

    Matrices are shown in numbers if layers have at most 6 neurons and there are at most 4 examples. Otherwise the
    explanation gives their shapes, non-zeros and multiplications.

    Parameters
    ----------
    net : Network, optional
        The network; by default a 2-3-2 network of seed 0, with weights and biases as in the book.
    X, Y : array_like of shape (m, n₁) and (m, n_L), optional
        The examples; by default a random one of seed 0, with a one-hot target for the log-likelihood.
    backends : str, Backend, or a sequence of one or two
        The formulations; two are shown side by side.
    cost : str or Cost
        The cost.
    equation : str, optional
        The number of an equation, such as ``"BP2"``, to show only its steps.
    digits : int
        The number of digits shown.

    Returns
    -------
    Explanation
        Printed, it is text; ``.latex()`` returns a LaTeX document, ``.html()`` a page to walk through. A notebook
        displays it.

    Raises
    ------
    InvalidInput
        If there are not one or two backends, only one of X and Y is given, or ``digits`` is not positive.
    UnknownName
        If no step of the computation uses that equation.
    Refused
        If a backend cannot serve the network, or its sparse weights, written as dense matrices, exceed the budget.

    Examples
    --------
    >>> story = explain(backends=["hadamard", "sigma"])
    >>> [step.equation for step in story.steps("sigma")]
    ['25', '25', '27', '33', '34', 'BP3', 'BP4', 'BP3', 'BP4']
    >>> [step.left.text for step in explain(equation="BP3").steps("hadamard")]
    ['∂C/∂b²', '∂C/∂b³']
    """
    digits = positive_integer(digits, "digits")
    requested = items(backends, "backends", "['hadamard', 'sigma']", one=(str, Backend), some=False)
    if len(requested) not in (1, 2):
        raise InvalidInput(
            f"an explanation needs one backend, or two side by side, got {len(requested)}; name one or two."
        )
    chosen = [get_backend(each) for each in requested]
    if (X is None) != (Y is None):
        raise InvalidInput("an explanation needs both X and Y, got only one; give both, or none for a random example.")
    random = random_generator(0)
    if net is None:
        # The book's normal distribution: biases of 0 would show nothing.
        net = Network.random(DEFAULT_SIZES, seed=random, init="book")
    check_network(net)
    cost = get_cost(cost)
    if X is None:
        X, Y = (random.random((1, n)).astype(net.dtype) for n in (net.sizes[0], net.sizes[-1]))
        if isinstance(cost, LogLikelihood):
            Y = unit_vectors(Y.argmax(axis=1), net.sizes[-1], net.dtype)
    # The numbers shown are those of now, whatever becomes of the network and the examples.
    net, batch = net.copy(), net.check_examples(X, Y, cost=cost).copy()
    story = story_of(net, batch, chosen, equation=equation, digits=digits)
    return Explanation(**vars(story), scene=Scene(net, batch.X, batch.Y, cost, tuple(chosen)))
