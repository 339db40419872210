"""Certificates: whether a gradient is correct, and if not, where and why it is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.certification.candidates import read_candidate as read_candidate
    from formulations.verification.certification.judgement import certify as certify
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "candidates": ["read_candidate"],
            "judgement": ["certify"],
        },
    )
