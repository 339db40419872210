"""Causes: the mistakes that people make in gradients, each with the gradient that it produces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.certification.causes.case import Calls as Calls
    from formulations.verification.certification.causes.likely import Cause as Cause
    from formulations.verification.certification.causes.likely import likely_cause as likely_cause
    from formulations.verification.certification.causes.likely import observations as observations
    from formulations.verification.certification.causes.mistakes import MISTAKES as MISTAKES
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "likely": ["Cause", "likely_cause", "observations"],
            "mistakes": ["MISTAKES"],
            "case": ["Calls"],
        },
    )
