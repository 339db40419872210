"""Reasons why compiled code cannot run: numba is disabled, or its cache cannot be read."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from traceback import walk_tb
from typing import Any

__all__ = ["unreadable_cache", "why_not_compiled"]

SWITCH = "NUMBA_DISABLE_JIT"


def why_not_compiled() -> str | None:
    """Return the reason if numba is disabled, without which addresses cannot become arrays; else None."""
    loaded = sys.modules.get("numba")
    disabled = loaded.config.DISABLE_JIT if loaded is not None else os.environ.get(SWITCH, "0") not in ("", "0")
    return f"it needs numba to compile, and {SWITCH} forbids that: unset it" if disabled else None


def unreadable_cache(caught: BaseException) -> str | None:
    """Return the reason if an exception comes from numba's cache, else None."""
    for raised in (caught, caught.__cause__, caught.__context__):
        for frame, _ in walk_tb(raised.__traceback__ if raised is not None else None):
            if frame.f_globals.get("__name__") == "numba.core.caching":
                compiled: Any = import_module("formulations.backends._shared.compiled.steps").activate
                return (
                    f"numba cannot use its cached code in {compiled.stats.cache_path} "
                    f"({type(caught).__name__}: {caught}); delete that folder to compile again"
                )
    return None
