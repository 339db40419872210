"""What a race says of the machine: which BLAS is whose, and which threads compute the products."""

from __future__ import annotations

import pytest

from formulations.comparison.race.machine import _blas, _products, describe_machine


def pool(path, threads):
    return {
        "filepath": path, "num_threads": threads, "internal_api": "openblas", "version": "0.3", "architecture": "Zen",
        "user_api": "blas",
    }  # fmt: skip


WHEELS = [pool("/site/scipy.libs/libscipy_openblas-1.so", 8), pool("/site/numpy.libs/libscipy_openblas64_-2.so", 4)]


@pytest.mark.parametrize(
    ("pools", "names", "threads"),
    [
        (WHEELS, ["SciPy's openblas", "NumPy's openblas"], "the 4 threads"),
        ([pool("/site/numpy/.dylibs/libscipy_openblas64_.dylib", 1)], ["NumPy's openblas"], "the 1 thread"),
        ([pool("/usr/lib/libopenblas.so", 2)], ["openblas"], "the 2 threads"),
        ([], [], "the threads"),
    ],
)
def test_each_blas_has_its_owner_and_the_products_have_numpys_threads(pools, names, threads):
    assert [text.partition(" 0.3")[0] for text in _blas(pools)] == names
    assert _products(pools).startswith(f"products in {threads} of NumPy's BLAS; in one thread, up to ")


def test_the_machine_says_both():
    found = describe_machine()
    assert "NumPy's BLAS" in found["products"] and isinstance(found["blas"], list)
