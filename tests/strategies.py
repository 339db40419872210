"""What the property tests draw: networks, batches, labels and tables.

The examples are the same in every run of the same sources, and nothing is written to the repository.
"""

from __future__ import annotations

import csv
import io
import string
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from makers import DTYPES, ELEMENTWISE
from scipy.sparse import csr_array

import formulations as fm
from formulations.functions import ACTIVATIONS

__all__ = ["batches", "dtypes", "labels", "matrices", "networks", "seeds", "tables"]

set_hypothesis_home_dir(Path(tempfile.gettempdir(), "formulations-hypothesis"))
settings.register_profile(
    "formulations",
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("formulations")

dtypes = st.sampled_from(DTYPES)
seeds = st.integers(0, 2**32 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(string.ascii_letters + "äσ,;|\"' \n", min_size=1, max_size=6).map(str.strip)


def activations(width: int, dtype: str, *, last: bool) -> st.SearchStrategy[Any]:
    """Draw the activation of a layer: one for all neurons, one for each, or softmax in the last layer."""
    served = [name for name in ELEMENTWISE if ACTIVATIONS[name].why_not(np.dtype(dtype)) is None]
    each = st.lists(st.sampled_from(served), min_size=width, max_size=width).map(fm.PerNeuron)
    return st.sampled_from(served) | each | st.just("softmax") if last else st.sampled_from(served) | each


@st.composite
def networks(draw: st.DrawFn, dtypes: st.SearchStrategy[str] = dtypes, *, sparse: bool = True) -> fm.Network:
    """Draw a network of two to four layers, with any built-in activations, dtype, and sparse or dense weights."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    dtype = draw(dtypes)
    names = [draw(activations(n, dtype, last=l == len(sizes) - 1)) for l, n in enumerate(sizes) if l]
    net = fm.Network.random(sizes, names, seed=draw(seeds), dtype=dtype)
    net.vector[...] *= net.dtype.type(10.0 ** draw(st.integers(-2, 1)))
    if not (sparse and draw(st.booleans())):
        return net
    random = np.random.default_rng(draw(seeds))
    pruned = [csr_array(w * (random.random(w.shape) < 0.5)) if draw(st.booleans()) else w for w in net.weights]
    return fm.Network(pruned, net.biases, names)


@st.composite
def batches(draw: st.DrawFn, net: fm.Network) -> tuple[Any, Any]:
    """Draw X and Y for a network; the targets are unit vectors."""
    m, random = draw(st.integers(1, 6)), np.random.default_rng(draw(seeds))
    X = random.standard_normal((m, net.sizes[0])) * 10.0 ** draw(st.integers(-2, 1))
    Y = np.eye(net.sizes[-1])[random.integers(net.sizes[-1], size=m)]
    return X.astype(net.dtype), Y.astype(net.dtype)


def labels(min_size: int = 1, max_size: int = 30) -> st.SearchStrategy[list[Any]]:
    """Draw labels: integers, booleans or strings, with few or many classes."""
    kinds = (st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.sampled_from("abc"), words)
    return st.one_of(*(st.lists(kind, min_size=min_size, max_size=max_size) for kind in kinds))


@st.composite
def matrices(draw: st.DrawFn, *, largest: float = 1e100) -> Any:
    """Draw examples of shape (m, n) whose numbers may be zero, equal, or of very different sizes."""
    m, n = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    values = st.sampled_from([0.0, 1.0, 0.1]) | st.floats(-largest, largest)
    return np.array(draw(st.lists(values, min_size=m * n, max_size=m * n))).reshape(m, n)


class WrittenTable(NamedTuple):
    """A text file, how to read it, and what it holds."""

    content: bytes
    options: dict[str, Any]
    X: Any
    Y: list[Any] | None
    columns: tuple[str, ...] | None
    label: str | None


@st.composite
def tables(draw: st.DrawFn) -> WrittenTable:
    """Draw a table, written by the csv module with any delimiter, quotes and line ends."""
    m, n = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    cells = draw(st.lists(numbers, min_size=m * n, max_size=m * n))
    X = np.array(cells).reshape(m, n)
    named = draw(st.booleans())
    names = draw(st.lists(words.filter(bool), min_size=n + 1, max_size=n + 1, unique=True)) if named else None
    kind = draw(st.sampled_from(["integers", "booleans", "numbers", "strings"]))
    drawn = {
        "integers": st.integers(-(2**63) + 1, 2**63 - 1),
        "booleans": st.booleans(),
        "numbers": numbers.filter(lambda number: "." in repr(number) or "e" in repr(number)),
        "strings": words.filter(lambda word: word.lower() not in ("", "nan", "true", "false", "inf", "infinity")),
    }[kind]
    Y = draw(st.lists(drawn, min_size=m, max_size=m))
    place = draw(st.integers(0, n))
    rows = [[*map(repr, row)] for row in X.tolist()]
    for row, y in zip(rows, Y, strict=True):
        row.insert(place, str(y))
    file = io.StringIO(newline="")
    mark = draw(st.sampled_from(",;\t|"))
    writer = csv.writer(
        file,
        delimiter=mark,
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    writer.writerows([names, *rows] if names else rows)
    columns = tuple(name for j, name in enumerate(names) if j != place) if names else None
    return WrittenTable(
        draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + file.getvalue().encode(),
        {"label": place, "delimiter": mark, "header": named},
        X,
        Y,
        columns,
        names[place] if names else None,
    )
