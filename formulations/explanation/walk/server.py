"""The local server of ``formulations walk``: one page, and the numbers that the page asks for.

It serves whoever knows its token, on this machine only. The token stands in the fragment of the address, which browsers
never send; the page sends it as a header, which the pages of other sites cannot set.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import socket
import sys
import threading
import traceback
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from time import monotonic
from typing import Any

from formulations.exceptions import InvalidInput
from formulations.explanation.walk.answers import answer
from formulations.explanation.walk.page import as_page

__all__ = ["WalkServer", "walk_server"]

HOST = "127.0.0.1"
TOKEN_HEADER = "X-Formulations-Token"
MOST_BYTES = 2**18
MOST_CONNECTIONS = 32
TIMEOUT = 10.0
"""Seconds for a request to arrive once the previous one is answered, and for each part of a response to leave."""


def walk_server(document: Mapping[str, Any], port: int = 0) -> WalkServer:
    """Return the server of a walk that begins with a document.

    Raises
    ------
    InvalidInput
        If the port does not exist, is in use, or is reserved.
    """
    fallback = "<p>This page needs JavaScript; formulations explain shows the same steps in the terminal.</p>"
    return WalkServer(answer, document, page=as_page(None, {"provider": "server"}, fallback=fallback), port=port)


class WalkServer(ThreadingHTTPServer):
    """A server on this machine, for one page. ``serve_forever`` runs it, and Ctrl-C ends that.

    Parameters
    ----------
    answer : callable
        Takes a request, as JSON describes it, and returns a document, or ``{"error": {"message": ...}}``.
    document : mapping
        The first document.
    page : str
        The HTML page. It may load nothing; its inlined scripts and styles are those that its policy allows.
    port : int
        0 for any that is free.

    Attributes
    ----------
    address : str
        With the token, to open in a browser.

    Raises
    ------
    InvalidInput
        If the port does not exist, is in use, or is reserved.
    """

    daemon_threads = True
    # With SO_REUSEADDR Windows lets two programs have one port; elsewhere it only ends the wait after a restart.
    allow_reuse_address = os.name == "posix"
    allow_reuse_port = False

    def __init__(
        self, answer: Callable[[Any], Mapping[str, Any]], document: Mapping[str, Any], *, page: str, port: int = 0
    ) -> None:
        if not 0 <= port < 2**16:
            raise InvalidInput(f"a port must be from 0 to 65535, got {port}; pass 0 for any free one.")
        self.answer = answer
        self.document = _json(document)
        self.page = page.encode()
        self.policy = _policy(page)
        self.token = secrets.token_urlsafe(32)
        self.turns = _Turns()
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as caught:
            raise InvalidInput(
                f"port {port} of {HOST} must be free, and cannot be used ({caught.strerror}); choose another port, "
                "or 0 for any free one."
            ) from None
        self.host = f"{HOST}:{self.server_port}"
        self.address = f"http://{self.host}/#{self.token}"

    def server_bind(self) -> None:
        """Bind, without the look-up of the host's name in the network that the base class adds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection, unless there are too many."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that go away, for which the base class prints a traceback."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Turns:
    """Lets one request compute at a time. Of those that wait, only the newest gets its turn."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = False
        self._newest = 0

    def take(self) -> bool:
        """Wait for a turn; return False if a newer request has come."""
        with self._changed:
            self._newest += 1
            mine = self._newest
            self._changed.notify_all()
            self._changed.wait_for(lambda: mine != self._newest or not self._busy)
            if mine != self._newest:
                return False
            self._busy = True
            return True

    def end(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()


class _Refusal(Exception):
    """A request that is not served: its status, and a sentence for the client."""

    def __init__(self, status: HTTPStatus, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


class _Reader(io.RawIOBase):
    """Reads from a connection until a deadline, which a client that sends a byte now and then cannot move."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self.connection.settimeout(max(self.deadline - monotonic(), 1e-3))
        return self.connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection: the page, its document, and answers."""

    server: WalkServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "formulations", ""
    # If header and body leave one by one, Nagle's algorithm holds the second until the client acknowledges the first,
    # for which a client takes 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.reader = _Reader(self.connection)
        self.rfile.close()
        self.rfile = io.BufferedReader(self.reader)

    def handle_one_request(self) -> None:
        self.reader.deadline = monotonic() + TIMEOUT
        super().handle_one_request()

    def do_GET(self) -> None:
        try:
            kind, body = self._served()
        except _Refusal as refusal:
            self._refuse(refusal)
        else:
            self._send(HTTPStatus.OK, kind, body)

    # The other methods of HTTP are refused with a sentence, too.
    do_POST = do_HEAD = do_OPTIONS = do_PUT = do_PATCH = do_DELETE = do_TRACE = do_CONNECT = do_GET

    def _served(self) -> tuple[str, bytes]:
        """Return the type and the body of the response."""
        # A site whose name is made to point here after its page has loaded (DNS rebinding) sends its own name.
        if self.headers.get_all("Host", []) != [self.server.host]:
            raise _Refusal(
                HTTPStatus.MISDIRECTED_REQUEST, f"the server answers to {self.server.host} only; use its full address."
            )
        routes = {"/": "GET", "/document": "GET", "/answer": "POST"}
        if self.path not in routes:
            raise _Refusal(HTTPStatus.NOT_FOUND, "there is no such path; open the address that the command prints.")
        if self.command != routes[self.path]:
            raise _Refusal(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{self.path} takes {routes[self.path]} only; open the address that the command prints.",
                Allow=routes[self.path],
            )
        if self.path == "/":
            self._read(0)
            return "text/html", self.server.page
        given = self.headers.get_all(TOKEN_HEADER, [])
        if len(given) != 1 or not secrets.compare_digest(given[0].encode(), self.server.token.encode()):
            raise _Refusal(
                HTTPStatus.FORBIDDEN,
                "the token that stands behind # in the address is missing or belongs to another run; open the address "
                "that the command prints.",
            )
        if self.path == "/document":
            self._read(0)
            return "application/json", self.server.document
        return "application/json", self._answer()

    def _answer(self) -> bytes:
        if self.headers.get_content_type() != "application/json":
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a request must be application/json; set Content-Type.")
        try:
            request = json.loads(self._read(MOST_BYTES).decode(), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as caught:
            reason = "it is nested too deeply" if isinstance(caught, RecursionError) else str(caught)
            raise _Refusal(HTTPStatus.BAD_REQUEST, f"a request must be JSON in UTF-8 ({reason}); correct it.") from None
        if not self.server.turns.take():
            raise _Refusal(HTTPStatus.CONFLICT, "a newer request has replaced this one; ignore it.")
        try:
            return _json(self.server.answer(request))
        except Exception:
            # A defect of the library: its traceback belongs in the terminal and not on the page.
            traceback.print_exc()
            raise _Refusal(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "the library failed on this request; the terminal that runs the server shows where.",
            ) from None
        finally:
            self.server.turns.end()

    def _read(self, most: int) -> bytes:
        """Return the request's body of at most so many bytes."""
        lengths = self.headers.get_all("Content-Length", [] if most else ["0"])
        if "Transfer-Encoding" in self.headers or len(lengths) != 1 or not re.fullmatch("[0-9]{1,18}", lengths[0]):
            raise _Refusal(
                HTTPStatus.LENGTH_REQUIRED,
                "a request must have exactly one Content-Length header, the size of its body in bytes; set it.",
            )
        length = int(lengths[0])
        if length > most:
            raise _Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a body here has at most {most} bytes, got {length}; take a smaller network or fewer examples.",
            )
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError
        return body

    def _send(self, status: HTTPStatus, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.connection.settimeout(TIMEOUT)
        self.send_response(status)
        policy = self.server.policy if kind == "text/html" else "default-src 'none'; frame-ancestors 'none'"
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _refuse(self, refusal: _Refusal) -> None:
        # The body may be unread. On a connection that stays open it would be taken for the next request.
        body = _json({"error": {"message": str(refusal)}})
        self._send(refusal.status, "application/json", body, {**refusal.headers, "Connection": "close"})
        # Closed at once, the connection would be reset while the client still sends, and the response lost.
        self.connection.shutdown(socket.SHUT_WR)
        self.reader.deadline = monotonic() + TIMEOUT
        with suppress(OSError):
            while self.rfile.read1(MOST_BYTES):
                pass

    def send_error(self, code: int, *_: Any, **__: Any) -> None:
        """Refuse what the base class cannot read."""
        status = HTTPStatus(code)
        self._refuse(_Refusal(status, f"the request must be HTTP/1.1, and has {status.phrase.lower()!r}; correct it."))

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the terminal shows the address, and failures."""


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _policy(page: str) -> str:
    """Return the policy under which a browser runs the page: what it inlines, and requests to this server."""
    allowed: dict[str, list[str]] = {"script": [], "style": []}
    for element, attributes, text in re.findall(r"<(script|style)\b([^>]*)>(.*?)</\1>", page, re.DOTALL):
        if "application/json" not in attributes:
            digest = hashlib.sha256(text.encode()).digest()
            allowed[element].append(f"'sha256-{b64encode(digest).decode()}'")
    none = "'none'"
    rules = {
        "default-src": [none],
        "script-src": allowed["script"],
        "style-src": allowed["style"],
        "img-src": ["data:"],
        "font-src": ["data:"],
        "connect-src": ["'self'"],
        "base-uri": [none],
        "form-action": [none],
        "frame-ancestors": [none],
    }
    return "; ".join(f"{name} {' '.join(values) or none}" for name, values in rules.items())
