"""Bad commands: every message names options, and nothing that exists in Python alone."""

from __future__ import annotations

import re

import numpy as np
import pytest
from click.testing import CliRunner
from iris_like import flowers, write_table

from formulations.cli.commands import formulations

TABLES = {
    "words.csv": "length,colour,species\n5.1,red,a\n6.3,blue,b\n",
    "one.csv": "species\na\nb\n",
    "uneven.csv": "length,width,species\n5.1,3.5,a\n6.3,b\n",
    "comma.csv": "length;species\n5,1;a\n6,3;b\n",
    "nameless.csv": "5.1,x,a\n6.3,y,b\n",
    "index.csv": ",length,species\n0,5.1,a\n1,6.3,b\n",
    "huge.csv": "length,price\n1,1e400\n2,0.5\n",
    "targets.csv": "length,price\n1,10.5\n2,0.5\n3,1.5\n4,2.5\n5,3.5\n",
}
TRAIN = (
    "--data words.csv", "--data one.csv", "--data uneven.csv", "--data comma.csv", "--data nameless.csv",
    "--data index.csv", "--data huge.csv", "--data words.csv --label size", "--data nameless.csv --label kind",
    "--data iris.csv --label 9", "--data iris.csv --nesterov", "--data iris.csv --optimizer adam --momentum 0.9",
    "--data iris.csv --optimizer adam --nesterov", "--data iris.csv --momentum 1", "--data iris.csv --l2 -1",
    "--data iris.csv --l1 nan", "--data iris.csv --learning-rate 0", "--data iris.csv --learning-rate 1e400",
    "--data iris.csv --seed -1", "--data iris.csv --epochs 0", "--data iris.csv --batch-size 1000",
    "--data iris.csv --early-stopping 0", "--data iris.csv --optimizer lbfgs", "--data iris.csv --schedule linear",
    "--data iris.csv --cost mse", "--data iris.csv --activations tanh,tanh,tanh", "--data iris.csv --dtype int8",
    "--data targets.csv --cost binary_cross_entropy", "--data targets.csv --cost log_likelihood",
    "--activations tanh,softmax", "--data labels.npz --hidden 0", "--data iris.csv --init best",
)  # fmt: skip
OTHER = (
    "predict net.npz --data words.csv", "predict numbers.npz --data targets.csv --proba",
    "predict net.npz --data targets.csv", "predict absent.npz --data iris.csv", "compare --data labels.npz",
    "compare --seed -1", "compare --batch-size 0", "compare --cost mse", "explain --sizes 3",
    "compare --network net.npz --data iris.npz",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bad")
    write_table(path / "iris.csv", *flowers())
    for name, text in TABLES.items():
        (path / name).write_text(text)
    np.savez(path / "labels.npz", X=np.zeros((10, 64)), Y=np.arange(10) % 3)
    for name, saved in (("iris.csv", "net.npz"), ("targets.csv", "numbers.npz")):
        command = ["train", "--data", str(path / name), "--epochs", "1", "--save", str(path / saved)]
        assert CliRunner().invoke(formulations, command).exit_code == 0
    return path


@pytest.mark.parametrize("command", [*(f"train {each}" for each in TRAIN), *OTHER])
def test_a_message_of_the_command_line_gives_no_advice_for_python(folder, monkeypatch, command):
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(formulations, command.split())
    said = " ".join(result.stderr.split())
    assert result.exit_code in (1, 2) and "Traceback" not in said, said
    assert not re.findall(r"\b[a-z_]+=", said), said
    assert not re.findall(r"learning_rate|batch_size|early_stopping|numpy\.random|call \w+\b|use_budget", said), said
