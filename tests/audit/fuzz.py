"""Fuzzing: every reader of files is given valid files that were mutated at random.

``python -m tests.audit.fuzz --reader csv --count 100000`` prints how many were read, and what the others raised. A
reader may raise the library's exceptions and no others, and no warnings; it may neither hang nor take memory beyond the
budget. A new reader is one more line in :data:`READERS`.
"""

from __future__ import annotations

import argparse
import atexit
import gzip
import io
import os
import signal
import struct
import sys
import tempfile
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.sparse import csr_array

import formulations as fm
from formulations.data import read_columns, read_examples
from formulations.exceptions import FormulationsException
from formulations.verification.certification.candidates.reading import read_candidate
from tests.audit.command import positive

__all__ = ["READERS", "Outcome", "attack"]

BUDGET = "4MB"
ADDRESSES = 256 << 20
"""Bytes of addresses that may be taken while readers are attacked; an array beyond the budget takes more."""
FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0)
SECONDS, BLOCK = 60, 1000
"""A block of this many files takes about a second; one that is still running after a minute hangs."""

Sample = bytes | dict[str, bytes]
"""A valid file, or the members of a valid archive by name."""


@dataclass(frozen=True)
class Reader:
    """A reader and files that it can read."""

    read: Callable[[str], Any]
    samples: Callable[[], list[Sample]]


@dataclass
class Outcome:
    """What mutated files led to.

    Attributes
    ----------
    counts : Counter
        How many files were read, and how many raised each exception.
    defects : list of str
        What is no exception of the library, with the number of the file.
    """

    counts: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)


# Valid files ------------------------------------------------------------------------------------------------------


def _tables() -> list[Sample]:
    plain = b"length,width,species\n5.1,3.5,setosa\n6.3,2.9,virginica\n"
    return [
        plain,
        b"\xef\xbb\xbfa;b;c\r\n1;2;0.5\r\n\r\n-3e2;4;1\r\n",
        b'1,"2",true\n3, "4",false\n',
        'a\t"b, ""c"""\tσ\n1\t2\té\n3\t4\t"x\ny"\n'.encode(),
        gzip.compress(plain, mtime=0),
    ]


def _idx(array: Any, code: int = 8, dtype: str = "u1") -> bytes:
    head = bytes([0, 0, code, array.ndim])
    return head + np.array(array.shape, ">u4").tobytes() + array.astype(dtype).tobytes()


def _images() -> list[Sample]:
    pixels = np.arange(12).reshape(3, 2, 2)
    plain = _idx(pixels)
    return [plain, _idx(pixels, 0x0E, ">f8"), _idx(pixels[0], 0x0B, ">i2"), gzip.compress(plain, mtime=0)]


def _labels() -> list[Sample]:
    return [_idx(np.arange(3)), _idx(np.arange(3), 0x0C, ">i4"), gzip.compress(_idx(np.arange(3)), mtime=0)]


def _members(save: Callable[[Any], Any]) -> dict[str, bytes]:
    blob = io.BytesIO()
    save(blob)
    with zipfile.ZipFile(blob) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _arrays(**arrays: Any) -> dict[str, bytes]:
    return _members(lambda file: np.savez(file, **arrays))


def _saved(save: Callable[[str], Any]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        save(f"{folder}/saved.npz")
        content = Path(folder, "saved.npz").read_bytes()
    return _members(lambda file: file.write(content))


def _networks() -> list[Sample]:
    sparse = csr_array(np.array([[1.0, 0.0], [0.0, 2.0]]))
    networks = [
        fm.Network.random([1, 1], seed=0),
        fm.Network([sparse], [[0.0, 1.0]], [fm.PerNeuron(["relu", "sine"])]),
        fm.Network.random([2, 2], "leaky_relu", seed=0, dtype="float32"),
    ]
    return [_saved(lambda path, net=net: fm.save(net, path)) for net in networks]


def _models() -> list[Sample]:
    network = fm.Network.random([2, 2], "softmax", seed=0)
    model = fm.Model(network, classes=["no", "yes"], columns=["a", "b"], mean=np.zeros(2), scale=np.ones(2))
    numbers = fm.Model.for_data([[1.0], [3.0]], [2.0, 5.0], hidden=(), label="price", seed=0)
    return [_saved(each.save) for each in (model, numbers, fm.Model(fm.Network.random([1, 1], seed=0)))]


def _resume(path: str) -> fm.History:
    """Train for one epoch, which a checkpoint says has been done."""
    net, X = fm.Network.random([1, 1], seed=0), np.ones((2, 1))
    options: dict[str, Any] = {"momentum": 0.9, "validation": (X, X), "early_stopping": 3}
    return fm.sgd(net, X, X, epochs=1, batch_size=2, seed=0, checkpoint=path, **options)


def _checkpoints() -> list[Sample]:
    return [_saved(_resume)]


def _gradients() -> list[Sample]:
    w, b = np.ones((1, 1)), np.ones(1)
    named = _arrays(**{"0.weight": w, "0.bias": b})
    own = _arrays(weights_2=w, biases_2=b), _arrays(weights_2=w, biases_2=b, errors_2=w)
    return [_arrays(vector=np.ones(2)), *own, named]


def _examples() -> list[Sample]:
    X, Y = np.ones((2, 1)), np.array(["a", "b"])
    compressed = io.BytesIO()
    np.savez_compressed(compressed, X=X, Y=Y)
    return [_arrays(X=X, Y=Y), _arrays(X=X.astype("f4"), Y=np.array([0, 1])), compressed.getvalue()]


@cache
def _image_file() -> str:
    with tempfile.NamedTemporaryFile(prefix="formulations-", delete=False) as file:
        file.write(_idx(np.zeros((3, 1, 1))))
    atexit.register(os.unlink, file.name)
    return file.name


LAYOUT = fm.Network.random([1, 1], seed=0).layout
READERS = {
    "csv": Reader(lambda path: (read_columns(path), fm.read_csv(path)), _tables),
    "idx": Reader(fm.read_idx, _images),
    "idx_labels": Reader(lambda path: fm.read_idx(_image_file(), path), _labels),
    "network": Reader(fm.load, _networks),
    "model": Reader(fm.Model.load, _models),
    "checkpoint": Reader(_resume, _checkpoints),
    "gradient": Reader(lambda path: read_candidate(path, LAYOUT, np.dtype(float), 1), _gradients),
    "examples": Reader(read_examples, _examples),
}


# Mutations --------------------------------------------------------------------------------------------------------

INTEGERS = [0, 1, 2, 3, 2**64 - 1, *(2**bits - less for bits in (7, 8, 15, 16, 31, 32, 63) for less in (0, 1))]
TOKENS = [
    b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80", b"\xe2\x80\xa8", b"\xd9\xa1", b"\n", b"\r",
    b"\r\n", b'"', b'""', b",", b";", b"\t", b"|", b" ", b"nan", b"inf", b"-", b"1e999", b"1e-999", b"1_0", b"0x1",
    b"1,5", b"9" * 30, b"true", b"NA", b"(", b")", b"[", b"{", b"'", b":", b"-1", b"10000000000", b"True", b"None",
    b"|O", b"<f8", b">f4", b"<U9", b"<M8", b"O", b"{}", b"1L",
    b"PK\3\4", b"PK\1\2", b"PK\5\6", b"\x1f\x8b", b"\x93NUMPY", b"_2", b".npy",
]  # fmt: skip


def _flip(random: Random, blob: bytearray, _: bytes) -> None:
    for _ in range(random.randrange(1, 5)):
        blob[random.randrange(len(blob))] ^= 1 << random.randrange(8)


def _truncate(random: Random, blob: bytearray, _: bytes) -> None:
    del blob[random.randrange(len(blob)) :]


def _cut(random: Random, blob: bytearray, _: bytes) -> None:
    first = random.randrange(len(blob))
    del blob[first : first + random.randrange(1, 17)]


def _repeat(random: Random, blob: bytearray, _: bytes) -> None:
    first = random.randrange(len(blob))
    blob[first:first] = blob[first : first + random.randrange(1, 33)] * random.choice((1, 1, 2, 50))


def _splice(random: Random, blob: bytearray, other: bytes) -> None:
    first, start = random.randrange(len(blob)), random.randrange(len(other))
    last = len(blob) if random.random() < 0.5 else first
    blob[first:last] = other[start : start + random.randrange(1, 65)] if last == first else other[start:]


def _token(random: Random, blob: bytearray, _: bytes) -> None:
    token, first = random.choice(TOKENS), random.randrange(len(blob) + 1)
    blob[first : first + random.choice((0, 1, len(token)))] = token


def _size(random: Random, blob: bytearray, _: bytes) -> None:
    width, first = random.choice((1, 2, 4, 8)), random.randrange(len(blob))
    number = random.choice(INTEGERS) & ((1 << 8 * width) - 1)
    blob[first : first + width] = number.to_bytes(width, random.choice(("big", "little")))


def _header(random: Random, blob: bytearray, other: bytes) -> None:
    """Mutate the first bytes only."""
    head = blob[: random.choice((4, 16, 80))]
    if head:
        random.choice((_flip, _token, _size))(random, head, other)
        blob[: len(head)] = head


MUTATIONS = (_flip, _truncate, _cut, _repeat, _splice, _token, _token, _size, _header)


def _bytes_mutated(random: Random, blob: bytes, other: bytes) -> bytes:
    changed = bytearray(blob)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if changed:
            random.choice(MUTATIONS)(random, changed, other)
    return bytes(changed)


def _mutated(random: Random, samples: list[Sample]) -> bytes:
    """Return a mutated file: any bytes of it, or a sound archive of mutated members."""
    sample, other = random.choice(samples), random.choice(samples)
    if isinstance(sample, bytes) or random.random() < 0.25:
        return _bytes_mutated(random, _packed(sample), _packed(other))
    members = list(sample.items())
    i, j = random.randrange(len(members)), random.randrange(len(members))
    name, content = members[i]
    kind = random.random()
    if kind < 0.03:
        del members[i]
    elif kind < 0.06:
        members[i] = (_bytes_mutated(random, name.encode(), b"weights_3.npy").decode("latin1"), content)
    elif kind < 0.1:
        members[i] = (name, members[j][1])
    elif kind < 0.12:
        members.append((name, members[j][1]))
    else:
        members[i] = (name, _bytes_mutated(random, content, members[j][1]))
    return _zipped(members)


def _packed(sample: Sample) -> bytes:
    return sample if isinstance(sample, bytes) else _zipped(list(sample.items()))


def _zipped(members: list[tuple[str, bytes]]) -> bytes:
    """Return an archive, as zipfile would write it, in a tenth of the time."""
    body, directory = bytearray(), bytearray()
    for text, content in members:
        name = text.encode()
        common = struct.pack("<HHHHHLLLHH", 20, 0x800, 0, 0, 33, zlib.crc32(content), *2 * [len(content)], len(name), 0)
        directory += struct.pack("<4sH", b"PK\1\2", 20) + common + struct.pack("<HHHLL", 0, 0, 0, 0, len(body)) + name
        body += b"PK\3\4" + common + name + content
    counts = (len(members) & 0xFFFF,) * 2
    return bytes(body + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *counts, len(directory), len(body), 0))


# The attack -------------------------------------------------------------------------------------------------------


def attack(reader: str, numbers: range, path: str | Path, seed: int = 0) -> Outcome:
    """Give a reader the mutated files of these numbers, one after the other, at a path."""
    outcome, random = Outcome(), Random()
    chosen = READERS[reader]
    samples = chosen.samples()
    name = str(path)
    for sample in samples:  # The first call imports what it needs.
        Path(name).write_bytes(_packed(sample))
        chosen.read(name)
    file = os.open(name, FLAGS)
    try:
        with (
            fm.use_budget(memory=BUDGET),
            _limits() as restart,
            warnings.catch_warnings(record=True) as warned,
            patch("os.fsync", lambda _: None),  # No file need survive a crash.
        ):
            # An error would end where the reader catches what a broken file raises.
            warnings.simplefilter("always")
            for number in numbers:
                if number % BLOCK == 0:
                    restart()
                random.seed((seed << 40) + number)
                blob = _mutated(random, samples)
                if not os.fstat(file).st_nlink:  # A reader that also writes has replaced it.
                    os.close(file)
                    file = os.open(name, FLAGS)
                os.ftruncate(file, 0)
                os.lseek(file, 0, os.SEEK_SET)
                os.write(file, blob)
                try:
                    chosen.read(name)
                    found = "read"
                except FormulationsException as caught:
                    found = type(caught).__name__
                except Exception as caught:  # whatever it is, it is a defect
                    where = traceback.extract_tb(caught.__traceback__)[-1]
                    found = f"{type(caught).__name__}: {caught} ({where.filename}, line {where.lineno})"
                if warned:
                    found = f"{warned[0].category.__name__}: {warned[0].message}"
                    warned.clear()
                defect = ":" in found
                outcome.counts["defect" if defect else found] += 1
                if defect:
                    outcome.defects.append(f"file {number} of {reader}: {found}; {blob[:200]!r}")
    finally:
        os.close(file)
    return outcome


@contextmanager
def _limits() -> Iterator[Callable[[], Any]]:
    """Raise an exception in a reader that hangs or takes much memory, on Linux; yield what restarts the clock."""
    if sys.platform != "linux":
        yield lambda: None
        return
    import resource

    def ring(*_: Any) -> None:
        raise TimeoutError(f"{BLOCK} files took more than {SECONDS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    former = signal.signal(signal.SIGALRM, ring)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ADDRESSES, before[1]))
    try:
        yield lambda: signal.setitimer(signal.ITIMER_REAL, SECONDS)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        resource.setrlimit(resource.RLIMIT_AS, before)


def main() -> int:
    """Attack one reader, or all, and print the counts."""
    options = argparse.ArgumentParser("python -m tests.audit.fuzz", description=main.__doc__)
    options.add_argument("--reader", choices=READERS, help="one reader instead of all")
    options.add_argument("--count", type=positive, default=1000, metavar="N", help="number of files for each reader")
    options.add_argument("--seed", type=int, default=0)
    given, status = options.parse_args(), 0
    with tempfile.TemporaryDirectory() as folder:
        for reader in [given.reader] if given.reader else READERS:
            found = attack(reader, range(given.count), f"{folder}/file.npz", given.seed)
            print(f"{reader:12}", ", ".join(f"{name} {count}" for name, count in found.counts.most_common()))
            print("\n".join(found.defects[:10]), end="\n" if found.defects else "")
            status |= bool(found.defects)
    return status


if __name__ == "__main__":
    sys.exit(main())
