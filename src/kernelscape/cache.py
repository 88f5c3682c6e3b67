"""Compiled objects in memory and on disk, so that a structure is compiled once and not once per process.

An object file from this cache is executed as machine code, hence the rules:

* The folder must belong to this user and be writable by nobody else. It is opened once per operation, judged by what
  the system says about the opened folder, and files are then reached through that handle: whatever happens to its path
  in between, no other folder is used. A folder that fails is not used at all, after one `CacheWarning`.
* A file counts only if it is a regular file of this user's, carries the key that was asked for, and its checksum
  agrees. Anything else is a miss, and the next store replaces it.
* Files are written under another name and renamed, so that processes that share the folder see whole files only. They
  need no lock: two that build the same object write the same file twice.
* The disk may fail in any way (full, read-only, gone): then objects are built, and no caller notices.

Within the process one thread builds a key while others that want it wait; a build that fails leaves nothing behind,
and those who waited try for themselves.
"""

from __future__ import annotations

import os
import stat
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .config import settings
from .errors import CacheWarning

_MEMORY_BYTES = 64 * 2**20
_DISK_BYTES = 256 * 2**20
_BYTES_BETWEEN_CLEANINGS = 8 * 2**20
_TOUCH_SECONDS = 3600.0  # a file's time of last use is this coarse, so that a hit rarely writes
_ABANDONED_SECONDS = 3600.0  # a temporary file older than this belongs to a process that died

_MAGIC = b"kscache\x01"  # the last byte is the version of the format
_DIGEST = 32
_HEADER = len(_MAGIC) + 2 * _DIGEST  # magic, digest of the key, digest of (digest of the key, payload)
_SUFFIX = ".object"
_TEMPORARY = ".part"

# What a folder is reached by: its open descriptor, or its path where the system has no calls relative to a descriptor.
_Folder = int | str


class _Turn:
    """One thread's build of one key, for which others wait."""

    __slots__ = ("code", "done", "owner")

    def __init__(self) -> None:
        self.owner = threading.get_ident()
        self.code: bytes | None = None
        self.done = threading.Lock()
        self.done.acquire()


_lock = threading.RLock()  # re-entrant: a signal handler may ask for an object between any two steps
_memory: OrderedDict[str, bytes] = OrderedDict()
_memory_used = 0
_turns: dict[str, _Turn] = {}
_refused: set[str] = set()


def object_code(key: str, build: Callable[[], bytes]) -> bytes:
    """Return the object of a key from memory, else from disk, else by building and keeping it.

    Parameters
    ----------
    key : str
        Names everything that the object depends on; see `fingerprint`.
    build : callable
        Makes the object. It runs in this thread, and in one thread at a time for each key.

    Returns
    -------
    bytes
        The object.

    Raises
    ------
    BaseException
        What `build` raises; nothing is kept then. Troubles with the disk never raise.
    """
    while True:
        code = _recall(key)
        if code is not None:
            return code
        turn = _Turn()
        try:
            with _lock:
                holder = _turns.setdefault(key, turn)
            if holder is turn:
                turn.code = code = _find_or_build(key, build)
                return code
        finally:
            _end_turn(key, turn)
        if holder.owner == turn.owner:
            # This thread is inside its own build, in a signal handler for example: waiting would be for ever.
            return build()
        with holder.done:
            pass
        if holder.code is not None:
            return holder.code


def fingerprint(*parts: str | bytes) -> str:
    """Return a key of 64 hexadecimal digits that stands for these parts in this order.

    Each part is hashed with its kind and length before it, so that moving a character from one part to the next, or
    giving text for bytes, makes another key.
    """
    from hashlib import sha256

    digest = sha256()
    for part in parts:
        kind, data = (b"s", part.encode("utf-8", "surrogatepass")) if isinstance(part, str) else (b"b", part)
        digest.update(kind + len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def forget() -> None:
    """Drop the objects kept in memory; those on disk stay."""
    global _memory_used
    with _lock:
        _memory.clear()
        _memory_used = 0


def _end_turn(key: str, turn: _Turn) -> None:
    with _lock:
        if _turns.get(key) is turn:
            del _turns[key]
    turn.done.release()


def _find_or_build(key: str, build: Callable[[], bytes]) -> bytes:
    # Another thread may have finished between our look into the memory and our turn.
    code = _recall(key)
    if code is not None:
        return code
    on_disk = settings().disk_cache
    code = _load(key) if on_disk else None
    if code is None:
        code = build()
        if on_disk:
            _store(key, code)
    _remember(key, code)
    return code


def _recall(key: str) -> bytes | None:
    with _lock:
        code = _memory.get(key)
        if code is not None:
            _memory.move_to_end(key)
        return code


def _remember(key: str, code: bytes) -> None:
    global _memory_used
    if len(code) > _MEMORY_BYTES:
        return
    with _lock:
        _memory_used += len(code) - len(_memory.pop(key, b""))
        _memory[key] = code
        while _memory_used > _MEMORY_BYTES:
            _memory_used -= len(_memory.popitem(last=False)[1])


def _forget_after_fork() -> None:
    """In a forked child the threads that held locks and turns do not exist."""
    global _lock, _memory_used
    _lock = threading.RLock()
    _turns.clear()
    _memory_used = sum(map(len, _memory.values()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def _load(key: str) -> bytes | None:
    """Read an object from disk; None where there is none that can be trusted."""
    try:
        with _opened_folder(create=False) as folder:
            return None if folder is None else _read(folder, key)
    except OSError as error:
        _log("reading", error)
        return None


def _read(folder: _Folder, key: str) -> bytes | None:
    path, descriptor = _inside(folder, _file_name(key))
    # O_NONBLOCK: opening must not wait if somebody left a pipe under this name.
    flags = os.O_RDONLY | _flag("O_NOFOLLOW") | _flag("O_CLOEXEC") | _flag("O_NONBLOCK") | _flag("O_BINARY")
    try:
        file = os.open(path, flags, dir_fd=descriptor)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _DISK_BYTES or _exposure(status):
            return None
        with open(file, "rb", closefd=False) as stream:
            code = _unpack(key, stream.read())
        if code is not None and time.time() - status.st_mtime > _TOUCH_SECONDS and os.utime in os.supports_fd:
            with suppress(OSError):
                os.utime(file)
        return code
    finally:
        os.close(file)


def _store(key: str, code: bytes) -> None:
    """Write an object to disk if that is possible."""
    try:
        with _opened_folder(create=True) as folder:
            if folder is not None:
                content = _pack(key, code)
                _write(folder, _file_name(key), content)
                # Cleaning with a chance in proportion to what is written needs no record of what other processes
                # wrote, and still happens about once per so many bytes, whoever wrote them.
                if int.from_bytes(os.urandom(4), "little") * _BYTES_BETWEEN_CLEANINGS < len(content) << 32:
                    _clean(folder)
    except OSError as error:
        _log("writing", error)


def _write(folder: _Folder, name: str, content: bytes) -> None:
    temporary, descriptor = _inside(folder, f"{name}.{os.getpid()}.{os.urandom(6).hex()}{_TEMPORARY}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _flag("O_NOFOLLOW") | _flag("O_CLOEXEC") | _flag("O_BINARY")
    file = os.open(temporary, flags, 0o600, dir_fd=descriptor)
    try:
        # No fsync: after a crash a torn file fails its checksum, and that costs one build.
        with open(file, "wb") as stream:
            stream.write(content)
        os.replace(temporary, _inside(folder, name)[0], src_dir_fd=descriptor, dst_dir_fd=descriptor)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=descriptor)
        raise


def _clean(folder: _Folder) -> None:
    """Remove the files that were not used for longest until three quarters of the allowance are left."""
    now = time.time()
    files: list[tuple[float, int, str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            # Another process may be cleaning too, so any file may be gone by now.
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_SUFFIX):
                    files.append((status.st_mtime, status.st_size, entry.name))
                elif entry.name.endswith(_TEMPORARY) and now - status.st_mtime > _ABANDONED_SECONDS:
                    _remove(folder, entry.name)
    total = sum(size for _, size, _ in files)
    if total <= _DISK_BYTES:
        return
    for _, size, name in sorted(files):
        _remove(folder, name)
        total -= size
        if total <= _DISK_BYTES * 3 // 4:
            return


def _remove(folder: _Folder, name: str) -> None:
    path, descriptor = _inside(folder, name)
    with suppress(FileNotFoundError, IsADirectoryError, PermissionError):
        os.unlink(path, dir_fd=descriptor)


def _file_name(key: str) -> str:
    # A key may be any text; its digest is a name that every file system takes.
    return fingerprint(key) + _SUFFIX


def _pack(key: str, code: bytes) -> bytes:
    from hashlib import sha256

    owner = sha256(key.encode("utf-8", "surrogatepass")).digest()
    return b"".join((_MAGIC, owner, sha256(owner + code).digest(), code))


def _unpack(key: str, content: bytes) -> bytes | None:
    code = content[_HEADER:]
    # Whatever differs from what would be written now is not ours: format, key, checksum or length.
    return code if content == _pack(key, code) else None


@contextmanager
def _opened_folder(*, create: bool) -> Iterator[_Folder | None]:
    """Open the folder of the cache; None, after one warning per folder, where it must not be trusted."""
    path = settings().cache_directory or _default_directory()
    if not os.path.isabs(path):
        # Without a home folder the default is a relative path, and that would litter the working directory.
        yield None
        return
    if create:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
    if os.open not in os.supports_dir_fd:
        # Windows: the folder inherits the access rules of the user's profile, and has no mode to look at.
        yield path
        return
    try:
        folder = os.open(path, os.O_RDONLY | _flag("O_DIRECTORY") | _flag("O_CLOEXEC"))
    except FileNotFoundError:
        yield None
        return
    try:
        reason = _exposure(os.fstat(folder))
        if reason:
            _refuse(path, reason)
        yield None if reason else folder
    finally:
        os.close(folder)


def _exposure(status: os.stat_result) -> str:
    """Say in words why something is not this user's alone to write; empty where it is."""
    if not hasattr(os, "geteuid"):
        return ""
    user = os.geteuid()
    if status.st_uid != user:
        return f"it belongs to user {status.st_uid}, and this process runs as user {user}"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others than its owner may write to it (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _refuse(path: str, reason: str) -> None:
    with _lock:
        if path in _refused:
            return
        _refused.add(path)
    warnings.warn(
        f"Compiled objects are not kept on disk, because the cache folder {path!r} cannot be trusted: {reason}. "
        f"Make it private (chmod go-w), or choose another with KERNELSCAPE_CACHE_DIR or "
        f"configure(cache_directory=...), or switch this off with configure(disk_cache=False).",
        CacheWarning,
        stacklevel=2,
    )


def _default_directory() -> str:
    import platformdirs

    return platformdirs.user_cache_dir("kernelscape", appauthor=False)


def _inside(folder: _Folder, name: str) -> tuple[str, int | None]:
    """Path and descriptor under which the system's calls reach a file in the folder."""
    return (name, folder) if isinstance(folder, int) else (os.path.join(folder, name), None)


def _flag(name: str) -> int:
    return int(getattr(os, name, 0))


def _log(doing: str, error: OSError) -> None:
    import logging

    logging.getLogger("kernelscape.cache").debug("%s a compiled object failed: %r", doing, error)
