"""The options of the commands, and what they describe: networks, examples and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.cli.options.declarations import activations_option as activations_option
    from formulations.cli.options.declarations import batch_size_option as batch_size_option
    from formulations.cli.options.declarations import cost_option as cost_option
    from formulations.cli.options.declarations import delimiter_option as delimiter_option
    from formulations.cli.options.declarations import dtype_option as dtype_option
    from formulations.cli.options.declarations import header_option as header_option
    from formulations.cli.options.declarations import init_option as init_option
    from formulations.cli.options.declarations import json_option as json_option
    from formulations.cli.options.declarations import network_option as network_option
    from formulations.cli.options.declarations import seed_option as seed_option
    from formulations.cli.options.explained import explained_options as explained_options
    from formulations.cli.options.jobs import jobs_option as jobs_option
    from formulations.cli.options.jobs import processes as processes
    from formulations.cli.options.parsing import as_column as as_column
    from formulations.cli.options.parsing import batch_size_for as batch_size_for
    from formulations.cli.options.parsing import parse_backends as parse_backends
    from formulations.cli.options.parsing import parse_sizes as parse_sizes
    from formulations.cli.options.parsing import refuse_overwriting as refuse_overwriting
    from formulations.cli.options.parsing import split_names as split_names
    from formulations.cli.options.problem import problem_options as problem_options
    from formulations.cli.options.problem import read_problem as read_problem
    from formulations.cli.options.problem import refuse_beside_network as refuse_beside_network
    from formulations.cli.options.task import TEST_SHARE as TEST_SHARE
    from formulations.cli.options.task import Task as Task
    from formulations.cli.options.task import task_options as task_options
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "declarations": [
                "activations_option",
                "batch_size_option",
                "cost_option",
                "delimiter_option",
                "dtype_option",
                "header_option",
                "init_option",
                "json_option",
                "network_option",
                "seed_option",
            ],
            "explained": ["explained_options"],
            "jobs": ["jobs_option", "processes"],
            "parsing": [
                "as_column",
                "batch_size_for",
                "parse_backends",
                "parse_sizes",
                "refuse_overwriting",
                "split_names",
            ],
            "problem": ["problem_options", "read_problem", "refuse_beside_network"],
            "task": ["TEST_SHARE", "Task", "task_options"],
        },
    )
