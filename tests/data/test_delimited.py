"""Tables in text files."""

from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pytest

import formulations as fm
from formulations.data import read_columns
from formulations.exceptions import InvalidInput, NotFinite, Refused, UnknownName, WrongShape, WrongType

PLAIN = "length,width,species\n5.1,3.5,setosa\n6.3,2.9,virginica\n"


@pytest.fixture
def read(tmp_path):
    def reader(text, **options):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return fm.read_csv(path, **options)

    return reader


FORMS = {
    "commas": PLAIN,
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "bars": PLAIN.replace(",", "|"),
    "spaces": PLAIN.replace(",", " , "),
    "lines of Windows": PLAIN.replace("\n", "\r\n"),
    "lines of the first Macintosh": PLAIN.replace("\n", "\r"),
    "blank lines": PLAIN.replace("\n", "\n\n"),
    "lines of spaces": PLAIN.replace("\n", "\n  \n\t\n"),
    "no last line end": PLAIN.rstrip(),
    "a mark of byte order": "\ufeff" + PLAIN,
    "quotes": '"length","width",species\n"5.1",3.5,"setosa"\n6.3, "2.9",virginica\n',
    "gzip": gzip.compress(PLAIN.encode()),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_all_forms_of_a_table_are_the_same(form, read):
    X, Y, columns, label = read(form)
    assert X.tolist() == [[5.1, 3.5], [6.3, 2.9]] and X.dtype == np.float64
    assert Y.tolist() == ["setosa", "virginica"]
    assert (columns, label) == (("length", "width"), "species")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_names_alone_are_those_of_the_table(form, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(form if isinstance(form, bytes) else form.encode())
    assert read_columns(path) == (("length", "width", "species"), 3)
    path.write_text("1,2,setosa\n", encoding="utf-8")
    assert read_columns(path) == (None, 3) and read_columns(path, header=True) == (("1", "2", "setosa"), 3)
    names = tuple(f"a long name {i}" for i in range(10_000))
    path.write_text(",".join(names) + "\n", encoding="utf-8")
    assert read_columns(path) == (names, 10_000)
    path.write_bytes(b"")
    with pytest.raises(InvalidInput, match="got an empty file"):
        read_columns(path)


def test_the_label_is_any_column_by_name_or_index_or_none(read):
    text = "kind,a,b\nx,1,2\ny,3,4\n"
    for label in ("kind", 0, -3, np.int64(0)):
        X, Y, columns, name = read(text, label=label)
        assert (X.tolist(), Y.tolist(), columns, name) == ([[1, 2], [3, 4]], ["x", "y"], ("a", "b"), "kind")
    X, Y, columns, name = read("a,b\n1,2\n3,4\n", label="a")
    assert (X.tolist(), Y.tolist(), columns, name) == ([[2], [4]], [1, 3], ("b",), "a")
    X, Y, columns, name = read("a,b\n1,2\n3,4\n", label=None)
    assert (X.tolist(), Y, columns, name) == ([[1, 2], [3, 4]], None, ("a", "b"), None)


def test_a_table_without_names(read):
    for header in (None, False):
        assert read("1,2,x\n3,4,x\n", header=header)[2:] == (None, None)
    assert read("1,2,x\n3,4,y\n", header=False).X.tolist() == [[1, 2], [3, 4]]


NUMBERED = {
    "the names of pandas, and a label": "0,1,species\n5.1,3.5,setosa\n6.3,2.9,virginica\n",
    "the names of pandas alone": "0,1,2\n5,3,1\n6,2,1\n",
    "years": "2019,2020,growth\n1,2,high\n3,4,low\n",
    "years, and a number": "2019,2020,growth\n1,2,0.5\n3,4,0.7\n",
    "wavelengths": "400.5,401.5,kind\n1,2,a\n3,4,a\n",
    "quoted names": '"1","2","3"\n4,5,6\n7,8,9\n',
    "quoted names and cells of text": '"1","2","y"\n4,5,"a"\n7,8,"b"\n',
    "integers above reals": "2,1,3\n0.5,0.25,1.5\n2.0,1.25,1.0\n",
    "missing values": "nan,a\n1,b\n",
    "missing values alone": "NA,n/a,a\n1,2,b\n",
}


@pytest.mark.parametrize("case", NUMBERED)
def test_a_first_row_that_may_be_names_or_an_example_is_refused(case, read):
    text = NUMBERED[case]
    with pytest.raises(InvalidInput, match=r"table.csv, line 1: .* pass header=True .--header. if it holds names"):
        read(text)
    names = [cell.strip('"') for cell in text.splitlines()[0].split(",")]
    found = read(text, header=True)
    assert [*found.columns, found.label] == names and len(found.X) == text.count("\n") - 1
    if "missing" not in case and case != "years, and a number":
        assert len(read(text, header=False).X) == text.count("\n")


CLEAR = {
    "a label that recurs": "0,1,a\n5,3,b\n6,2,a\n",
    "cells that recur": "5,5,a\n1,2,b\n3,4,c\n",
    "one row": "0,1,a\n",
    "integers above others": "2,1,3\n0.5,0.25,1.5\n2,1.25,1.0\n",
    "a real number above others": "2,1.5,3\n0.5,0.25,1.5\n",
    "an integer label above another": "2,1,1\n0.5,0.25,0\n",
    "all quoted": '"3","2","1"\n"4","5","6"\n',
}


@pytest.mark.parametrize("case", CLEAR)
def test_a_first_row_that_is_an_example_is_read_as_one(case, read):
    found = read(CLEAR[case])
    assert found.columns is None and len(found.X) == CLEAR[case].count("\n")


def test_chemical_elements_are_names_beside_others(read):
    assert read("Na,K,kind\n1,2,a\n").columns == ("Na", "K")


def test_a_label_given_by_name_is_in_a_row_of_names(read):
    found = read("2019,2020,growth\n1,2,high\n3,4,low\n", label="growth")
    assert found.columns == ("2019", "2020") and found.Y.tolist() == ["high", "low"]


@pytest.mark.parametrize(
    ("cells", "values", "kind"),
    [
        (["1", "+2", "-3"], [1, 2, -3], "i"),
        (["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)], "i"),
        (["1,5", "a", "1,5"], ["1,5", "a", "1,5"], "U"),
        (["1.2.3", "1.2.4"], ["1.2.3", "1.2.4"], "U"),
        (["True", "false", "TRUE"], [True, False, True], "b"),
        (["1", "2.5", "-3e2"], [1, 2.5, -300], "f"),
        (["a", " b ", "true"], ["a", "b", "true"], "U"),
        (["NA", "none", "inf"], ["NA", "none", "inf"], "U"),
    ],
)
def test_labels_are_what_all_of_them_are(cells, values, kind, read):
    Y = read("".join(f"1;{cell}\n" for cell in cells), delimiter=";", header=False).Y
    assert Y.tolist() == values and Y.dtype.kind == kind


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_numbers_are_rounded_once_to_the_dtype(dtype, read):
    X, Y, _, _ = read("0.1,0.1\n16777217,2\n1e-320,2\n", dtype=dtype)
    assert X.dtype == Y.dtype == np.dtype(dtype) and Y[0] == np.dtype(dtype).type("0.1")
    assert X.ravel().tolist() == [np.dtype(dtype).type(text) for text in ("0.1", "16777217", "1e-320")]


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_digits_of_other_scripts_are_digits(dtype, read):
    assert read("\u0663.\u0665,x\n1.25,x\n", dtype=dtype).X.ravel().tolist() == [3.5, 1.25]


def test_an_empty_cell_in_quotes_is_no_blank_line(read):
    with pytest.raises(InvalidInput, match=r"line 2, column 1 of 1: .* an empty cell"):
        read('1\n""\n2\n', label=None)


def test_quoted_cells_may_hold_the_delimiter_quotes_and_lines(read):
    found = read('a,"b, c",d\n1,2,"x, ""y""\nz"\n3,4,w\n')
    assert found.columns == ("a", "b, c") and found.Y.tolist() == ['x, "y"\nz', "w"]
    # The line of a fault is that of the file.
    with pytest.raises(InvalidInput, match="line 5, column 'b, c'"):
        read('a,"b, c",d\n1,2,"x, ""y""\nz"\n3,4,w\n3,five,w\n')


def test_a_number_far_down_is_found_by_its_line(read):
    rows = [f"{i},{i},x" for i in range(40_000)]
    rows[33_333] = "1,,x"
    with pytest.raises(InvalidInput, match=r"line 33334, column 2 of 3: .* got an empty cell"):
        read("\n".join(rows))


def test_a_given_delimiter_is_obeyed(read):
    assert read("1 2 0\n3 4 1\n", delimiter=" ").X.tolist() == [[1, 2], [3, 4]]
    assert read("1:2\n", delimiter=":").X.tolist() == [[1]]
    with pytest.raises(InvalidInput, match="got '1;2'"):
        read("1;2,0\n", delimiter=",")


def test_a_guessed_delimiter_makes_numbers(read):
    # Every label holds a semicolon or a bar.
    assert read("1,2,x;y\n3,4,y;x\n", header=False).Y.tolist() == ["x;y", "y;x"]
    assert read("1\t2\tx|y\n").Y.tolist() == ["x|y"]
    with pytest.raises(InvalidInput, match="decimal point"):
        read("a;b;kind\n1,5;2,5;x\n")


REFUSED = {
    "an empty cell": ("a,b\n1,x\n,y", {}, InvalidInput, r"line 3, column 'a': a feature must be a number, got an"),
    "a missing value": ("a,b\n1,x\nNA,y", {}, InvalidInput, "line 3, column 'a': .* got 'NA', a missing value"),
    "nan": ("a,b\nnan,x", {}, InvalidInput, "line 2, column 'a': .* got 'nan', a missing value"),
    "mixed types": ("a,b\n1,x\nz,y", {}, InvalidInput, "line 3, column 'a': a feature must be a number, got 'z'"),
    "text after the label": ("l,a,b\nx,1,z", {"label": 0}, InvalidInput, "column 'b': .* got 'z'; leave the col"),
    "names that are numbers": ("150,4,setosa,virginica\n1,2,3,0\n", {}, InvalidInput, "'setosa'; pass header=True"),
    "a decimal comma": ("a;b\n1,5;x", {}, InvalidInput, "got '1,5'; write numbers with a decimal point"),
    "an underscore": ("a,b\n1_000,x", {}, InvalidInput, "got '1_000'"),
    "infinity": ("a,b\n-inf,x", {}, NotFinite, "line 2, column 'a': a number must be finite in float64, got '-inf'"),
    "overflow": ("a,b\n1e39,x", {"dtype": "float32"}, NotFinite, "finite in float32, got '1e39'"),
    "overflow of a target": ("a,b\n1,1e39", {"dtype": "float32"}, NotFinite, "column 'b': a target .* got 1e39"),
    "overflow in extended precision": ("a,b\n1e999999,x", {"dtype": "longdouble"}, NotFinite, "got '1e999999'"),
    "a missing label": ("a,b\n1,x\n1,", {}, InvalidInput, "line 3, column 'b': a label must not be missing, got an em"),
    "a label nan": ("a,b\n1,0.5\n1,nan", {}, InvalidInput, "a label must not be missing, got 'nan'"),
    "labels of mixed types": (
        "a,b\n1,1\n2,y", {}, InvalidInput, "line 3, column 'b': labels must be all numbers or all text, got 'y' here",
    ),
    "a large label": ("a,b\n1,99999999999999999999\n", {}, InvalidInput, "must fit 64-bit integers, got 999999999999"),
    "decimal commas": (
        "rooms;price\n3;1,5\n4;2,5\n", {}, InvalidInput, "line 2, column 'price': .* got '1,5'; write numbers with a",
    ),
    "a decimal comma among numbers": ("a;b\n3;1.5\n4;2,5\n", {}, InvalidInput, "line 3, .* got '2,5'; write numbers"),
    "thousands": ("a;b\n3;1,234.5\n4;2,345.0\n", {}, InvalidInput, "got '1,234.5'; write numbers with a decimal"),
    "thousands and a decimal comma": ("a;b\n3;1.234,5\n", {}, InvalidInput, "got '1.234,5'; write numbers with a"),
    "millions": ("a;b\n3;1.234.567\n", {}, InvalidInput, "got '1.234.567'; write numbers with a decimal point"),
    "spaces between digits": ("a;b\n3;1 234\n4;2\n", {}, InvalidInput, "got '1 234'; write numbers with a decimal"),
    "infinite targets": ("a;b\n3;inf\n4;-inf\n", {}, NotFinite, "line 2, column 'b': a target must be finite"),
    "a target out of range": ("a;b\n3;1\n4;1e400\n", {}, NotFinite, "line 3, column 'b': a target must be finite"),
    "thousands of digits": (f"a,b\n1,{'9' * 5000}\n", {}, InvalidInput, "must fit 64-bit integers, got 999999999999"),
    "too many cells": ("a,b\n1,x,2", {}, InvalidInput, "line 2: a row must have 2 cells, as the first has, got 3"),
    "too few cells": ("1,2,x\n1\n", {}, InvalidInput, "line 2: a row must have 3 cells, as the first has, got 1"),
    "two columns of one name": ("a,b,a\n1,2,3", {}, InvalidInput, "line 1: the columns must have distinct names, got"),
    "a column without a name": (",b\n1,x", {}, InvalidInput, "must have a name, got none for column 1 of 2"),
    "an empty file": ("", {}, InvalidInput, "must hold a table, got an empty file"),
    "blank lines alone": ("\n\r\n", {}, InvalidInput, "got an empty file"),
    "names alone": ("a,b\n", {}, InvalidInput, "at least one example, got only a row of names"),
    "one column": ("a\n1", {}, WrongShape, "features besides the label, got one column; pass label=None"),
    "no such label": ("a,b\n1,x", {"label": "c"}, UnknownName, "unknown column 'c'; valid names are a, b"),
    "a name for a table without": ("1,x", {"label": "c"}, InvalidInput, "got a table without names; pass the index"),
    "an index outside": ("a,b\n1,x", {"label": 2}, InvalidInput, "the label must be from -2 to 1, got 2; count"),
    "an open quote": ('a,b\n1,"x', {}, InvalidInput, "line 2: .* cannot be read .unexpected end of data"),
    "text after a quote": ('a,b\n1,"x"y', {}, InvalidInput, "line 2: a row must be cells, each plain or in double"),
    "Latin 1": ("a,b\n1,é".encode("latin1"), {}, InvalidInput, "line 2: the text must be in UTF-8, got other bytes"),
    "UTF-16": (PLAIN.encode("utf-16"), {}, InvalidInput, "got a file with null bytes; save it as CSV in UTF-8"),
    "broken gzip": (FORMS["gzip"][:-9], {}, InvalidInput, "must be a CSV file, got a broken gzip file"),
    "damaged gzip": (FORMS["gzip"][:20] + b"\0\0" + FORMS["gzip"][22:], {}, InvalidInput, "got a broken gzip file"),
    "a long delimiter": (PLAIN, {"delimiter": ",,"}, InvalidInput, "delimiter must be one character .* got ',,'"),
    "a quote as the delimiter": (PLAIN, {"delimiter": '"'}, InvalidInput, "delimiter must be one character"),
    "a header of one": (PLAIN, {"header": 1}, WrongType, "header must be True, False or None, got 1"),
    "a label of 0.5": (PLAIN, {"label": 0.5}, WrongType, "label must be the name or the index"),
    "a label True": (PLAIN, {"label": True}, WrongType, "got True"),
    "a dtype": (PLAIN, {"dtype": "int64"}, WrongType, "got 'int64'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_faults_are_refused_with_their_place(name, read):
    text, options, exception, part = REFUSED[name]
    with pytest.raises(exception, match=part) as refusal:
        read(text, **options)
    assert type(refusal.value) is exception


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(InvalidInput, match=r"there is no file .*none.csv.*; give the path of a CSV file"):
        fm.read_csv(tmp_path / "none.csv")
    with pytest.raises(InvalidInput, match=r"cannot be read \("):
        fm.read_csv(tmp_path)
    with pytest.raises(InvalidInput, match="there is no file"):
        fm.read_csv("a\0b")
    with pytest.raises(WrongType, match="by its path, got StringIO"):
        fm.read_csv(__import__("io").StringIO(PLAIN))


def test_memory_is_that_of_the_budget(read):
    many = "1,2,3\n" * 20_000
    with fm.use_budget(memory="20MB"):
        assert len(read(many).X) == 20_000
    with fm.use_budget(memory="1MB"), pytest.raises(Refused, match=r"must fit the budget of 1 MB, got .* MB or more"):
        read(many)


@pytest.mark.parametrize("text", [b"10," * 300_000, gzip.compress(b"1," * 8_000_000)], ids=["a long line", "a bomb"])
def test_what_is_refused_takes_no_memory(text, read):
    tracemalloc.start()
    try:
        with fm.use_budget(memory="1MB"), pytest.raises(Refused, match="must fit the budget of 1 MB"):
            read(text)
        # The bytes, with room to grow, and a line of them.
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "label", "shown"),
    [
        ("a,b,kind\n1,2,x\n3,4,y\n", -1, "<Table of 2 examples: 2 features, label 'kind' of 2 classes>"),
        ("a,b,price\n1,2,0.5\n", "price", "<Table of 1 example: 2 features, label 'price' of numbers>"),
        ("1,1,x\n3,4,y\n", -1, "<Table of 2 examples: 2 features, label of 2 classes>"),
        ("a,b\n1,2\n", None, "<Table of 1 example: 2 features>"),
    ],
)
def test_a_table_is_shown_in_one_line(tmp_path, text, label, shown):
    (tmp_path / "table.csv").write_text(text)
    assert repr(fm.read_csv(tmp_path / "table.csv", label)) == shown
