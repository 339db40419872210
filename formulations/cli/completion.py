"""Shell completion of names, backends with their options, and files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    add_completion_class,
    split_arg_string,
)

from formulations.backends import backend_facts

__all__ = ["complete_backends", "complete_file", "complete_names"]

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_names(names: Iterable[str], *, several: bool = True) -> Completer:
    """Return a function that completes one of these names, or several separated by commas."""
    valid = list(names)

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",") if several else ("", "", incomplete)
        return [CompletionItem(before + comma + name) for name in valid if name.startswith(last)]

    return complete


def complete_file(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a path."""
    return [CompletionItem(incomplete, type="file")]


def complete_backends(_: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete backends, and their options after a colon; a comma begins another option or another backend."""
    before, comma, last = incomplete.rpartition(",")
    name, colon, option = last.partition(":")
    if colon:
        return _options(name, option, before + comma + name + colon)
    found = []
    earlier = before.rpartition(":")[0].rpartition(",")[2]
    if earlier:
        found += _options(earlier, last, before + comma)
    if not comma or parameter.name == "backends":
        for each in backend_facts():
            if each.name.startswith(last):
                # With a help text, zsh ends the word at a colon.
                text = None if ":" in before else each.summary
                found.append(CompletionItem(before + comma + each.name, help=text))
    return found


def _options(name: str, incomplete: str, prefix: str) -> list[CompletionItem]:
    """Complete ``key=value`` of a backend; the value is left open if it is a number."""
    known = {each.name: each.options for each in backend_facts()}
    found = [
        f"{key}={value}"
        for key, choices in known.get(name, {}).items()
        for value in ([""] if isinstance(choices, str) else choices)
    ]
    return [CompletionItem(prefix + option) for option in found if option.startswith(incomplete)]


class Bash(BashComplete):
    """Completion in Bash, which breaks words at ``:`` and ``=`` and replaces the text after the last of them."""

    source_template = """\
%(complete_func)s() {
    local IFS=$'\\n' type value response
    response=$(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete $1)
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == 'dir' ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            COMPREPLY=()
            compopt -o default
        else
            COMPREPLY+=("$value")
            [[ $value == *= ]] && compopt -o nospace
        fi
    done
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
    _kept = 0

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one to complete, and that word."""
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        incomplete = "" if line[-1:].isspace() else words.pop()
        text = incomplete.partition("=")[2] if incomplete.startswith("--") else incomplete
        breaks = [sign for sign in ":=" if sign in os.environ["COMP_WORDBREAKS"]]
        self._kept = max((text.rfind(sign) + 1 for sign in breaks), default=0)
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """Return the type, and the part of the value after the last break, which Bash replaces."""
        return f"{item.type},{item.value[self._kept :]}"


class Fish(FishComplete):
    """Completion in fish, with commas inside a value."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


add_completion_class(Bash)
add_completion_class(Fish)
