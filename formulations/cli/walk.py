"""``formulations walk``."""

from __future__ import annotations

import os
import threading
import webbrowser
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from formulations.cli.options import explained_options
from formulations.cli.output import print_json
from formulations.explanation import explain, walk_server

if TYPE_CHECKING:
    from formulations.data import Problem

__all__ = ["walk"]

IN_TERMINAL = ("elinks", "links", "lynx", "w3m", "www-browser")
"""Browsers that would take over the terminal, and that run no scripts."""


@click.command()
@explained_options("hadamard,sigma")
@click.option("--port", type=int, default=0, metavar="N", help="Port of this computer.  [default: any free one]")
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.  [default: open it]")
@click.option("--json", "as_json", is_flag=True, help="Print the address as JSON.")
def walk(problem: Problem, backends: list[str], port: int, browser: bool, as_json: bool) -> None:
    """Walk through a gradient in the browser: drag its numbers, plant a mistake, and see what follows.

    The command prints the address of a page, opens it, and serves it until Ctrl-C, which ends it with status 0. The
    library computes every number on the page. Only this computer can reach the page, and only by this address.

    \b
    Examples:
      formulations walk
      formulations walk --sizes 3,4,2 --activations tanh --backends path_sum
      formulations walk --network trained.npz --data mine.npz --examples 3
      formulations walk --no-browser --port 8000
    """
    found = explain(problem.network, problem.X, problem.Y, backends=backends, cost=problem.cost)
    with walk_server(found.to_dict(), port) as server, suppress(KeyboardInterrupt):
        if as_json:
            print_json({"address": server.address})
        else:
            click.echo(f"Open {server.address}\nStop with Ctrl-C.")
        if browser:
            _open(server.address)
        server.serve_forever()


def _open(address: str) -> None:
    """Open an address in the browser, if there is one, without waiting for it."""
    with suppress(webbrowser.Error):
        found = webbrowser.get()
        if os.path.basename(getattr(found, "name", "")) not in IN_TERMINAL:
            threading.Thread(target=found.open, args=(address,), daemon=True).start()
