"""Writing files: a reader finds the old file or the new one, whatever happens to the writer."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading

import pytest

import formulations as fm
from formulations.arrays import files
from formulations.arrays.files import check_writable, replaced
from formulations.exceptions import InvalidInput

posix = pytest.mark.skipif(os.name == "nt", reason="modes, pipes and signals are those of POSIX")
linux = pytest.mark.skipif(not files.UNNAMED, reason="this system has no files without a name")

KILLS = """
import json, os, random, signal, sys, time
import numpy as np
import formulations as fm

folder, kills = sys.argv[1], int(sys.argv[2])
path = os.path.join(folder, "net.npz")
nets = [fm.Network.random([200, 200, 10], seed=0).with_vector(np.full(42210, float(i))) for i in range(2)]
random.seed(0)


def intact():
    vector = fm.load(path).vector
    return bool((vector == vector[0]).all())


def forked(work):
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        work(tell)
        os._exit(0)
    os.close(tell)
    return child, ready


def save(tell):
    os.write(tell, b".")
    while True:
        fm.save(nets[1], path)


def read(tell):
    os.write(tell, b".")
    # Until it is killed, or finds what is no network.
    while intact():
        pass


fm.save(nets[0], path)
began = time.perf_counter()
for _ in range(5):
    fm.save(nets[0], path)
length = (time.perf_counter() - began) / 5
reader, begun = forked(read)
os.read(begun, 1)
lost, left, killed = 0, set(), 0
for _ in range(kills):
    child, ready = forked(save)
    os.read(ready, 1)
    os.close(ready)
    time.sleep(random.uniform(0, 2 * length))
    os.kill(child, signal.SIGKILL)
    killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    try:
        lost += not intact()
    except Exception:
        lost += 1
        fm.save(nets[0], path)
    left |= set(os.listdir(folder)) - {"net.npz"}
reading = os.waitpid(reader, os.WNOHANG) == (0, 0)
if reading:
    os.kill(reader, signal.SIGKILL)
    os.waitpid(reader, 0)
fm.save(nets[0], path)
print(json.dumps({
    "killed": killed, "lost": lost, "left": sorted(left), "reading": reading,
    "at_last": os.listdir(folder), "intact": intact(),
}))
"""


def write_half(path, failure):
    with replaced(path) as file:
        file.write(b"half")
        raise failure


def run_code(code, *arguments, **options):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@posix
@pytest.mark.slow
def test_a_killed_save_leaves_the_old_file_or_the_new_one(tmp_path):
    done = run_code(KILLS, tmp_path, 200)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["killed"] == 200, found
    assert found["lost"] == 0 and found["reading"] and found["intact"], found
    if files.UNNAMED:
        # A kill within the microseconds between link and rename leaves one name, and the next save takes it away.
        assert len(found["left"]) <= 1, found
        assert found["at_last"] == ["net.npz"], found


@linux
def test_what_a_kill_left_between_link_and_rename_goes_with_the_next_save(tmp_path, monkeypatch):
    path = tmp_path / "net.txt"
    path.write_text("old")

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(Killed), replaced(path) as file:
            file.write(b"killed")
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 2
    with replaced(path) as file:
        file.write(b"new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("unnamed", [pytest.param(True, marks=linux), False])
def test_writers_at_once_leave_one_whole_file(tmp_path, monkeypatch, unnamed):
    if not unnamed:
        monkeypatch.setattr(files, "UNNAMED", 0)
    path = tmp_path / "all.txt"
    failures = []

    def write(text):
        try:
            for _ in range(20):
                with replaced(path) as file:
                    file.write(text * 10_000)
        except InvalidInput as caught:
            failures.append(caught)

    threads = [threading.Thread(target=write, args=(text,)) for text in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert path.read_bytes() in {text * 10_000 for text in (b"a", b"b", b"c", b"d")}
    assert list(tmp_path.iterdir()) == [path]


FULL = """
import resource, sys
import formulations as fm
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    fm.save(fm.Network.random([100, 100], seed=1), sys.argv[1])
except fm.exceptions.InvalidInput as caught:
    print(caught)
"""


@posix
def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "net.npz"
    fm.save(fm.Network.random([2, 1], seed=0), path)
    before = path.read_bytes()
    done = run_code(FULL, path)
    assert "cannot be written (File too large)" in done.stdout, done.stderr
    assert done.stderr == "" and path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("unnamed", [pytest.param(True, marks=linux), False])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, unnamed):
    if not unnamed:
        monkeypatch.setattr(files, "UNNAMED", 0)
    path = tmp_path / "net.txt"
    path.write_text("old")
    failures = [
        (KeyboardInterrupt(), pytest.raises(KeyboardInterrupt)),
        (OSError(errno.ENOSPC, "full"), pytest.raises(InvalidInput, match=r"cannot be written \(full\)")),
    ]
    for failure, refused in failures:
        with refused:
            write_half(path, failure)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@posix
@pytest.mark.parametrize("unnamed", [pytest.param(True, marks=linux), False])
def test_the_mode_is_kept_and_a_new_file_has_the_umasks(tmp_path, monkeypatch, unnamed):
    if not unnamed:
        monkeypatch.setattr(files, "UNNAMED", 0)
    path, new = tmp_path / "old.npz", tmp_path / "new.npz"
    path.touch()
    path.chmod(0o604)
    umask = os.umask(0o027)
    try:
        for each in (path, new):
            fm.save(fm.Network.random([1, 1], seed=0), each)
    finally:
        os.umask(umask)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, new)] == [0o604, 0o640]


@posix
def test_links_are_followed_and_hard_links_keep_the_old_file(tmp_path):
    path, link, hard, dangling = (tmp_path / name for name in ("net.txt", "link", "hard", "dangling"))
    path.write_text("old")
    link.symlink_to("net.txt")
    hard.hardlink_to(path)
    dangling.symlink_to("made.txt")
    for each in (link, dangling):
        with replaced(each) as file:
            file.write(b"new")
        assert each.is_symlink() and each.read_text() == "new"
    assert path.read_text() == "new" and (tmp_path / "made.txt").is_file()
    assert hard.read_text() == "old"
    link.unlink()
    link.symlink_to("link")
    with pytest.raises(InvalidInput, match="cannot be written"), replaced(link) as file:
        file.write(b"new")


@posix
def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    check_writable(path)
    fm.save(fm.Network.random([2, 1], seed=0), path)
    found = os.read(reader, 65_536)
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)
    whole = tmp_path / "net.npz"
    whole.write_bytes(found)
    assert fm.load(whole).sizes == (2, 1)


@posix
def test_a_device_stays_a_device(tmp_path):
    path = tmp_path / "null"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.stat("/dev/null").st_rdev)
    except PermissionError:
        # Who may not make a device cannot replace one either.
        path.symlink_to("/dev/null")
    check_writable(path)
    fm.save(fm.Network.random([2, 1], seed=0), path)
    assert stat.S_ISCHR(path.stat().st_mode)


def test_what_is_read_only_is_refused_and_stays(tmp_path):
    path = tmp_path / "net.npz"
    fm.save(fm.Network.random([1, 1], seed=0), path)
    before = path.read_bytes()
    path.chmod(0o444)
    for call in (lambda: check_writable(path), lambda: fm.save(fm.Network.random([1, 1], seed=1), path)):
        with pytest.raises(InvalidInput, match=r"cannot be written \(it is read-only\); name a file"):
            call()
    assert path.read_bytes() == before


def test_the_check_that_a_file_can_be_written_leaves_no_trace(tmp_path, monkeypatch):
    for flag in (files.UNNAMED, 0):
        monkeypatch.setattr(files, "UNNAMED", flag)
        check_writable(tmp_path / "net.npz")
        assert not list(tmp_path.iterdir())
    for path in (tmp_path / "absent" / "net.npz", tmp_path, f"{tmp_path}/net/", "", "net\0.npz"):
        with pytest.raises(InvalidInput, match=r"cannot be written \(.*\); name a file in a folder that exists"):
            check_writable(path)
    with pytest.raises(InvalidInput, match="got int"):
        check_writable(1)


@pytest.mark.parametrize("errors", [3, 100])
def test_on_windows_it_waits_for_a_reader_and_not_for_ever(tmp_path, monkeypatch, errors):
    path, replace, waited = tmp_path / "net.txt", os.replace, []
    path.write_text("old")

    def held_open(*names):
        if len(waited) < errors:
            raise PermissionError(errno.EACCES, "another process holds it")
        replace(*names)

    monkeypatch.setattr(files, "UNNAMED", 0)
    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files.time, "sleep", waited.append)
    monkeypatch.setattr(files.os, "replace", held_open)
    if errors == 3:
        with replaced(path) as file:
            file.write(b"new")
        assert path.read_text() == "new" and len(waited) == 3
    else:
        with pytest.raises(InvalidInput, match="another process holds it"), replaced(path) as file:
            file.write(b"new")
        assert path.read_text() == "old" and sum(waited) < 5
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
@posix
def test_every_file_of_the_command_line_is_written_whole(tmp_path):
    """Under a limit of the file size, each leaves the old file, and says so with status 2."""
    pytest.importorskip("matplotlib")
    code = """
import resource, sys
from click.testing import CliRunner
from formulations.cli.commands import formulations
import matplotlib.figure  # its cache of fonts may be larger
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
result = CliRunner().invoke(formulations, sys.argv[1:])
print(result.output)
sys.exit(result.exit_code)
"""
    commands = {
        "page.html": ["explain", "--html"],
        "agreement.svg": ["compare", "--backends", "hadamard,sigma", "--plot"],
    }
    for name, command in commands.items():
        path = tmp_path / name
        path.write_text("old")
        done = run_code(code, *command, path)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "cannot be written (File too large)" in " ".join(done.stdout.split())
        assert path.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == sorted(commands)


GONE = """
import os, sys, tempfile
folder = tempfile.mkdtemp()
os.chdir(folder)
os.rmdir(folder)
import numpy as np
import formulations as fm
from formulations.cli.commands import formulations
from click.testing import CliRunner
net = fm.Network.random([2, 1], seed=0)
for call in (
    lambda: fm.save(net, "net.npz"), lambda: fm.load("net.npz"),
    lambda: fm.certify(net, np.eye(2), np.eye(2)[:, :1], "g.npz"),
):
    try:
        call()
    except fm.exceptions.InvalidInput as caught:
        print(caught)
for command in (
    ["train", "--epochs", "1", "--save", "net.npz"], ["bench", "--save", "race.json"],
    ["explain", "--html", "page.html"],
    ["compare", "--plot", "plot.png"], ["compare", "--data", "data.npz"],
):
    result = CliRunner().invoke(formulations, command)
    print(result.exit_code, result.exception)
"""


@pytest.mark.slow
@posix
def test_in_a_folder_that_was_deleted_every_path_is_refused():
    pytest.importorskip("matplotlib")
    done = run_code(GONE)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 8 and [line[0] for line in lines[3:]] == ["2"] * 5, lines
    assert "cannot be written" in lines[0] and "there is no file" in lines[1] + lines[2]


@pytest.mark.parametrize("unnamed", [files.UNNAMED, 0])
def test_a_file_that_cannot_be_renamed_leaves_nothing_behind(unnamed, tmp_path, monkeypatch):
    path = tmp_path / "kept"
    path.write_bytes(b"old")

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(files, "UNNAMED", unnamed)
    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(InvalidInput, match="Operation not permitted"), files.replaced(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]
