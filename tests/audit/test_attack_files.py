"""An attack on every file reader: damaged, forged and hostile files.

Each reader either reads a file or raises one of this library's exceptions. A damaged file is never read with other
contents, and no file makes a reader allocate more memory than its contents need.
"""

from __future__ import annotations

import io
import json
import signal
import tracemalloc
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

import formulations as fm
from formulations.data import read_examples
from formulations.exceptions import FormulationsException

pytestmark = pytest.mark.slow

BLOCKS, FILES = 3, 1_230
"""3,690 files in total, each for one of the three readers."""
MEMORY = 12 << 20
"""The memory limit for reading any of these files: the largest contains 400 kB, and LZMA has a dictionary of 8 MB."""
BOMB = 32 << 20
SECONDS = 120
"""A block takes a few seconds; one that is still running after this long hangs."""

NETWORKS = [
    fm.Network.random([3, 4, 2], ["tanh", "sigmoid"], seed=1),
    fm.Network.random([2, 3], "softmax", seed=2, dtype="float32"),
    fm.Network(
        [csr_array(np.array([[1.0, 0, 2], [0, 3, 0]])), np.ones((2, 2))], [np.zeros(2), np.ones(2)],
        [fm.PerNeuron(["relu", "sine"]), "identity"],
    ),
]  # fmt: skip
NET = NETWORKS[0]
X, Y = np.random.default_rng(0).random((4, 3)), np.eye(2)[[0, 1, 1, 0]]
GRADIENT = fm.gradient(NET, X, Y)


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_STORED, extra: list[tuple[str, bytes]] = ()) -> bytes:
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w") as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        for name, content in [*members.items(), *extra]:
            # An explicit entry accepts any name, and has no time stamp.
            file.writestr(zipfile.ZipInfo(name), content, method)
    return blob.getvalue()


def npy(array: Any) -> bytes:
    blob = io.BytesIO()
    np.lib.format.write_array(blob, np.asanyarray(array), allow_pickle=True)
    return blob.getvalue()


def packed(arrays: dict[str, Any], **options: Any) -> bytes:
    return archive({f"{name}.npy": npy(array) for name, array in arrays.items()}, **options)


def saved(tmp_path: Any) -> list[bytes]:
    found = []
    for net in NETWORKS:
        fm.save(net, tmp_path / "sound.npz")
        found.append((tmp_path / "sound.npz").read_bytes())
    return found


def gradient_arrays() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for l, (w, b, delta) in enumerate(zip(GRADIENT.weights, GRADIENT.biases, GRADIENT.errors, strict=True), start=2):
        found |= {f"weights_{l}": w, f"biases_{l}": b, f"errors_{l}": delta}
    return found


# Damage: what is read afterwards is what was written, or nothing ---------------------------------------------------


def flip(random: Any, blob: bytes) -> bytes:
    changed = bytearray(blob)
    for place in random.integers(len(blob), size=int(random.integers(1, 9))):
        changed[place] ^= int(random.integers(1, 256))
    return bytes(changed)


def flip_directory(random: Any, blob: bytes) -> bytes:
    """Flip bytes in the archive's directory."""
    changed, start = bytearray(blob), blob.rindex(b"PK\x01\x02") if random.random() < 0.5 else blob.index(b"PK\x01\x02")
    for place in random.integers(start, len(blob), size=int(random.integers(1, 3))):
        changed[place] ^= 1 << int(random.integers(8))
    return bytes(changed)


def truncate(random: Any, blob: bytes) -> bytes:
    return blob[: int(random.integers(len(blob)))]


def cut_out(random: Any, blob: bytes) -> bytes:
    first, last = sorted(random.integers(len(blob) + 1, size=2).tolist())
    return blob[:first] + blob[last:]


def erase(random: Any, blob: bytes) -> bytes:
    first, last = sorted(random.integers(len(blob) + 1, size=2).tolist())
    return blob[:first] + bytes(last - first) + blob[last:]


def insert(random: Any, blob: bytes) -> bytes:
    place = int(random.integers(len(blob) + 1))
    return blob[:place] + random.bytes(int(random.integers(1, 64))) + blob[place:]


def noise(random: Any, blob: bytes) -> bytes:
    return blob[:4] * int(random.integers(2)) + random.bytes(int(random.integers(300)))


DAMAGE: list[Callable[[Any, bytes], bytes]] = [flip, flip, flip_directory, truncate, cut_out, erase, insert, noise]


# Forgery: an archive that is sound as an archive, and holds what it should not --------------------------------------


def members_of(blob: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(blob)) as file:
        return {name: file.read(name) for name in file.namelist()}


def arrays_of(blob: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(blob), allow_pickle=False) as held:
        return dict(held)


def one_of(random: Any, held: Any) -> Any:
    return list(held)[int(random.integers(len(held)))]


def forge_members(random: Any, blob: bytes) -> bytes:
    members, kind, extra = members_of(blob), int(random.integers(10)), []
    name = one_of(random, members)
    content = members[name]
    if kind == 0:
        members[
            str(
                random.choice(
                    [
                        "weights_02.npy",
                        "biases_99999999999999999999.npy",
                        "../x.npy",
                        "",
                        "/",
                        "a/",
                        "biases_.npy",
                        "ä.npy",
                        "Weights_2.npy",
                        "biases_-1.npy",
                        "vector.npy",
                    ]
                )
            )
        ] = members.pop(name)
    elif kind == 1:
        del members[name]
    elif kind == 2:
        members[name] = b""
    elif kind == 3:
        members[name] = content[: int(random.integers(len(content)))]
    elif kind == 4:
        members[name] = content + random.bytes(int(random.integers(1, 40)))
    elif kind == 5:
        members[name.removesuffix(".npy")] = members.pop(name)
    elif kind == 6:
        members["readme.txt"] = b"not an array"
    elif kind == 7:
        members[name] = members[one_of(random, members)]
    elif kind == 8:
        extra = [(name, members[one_of(random, members)])]
    else:
        members = {name: content}
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    return archive(members, methods[int(random.integers(4))], extra)


HEADERS = [
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (10**9, 10**9), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000000000), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (True, 3), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': 3, }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1.5,), }",
    "{'descr': '<f8', 'fortran_order': 2, 'shape': (4, 3), }",
    "{'descr': '<f8', 'fortran_order': True, 'shape': (4, 3), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (4, 3), }",
    "{'descr': '<V8', 'fortran_order': False, 'shape': (4, 3), }",
    "{'descr': '<U1000000000', 'fortran_order': False, 'shape': (), }",
    "{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000,), }",
    "{'descr': '|V0', 'fortran_order': False, 'shape': (4611686018427387904,), }",
    "{'descr': [('a', '<f8'), ('b', '|O')], 'fortran_order': False, 'shape': (4,), }",
    "{'descr': [('a', '<f8', (1000000, 1000000))], 'fortran_order': False, 'shape': (4,), }",
    "{'descr': 'nonsense', 'fortran_order': False, 'shape': (4, 3), }",
    "{'descr': ('<f8', (4, 3)), 'fortran_order': False, 'shape': (), }",
    "{'descr': '<f8', 'shape': (4, 3), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), 'version': 9}",
    "{" * 2000,
    "(" * 5000,
    "-" * 60000 + "1",
    "-" * 9000 + "1",
    "[" * 190,
    "__import__('os').abort()",
    "\0" * 40,
    "{'descr': '<f8', 'fortran_order': False, 'shape': (4L, 3L), }",
    "{'descr': '>f8', 'fortran_order': False, 'shape': (4, 3), }",
]


def forge_header(random: Any, blob: bytes) -> bytes:
    members = members_of(blob)
    name = one_of(random, members)
    data = members[name][128:]
    header = one_of(random, HEADERS).encode("latin1") + b"\n"
    version = one_of(random, [b"\x01\x00"] * 6 + [b"\x02\x00", b"\x03\x00", b"\x04\x00", b"\x00\x00", b"\xff\xff"])
    length = len(header) if random.random() < 0.8 else int(random.integers(2**16))
    members[name] = b"\x93NUMPY" + version + length.to_bytes(2 if version < b"\x02" else 4, "little") + header + data
    return archive(members, zipfile.ZIP_DEFLATED)


DTYPES = ["c16", "O", "f2", "g", "?", "i1", "u8", "M8[s]", "m8", "S4", "U4", ">f8", "V8", [("a", "f8"), ("b", "i4")]]


def forge_array(random: Any, blob: bytes) -> bytes:
    arrays, kind = arrays_of(blob), int(random.integers(9))
    name = one_of(random, arrays)
    array = arrays[name]
    if kind == 0:
        try:
            arrays[name] = array.astype(one_of(random, DTYPES))
        except (ValueError, TypeError):
            arrays[name] = np.zeros(array.shape, one_of(random, DTYPES))
    elif kind == 1 and array.size and array.dtype.kind == "f":
        arrays[name] = array.copy()
        arrays[name].flat[int(random.integers(array.size))] = one_of(random, [np.nan, np.inf, -np.inf, 1e300, 5e-324])
    elif kind == 2:
        arrays[name] = array.reshape(-1) if random.random() < 0.5 else array[None]
    elif kind == 3:
        arrays[name] = array.T
    elif kind == 4:
        arrays[name] = np.asarray(
            one_of(random, [0, 1.5, -(2**62), np.zeros(0), np.zeros((0, 3)), np.zeros((3, 0)), "text", b"bytes"])
        )
    elif kind == 5:
        arrays[name] = np.zeros(random.integers(0, 5, size=int(random.integers(4))))
    elif kind == 6:
        arrays[
            one_of(
                random,
                [
                    "version",
                    "format",
                    "format_version",
                    "errors_2",
                    "weights_1",
                    "biases_4",
                    "weights_2_data",
                    "activations_2",
                    "vector",
                ],
            )
        ] = one_of(random, [np.array(99), np.zeros(3), np.array("x"), np.array([-1])])
    elif kind == 7:
        # Too wide for a mistake, but still small.
        arrays[name] = np.zeros((1, 50_000))
    else:
        integers = [key for key, held in arrays.items() if held.dtype.kind in "iu" and held.size]
        key = one_of(random, integers or arrays)
        if arrays[key].dtype.kind in "iu":
            arrays[key] = arrays[key].copy()
            arrays[key].flat[int(random.integers(arrays[key].size))] = one_of(random, [-1, 5, 2**31 - 1, -(2**31)])
            if arrays[key].itemsize == 8 and random.random() < 0.5:
                arrays[key].flat[0] = one_of(random, [2**62, -(2**63), 2**40])
    return packed(arrays, method=one_of(random, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))


TEXTS = [
    "", "null", "[]", "{}", "3", '"tanh"', '["tanh"]', '["tanh", "nonsense"]', '["tanh", null]', '["tanh", 3]',
    "[" * 100_000,
    '{"a": ' * 5_000, '["tanh", {"negative_slope": 1e400}]', '["tanh", {"negative_slope": NaN}]', '["tanh", {}]',
    '["tanh", {"negative_slope": "x"}]', '["tanh", [[["relu"]]]]', '["tanh", []]', '["tanh", ["relu", "softmax"]]',
    "[" + "9" * 5000 + "]", '["tanh", true]', '["tanh", {"negative_slope": true}]', "\ud800", '["tanh", "softmax"',
    '["tanh", "softmax"] x',
    json.dumps(["tanh"] * 5000), '["tanh", {"negative_slope": [0.1]}]', '["tanh", {"negative_slope": 1e-400, "x": 1}]',
]  # fmt: skip


def forge_text(random: Any, blob: bytes) -> bytes:
    arrays = arrays_of(blob)
    text = one_of(random, TEXTS)
    name = "activations" if "activations" in arrays else one_of(random, arrays)
    arrays[name] = np.array(text) if random.random() < 0.8 else np.array([text, text])
    return packed(arrays)


def bomb(random: Any, blob: bytes) -> bytes:
    """Return an archive whose members contain more than their names and headers say."""
    return _bomb(blob, int(random.integers(4)))


@cache
def _bomb(blob: bytes, kind: int) -> bytes:
    members, zeros = members_of(blob), bytes(BOMB)
    name = list(members)[kind % len(members)]
    if kind == 0:
        members["picture.npy"] = npy(np.zeros(BOMB // 8))
    elif kind == 1:
        members[name] += zeros
    elif kind == 2:
        members["readme.txt"] = zeros
    else:
        members[name] = b"\x93NUMPY\x02\x00" + BOMB.to_bytes(4, "little") + zeros
    return archive(members, zipfile.ZIP_DEFLATED)


FORGERY: list[Callable[[Any, bytes], bytes]] = [forge_members, forge_header, forge_array, forge_array, forge_text]


# The readers ------------------------------------------------------------------------------------------------------


def load(path: str, sound: Any) -> str:
    net = fm.load(path)
    if max(net.sizes) < 1000:
        with np.errstate(all="ignore"):
            net(np.ones((1, net.sizes[0])))
    if sound is None:
        return "read"
    return "same" if net.vector.tobytes() == sound.vector.tobytes() and repr(net) == repr(sound) else "another network"


def certify(path: str, sound: Any) -> str:
    verdict = fm.certify(NET, X, Y, path)
    if sound is None:
        return "read"
    return "same" if verdict else "another gradient"


def examples(path: str, sound: Any) -> str:
    found = read_examples(path)
    if sound is None:
        return "read"
    return "same" if all(a.tobytes() == b.tobytes() for a, b in zip(found, sound, strict=False)) else "other examples"


@contextmanager
def bounded_time() -> Any:
    """Raise if a reader hangs."""

    def ring(*_: Any) -> None:
        raise TimeoutError(f"a reader has not ended within {SECONDS} s")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def subjects(tmp_path: Any) -> list[tuple[Callable[[str, Any], str], bytes, Any]]:
    found: list[Any] = [(load, blob, net) for blob, net in zip(saved(tmp_path), NETWORKS, strict=True)]
    found += [(certify, packed(gradient_arrays()), True), (certify, packed({"vector": GRADIENT.vector}), True)]
    return [*found, (examples, packed({"X": X, "Y": Y}), (X, Y))]


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_file_is_misread(block, tmp_path):
    defects, counts = [], Counter()
    held = subjects(tmp_path)
    path = tmp_path / "file.npz"
    # Modules imported at first use do not count as memory of a file.
    for reader, blob, sound in held:
        path.write_bytes(blob)
        assert reader(str(path), sound) == "same"
    tracemalloc.start()
    try:
        with bounded_time():
            for number in range(block * FILES, (block + 1) * FILES):
                random = np.random.default_rng([8, number])
                reader, blob, sound = held[number % len(held)]
                damaged = random.random() < 0.5
                change = one_of(random, DAMAGE if damaged else FORGERY)
                if number % 41 == 0:
                    damaged, change = False, bomb
                with np.errstate(all="ignore"):
                    path.write_bytes(change(random, blob))
                counts[change.__name__] += 1
                found = tried(reader, str(path), sound if damaged else None)
                defects += [f"file {number}, {change.__name__}, {reader.__name__}: {each}" for each in found]
    finally:
        tracemalloc.stop()
    assert not defects, f"{len(defects)} defects\n" + "\n".join(defects)
    assert counts.total() == FILES


def tried(reader: Callable[[str, Any], str], path: str, sound: Any) -> list[str]:
    """Return what is wrong with how a reader handles a file."""
    found = []
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        result = reader(path, sound)
        if result not in ("same", "read"):
            found.append(f"read as {result}")
    except FormulationsException as refusal:
        if len(str(refusal)) > 2000:
            found.append(f"a message of {len(str(refusal))} characters")
    except Exception as foreign:  # whatever else comes is what this test looks for
        found.append(f"{type(foreign).__name__}: {str(foreign)[:200]}")
    _, peak = tracemalloc.get_traced_memory()
    if peak - before > MEMORY:
        found.append(f"took {(peak - before) / 2**20:.0f} MB")
    return found
