"""Candidates: user-supplied gradients, in whatever form they come, read as gradients of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.certification.candidates.arrays import read_errors as read_errors
    from formulations.verification.certification.candidates.candidate import Candidate as Candidate
    from formulations.verification.certification.candidates.files import is_file as is_file
    from formulations.verification.certification.candidates.reading import read_candidate as read_candidate
    from formulations.verification.certification.candidates.tensors import is_module as is_module
    from formulations.verification.certification.candidates.tensors import untracked as untracked
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "arrays": ["read_errors"],
            "candidate": ["Candidate"],
            "files": ["is_file"],
            "reading": ["read_candidate"],
            "tensors": ["is_module", "untracked"],
        },
    )
