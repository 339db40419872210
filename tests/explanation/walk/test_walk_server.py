"""The local server: who is served, what is refused and how, and that the newest request wins."""

import base64
import hashlib
import http.client
import json
import re
import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest

from formulations.exceptions import InvalidInput
from formulations.explanation.walk import server as module
from formulations.explanation.walk.server import MOST_BYTES, TOKEN_HEADER, WalkServer

PAGE = (
    '<style>p { margin: 0 }</style><script type="application/json">{}</script><script type="module">let x = 1;</script>'
)
DOCUMENT = {"format": "formulations-walk", "cost": 0.5, "title": "σ"}


@contextmanager
def running(answer, page=PAGE):
    with WalkServer(answer, DOCUMENT, page=page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def wait(condition):
    """Wait until a condition holds, and fail if it never does."""
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it never happens")


def echo(request):
    return {"echo": request}


@pytest.fixture(scope="module")
def server():
    with running(echo) as running_server:
        yield running_server


def head(server, method="POST", path="/answer", **changed):
    """A request's head; None leaves a header out."""
    headers = {"Host": server.host, TOKEN_HEADER: server.token, "Content-Type": "application/json"}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


def post(server, body, **changed):
    return head(server, Content_Length=str(len(body)), **changed) + body


def received(file, *, body=True):
    """Read one response: its status, its headers and its body."""
    status = int(file.readline().split()[1])
    headers = http.client.parse_headers(file)
    return status, dict(headers), file.read(int(headers["Content-Length"])).decode() if body else ""


def connected(server, timeout=20):
    return socket.create_connection(("127.0.0.1", server.server_port), timeout)


def sent(server, data, responses=1):
    """Send bytes; return the responses."""
    with connected(server) as connection, connection.makefile("rb") as file:
        connection.sendall(data)
        found = [received(file, body=not data.startswith(b"HEAD")) for _ in range(responses)]
        if found[-1][1].get("Connection") == "close":
            assert file.read() == b""
        return found


def refused(server, data, status):
    """Send bytes that are refused; return the sentence."""
    [(found, headers, body)] = sent(server, data)
    assert found == status
    # Nothing that follows on the connection, such as the body of this request, is taken for another request.
    assert headers["Connection"] == "close"
    message = json.loads(body)["error"]["message"]
    assert message.endswith(".") and "Traceback" not in body and ".py" not in body
    return message


def test_page_document_and_answer_are_served(server):
    assert server.address == f"http://127.0.0.1:{server.server_port}/#{server.token}"
    [(status, headers, body)] = sent(server, head(server, "GET", "/", X_Formulations_Token=None))
    assert (status, headers["Content-Type"], body) == (200, "text/html; charset=utf-8", PAGE)
    [(status, headers, body)] = sent(server, head(server, "GET", "/document"))
    assert (status, headers["Content-Type"], json.loads(body)) == (200, "application/json; charset=utf-8", DOCUMENT)
    [(status, headers, body)] = sent(server, post(server, '{"ζ": 1}'.encode()))
    assert (status, json.loads(body)) == (200, {"echo": {"ζ": 1}})


def test_the_page_has_nothing_that_the_token_protects(server):
    assert server.token.encode() not in server.page and b"0.5" not in server.page


def test_each_response_forbids_what_it_does_not_need(server):
    page, document, refusal = (
        sent(server, head(server, "GET", path))[0][1] for path in ("/", "/document", "/elsewhere")
    )
    for headers in (page, document, refusal):
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not [name for name in headers if name.startswith("Access-Control")]
        assert "Python" not in headers["Server"]
    assert document["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    rules = dict(rule.split(" ", 1) for rule in page["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert rules["connect-src"] == "'self'"
    # Scripts and styles run by the hash of their text alone, and data is neither.
    for kind, text in (("script", b"let x = 1;"), ("style", b"p { margin: 0 }")):
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"


HOSTS = ["attacker.example", "localhost:{port}", "127.0.0.1", "127.0.0.1:{port}.attacker.example", "[::1]:{port}", None]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/document"), ("POST", "/answer")])
def test_another_host_is_refused(server, host, method, path):
    given = None if host is None else host.format(port=server.server_port)
    assert server.host in refused(server, head(server, method, path, Host=given), 421)


def test_two_hosts_are_refused(server):
    refused(server, head(server, "GET", "/").replace(b"Host:", b"Host: attacker.example\r\nHost:"), 421)


@pytest.mark.parametrize("token", [None, "", "x", "é", "{token}x", "{token} {token}"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/document"), ("POST", "/answer")])
def test_a_wrong_token_is_refused(server, token, method, path):
    given = None if token is None else token.format(token=server.token)
    message = refused(server, head(server, method, path, **{TOKEN_HEADER: given}), 403)
    assert "token" in message and server.token not in message


def test_the_token_is_taken_from_its_header_only(server):
    refused(server, head(server, "GET", f"/document?{server.token}", **{TOKEN_HEADER: None}), 404)
    refused(server, head(server, "GET", "/document", Cookie=server.token, **{TOKEN_HEADER: None}), 403)


def test_each_server_has_a_token_of_its_own(server):
    with WalkServer(dict, {}, page="") as other:
        assert other.token != server.token and len(other.token) >= 43


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/walk.js",
        "/answer/",
        "/?x=1",
        "http://127.0.0.1/",
        "*",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_other_path_is_served(server, method, path):
    refused(server, head(server, method, path), 404)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "POST"])
def test_the_page_is_only_got(server, method):
    [(status, headers, body)] = sent(server, head(server, method, "/"))
    assert (status, headers["Allow"], headers["Connection"]) == (405, "GET", "close")
    assert (body == "") == (method == "HEAD")
    assert not [name for name in headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT"])
def test_answers_are_only_posted(server, method):
    assert sent(server, head(server, method, "/answer"))[0][1]["Allow"] == "POST"


def test_an_unknown_method_is_refused(server):
    assert "unsupported method" not in refused(server, head(server, "FETCH", "/answer"), 501)


@pytest.mark.parametrize("line", [b"GET", b"GET / HTTP/9.9", b"GET / HTTP/x", b"\x16\x03\x01\x02", b"A" * 70000])
def test_what_is_not_http_is_refused(server, line):
    with connected(server) as connection:
        connection.sendall(line + b"\r\n\r\n")
        assert b"Traceback" not in b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_another_content_type_is_refused(server, kind):
    refused(server, post(server, b"{}", Content_Type=kind), 415)


@pytest.mark.parametrize("length", [None, "-1", "+2", "2.0", "0x2", "2, 2", "", "٢", "9" * 30])
def test_a_body_without_a_length_is_refused(server, length):
    refused(server, head(server, Content_Length=length) + b"{}", 411)


def test_chunks_and_two_lengths_are_refused(server):
    refused(server, head(server, Transfer_Encoding="chunked") + b"2\r\n{}\r\n0\r\n\r\n", 411)
    refused(server, post(server, b"{}", Transfer_Encoding="chunked"), 411)
    refused(server, post(server, b"{}").replace(b"Content-Length", b"Content-Length: 2\r\nContent-Length"), 411)


def test_an_oversized_body_is_refused_before_it_is_read(server):
    assert str(MOST_BYTES) in refused(server, head(server, Content_Length=str(MOST_BYTES + 1)), 413)
    # Whoever sends all of it, more than the system keeps for the server, can do so, and read the refusal.
    refused(server, post(server, b" " * (100 * MOST_BYTES)), 413)


def test_the_largest_body_is_taken(server):
    assert sent(server, post(server, b"1" + b" " * (MOST_BYTES - 1)))[0][2] == '{"echo":1}'


def test_the_page_and_the_document_take_no_body(server):
    for path in ("/", "/document"):
        refused(server, head(server, "GET", path, Content_Length="2") + b"{}", 413)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"{} {}",
        b"\xff\xfe{\x00}\x00",
        b"\xff",
        b"NaN",
        b'{"a": Infinity}',
        b"[-Infinity]",
        b"1" * 5000,
    ],
)
def test_what_is_not_json_is_refused(server, body):
    refused(server, post(server, body), 400)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_refused(server, opening):
    assert "deep" in refused(server, post(server, opening * 50_000), 400)


def test_a_connection_serves_requests_one_after_the_other(server):
    data = b"".join(post(server, f"[{k}]".encode()) for k in range(5))
    assert [json.loads(body)["echo"] for _, _, body in sent(server, data, responses=5)] == [[k] for k in range(5)]


def test_nothing_behind_a_refusal_is_read(server):
    # A page elsewhere can send any body, and so a second request in it, but no token.
    inner = post(server, b"[1]")
    refused(server, post(server, inner, **{TOKEN_HEADER: "wrong"}), 403)
    refused(server, head(server, "GET", "/nowhere") + inner, 404)


def test_a_body_that_ends_early_is_not_answered(server):
    with connected(server) as connection:
        connection.sendall(head(server, Content_Length="10") + b"{}")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_the_newest_of_those_that_wait_is_answered():
    begun, go_on = threading.Event(), threading.Event()
    computed = []

    def answer(request):
        begun.set()
        assert go_on.wait(20)
        computed.append(request)
        return {"echo": request}

    with running(answer) as server, ExitStack() as stack:
        files = []
        for k in range(4):
            connection = stack.enter_context(connected(server))
            files.append(stack.enter_context(connection.makefile("rb")))
            connection.sendall(post(server, str(k).encode()))
            assert begun.wait(20)
            # The next one comes later than this one, which waits for its turn.
            wait(lambda k=k: server.turns._newest > k)
        # Those replaced know it while the first still computes.
        assert [received(file)[0] for file in files[1:3]] == [409, 409] and computed == []
        go_on.set()
        for k in (0, 3):
            status, _, body = received(files[k])
            assert (status, json.loads(body)) == (200, {"echo": k})
        assert computed == [0, 3]


def test_a_failure_shows_its_traceback_in_the_terminal_only(capfd):
    def answer(request):
        if request == "fail":
            raise RuntimeError("secret")
        return {} if request == "well" else {"value": float("nan")}

    with running(answer) as server:
        for request in (b'"fail"', b'"not a number"'):
            message = refused(server, post(server, request), 500)
            assert "secret" not in message and "terminal" in message
        assert "RuntimeError: secret" in capfd.readouterr().err
        assert sent(server, post(server, b'"well"'))[0][0] == 200


def test_a_defect_of_the_server_is_shown_in_the_terminal(capfd, monkeypatch):
    monkeypatch.setattr(module._Handler, "_served", lambda _: 1 / 0)
    with running(echo) as server, connected(server) as connection:
        connection.sendall(head(server, "GET", "/"))
        assert connection.recv(1) == b""
    assert "ZeroDivisionError" in capfd.readouterr().err


@pytest.mark.parametrize("start", [b"", b"GET / HTT", b"POST /answer HTTP/1.1\r\nHost: x\r\nA: "])
def test_a_slow_client_is_disconnected(server, monkeypatch, start):
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    with connected(server) as connection:
        connection.sendall(start)
        assert connection.recv(1) == b""


def test_a_client_that_drips_is_disconnected(server, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    with connected(server, 0.02) as connection:
        connection.sendall(head(server, Content_Length="100000"))
        for _ in range(1000):
            try:
                connection.sendall(b" ")
                assert connection.recv(1) == b""
                break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("the server still waits")


def test_connections_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 2)
    with running(echo) as server:
        idle = [connected(server) for _ in range(3)]
        assert idle[2].recv(1) == b""
        for connection in idle:
            connection.close()
        wait(lambda: server._places.acquire(blocking=False))
        server._places.release()
        assert sent(server, post(server, b"1"))[0][0] == 200


def test_a_response_leaves_at_once(monkeypatch):
    # In two pieces, Nagle's algorithm would hold the second for the 40 ms that a client may take to acknowledge.
    pieces, delayed = [], []

    class Handler(module._Handler):
        def setup(self):
            super().setup()
            delayed.append(not self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            raw = self.wfile.raw
            write = raw.write
            raw.write = lambda data: pieces.append(bytes(data)) or write(data)

    monkeypatch.setattr(module, "_Handler", Handler)
    with running(echo) as server:
        sent(server, post(server, b"1"))
    assert delayed == [False]
    assert len(pieces) == 1 and pieces[0].endswith(b'{"echo":1}')


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist_is_refused(port):
    with pytest.raises(InvalidInput, match=r"0 to 65535, got"):
        WalkServer(dict, {}, page="", port=port)


def test_a_port_in_use_is_refused(server):
    with pytest.raises(InvalidInput, match=rf"port {server.server_port} of 127.0.0.1 must be free.*choose another"):
        WalkServer(dict, {}, page="", port=server.server_port)


def test_a_port_is_free_again_at_once():
    with running(echo) as server:
        # The server is the first to close this connection, and so keeps it for a while.
        refused(server, head(server, "GET", "/elsewhere"), 404)
        port = server.server_port
    WalkServer(dict, {}, page="", port=port).server_close()


def test_no_name_is_looked_up(monkeypatch):
    monkeypatch.setattr(socket, "getfqdn", lambda *_: pytest.fail("the server looks its name up"))
    WalkServer(dict, {}, page="").server_close()


def test_only_this_machine_reaches_it(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", server.host)
