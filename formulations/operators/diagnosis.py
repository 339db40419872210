r"""The diagnosis: why a network learns slowly, layer by layer.

>>> from formulations.data import load_digits
>>> digits = load_digits()
>>> net = Network.random([64, *[30] * 8, 10], seed=0)
>>> found = diagnose(net, digits.X_train[:100], digits.Y_train[:100])
>>> found.learns, [str(finding.symptom) for finding in found.findings]
(False, ['vanishing', 'no isometry'])
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from textwrap import fill
from typing import Any

import numpy as np

from formulations.arrays import format_dtype, number_between, quiet
from formulations.display import (
    Colour,
    counted,
    draw_by_layer,
    fitted,
    format_brief,
    format_table,
    html_list,
    html_mark,
    html_table,
    html_text,
    html_view,
    new_figure,
    titled,
)
from formulations.functions import Cost
from formulations.network import Network, check_network, check_parameters, remark_on_kinks
from formulations.operators.findings import Finding, Symptom, find, named_layers
from formulations.operators.signals import LayerDiagnosis, measure

__all__ = ["QUANTITIES", "SATURATION", "SLOW", "Diagnosis", "Quantity", "diagnose"]

SATURATION = 0.1
"""The share of its supremum below which a slope is saturated, by default."""

SLOW = 1e-3
"""The share of the largest speed below which a layer does not learn, by default."""


@dataclass(frozen=True)
class Quantity:
    """One figure of a layer, and the statement behind it.

    Attributes
    ----------
    name : str
        The attribute of :class:`LayerDiagnosis`.
    heading : str
        Its column.
    means : str
        What it is; may name the threshold ``{saturation}``.
    statement : str
        What the source says about it.
    equations : tuple of str
        The numbers of the equations, in the index of equations.
    source : str
        Where the statement is made.
    """

    name: str
    heading: str
    means: str
    statement: str
    equations: tuple[str, ...]
    source: str


FOUR = "Nielsen, chapter 2, The four fundamental equations behind backpropagation"
DEEP = "Nielsen, chapter 5, The vanishing gradient problem"
CAUSE = "Nielsen, chapter 5, What's causing the vanishing gradient problem?"
ISOMETRY = "Saxe, McClelland and Ganguli 2014; Pennington, Schoenholz and Ganguli 2017"
TOLERANCES = "Tolerances, the path bound T2; Higham, section 3.1"

QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("saturated", "saturated", "slopes below {saturation:g} of their supremum; (…) if σ′ cancels",
                 "A weight learns slowly if the neuron that it leads to has saturated.", ("BP1", "BP2"), FOUR),
        Quantity("dead", "dead", "neurons whose slope is 0 on every example",
                 "A rectified linear unit stops learning if its weighted input is negative.", ("BP2",),
                 "Nielsen, chapter 3, Other models of artificial neuron"),
        Quantity("activation_rms", "a", "the root mean square of the activations",
                 "A weight learns slowly if its input activation is low.", ("BP4",), FOUR),
        Quantity("error_rms", "δ", "the same for the errors of the examples' own costs",
                 "If the error of a neuron is close to 0, no change of its weighted input improves the cost much.",
                 ("29",), FOUR),
        Quantity("gradient_rms", "gradient", "the same for the entries of ∂C/∂w and ∂C/∂b",
                 "The gradient is the error times the input activation.", ("BP3", "BP4"), FOUR),
        Quantity("by_weights", "× w", "the factor by which the next weights scale ‖δ‖",
                 "A layer makes the gradient smaller unless its weights are large enough to make up for σ′.",
                 ("BP2",), CAUSE),
        Quantity("by_slopes", "× σ′", "the factor by which the slopes scale it",
                 "σ′ of a sigmoid is at most 1/4, so the gradient shrinks from layer to layer.", ("BP1", "BP2"), CAUSE),
        Quantity("speed", "speed", "‖∂C/∂b‖",
                 "The length of ∂C/∂b measures the speed at which a layer learns.", ("BP3",), DEEP),
        Quantity("largest_singular_value", "s max", "the largest singular value of ∂a/∂x, median over examples",
                 "A deep network learns fast if all singular values of its Jacobian are near 1.", ("35",), ISOMETRY),
        Quantity("smallest_singular_value", "s min", "the smallest; 0 if within roundoff of 0",
                 "A deep network learns fast if all singular values of its Jacobian are near 1.", ("35",), ISOMETRY),
        Quantity("conditioning", "κ", "‖g_abs‖/‖g‖: how much larger ∂C is without cancellation",
                 "The gradient is a sum over all paths, and roundoff acts on each of them.", ("53",), TOLERANCES),
        Quantity("precision", "dtype", "the coarsest whose roundoff γ‖g_abs‖ is below ‖g‖",
                 "A computed gradient points downhill if its roundoff is smaller than itself.", ("53",), TOLERANCES),
    )
}  # fmt: skip
"""Name → figure of a layer, in the order of the columns."""

NUMBERS = (0, *range(2, len(QUANTITIES) + 1))
"""The columns of numbers: all but the verdict and the dtype."""


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """The result of :func:`formulations.diagnose`; printed, it is a table with its findings.

    Attributes
    ----------
    title : str
        Network, cost, examples and dtype.
    layers : tuple of LayerDiagnosis
        From the second layer to the last.
    findings : tuple of Finding
        What the figures mean; empty if nothing stands out.
    cost_value : float
        C.
    input_rms : float
        The root mean square of the inputs.
    combined : bool
        Whether cost and outputs are combined, so that the slopes of the outputs cancel and slow nothing down.
    examples, spectrum_examples : int
        The number of examples, and how many of them the singular values are of.
    saturation, slow : float
        As they were passed.
    kinks : int
        How many weighted inputs lie on a kink of their activation, such as relu's 0. There the slope is the left one.
    """

    title: str
    layers: tuple[LayerDiagnosis, ...]
    findings: tuple[Finding, ...]
    cost_value: float
    input_rms: float
    combined: bool
    examples: int
    spectrum_examples: int
    saturation: float
    slow: float
    kinks: int = 0

    @property
    def learns(self) -> bool:
        """Whether every layer learns."""
        return all(layer.learns for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, with the statement behind each figure."""
        return {
            "title": self.title,
            "learns": self.learns,
            "cost_value": self.cost_value,
            "input_rms": self.input_rms,
            "combined": self.combined,
            "examples": self.examples,
            "spectrum_examples": self.spectrum_examples,
            "saturation": self.saturation,
            "slow": self.slow,
            "kinks": self.kinks,
            "layers": [asdict(layer) for layer in self.layers],
            "findings": [{**asdict(finding), "symptom": str(finding.symptom)} for finding in self.findings],
            "quantities": {name: asdict(quantity) for name, quantity in QUANTITIES.items()},
        }

    @quiet
    def plot(self, ax: Any = None) -> Any:
        """Draw speed, rms of δ and of a in each layer and, beside them, the range of the singular values.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw the former alone; by default both are drawn in a new figure.

        Returns
        -------
        matplotlib Figure
            The new figure, or that of ``ax``.

        Raises
        ------
        MissingExtra
            If matplotlib is not installed.
        WrongType
            If ``ax`` is not a matplotlib Axes.
        """
        lines = {
            "speed ‖∂C/∂b‖": [layer.speed for layer in self.layers],
            "rms of δ": [layer.error_rms for layer in self.layers],
            "rms of a": [layer.activation_rms for layer in self.layers],
        }
        if ax is not None or not self.spectrum_examples:
            figure = draw_by_layer(lines, self.title, ax)
            _mark_slow(figure.axes[-1] if ax is None else ax, self)
            return figure
        figure = new_figure(9.6, 3.8)
        figure.suptitle(fill(self.title, 110), x=0.01, ha="left", fontsize=10)
        left, right = figure.subplots(1, 2)
        draw_by_layer(lines, "", left)
        titled(left, "learning, by layer")
        _mark_slow(left, self)
        _draw_spectrum(right, self)
        return figure

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows of the table."""
        # Tables must not wrap a heading between its words.
        headings = (each.heading.replace(" ", "\N{NO-BREAK SPACE}") for each in QUANTITIES.values())
        rows = [
            [str(layer.layer), _verdict(layer), *(_cell(getattr(layer, name), name) for name in QUANTITIES)]
            for layer in self.layers
        ]
        if self.combined:
            rows[-1][2] = f"({rows[-1][2]})"
        return ["layer", "learns", *headings], rows

    def _summary(self) -> str:
        stuck = [layer.layer for layer in self.layers if not layer.learns]
        if not stuck:
            return "every layer learns"
        layers = named_layers(stuck)
        if self.cost_value == 0 and all(layer.gradient_rms == 0 for layer in self.layers):
            return "nothing is left to learn"
        exploding = next((found.layers for found in self.findings if found.symptom is Symptom.EXPLODING), ())
        if set(stuck) <= set(exploding):
            verb = "learns" if len(stuck) == 1 else "learn"
            return f"the error explodes: {layers} {verb} too slowly for a step that suits layer {self._fastest.layer}"
        return f"{layers} {'does' if len(stuck) == 1 else 'do'} not learn"

    @property
    def _fastest(self) -> LayerDiagnosis:
        return max(self.layers, key=lambda layer: layer.speed)

    def _conclusion(self) -> str:
        summary = self._summary()
        slowest, fastest = min(self.layers, key=lambda layer: layer.speed), self._fastest
        if not self.learns or slowest.speed == fastest.speed:
            return f"{summary[:1].upper()}{summary[1:]}."
        return (
            f"Every layer learns: the slowest, layer {slowest.layer}, at {slowest.relative_speed:.2g} of the speed of "
            f"layer {fastest.layer}."
        )

    def _legend(self) -> list[tuple[str, str]]:
        """Return each column and what it is."""
        return [
            ("learns", f"speed or δ, and output slopes, ≥ {self.slow:g} of the largest; neurons differ"),
            *(
                (each.heading, f"{each.means.format(saturation=self.saturation)} ({', '.join(each.equations)})")
                for each in QUANTITIES.values()
            ),
        ]

    def __str__(self) -> str:
        header, rows = self._table()
        findings = "\n".join(f"• {finding.says}\n  → {finding.remedy}" for finding in self.findings)
        table = format_table(header, rows, right=NUMBERS)
        legend = "\n".join(f"{column:9}  {means}" for column, means in self._legend())
        parts = [self.title, self._conclusion(), findings, table, remark_on_kinks(self.kinks), legend]
        return fitted("\n\n".join(filter(None, parts)))

    def _repr_html_(self) -> str:
        header, rows = self._table()
        marks = [html_mark(_verdict(layer), "good" if layer.learns else "bad") for layer in self.layers]
        marked = [[row[0], mark, *row[2:]] for row, mark in zip(rows, marks, strict=True)]
        return html_view(
            html_text(self.title, "title"),
            html_text(self._conclusion()),
            html_list([(finding.says, f"→ {finding.remedy}") for finding in self.findings]),
            html_table(header, marked, right=NUMBERS),
            html_text(remark_on_kinks(self.kinks), "small"),
            html_text(" · ".join(f"{column}: {means}" for column, means in self._legend()), "small"),
        )

    def __repr__(self) -> str:
        return f"<Diagnosis: {self._summary()}; {self.title}>"

    def __bool__(self) -> bool:
        return self.learns


def _verdict(layer: LayerDiagnosis) -> str:
    return "yes" if layer.learns else "no"


def _cell(value: Any, name: str) -> str:
    """Format a figure."""
    if value is None:
        return "–"
    if name in ("saturated", "dead"):
        return f"{100 * value:.0f} %"
    if not isinstance(value, float):
        return str(value)
    return format_brief(value)


def _mark_slow(axes: Any, diagnosis: Diagnosis) -> None:
    """Draw the speed below which a layer does not learn."""
    fastest = max(layer.speed for layer in diagnosis.layers)
    if fastest > 0:
        axes.axhline(fastest * diagnosis.slow, linestyle=":", color=Colour.INK, linewidth=1, label="too slow below")
        axes.legend(frameon=False)


def _draw_spectrum(axes: Any, diagnosis: Diagnosis) -> None:
    """Draw the range of the singular values of ∂a^l/∂a¹."""
    lines = {
        name: [getattr(layer, f"{name}_singular_value") for layer in diagnosis.layers]
        for name in ("largest", "smallest")
    }
    high, low = (np.where(np.array(line) > 0, line, np.nan) for line in lines.values())
    axes.fill_between(range(2, len(low) + 2), low, high, color=Colour.BLUE, alpha=0.2, linewidth=0)
    axes.axhline(1, linestyle=":", color=Colour.INK, linewidth=1)
    draw_by_layer(lines, "", axes)
    titled(axes, "singular values of ∂a/∂x")


@quiet
def diagnose(
    net: Network,
    X: Any,
    Y: Any,
    cost: str | Cost = "quadratic",
    *,
    sample_weight: Any = None,
    saturation: float = SATURATION,
    slow: float = SLOW,
) -> Diagnosis:
    """Say which layers of a network do not learn, and why.

    Parameters
    ----------
    net : Network
        The network; it is not changed.
    X : array_like of shape (m, n₁)
        One example a row; some hundreds make the figures steady.
    Y : array_like of shape (m, n_L)
        The targets.
    cost : str or Cost
        As in :func:`formulations.gradient`.
    sample_weight : array_like of shape (m,), optional
        As in :func:`formulations.gradient`; the figures weight the examples in the same way.
    saturation : float
        A slope below this share of its supremum is saturated.
    slow : float
        A layer whose speed, and whose errors, are below this share of the largest of all layers does not learn. If the
        slopes of the outputs scale ∇_aC by less than this share of their supremum, no layer does.

    Returns
    -------
    Diagnosis
        True if every layer learns. It prints as a table with findings; ``layers`` and ``findings`` hold the figures.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used, ``saturation`` or ``slow`` is not between 0 and 1, or a parameter or the
        gradient is not finite.
    UnknownName
        If no cost has this name.

    Notes
    -----
    The speed of a layer is ‖∂C/∂b^l‖, as in Nielsen's chapter 5. For a coupled activation, such as softmax, a slope
    is ∂a_j/∂z_j. See :class:`LayerDiagnosis` for the definition of each figure.

    References
    ----------
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", 2014, arXiv:1312.6120. Pennington, Schoenholz and Ganguli, "Resurrecting the sigmoid in deep learning
    through dynamical isometry", 2017, arXiv:1711.04735.

    Examples
    --------
    >>> net = Network.random([2, *[20] * 8, 1], "tanh", seed=0, init="orthogonal")
    >>> diagnose(net, [[0.0, 1.0], [1.0, 1.0]], [[1.0], [0.0]])
    <Diagnosis: every layer learns; 2-20-20-20-20-20-20-20-20-1, tanh, quadratic cost, 2 examples, float64>
    """
    check_network(net)
    saturation, slow = (
        number_between(value, name, 0.0, 1.0, "neither") for value, name in ((saturation, "saturation"), (slow, "slow"))
    )
    batch = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight)
    check_parameters(net)
    measured = measure(net, batch, saturation, slow)
    m = len(batch.X)
    names = f"{net.layout}, {net.activation_names}, {batch.cost.name} cost"
    return Diagnosis(
        title=f"{names}, {counted(m, 'example')}, {format_dtype(net.dtype)}",
        layers=measured.layers,
        findings=find(net, measured, saturation, slow),
        cost_value=measured.cost_value,
        input_rms=measured.input_rms,
        combined=measured.combined,
        examples=m,
        spectrum_examples=measured.examples,
        saturation=saturation,
        slow=slow,
        kinks=measured.kinks,
    )
