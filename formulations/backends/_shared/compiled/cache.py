"""What keeps compiled code from running: a compiler that is switched off, or files of its that cannot be read."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from traceback import walk_tb
from typing import Any

__all__ = ["unreadable_cache", "why_not_compiled"]

SWITCH = "NUMBA_DISABLE_JIT"


def why_not_compiled() -> str | None:
    """Return None, or that numba is told not to compile, without which addresses are no arrays."""
    loaded = sys.modules.get("numba")
    disabled = loaded.config.DISABLE_JIT if loaded is not None else os.environ.get(SWITCH, "0") not in ("", "0")
    return f"it needs numba to compile, and {SWITCH} forbids that: unset it" if disabled else None


def unreadable_cache(caught: BaseException) -> str | None:
    """Return that numba's files cannot be used, if that is where an exception comes from; else None."""
    for raised in (caught, caught.__cause__, caught.__context__):
        for frame, _ in walk_tb(raised.__traceback__ if raised is not None else None):
            if frame.f_globals.get("__name__") == "numba.core.caching":
                compiled: Any = import_module("formulations.backends._shared.compiled.steps").activate
                return (
                    f"numba cannot use the compiled code that it keeps in {compiled.stats.cache_path} "
                    f"({type(caught).__name__}: {caught}); delete that folder, and it is compiled anew"
                )
    return None
