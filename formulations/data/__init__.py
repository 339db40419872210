"""Readers of tables and images, labels, targets, frames, splitting, scaling; the digits, scenarios and problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.data.delimited import Table as Table
    from formulations.data.delimited import read_columns as read_columns
    from formulations.data.delimited import read_csv as read_csv
    from formulations.data.digits.reader import load_digits as load_digits
    from formulations.data.frames import as_matrix as as_matrix
    from formulations.data.frames import check_matrix as check_matrix
    from formulations.data.frames import column_names as column_names
    from formulations.data.idx import read_idx as read_idx
    from formulations.data.labels import classes_of as classes_of
    from formulations.data.labels import encode_labels as encode_labels
    from formulations.data.labels import is_labels as is_labels
    from formulations.data.labels import one_hot as one_hot
    from formulations.data.labels import unit_vectors as unit_vectors
    from formulations.data.problems import DIGITS as DIGITS
    from formulations.data.problems import Problem as Problem
    from formulations.data.problems import make_problem as make_problem
    from formulations.data.problems import problem_for as problem_for
    from formulations.data.scaling import Scaling as Scaling
    from formulations.data.scenarios import SCENARIOS as SCENARIOS
    from formulations.data.scenarios import Scenario as Scenario
    from formulations.data.splitting import Split as Split
    from formulations.data.splitting import split as split
    from formulations.data.tables import format_of as format_of
    from formulations.data.tables import read_archive as read_archive
    from formulations.data.tables import read_examples as read_examples
    from formulations.data.tables import read_table as read_table
    from formulations.data.targets import default_cost as default_cost
    from formulations.data.targets import targets_for as targets_for
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "delimited": ["Table", "read_columns", "read_csv"],
            "digits.reader": ["load_digits"],
            "frames": ["as_matrix", "check_matrix", "column_names"],
            "idx": ["read_idx"],
            "labels": ["classes_of", "encode_labels", "is_labels", "one_hot", "unit_vectors"],
            "problems": ["DIGITS", "Problem", "make_problem", "problem_for"],
            "scaling": ["Scaling"],
            "scenarios": ["SCENARIOS", "Scenario"],
            "splitting": ["Split", "split"],
            "tables": ["format_of", "read_archive", "read_examples", "read_table"],
            "targets": ["default_cost", "targets_for"],
        },
    )
