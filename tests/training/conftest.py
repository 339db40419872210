"""What the tests of training share."""

from __future__ import annotations

import os
import signal

import pytest


@pytest.fixture
def ctrl_c():
    """A function that presses Ctrl-C."""
    # A process that a shell started in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)
