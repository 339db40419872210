"""The README shows what its commands print, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import formulations as fm
from formulations.comparison.trials import compare
from formulations.data.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_comparison_shown_is_the_one_computed_but_for_times(monkeypatch):
    problem = SCENARIOS["digits"]()
    monkeypatch.setenv("COLUMNS", "200")
    # Rows of optional packages, and so the closing count, depend on what is installed.
    optional = [name for name in fm.list_backends() if fm.get_backend(name).summary.endswith("(optional)")]
    required = [name for name in fm.list_backends() if name not in optional]
    now = str(compare(problem.network, problem.X, problem.Y, backends=required))
    shown = re.search(r"```text\n(.*?)```", README, re.DOTALL).group(1)

    def without_times(text):
        # Differences, ratios and times vary with the machine; names, equations, verdicts and reasons do not.
        cells = [re.split(r"\s{2,}", line.strip()) for line in text.strip().splitlines()]
        # So do the threads that can be limited, the noise, and the baseline's time over itself.
        varying = ("─", "threads: ", "warning: ", "vs ", *optional)
        kept = [row[:3] if len(row) == 7 else row for row in cells if not row[0].startswith(varying)]
        # The last two lines, the count and the agreement, depend on what is installed.
        return sorted(kept[:-2])

    assert optional
    assert [line for line in ("threads: ", "vs hadamard: ") if f"\n{line}" not in shown] == []
    assert "warning: " not in shown and "install threadpoolctl" not in README
    assert without_times(shown) == without_times(now)


@pytest.mark.parametrize("name", fm.list_backends())
def test_the_table_of_formulations_is_the_registrys(name):
    backend = fm.get_backend(name)
    line = f"| [`{name}`](docs/backends/{name}.md) | {' '.join(backend.equations)} | {backend.summary} |"
    assert line in README.splitlines()


def test_every_link_into_the_repository_leads_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    links = [
        (page, page.parent / target if target else page, anchor)
        for page in pages
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target
    ]
    assert [f"{page} -> {target}" for page, target, _ in links if not target.exists()] == []
    dead = [
        f"{page} -> {target}#{anchor}"
        for page, target, anchor in links
        if anchor and target.suffix == ".md" and anchor not in anchors(target)
    ]
    assert dead == []


def anchors(page):
    """Return the anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_both_commands_stand_in_blocks_of_their_own():
    commands = re.findall(r"```console\n\$ (.*)\n```", README)
    assert len(commands) == 2
    assert commands[0].endswith("formulations compare") and "pytest" in commands[1]


@pytest.mark.parametrize(
    ("page", "command"), [("README.md", "`formulations explain"), ("docs/tutorial.md", "\nformulations compare")]
)
def test_the_environment_is_activated_before_a_command_is_called_by_its_name(page, command):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert 0 < text.find("`. .venv/bin/activate`") < text.index(command)
