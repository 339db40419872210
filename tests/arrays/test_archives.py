"""Reading archives: only the requested arrays are decompressed, and only if they match their headers."""

from __future__ import annotations

import io
import warnings
import zipfile
from contextlib import nullcontext

import numpy as np
import pytest
from numpy.lib import format as npy

import formulations as fm
from formulations.arrays.archives import open_archive
from formulations.data import read_examples
from formulations.exceptions import InvalidInput, Refused, WrongShape

NET = fm.Network.random([2, 3, 1], seed=0)
X, Y = np.eye(2), np.ones((2, 1))


def header(shape, dtype="<f8"):
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def add(path, name, head, zeros, method=zipfile.ZIP_DEFLATED):
    """Add a member to an archive: a header, and as many bytes of zero."""
    with zipfile.ZipFile(path, "a") as archive, archive.open(zipfile_info(name, method), "w") as member:
        member.write(head)
        for start in range(0, zeros, 2**20):
            member.write(bytes(min(2**20, zeros - start)))


def zipfile_info(name, method):
    info = zipfile.ZipInfo(f"{name}.npy")
    info.compress_type = method
    return info


def claim(path, name, size):
    """Let the directory of an archive say that a member has so many bytes."""
    whole = bytearray(path.read_bytes())
    at = whole.rfind(f"{name}.npy".encode())  # in the central directory, 46 bytes after the entry's start
    whole[at - 46 + 24 : at - 46 + 28] = size.to_bytes(4, "little")
    path.write_bytes(whole)


@pytest.fixture
def inflated(monkeypatch):
    """How many bytes have come out of archives."""
    found, read1 = [], zipfile.ZipExtFile._read1

    def counted(self, n):
        data = read1(self, n)
        found.append(len(data))
        return data

    monkeypatch.setattr(zipfile.ZipExtFile, "_read1", counted)
    return lambda: sum(found)


def gradient(**changes):
    g = fm.gradient(NET, X, Y)
    parts = {f"weights_{l}": w for l, w in enumerate(g.weights, start=2)}
    return parts | {f"biases_{l}": b for l, b in enumerate(g.biases, start=2)} | changes


READERS = {
    "load": (lambda path: fm.save(NET, path), fm.load, "weights_2"),
    "certify": (lambda path: np.savez(path, **gradient()), lambda path: fm.certify(NET, X, Y, path), "weights_2"),
    "an open file": (
        lambda path: np.savez(path, **gradient()),
        lambda path: fm.certify(NET, X, Y, np.load(path)),
        "weights_2",
    ),
    "--data": (lambda path: np.savez(path, X=X, Y=Y), lambda path: read_examples(str(path)), "X"),
}
OF_GRADIENTS = [READERS[name][1] for name in ("certify", "an open file")]


@pytest.fixture(params=READERS)
def reader(request, tmp_path):
    make, read, name = READERS[request.param]
    path = tmp_path / "net.npz"
    make(path)
    return path, read, name


def without(path, name):
    with zipfile.ZipFile(path) as archive:
        others = {info: archive.read(info) for info in archive.infolist() if info.filename != f"{name}.npy"}
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in others.items():
            archive.writestr(info, data)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the archive that numpy.load leaves open
def test_an_array_that_is_not_requested_is_not_decompressed(reader, inflated):
    path, read, _ = reader
    head = header((2**23,))
    add(path, "bomb", head, 2**26)
    assert path.stat().st_size < 100_000
    # A gradient holds no other arrays, and is refused by their names.
    with pytest.raises(InvalidInput, match="got 'bomb'") if read in OF_GRADIENTS else nullcontext():
        read(path)
    assert inflated() < 100_000


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    "head",
    [header((2**23 - 1,)), header((10**12, 10**6)), header((3, 2)), header((-1, 3, -(2**23))), header((2**63, 2**63))],
)
def test_a_member_is_as_large_as_its_header_says(reader, inflated, head):
    path, read, name = reader
    without(path, name)
    add(path, name, head, 2**26)
    with pytest.raises(InvalidInput, match=f"{name} has another size than its header says|broken"):
        read(path)
    assert inflated() < 100_000


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("text", [bytes(2**20), b"-" * 9000 + b"1\n"], ids=["long", "nested"])
def test_a_header_is_read_as_far_as_numpy_writes_one(reader, inflated, text):
    path, read, name = reader
    without(path, name)
    add(path, name, b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text, 2**20)
    with pytest.raises(InvalidInput, match="broken"):
        read(path)
    assert inflated() < 100_000


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_member_of_another_shape_is_not_decompressed(tmp_path, inflated):
    for make, read, name, exception in (
        (lambda path: fm.save(NET, path), fm.load, "weights_3", WrongShape),
        (lambda path: fm.save(NET, path), fm.load, "biases_2", WrongShape),
        (lambda path: np.savez(path, **gradient()), lambda path: fm.certify(NET, X, Y, path), "weights_3", WrongShape),
        (lambda path: np.savez(path, vector=X), lambda path: fm.certify(NET, X, Y, path), "vector", WrongShape),
        (
            lambda path: np.savez(path, **gradient(errors_2=np.ones((2, 3)), errors_3=np.ones((2, 1)))),
            lambda path: fm.certify(NET, X, Y, path),
            "errors_3",
            WrongShape,
        ),
    ):
        path = tmp_path / "net.npz"
        make(path)
        without(path, name)
        add(path, name, header((2**23,)), 2**26)
        with pytest.raises(exception, match=f"{name}.*must have shape"):
            read(path)
    assert inflated() < 200_000


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_compressed_arrays_stay_within_the_budgets_memory(reader):
    path, read, name = reader
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez_compressed(path, **arrays)
    read(path)
    with fm.use_budget(memory=100), pytest.raises(Refused, match=r"must fit the budget of 0\.0001 MB.*use_budget"):
        read(path)
    # What is not compressed takes no more than the file already does.
    np.savez(path, **arrays)
    with open_archive(path, "a file", "write it") as archive:
        assert np.array_equal(archive.read([name], 100)[name], arrays[name])


@pytest.mark.slow
def test_other_methods_of_compression_are_refused(reader, inflated):
    pytest.importorskip("bz2")
    path, read, name = reader
    without(path, name)
    add(path, name, header((2**23,)), 2**26, zipfile.ZIP_BZIP2)
    with pytest.raises(InvalidInput, match=f"{name} is compressed by a method that NumPy does not write"):
        read(path)
    assert inflated() < 100_000


@pytest.mark.parametrize("order", "<>")
def test_text_of_codes_that_are_no_characters_is_refused(order, tmp_path):
    path = tmp_path / "text.npz"
    codes = np.array([0x10FFFF, 0x61], f"{order}u4")
    np.savez(path, X=np.eye(2), Y=codes.view(f"{order}U1"))
    assert read_examples(path)[1].tolist() == ["\U0010ffff", "a"]
    codes[1] = 0x110000
    np.savez(path, X=np.eye(2), Y=codes.view(f"{order}U1"))
    with pytest.raises(InvalidInput, match="Y holds codes that are not characters"):
        read_examples(path)


def written(path, text, version=b"\x01\x00"):
    """Write X under a header of this text."""
    text = text.encode("latin1")
    head = b"\x93NUMPY" + version + len(text).to_bytes(2 if version < b"\x02" else 4, "little") + text
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", head + X.tobytes())
        archive.writestr("Y.npy", header(Y.shape) + Y.tobytes())


@pytest.mark.parametrize("version", [b"\x01\x00", b"\x02\x00"])
@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }\n",
        "{'descr':'<f8','fortran_order':False,'shape':(2,2)}",
        "{'shape': ( 2,2, ), 'fortran_order': False, 'descr': 'f8'}    \n",
        '{"descr": "<f8", "fortran_order": True, "shape": (2, 2)}',
    ],
)
def test_headers_of_other_programs_are_read(text, version, tmp_path):
    written(tmp_path / "X.npz", text, version)
    assert np.array_equal(read_examples(tmp_path / "X.npz")[0], X)


@pytest.mark.parametrize(
    "text",
    [
        # NumPy reads the first with a warning, and Python warns of the next two.
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 2L), }",
        "{'descr': '\\d', 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2)(1), }",
        "{'descr': 'a8', 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), 'version': 9}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2)",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (2, 2), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-2, -2), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2 2), }",
        "{'descr': '<f8', 'shape': (2, 2), }",
        "",
    ],
)
def test_other_headers_are_refused_without_a_warning(text, tmp_path):
    written(tmp_path / "X.npz", text)
    # As an error a warning would be caught like the exceptions of a broken file.
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(InvalidInput, match="it is broken"):
            read_examples(tmp_path / "X.npz")
    assert not warned


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name_are_refused(tmp_path):
    path = tmp_path / "net.npz"
    fm.save(NET, path)
    # NumPy would read the second one, and nobody would hear of the first.
    add(path, "biases_3", header((1,)), 8)
    with pytest.raises(InvalidInput, match=r"plain arrays \(two of its arrays have one name\)"):
        fm.load(path)


def test_records_are_refused(tmp_path):
    np.savez(tmp_path / "records.npz", X=np.eye(2), Y=np.zeros(2, [("a", "f8"), ("b", "U3")]))
    with pytest.raises(InvalidInput, match="Y holds records"):
        read_examples(tmp_path / "records.npz")


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f4", ">f8", "g", "c8", "U3", "S2", "M8[s]"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_they_were_written(save, shape, dtype, tmp_path):
    values = np.arange(24)[: np.prod(shape, dtype=int)].reshape(shape).astype(dtype)
    for array in (values, np.asfortranarray(values)):
        save(tmp_path / "arrays.npz", array=array)
        with open_archive(tmp_path / "arrays.npz", "", "") as archive:
            found = archive.read(["array"], np.inf)["array"]
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert found.flags.writeable and found.flags.f_contiguous == array.flags.f_contiguous


def test_a_member_that_claims_more_than_the_file_has_is_refused(reader):
    path, read, name = reader
    without(path, name)
    head = header((10**8,))
    add(path, name, head, 0, zipfile.ZIP_STORED)
    claim(path, name, len(head) + 8 * 10**8)
    with pytest.raises(InvalidInput, match=f"{name} has another size than its header says|broken"):
        read(path)


def sparse(path, **changes):
    arrays = {
        "activations": np.array('["tanh"]'), "biases_2": np.zeros(1), "weights_2_data": np.ones(2),
        "weights_2_indices": np.arange(2), "weights_2_indptr": np.array([0, 2]), "weights_2_shape": np.array([1, 2]),
    }  # fmt: skip
    np.savez(path, **arrays | changes)


def test_a_sparse_matrix_fits_its_shape(tmp_path):
    path = tmp_path / "net.npz"
    sparse(path)
    assert fm.load(path).weights[0].nnz == 2
    for changes in (
        {"weights_2_shape": np.array([1, 2, 3])}, {"weights_2_shape": np.array([1.0, 2.0])},
        {"weights_2_shape": np.array(["1", "2"])}, {"weights_2_shape": np.array([2, 2])},
        {"weights_2_indptr": np.array([0, 1, 2])}, {"weights_2_indices": np.arange(3)},
        {"weights_2_data": np.ones((1, 2)), "weights_2_indices": np.ones((1, 2), int)},
        {"weights_2_shape": np.array([1, -2])}, {"weights_2_indices": np.array([0, 5])},
        {"weights_2_indptr": np.array([0.0, 2.0])}, {"weights_2_data": np.array(["a", "b"])},
        {"weights_2_shape": np.array([1, 2**64 - 1], np.uint64)},
    ):  # fmt: skip
        sparse(path, **changes)
        with pytest.raises((InvalidInput, fm.exceptions.WrongType)):
            fm.load(path)


@pytest.mark.parametrize(
    "text", ["[" * 2000 + "]" * 2000, "[" * 500 + "]" * 500, '[{"a": 1}]', '[{"negative_slope": []}]', "3"]
)
def test_activations_that_are_none_are_refused(tmp_path, text):
    path = tmp_path / "net.npz"
    np.savez(path, activations=np.array(text), weights_2=np.ones((1, 2)), biases_2=np.zeros(1))
    with pytest.raises(fm.exceptions.FormulationsException):
        fm.load(path)


def test_mutated_files_raise_what_is_ours(tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "net.npz"
    fm.save(NET, path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    read = 0
    for _ in range(400):
        mutant = whole.copy()
        places = random.integers(len(whole), size=random.integers(1, 6))
        mutant[places] = random.integers(256, size=len(places))
        path.write_bytes(mutant[: random.integers(1, len(whole) + 1)].tobytes() if random.random() < 0.2 else mutant)
        try:
            fm.load(path)
            read += 1
        except fm.exceptions.FormulationsException:
            pass
    assert read < 400
