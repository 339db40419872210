"""Ctrl-C during a training, and the progress that it shows."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from makers import data, network

import formulations as fm
from formulations.display import status_line
from formulations.functions import get_cost
from formulations.training import EarlyStopping, Epoch, loop
from formulations.training.progress import Progress

pytestmark = pytest.mark.usefixtures("ctrl_c")


def press():
    os.kill(os.getpid(), signal.SIGINT)


class Pressing(fm.Cost):
    """The quadratic cost, which presses Ctrl-C in its n-th evaluations."""

    name = "pressing"

    def __init__(self, *presses):
        self.presses, self.calls = presses, 0

    def evaluate(self, A, Y, gradient=None):
        self.calls += 1
        if self.calls in self.presses:
            press()
        return get_cost("quadratic").evaluate(A, Y, gradient)


def train(net, cost="quadratic", **options):
    options = {"epochs": 4, "batch_size": 2, "learning_rate": 0.5, "seed": 0, "momentum": 0.9} | options
    return fm.sgd(net, *data(net), cost=cost, **options)


def test_the_first_ctrl_c_stops_at_the_end_of_the_step():
    # Mini-batches of 2 of 8 examples: the press is in the second step of the third epoch.
    interrupted, whole = network(), network()
    history = train(interrupted, Pressing(10))
    assert history.interrupted and history.stopped_by == "interrupt" and len(history.epochs) == 2
    # Step by step, the run is that of a training without Ctrl-C.
    kept = []
    uninterrupted = train(whole, Watching(whole, kept))
    assert np.array_equal(interrupted.vector, kept[10])
    assert history.costs == uninterrupted.costs[:2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Watching(Pressing):
    """Keeps the parameters before each step."""

    def __init__(self, net, kept):
        super().__init__()
        self._net, self._kept = net, kept

    def evaluate(self, A, Y, gradient=None):
        self._kept.append(self._net.vector.copy())
        return super().evaluate(A, Y, gradient)


def test_ctrl_c_in_a_callback_stops_after_the_epoch():
    history = train(network(), callback=lambda epoch: press() if epoch.epoch == 2 else None)
    assert (len(history.epochs), history.interrupted) == (2, True)


def test_ctrl_c_before_the_first_epoch_ends_leaves_a_history_without_epochs():
    net = network()
    before = net.vector.copy()
    history = train(net, Pressing(1))
    assert history.epochs == () and history.interrupted and history.failure is None
    assert not np.array_equal(net.vector, before)


def test_ctrl_c_in_the_last_step_is_not_lost():
    history = train(network(), Pressing(16))
    assert (len(history.epochs), history.interrupted) == (4, True)
    assert history.stopped_by is None and history.ending is None


@pytest.mark.parametrize("where", ["_constant_cost", "_is_uniform"])
def test_ctrl_c_while_the_history_is_made_does_not_lose_it(monkeypatch, where):
    make = getattr(loop, where)
    monkeypatch.setattr(loop, where, lambda *given: press() or make(*given))
    history = train(network())
    assert (len(history.epochs), history.interrupted, history.stopped_by) == (4, True, None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_that_came_too_late_is_not_what_stopped_the_training():
    net = network()
    X, Y = data(net)
    history = fm.sgd(
        net, X, Y, 9, 2, 0.5, validation=(X, Y), early_stopping=EarlyStopping(1, min_delta=1e9),
        callback=lambda epoch: press() if epoch.epoch == 2 else None,
    )  # fmt: skip
    assert (len(history.epochs), history.stopped_by, history.interrupted) == (2, "early_stopping", True)


def test_the_second_ctrl_c_interrupts_at_once():
    with pytest.raises(KeyboardInterrupt):
        train(network(), callback=lambda _: (press(), press()))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_handler_is_restored_after_an_exception():
    with pytest.raises(ZeroDivisionError):
        train(network(), callback=lambda _: 1 / 0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: seen.append("own")])
def test_a_program_that_handles_the_signal_itself_keeps_its_handler(handler):
    seen.clear()
    before = signal.signal(signal.SIGINT, handler)
    try:
        history = train(network(), Pressing(1))
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not history.interrupted and len(history.epochs) == 4
    assert seen == ([] if handler is signal.SIG_IGN else ["own"])


seen: list[str] = []


def test_another_thread_trains_without_a_handler():
    found = []
    thread = threading.Thread(target=lambda: found.append(train(network())))
    thread.start()
    thread.join()
    assert len(found[0].epochs) == 4


def shown(monkeypatch, capsys, epochs, *, terminal, count=None):
    """Return what the progress of these epochs writes to standard error."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", "200")
    shows = Progress(count or len(epochs))
    for epoch in epochs:
        shows(epoch)
    shows.close()
    return capsys.readouterr().err


def epochs(n, seconds=1.0, **more):
    return [Epoch(i + 1, 0.5, None, seconds * (i + 1), **more) for i in range(n)]


def test_a_terminal_shows_one_line_that_is_redrawn(monkeypatch, capsys):
    monkeypatch.setattr(status_line, "REDRAWN_EVERY", 0.0)
    text = shown(monkeypatch, capsys, epochs(3), terminal=True)
    assert text.split("\x1b[K") == [
        "\repoch 1/3, cost 0.50000, 1 s",
        "\repoch 2/3, cost 0.50000, 1 s left",
        "\repoch 3/3, cost 0.50000, 3 s",
        "\n",
    ]
    monkeypatch.setenv("COLUMNS", "24")
    shows = Progress(3)
    shows(Epoch(1, 0.5, 0.25, 1.0, validation_cost=0.75))
    assert capsys.readouterr().err == "\repoch 1/3, cost 0.50000"[:24] + "\x1b[K"
    shows.close()


@pytest.mark.parametrize(("terminal", "line"), [(True, "\rcompiling it\x1b[K\n"), (False, "compiling it\n")])
def test_announcements_have_lines_of_their_own(monkeypatch, capsys, terminal, line):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    shows = Progress(3)
    logging.getLogger("formulations").info("compiling it")
    shows.close()
    logging.getLogger("formulations").info("unseen")
    assert capsys.readouterr().err == line


def test_the_line_fits_80_columns(monkeypatch, capsys):
    monkeypatch.setattr(status_line, "REDRAWN_EVERY", 0.0)
    shown_epochs = [Epoch(i, 0.5, 0.875, 61.25 * i, validation_cost=0.75) for i in (1, 2, 999, 1000)]
    lines = re.findall(r"epoch [^\x1b]*", shown(monkeypatch, capsys, shown_epochs, terminal=True, count=1000))
    assert max(map(len, lines)) < 80
    assert lines[2].endswith(" left") and lines[3].startswith("epoch 1000/1000, cost 0.50000, ")


def test_a_terminal_is_not_redrawn_for_each_short_epoch_but_shows_the_last(monkeypatch, capsys):
    monkeypatch.setattr(status_line, "REDRAWN_EVERY", 1e9)
    text = shown(monkeypatch, capsys, epochs(50), terminal=True, count=80)
    assert re.findall(r"epoch (\d+)", text) == ["1", "50"]


@pytest.mark.parametrize(
    ("count", "seconds", "lines"),
    [
        (4, 1, [1, 2, 3, 4]),
        (100, 0.01, [1, *range(10, 101, 10)]),
        (40, 30, [1, 3, *range(4, 41, 2)]),  # each tenth, 4 epochs, and a minute after the last line
    ],
)
def test_a_pipe_gets_a_line_now_and_then(monkeypatch, capsys, count, seconds, lines):
    text = shown(monkeypatch, capsys, epochs(count, seconds), terminal=False)
    found = [int(line.split()[1].split("/")[0]) for line in text.splitlines()]
    assert "\r" not in text
    assert found == lines


def test_a_notebook_updates_one_output(monkeypatch):
    displayed, updated = [], []
    handle = SimpleNamespace(update=lambda content, raw: updated.append((content["text/plain"], raw)))

    def display(content, *, raw, display_id):
        displayed.append((content["text/plain"], raw, display_id))
        return handle

    fake = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1), display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setattr(status_line, "REDRAWN_EVERY", 0.0)
    train(network(), epochs=2, progress=True)
    assert [text.split(",")[0] for text, *_ in displayed] == ["epoch 1/2"]
    assert [text.split(",")[0] for text, _ in updated] == ["epoch 2/2"]


def test_progress_shows_what_was_measured(capsys):
    labels = np.arange(8) % 3
    net = network()
    fm.sgd(net, data(net)[0], labels, 2, 4, 0.1, validation=(data(net)[0], labels), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    line = r"epoch 2/2, cost \d\.\d{5}, validation \d\.\d{5}, accuracy \d+\.\d\d %, \S+ \S+"
    assert re.fullmatch(line, err.splitlines()[-1])


def test_no_progress_shows_nothing(capsys):
    train(network(), progress=False)
    train(network())
    assert capsys.readouterr() == ("", "")
