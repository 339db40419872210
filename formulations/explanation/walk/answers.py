"""What the page asks for: the document of a scene, after an action if there is one."""

from __future__ import annotations

from typing import Any

from formulations.arrays import quiet
from formulations.exceptions import FormulationsException, InvalidInput, described
from formulations.explanation.computation import story_of
from formulations.explanation.walk.actions import act
from formulations.explanation.walk.document import VERSION, document_of
from formulations.explanation.walk.scene import Scene, check_keys, read_scene
from formulations.verification import certify

__all__ = ["answer"]

KEYS = ("version", "scene", "action")


@quiet
def answer(request: Any) -> dict[str, Any]:
    """Return the document that a request asks for.

    Parameters
    ----------
    request : dict
        ``{"version": 1, "scene": …, "action": …}``; the action may be None.

    Returns
    -------
    dict
        The document, or ``{"error": {"message": …}}`` if the request cannot be met.
    """
    try:
        _check_version(request)
        return _document(act(read_scene(request["scene"]), request.get("action")))
    except FormulationsException as caught:
        return {"error": {"message": str(caught)}}


def _check_version(request: Any) -> None:
    check_keys(request, "a request", KEYS, ("version", "scene"))
    version = request["version"]
    if type(version) is not int or version != VERSION:
        raise InvalidInput(
            f"a request must have version {VERSION}, got {described(version)}; use the page of this version of "
            "formulations."
        )


def _document(scene: Scene) -> dict[str, Any]:
    """Compute all steps of a scene, and the verdict on its program, and return the document."""
    story = story_of(scene.network, scene.batch, scene.columns)
    certificate = None
    if scene.planted is not None:
        certificate = certify(scene.network, scene.X, scene.Y, story.quantities[1].gradient, scene.cost)
    return document_of(scene, story, certificate)
