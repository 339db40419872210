"""Certificates: whether a gradient is correct, and if not, where and why it is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.certification.candidates import read_candidate as read_candidate
    from formulations.verification.certification.functions import FunctionCertificate as FunctionCertificate
    from formulations.verification.certification.functions import certify_function as certify_function
    from formulations.verification.certification.judgement import certify as certify
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "candidates": ["read_candidate"],
            "functions": ["FunctionCertificate", "certify_function"],
            "judgement": ["certify"],
        },
    )
