"""Certificates for functions that are no network: judged by the values of the function alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.certification.functions.document import FunctionCertificate as FunctionCertificate
    from formulations.verification.certification.functions.judgement import certify_function as certify_function
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "document": ["FunctionCertificate"],
            "judgement": ["certify_function"],
        },
    )
