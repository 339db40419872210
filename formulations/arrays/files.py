"""Atomic writing: a new file replaces the old one once it is complete, or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

from formulations.exceptions import InvalidInput

__all__ = ["check_writable", "replaced"]

UNNAMED = getattr(os, "O_TMPFILE", 0) if os.path.isdir("/proc/self/fd") else 0
"""The flag that opens a file without a name; 0 if the system has none."""
WINDOWS = os.name == "nt"
PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds between attempts to replace a file that a reader on Windows holds open."""


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Yield a file to write to, which replaces ``path`` once it is complete and on disk.

    If writing fails or the process is killed, ``path`` is unchanged: a reader finds the old file or the new one.
    Symbolic links are followed and the mode of an existing file is kept; hard links keep the old content. Devices and
    pipes are written to directly. On Linux the new file has no name until it is complete, so a killed process leaves
    nothing behind.

    Parameters
    ----------
    path : str or path-like
        The file.

    Raises
    ------
    InvalidInput
        If it cannot be written; an existing file is then unchanged.
    """
    with _refusing(path):
        target, found = _resolve(path)
        if found is not None and not stat.S_ISREG(found.st_mode):
            # Some formats seek in their file, which a pipe cannot do.
            yield (whole := io.BytesIO())
            with open(path, "wb") as stream:
                stream.write(whole.getbuffer())
            return
        draft, short = _begin(target)
        try:
            with draft:
                if found is not None and not WINDOWS:
                    _adopt(draft, found)
                yield draft
                draft.flush()
                os.fsync(draft.fileno())
                if short is None:
                    _link(draft, target)
            if short is not None:
                _replace(short, target)  # Windows replaces closed files only.
        except BaseException:
            if short is not None:
                os.unlink(short)
            raise
        if not WINDOWS:
            _flush_folder(os.path.dirname(target))


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise an exception if a path cannot be written to; nothing is changed.

    Raises
    ------
    InvalidInput
        If its folder is absent or read-only, if the file is read-only, or if the path names a folder.
    """  # noqa: DOC501 - OSError becomes InvalidInput
    with _refusing(path):
        target, found = _resolve(path)
        if found is None or stat.S_ISREG(found.st_mode):
            draft, short = _begin(target)
            draft.close()
            if short is not None:
                os.unlink(short)
        elif not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "it is read-only")


@contextmanager
def _refusing(path: Any) -> Iterator[None]:
    try:
        yield
    except OSError as caught:
        raise InvalidInput(
            f"expected a file that can be written, got {os.fspath(path)!r}, which cannot be written "
            f"({caught.strerror or caught}); name a file in a folder that exists and that you may write to."
        ) from None


def _resolve(path: Any) -> tuple[str, os.stat_result | None]:
    """Return the file that a path leads to, links followed, and its status; None if it does not exist yet."""
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise InvalidInput(
            f"expected a file that can be written, got {type(path).__name__}; name a file in a folder that exists, "
            "as text or a path."
        ) from None
    try:
        found = os.stat(name)
    except FileNotFoundError:
        found = None
    except ValueError:  # a null character, or text that no file system can encode
        raise OSError(errno.EINVAL, "no file can have this name") from None
    if not os.path.basename(name) or (found is not None and stat.S_ISDIR(found.st_mode)):
        raise IsADirectoryError(errno.EISDIR, "it names a folder or nothing")
    target = os.path.realpath(name)
    if not os.path.isdir(os.path.dirname(target)):
        raise FileNotFoundError(errno.ENOENT, "the parent directory does not exist")
    if found is not None and stat.S_ISREG(found.st_mode):
        # A superuser may write to any file; respect the read-only mark all the same.
        if not found.st_mode & 0o222:
            raise PermissionError(errno.EACCES, "it is read-only")
        os.close(os.open(target, os.O_WRONLY))
    return target, found


def _begin(target: str) -> tuple[BinaryIO, str | None]:
    """Open a new file in the target's folder; return it and its name, or None if it has none."""
    folder, short = os.path.dirname(target), None
    descriptor = _open_unnamed(folder)
    if descriptor is None:
        short = os.path.join(folder, f".formulations-{secrets.token_hex(8)}")
        descriptor = os.open(short, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    return cast(BinaryIO, os.fdopen(descriptor, "w+b")), short


def _open_unnamed(folder: str) -> int | None:
    if not UNNAMED:
        return None
    try:
        return os.open(folder, UNNAMED | os.O_RDWR, 0o666)
    except OSError as caught:
        if caught.errno not in (errno.EOPNOTSUPP, errno.EISDIR):  # from file systems and kernels without such files
            raise
        return None


def _adopt(draft: BinaryIO, found: os.stat_result) -> None:
    """Give a new file the owner and the mode of the file that it replaces."""
    made = os.fstat(draft.fileno())
    if (made.st_uid, made.st_gid) != (found.st_uid, found.st_gid):
        with suppress(PermissionError):  # Only a superuser can change the owner.
            os.fchown(draft.fileno(), found.st_uid, found.st_gid)
    if made.st_mode != found.st_mode:
        os.fchmod(draft.fileno(), stat.S_IMODE(found.st_mode))


def _link(draft: BinaryIO, target: str) -> None:
    """Replace the target by a file without a name: link it under a short name, then rename that.

    A process that is killed between the two calls leaves a complete file under the short name. The next save to the
    same target, or a simultaneous one, finds the name taken and renames that file first. So no name stays for long, and
    no process removes the file of another.
    """  # noqa: DOC501 - raised again
    folder, name = os.path.split(target)
    short = os.path.join(folder, f".formulations-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}")
    linked = False
    while not linked:
        try:
            # The descriptor is unused with an absolute path, but without one Python does not follow the link.
            os.link(f"/proc/self/fd/{draft.fileno()}", short, src_dir_fd=draft.fileno(), follow_symlinks=True)
            linked = True
        except FileExistsError:
            with suppress(FileNotFoundError):
                os.replace(short, target)
    try:
        with suppress(FileNotFoundError):
            os.replace(short, target)
    except OSError:
        # The name may belong to another process by now.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(short), os.fstat(draft.fileno())):
                os.unlink(short)
        raise


def _replace(short: str, target: str) -> None:
    for pause in PAUSES if WINDOWS else ():
        try:
            os.replace(short, target)
            return
        except PermissionError:
            time.sleep(pause)
    os.replace(short, target)


def _flush_folder(folder: str) -> None:
    """Flush a folder's entries to disk, if it is readable and its file system supports that."""
    with suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as caught:
            if caught.errno != errno.EINVAL:
                raise
        finally:
            os.close(descriptor)
