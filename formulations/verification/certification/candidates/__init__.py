"""Candidates: user-supplied gradients, in whatever form they come, read as gradients of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.certification.candidates.arrays import read_candidate as read_candidate
    from formulations.verification.certification.candidates.arrays import read_errors as read_errors
    from formulations.verification.certification.candidates.files import is_file as is_file
    from formulations.verification.certification.candidates.files import read_gradient as read_gradient
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "arrays": ["read_candidate", "read_errors"],
            "files": ["is_file", "read_gradient"],
        },
    )
