"""Chromium for the tests that open pages: the system's, driven by Playwright."""

from __future__ import annotations

import functools
import os
import shutil
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable():
    """Return the path of Chromium, or None; the variable CHROMIUM names another one."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium():
    """Start Chromium, or skip the tests that need it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser (extra browser)")
    path = executable()
    if path is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        # Without a sandbox, because root has none: the pages are ours.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def served(folder):
    """Serve a folder on this machine; give its address, which ends in a slash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def watched(browser, own, **options):
    """Open an empty page; on leaving, it must have asked no other host than its own and have logged no error."""
    context = browser.new_context(**options)
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: message.type == "error" and complaints.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on(
        "response",
        lambda answer: answer.status >= 400 and complaints.append(f"{page.url}: {answer.status} {answer.url}"),
    )
    page.on(
        "request",
        lambda request: (
            request.url.startswith((own, "data:", "blob:")) or complaints.append(f"{page.url} asks {request.url}")
        ),
    )
    try:
        yield page
    finally:
        context.close()
    if complaints:
        pytest.fail("\n".join(complaints))
