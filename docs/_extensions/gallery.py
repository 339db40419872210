"""The gallery's pictures: their style, and the order of their pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

GALLERY = Path(__file__).parents[1] / "gallery"

ORDER = (
    "vanishing_gradients",
    "saturation",
    "faces_of_sigma",
    "paths",
    "decision_boundaries",
    "learned_weights",
    "planted_mistake",
    "tolerances",
    "step_size",
    "digits_lost",
    "crossover",
    "sparse_weights",
    "agreement",
    "clipping",
    "jacobian_spectrum",
    "edge_of_stability",
    "lbfgs_against_sgd",
)
"""The programs, ``plot_….py`` each: first what the book describes, then how gradients are judged, then research."""


def apply_style(gallery: dict[str, Any], program: str) -> None:
    """Set the gallery's style; Sphinx-Gallery calls this before each program."""
    plt.style.use(GALLERY / "gallery.mplstyle")


class Order:
    """The key by which Sphinx-Gallery sorts the programs of a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, program: str) -> int:
        """Return the place of a program."""
        return ORDER.index(program.removeprefix("plot_").removesuffix(".py"))

    def __repr__(self) -> str:
        # The configuration is compared with that of the last build.
        return type(self).__name__
