"""Plans: gradients in one call, prepared plans, chunks and budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.plans.admission import seconds_for as seconds_for
    from formulations.plans.admission import unreasonable as unreasonable
    from formulations.plans.calls import are_sources as are_sources
    from formulations.plans.calls import check_alone as check_alone
    from formulations.plans.calls import check_without_sources as check_without_sources
    from formulations.plans.calls import errors_by_chunk as errors_by_chunk
    from formulations.plans.calls import gradient as gradient
    from formulations.plans.calls import gradient_of_batch as gradient_of_batch
    from formulations.plans.calls import prepare as prepare
    from formulations.plans.calls import read_sources as read_sources
    from formulations.plans.calls import which as which
    from formulations.plans.chunks import ChunkedPlan as ChunkedPlan
    from formulations.plans.executors import checked_executor as checked_executor
    from formulations.plans.executors import in_order as in_order
    from formulations.plans.plan import Claimed as Claimed
    from formulations.plans.plan import Plan as Plan
    from formulations.plans.progress import check_progress as check_progress
    from formulations.plans.source import Source as Source
    from formulations.plans.source import sources as sources
    from formulations.plans.tree import Tree as Tree
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "admission": ["seconds_for", "unreasonable"],
            "calls": [
                "are_sources",
                "check_alone",
                "check_without_sources",
                "errors_by_chunk",
                "gradient",
                "gradient_of_batch",
                "prepare",
                "read_sources",
                "which",
            ],
            "chunks": ["ChunkedPlan"],
            "executors": ["checked_executor", "in_order"],
            "plan": ["Claimed", "Plan"],
            "progress": ["check_progress"],
            "source": ["Source", "sources"],
            "tree": ["Tree"],
        },
    )
