"""Arrays: dtypes, checks, roundoff, the flat vector and its layout, norms, byte counts, budgets, threads and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.arrays.archives import HEADER as HEADER
    from formulations.arrays.archives import Archive as Archive
    from formulations.arrays.archives import Header as Header
    from formulations.arrays.archives import npy_header as npy_header
    from formulations.arrays.archives import open_archive as open_archive
    from formulations.arrays.blas import IN_ONE_THREAD as IN_ONE_THREAD
    from formulations.arrays.blas import Adder as Adder
    from formulations.arrays.blas import SharedLimit as SharedLimit
    from formulations.arrays.blas import loaded_blas as loaded_blas
    from formulations.arrays.blas import one_blas_thread as one_blas_thread
    from formulations.arrays.blas import owner_of as owner_of
    from formulations.arrays.blas import product_adder as product_adder
    from formulations.arrays.blas import scipy_in_one_thread as scipy_in_one_thread
    from formulations.arrays.blocks import Block as Block
    from formulations.arrays.blocks import blocks_of as blocks_of
    from formulations.arrays.budget import Budget as Budget
    from formulations.arrays.budget import current_budget as current_budget
    from formulations.arrays.budget import use_budget as use_budget
    from formulations.arrays.byte_counts import as_bytes as as_bytes
    from formulations.arrays.byte_counts import format_bytes as format_bytes
    from formulations.arrays.checks import BATCH_SIZE as BATCH_SIZE
    from formulations.arrays.checks import as_array as as_array
    from formulations.arrays.checks import as_examples as as_examples
    from formulations.arrays.checks import as_real as as_real
    from formulations.arrays.checks import check_finite as check_finite
    from formulations.arrays.checks import check_pair as check_pair
    from formulations.arrays.checks import check_some_weight as check_some_weight
    from formulations.arrays.checks import example_shares as example_shares
    from formulations.arrays.checks import example_weights as example_weights
    from formulations.arrays.checks import excluding as excluding
    from formulations.arrays.checks import nonnegative_number as nonnegative_number
    from formulations.arrays.checks import number_between as number_between
    from formulations.arrays.checks import positive_integer as positive_integer
    from formulations.arrays.checks import positive_number as positive_number
    from formulations.arrays.checks import random_generator as random_generator
    from formulations.arrays.checks import size_of_batch as size_of_batch
    from formulations.arrays.dtypes import DTYPE_NAMES as DTYPE_NAMES
    from formulations.arrays.dtypes import DTYPES as DTYPES
    from formulations.arrays.dtypes import SINGLE_AND_DOUBLE as SINGLE_AND_DOUBLE
    from formulations.arrays.dtypes import Array as Array
    from formulations.arrays.dtypes import as_dtype as as_dtype
    from formulations.arrays.dtypes import format_dtype as format_dtype
    from formulations.arrays.dtypes import higher as higher
    from formulations.arrays.files import check_writable as check_writable
    from formulations.arrays.files import replaced as replaced
    from formulations.arrays.floating_point import begin_quiet as begin_quiet
    from formulations.arrays.floating_point import end_quiet as end_quiet
    from formulations.arrays.floating_point import quiet as quiet
    from formulations.arrays.layout import Layout as Layout
    from formulations.arrays.layout import Pattern as Pattern
    from formulations.arrays.lists import by_name as by_name
    from formulations.arrays.lists import integers as integers
    from formulations.arrays.lists import items as items
    from formulations.arrays.lists import precisions as precisions
    from formulations.arrays.norms import euclidean_norm as euclidean_norm
    from formulations.arrays.parameters import Parameters as Parameters
    from formulations.arrays.roundoff import Precision as Precision
    from formulations.arrays.roundoff import Summation as Summation
    from formulations.arrays.roundoff import gamma as gamma
    from formulations.arrays.roundoff import unit_roundoff as unit_roundoff
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "archives": ["HEADER", "Archive", "Header", "npy_header", "open_archive"],
            "blas": [
                "IN_ONE_THREAD",
                "Adder",
                "SharedLimit",
                "loaded_blas",
                "one_blas_thread",
                "owner_of",
                "product_adder",
                "scipy_in_one_thread",
            ],
            "blocks": ["Block", "blocks_of"],
            "budget": ["Budget", "current_budget", "use_budget"],
            "byte_counts": ["as_bytes", "format_bytes"],
            "checks": [
                "BATCH_SIZE",
                "as_array",
                "as_examples",
                "as_real",
                "check_finite",
                "check_pair",
                "check_some_weight",
                "example_shares",
                "example_weights",
                "excluding",
                "nonnegative_number",
                "number_between",
                "positive_integer",
                "positive_number",
                "random_generator",
                "size_of_batch",
            ],
            "dtypes": ["DTYPES", "DTYPE_NAMES", "SINGLE_AND_DOUBLE", "Array", "as_dtype", "format_dtype", "higher"],
            "files": ["check_writable", "replaced"],
            "floating_point": ["begin_quiet", "end_quiet", "quiet"],
            "layout": ["Layout", "Pattern"],
            "lists": ["by_name", "integers", "items", "precisions"],
            "norms": ["euclidean_norm"],
            "parameters": ["Parameters"],
            "roundoff": ["Precision", "Summation", "gamma", "unit_roundoff"],
        },
    )
