"""Executors of ``concurrent.futures``: what may compute and be sent, independent calls, and the tasks of a sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.plans.executors.checks import checked_executor as checked_executor
    from formulations.plans.executors.dispatch import Dispatch as Dispatch
    from formulations.plans.executors.independent import in_order as in_order
    from formulations.plans.executors.tasks import Piece as Piece
    from formulations.plans.executors.tasks import Recipe as Recipe
    from formulations.plans.executors.tasks import add_piece as add_piece
    from formulations.plans.executors.workers import Worker as Worker
    from formulations.plans.executors.workers import differing_kernels as differing_kernels
    from formulations.plans.executors.workers import this_worker as this_worker
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "checks": ["checked_executor"],
            "dispatch": ["Dispatch"],
            "independent": ["in_order"],
            "tasks": ["Piece", "Recipe", "add_piece"],
            "workers": ["Worker", "differing_kernels", "this_worker"],
        },
    )
