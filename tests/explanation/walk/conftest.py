"""A browser for the pages of the walk."""

import pytest
from browser import chromium


@pytest.fixture(scope="session")
def browser():
    """Chromium; a test that needs it is skipped where it is not installed."""
    with chromium() as launched:
        yield launched
