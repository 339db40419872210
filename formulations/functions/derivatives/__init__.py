"""The numerical check of user-supplied functions and their derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.functions.derivatives.differences import differentiate as differentiate
    from formulations.functions.derivatives.differences import differentiate_entries as differentiate_entries
    from formulations.functions.derivatives.differences import differentiate_rows as differentiate_rows
    from formulations.functions.derivatives.user_functions import call_untouched as call_untouched
    from formulations.functions.derivatives.user_functions import called as called
    from formulations.functions.derivatives.user_functions import first_mixed as first_mixed
    from formulations.functions.derivatives.user_functions import interval as interval
    from formulations.functions.derivatives.user_functions import sample_points as sample_points
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "differences": ["differentiate", "differentiate_entries", "differentiate_rows"],
            "user_functions": ["call_untouched", "called", "first_mixed", "interval", "sample_points"],
        },
    )
