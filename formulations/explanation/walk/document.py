"""The document of a walk: a scene and all its steps as plain values, as ``assets/schema.json`` describes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.backends import get_backend, list_backends
from formulations.display import fixed_width
from formulations.explanation.equations import parse_latex
from formulations.explanation.latex import OPERATORS
from formulations.explanation.operands import MOST_EXAMPLES, MOST_NEURONS, SCALAR, Operand, Piece, Quantities
from formulations.explanation.story import Stage, Story
from formulations.explanation.template import Move, Step
from formulations.explanation.walk.faults import FAULTS, Planted
from formulations.explanation.walk.scene import Scene, plain_matrix
from formulations.functions import ACTIVATIONS, COSTS, Activation
from formulations.verification import Certificate, Status

__all__ = ["FORMAT", "MOST_LAYERS", "VERSION", "document_of"]

FORMAT, VERSION = "formulations-walk", 1

MOST_LAYERS = 12
"""The most layers that are drawn neuron by neuron."""

REACH, FARTHEST, POINTS = 6.0, 30.0, 97
"""A curve goes from −6 to 6, or as far as the weighted inputs up to 30, in 96 parts."""

WIDTH = 100
"""The columns of a printed certificate."""

MATRICES = ("w", "dw", "dwb")


def document_of(scene: Scene, story: Story, certificate: Certificate | None = None) -> dict[str, Any]:
    """Return the document of a scene.

    Parameters
    ----------
    scene : Scene
        What is explained.
    story : Story
        Its steps.
    certificate : Certificate, optional
        The verdict on the program with the mistake.

    Returns
    -------
    dict
        Plain values, which JSON can hold.
    """
    why = _why_by_layer(scene)
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": story.title,
        "notes": list(story.notes),
        "scene": scene.to_dict(),
        "columns": list(story.backends),
        "cost": _number(story.quantities[0].gradient.cost),
        "layers": _layers(story.quantities[0], numbers=not why),
        "program": None if scene.planted is None else {"layers": _layers(story.quantities[1], numbers=not why)},
        "drawn": "layers" if why else "neurons",
        "why": why,
        "stages": [_stage(stage, story, scene, numbers=not why) for stage in story.stages],
        "curves": _curves(story.quantities[0]),
        "fault": _fault(scene),
        "verdict": None if certificate is None else _verdict(certificate),
        "choices": _choices(scene),
    }


def _why_by_layer(scene: Scene) -> str:
    """Return why the network is drawn by layer; empty if it is drawn neuron by neuron."""
    sizes, m = scene.network.sizes, len(scene.X)
    reasons = []
    if max(sizes) > MOST_NEURONS:
        reasons.append(f"a layer has {max(sizes)} neurons, and at most {MOST_NEURONS} can be drawn one by one")
    if len(sizes) > MOST_LAYERS:
        reasons.append(f"it has {len(sizes)} layers, and at most {MOST_LAYERS} fit on a page")
    if m > MOST_EXAMPLES:
        reasons.append(f"there are {m} examples, and the numbers of at most {MOST_EXAMPLES} fit on a page")
    return f"The network is drawn by layer, since {'; and '.join(reasons)}." if reasons else ""


def _layers(quantities: Quantities, *, numbers: bool) -> list[dict[str, Any]]:
    def entry(name: str, l: int) -> Any:
        value = quantities.operand(name, l).value if numbers else None
        return None if value is None else plain_matrix(value)

    names = ("w", "b", "z", "a", "slope", "delta", "dw", "db")
    activations = quantities.tape.network.activations
    layers: list[dict[str, Any]] = [{"layer": 1, "a": entry("a", 1)}]
    for l, activation in enumerate(activations, start=2):
        layers.append({"layer": l, "activation": activation.name, **{name: entry(name, l) for name in names}})
    return layers


def _stage(stage: Stage, story: Story, scene: Scene, *, numbers: bool) -> dict[str, Any]:
    columns = []
    for i, (steps, quantities) in enumerate(zip(stage.columns, story.quantities, strict=True)):
        plain = [_step(step, quantities, numbers=numbers) for step in steps]
        if i == 1 and scene.planted is not None:
            for step, each in zip(steps, plain, strict=True):
                each |= _with_mistake(step, quantities, scene.planted, numbers=numbers)
        columns.append(plain)
    return {
        "title": stage.title,
        "phase": stage.phase,
        "layer": stage.layer,
        "shared": stage.shared,
        "columns": columns,
    }


def _with_mistake(step: Step, quantities: Quantities, planted: Planted, *, numbers: bool) -> dict[str, Any]:
    """Return what a step of the program has if it is the planted line, or if the mistake has an effect on it."""
    left, program = step.left, (quantities.tape, quantities.gradient)
    if left is None or left.layer is None or left.name not in ("delta", "db", "dw"):
        return {}
    if (left.name, left.layer) == (planted.quantity, planted.layer):
        expected = planted.expected(*program)
        if step.rows and isinstance(result := step.rows[0][-1], Operand) and result.value is not None:
            # Where each example has its own Σ′, the line has the first example alone.
            expected = expected[:, : result.value.shape[1]] if not result.index else expected
        return {"planted": True, "expected": plain_matrix(expected) if numbers else None}
    effect = planted.effect(left.name, left.layer, *program)
    return {"effect": effect} if effect else {}


def _step(step: Step, quantities: Quantities, *, numbers: bool) -> dict[str, Any]:
    # A row of every component would be as long as the layer is wide.
    rows = step.rows if numbers or len(step.rows) == 1 else ()
    plain: dict[str, Any] = {
        "equation": step.equation,
        "says": step.says,
        "remarks": list(step.remarks),
        "symbols": [_piece(piece, quantities, numbers=False) for piece in step.symbols],
        "rows": [[_piece(piece, quantities, numbers=numbers) for piece in row] for row in rows],
        "multiplications": step.multiplications,
    }
    if step.paths:
        plain["paths"] = [
            {"neurons": [list(neuron) for neuron in path.neurons], "product": _number(path.product)}
            for path in step.paths
        ]
    if step.moves:
        plain["moves"] = [_move(move) for move in step.moves]
    return plain


def _move(move: Move) -> dict[str, Any]:
    return {
        "name": move.name,
        "layer": move.layer,
        "index": list(move.index),
        "costs": [{"by": by, "cost": _number(cost)} for by, cost in move.costs],
        "quotient": _number(move.quotient),
    }


def _piece(piece: Piece, quantities: Quantities, *, numbers: bool) -> dict[str, Any]:
    if isinstance(piece, str):
        return {"operator": piece, "mathml": _operator(piece)}
    formula = parse_latex(piece.latex)
    found: dict[str, Any] = {
        "symbol": formula.text,
        "mathml": formula.mathml if piece.latex else "",
        "name": piece.name,
        "kind": _kind(piece, quantities),
        "layer": quantities.last if piece.name in ("y", "nabla", "C", "sum") and piece.layer is None else piece.layer,
        "index": list(piece.index),
        "axes": [{what: count} for what, count in piece.axes],
        "transposed": piece.transposed,
        "digits": piece.digits,
        "value": None,
    }
    if numbers or piece.is_scalar:
        found["value"] = None if piece.value is None else plain_matrix(piece.value)
    elif piece.value is not None:
        found |= {"shape": list(piece.value.shape), "nonzeros": int(np.count_nonzero(piece.value))}
    return found


def _kind(piece: Operand, quantities: Quantities) -> str:
    if piece.index or piece.axes == SCALAR or (not piece.axes and piece.value is not None):
        return "scalar"
    if not piece.axes:
        return "formula"
    if piece.name == "Sigma" and piece.layer is not None:
        return "blocks" if quantities.coupled(piece.layer) else "diagonal"
    return "matrix" if piece.name in MATRICES else "vector"


def _operator(sign: str) -> str:
    """Return the MathML of an operator; parentheses do not stretch, since what stands between them may be small."""
    if sign in ("(", ")"):
        return f'<mo stretchy="false">{sign}</mo>'
    if sign.startswith("‖"):
        return '<mo stretchy="false">‖</mo>' if sign == "‖" else '<msup><mo stretchy="false">‖</mo><mn>2</mn></msup>'
    return parse_latex(OPERATORS.get(sign, sign.replace("Σ_", r"\sum_"))).mathml


def _number(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None


def _curves(quantities: Quantities) -> list[dict[str, Any]]:
    """Return σ and σ′ of each activation, over a range that holds its weighted inputs."""
    tape = quantities.tape
    reach: dict[Activation, float] = {}
    for activation, z in zip(tape.network.activations, tape.weighted_inputs, strict=True):
        far = float(np.abs(z).max())
        # NaN, too, becomes FARTHEST.
        reach[activation] = max(far if far < FARTHEST else FARTHEST, reach.get(activation, REACH))
    return [_curve(activation, far) for activation, far in reach.items()]


def _curve(activation: Activation, reach: float) -> dict[str, Any]:
    if activation.coupled:
        why = f"{activation.name} couples its neurons: an activation depends on all weighted inputs of the layer."
        return {"activation": activation.name, "why": why}
    if len(activation.functions) > 1:
        return {"activation": activation.name, "why": "The neurons of this layer have several activations."}
    function = activation.functions[0]
    z = np.linspace(-reach, reach, POINTS)
    return {
        "activation": activation.name,
        "z": plain_matrix(z),
        "a": plain_matrix(function.value(z)),
        "slope": plain_matrix(function.slope(z)),
    }


def _fault(scene: Scene) -> dict[str, Any] | None:
    planted = scene.planted
    if planted is None:
        return None
    line = parse_latex(planted.latex)
    return {
        "name": planted.fault.name,
        "title": planted.fault.title,
        "equation": planted.equation,
        "layer": planted.layer,
        "line": {"symbol": line.text, "mathml": line.mathml},
    }


def _verdict(certificate: Certificate) -> dict[str, Any]:
    with fixed_width(WIDTH):
        text = str(certificate)
    return {
        "status": str(certificate.status),
        "layer": certificate.layer,
        "equation": certificate.equation,
        "cause": None if certificate.cause is None else certificate.cause.name,
        "readings": [] if certificate.cause is None else [each.name for each in certificate.cause.readings],
        "says": _sentence(certificate),
        "text": text,
    }


def _sentence(certificate: Certificate) -> str:
    if certificate.status is Status.EQUAL:
        return "The gradient is correct, within roundoff: the mistake does not show in these numbers."
    if certificate.status is Status.INCONCLUSIVE:
        return "Roundoff hides whether the gradient is correct."
    place = f"The mistake is in layer {certificate.layer}, ({certificate.equation})"
    if certificate.cause is None:
        return f"{place}; it is none of the known ones."
    readings = [certificate.cause, *certificate.cause.readings]
    return f"{place}: {'; or '.join(each.sentence for each in readings)}."


def _choices(scene: Scene) -> dict[str, Any]:
    network, batch = scene.network, scene.batch
    backends = ((name, get_backend(name)) for name in list_backends())
    return {
        "activations": sorted(ACTIVATIONS),
        "costs": sorted(COSTS),
        "backends": [{"name": name, "why": backend.why_not(network, scene.cost)} for name, backend in backends],
        "faults": [
            {
                "name": fault.name,
                "title": fault.title,
                "equations": list(fault.equations),
                "layers": fault.layers(network, batch),
                "why": fault.why_nowhere(network, batch),
            }
            for fault in FAULTS.values()
        ],
    }
