"""``formulations walk``: the address, the server behind it, and how it ends."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import webbrowser

import pytest
from click.testing import CliRunner

from formulations.cli import walk as module
from formulations.cli.commands import formulations
from formulations.explanation import walk_server


def run(*arguments):
    return CliRunner().invoke(formulations, ["walk", *map(str, arguments)])


class Served:
    """A server that notes what it serves, and is interrupted at once by Ctrl-C."""

    def __init__(self, document, port):
        self.document, self.port, self.address, self.closed = document, port, "http://127.0.0.1:1/#token", False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def serve_forever(self):
        raise KeyboardInterrupt


@pytest.fixture
def served(monkeypatch):
    """The servers made, and the addresses opened in the browser."""
    made, opened = [], []
    monkeypatch.setattr(module, "walk_server", lambda *given: made.append(Served(*given)) or made[-1])
    monkeypatch.setattr(module, "_open", opened.append)
    return made, opened


def test_the_address_is_printed_opened_and_served(served):
    made, opened = served
    result = run()
    assert (result.exit_code, result.output) == (0, "Open http://127.0.0.1:1/#token\nStop with Ctrl-C.\n")
    assert opened == ["http://127.0.0.1:1/#token"]
    assert made[0].closed and made[0].port == 0
    assert made[0].document["scene"]["backends"] == ["hadamard", "sigma"]
    assert made[0].document["scene"]["sizes"] == [2, 3, 2]


def test_the_options_describe_what_is_walked_through(served):
    made, opened = served
    given = "--sizes 3,4,1 --activations tanh --cost quadratic --backends product --seed 3 --examples 2 --port 8123"
    assert run(*given.split(), "--no-browser").exit_code == 0
    scene = made[0].document["scene"]
    assert (scene["sizes"], scene["activations"], scene["backends"]) == ([3, 4, 1], ["tanh", "tanh"], ["product"])
    assert len(scene["X"]) == 2 and made[0].port == 8123 and opened == []


@pytest.mark.usefixtures("served")
def test_the_address_is_printed_as_json():
    assert json.loads(run("--json").output) == {"address": "http://127.0.0.1:1/#token"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--backends", "all"), "one or two"),
        (("--backends", "hadamard,sigma,product"), "one or two"),
        (("--backends", "sigmaa"), "sigma"),
        (("--sizes", "2,x"), "--sizes"),
        (("--examples", "0"), "--examples"),
        (("--port", "70000"), "65535"),
        (("--port", "-1"), "65535"),
    ],
)
def test_bad_usage_is_one_sentence(arguments, says):
    result = run("--no-browser", *arguments)
    assert result.exit_code == 2 and says in result.output and "Traceback" not in result.output


def test_a_port_in_use_is_one_sentence():
    with walk_server({}) as other:
        result = run("--no-browser", "--port", other.server_port)
    assert result.exit_code == 2 and f"port {other.server_port}" in result.output and "another" in result.output


class Browser:
    def __init__(self, name):
        self.name, self.opened = name, []

    def open(self, address):
        self.opened.append(address)


@pytest.mark.parametrize(("name", "opens"), [("firefox", True), ("/usr/bin/lynx", False), ("www-browser", False)])
def test_a_browser_with_a_window_is_opened(monkeypatch, name, opens):
    browser = Browser(name)
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    monkeypatch.setattr(module.threading, "Thread", Now)
    module._open("http://127.0.0.1:1/#token")
    assert browser.opened == ["http://127.0.0.1:1/#token"] * opens


class Now:
    """A thread that does its work when it is started."""

    def __init__(self, target, args, daemon):
        assert daemon
        self.start = lambda: target(*args)


def test_a_machine_without_a_browser_serves_all_the_same(monkeypatch):
    def get():
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", get)
    module._open("http://127.0.0.1:1/#token")


@pytest.mark.slow
def test_ctrl_c_ends_the_server_with_status_0_and_frees_its_port():
    command = [sys.executable, "-m", "formulations", "walk", "--no-browser", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        printed = "".join(iter(process.stdout.readline, "}\n")) + "}"
        address, token = json.loads(printed)["address"].split("#")
        request = urllib.request.Request(f"{address}document", headers={"X-Formulations-Token": token})
        with urllib.request.urlopen(request, timeout=60) as response:
            document = json.load(response)
        assert document["format"] == "formulations-walk"
        body = json.dumps({"version": 1, "scene": document["scene"], "action": {"name": "step", "rate": 0.5}}).encode()
        headers = {"X-Formulations-Token": token, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{address}answer", body, headers), timeout=60) as response:
            assert json.load(response)["cost"] < document["cost"]
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{address}document", timeout=60)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest, errors) == (0, "", "")
    walk_server({}, int(address.rstrip("/").rsplit(":", 1)[1])).server_close()
