"""Tables and sentences fit the terminal: spare columns are dropped, cells are wrapped, then columns are stacked."""

from __future__ import annotations

import makers
import pytest

import formulations as fm
from formulations.display.tables import fitted, format_table, terminal_width
from formulations.verification.conformance.report import ConformanceReport, Outcome, Result

HEADER = ["backend", "equations", "verdict", "what it does"]
ROWS = [
    ["hadamard", "BP1 BP2", "equal", "Hadamard products"],
    ["finite_difference", "46", "inconclusive", "every weight and bias perturbed in turn, one after the other"],
]


@pytest.fixture
def columns(monkeypatch):
    return lambda number: monkeypatch.setenv("COLUMNS", str(number))


def width(text):
    return max(map(len, text.splitlines()))


def words(text):
    return set(text.replace("─", " ").split())


def test_a_table_that_fits_is_not_changed(columns):
    columns(200)
    wide = format_table(HEADER, ROWS, spare=[1])
    columns(width(wide))
    assert format_table(HEADER, ROWS, spare=[1]) == wide
    assert len(wide.splitlines()) == 4


def test_spare_columns_are_left_out_first_and_only_if_they_must(columns):
    columns(200)
    whole = format_table(HEADER, ROWS)
    columns(width(whole) - 1)
    narrow = format_table(HEADER, ROWS, spare=[1, 2])
    assert "equations" not in narrow and "verdict" in narrow
    assert len(narrow.splitlines()) == 4


@pytest.mark.parametrize("number", range(30, 120))
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(columns, number):
    columns(number)
    shown = format_table(HEADER, ROWS)
    assert width(shown) <= number
    if number >= 60:
        assert words(shown) == {word for row in [HEADER, *ROWS] for cell in row for word in cell.split()}


def test_words_are_broken_over_several_lines_and_rows_stay_apart(columns):
    columns(80)
    assert format_table(HEADER, ROWS) == (
        "backend            equations  verdict       what it does\n"
        "─────────────────  ─────────  ────────────  ────────────────────────────────────\n"
        "hadamard           BP1 BP2    equal         Hadamard products\n"
        "finite_difference  46         inconclusive  every weight and bias perturbed in\n"
        "                                            turn, one after the other"
    )


def test_what_is_still_too_wide_is_set_below_with_the_keys_repeated(columns):
    columns(40)
    shown = format_table(["a", "b", "c", "d"], [["1", "x" * 8, "7" * 20, "8" * 20]], right=[2, 3], keys=2)
    assert [block.split() for block in shown.replace("─", "").split("\n\n")] == [
        ["a", "b", "c", "1", "x" * 8, "7" * 20],
        ["a", "b", "d", "1", "x" * 8, "8" * 20],
    ]


def test_what_no_terminal_of_this_width_can_hold_is_broken_anywhere(columns):
    columns(20)
    shown = format_table(["a", "b", "c", "d"], [["x" * 50, "y" * 50, "7" * 50, "8 9"]], right=[2, 3], keys=2)
    assert width(shown) <= 20 and shown.count("7") == 50 and shown.count("y") == 100


def test_columns_of_numbers_are_not_broken(columns):
    columns(30)
    shown = format_table(["name", "vs it", "vs another"], [["hadamard", "1 (2–3)", "1.28× (1.2)"]], right=[1, 2])
    assert "1 (2–3)" in shown and "1.28× (1.2)" in shown and width(shown) <= 30


def test_sentences_are_broken_between_words_and_indented(columns):
    columns(30)
    text = "short\n\n  it needs the activation identity in every layer\nend"
    assert fitted(text) == "short\n\n  it needs the activation\n    identity in every layer\nend"
    columns(80)
    assert fitted(text) == text


def test_a_certificate_and_a_report_fit_and_every_row_keeps_its_names(columns):
    columns(80)
    net = makers.network()
    X, Y = makers.data(net, 4)
    certificate = str(fm.certify(net, X, Y, 2 * fm.gradient(net, X, Y).vector))
    assert width(certificate) <= 80
    head = [line.split() for line in certificate.splitlines() if line.startswith("layer ")]
    assert len(head) > 1 and {tuple(line[:2]) for line in head} == {("layer", "equation")}
    report = str(
        ConformanceReport("linear", (Result("law", "scenario", "float64", Outcome.BROKEN, "a long complaint " * 9),))
    )
    assert width(report) <= 80 and report.count("complaint") == 9


def test_the_width_is_that_of_the_variable_or_80_without_a_terminal(columns, monkeypatch):
    columns(33)
    assert terminal_width() == 33
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr("sys.__stdout__", None)
    assert terminal_width() == 80


def test_a_no_break_space_keeps_words_together_and_is_printed_as_a_space(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    header, row = ["layer", "s max", "s min", "κ"], ["2", "1", "0", "3"]
    assert "s max" not in format_table(header, [row], right=range(4)).splitlines()[0]
    kept = format_table([name.replace(" ", "\N{NO-BREAK SPACE}") for name in header], [row], right=range(4))
    assert "s max" in kept.splitlines()[0] and "s min" in kept and "\N{NO-BREAK SPACE}" not in kept
