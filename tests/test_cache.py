"""The cache: one build per key, nothing trusted that is not this user's own, and no caller fails because of the disk.

Tests of ownership look at what the cache decides from the system's answers, because the tests may run as root, for whom
the system itself refuses nothing.
"""

import errno
import logging
import os
import stat
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelscape import cache
from kernelscape.cache import fingerprint, object_code
from kernelscape.config import configure
from kernelscape.errors import CacheWarning

CODE = bytes(range(256)) * 20
POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no owners and modes")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty cache: nothing in memory, a folder of its own, no folder refused yet."""
    monkeypatch.setattr(cache, "_refused", set())
    cache.forget()
    path = tmp_path / "cache"
    with configure(cache_directory=path, disk_cache=True):
        yield path
    cache.forget()


def _fails():
    raise AssertionError("built although it should have been found")


def _in_a_new_process(key):
    """What another process finds: the memory is empty."""
    cache.forget()
    return object_code(key, lambda: b"built anew")


def _only_file(folder):
    (name,) = os.listdir(folder)
    return folder / name


def test_built_once_then_from_memory_then_from_disk(folder):
    builds = []

    def build():
        builds.append(1)
        return CODE

    assert object_code("key", build) == CODE
    assert object_code("key", _fails) == CODE
    os.rename(folder, folder.with_name("away"))
    assert object_code("key", _fails) == CODE, "from memory"
    os.rename(folder.with_name("away"), folder)
    cache.forget()
    assert object_code("key", _fails) == CODE, "from disk"
    assert builds == [1]


@pytest.mark.parametrize("key", ["", "../../escape", "a/b\0c", "x" * 5000, "\udcff", "ä"])
def test_any_text_is_a_key(folder, key):
    assert object_code(key, lambda: CODE) == CODE
    assert _in_a_new_process(key) == CODE
    assert _only_file(folder).stat().st_size == len(CODE) + cache._HEADER


def test_an_empty_object_is_an_object():
    assert object_code("key", lambda: b"") == b""
    assert object_code("key", _fails) == b""
    cache.forget()
    assert object_code("key", _fails) == b""


@POSIX
def test_folder_and_files_are_private(folder):
    mask = os.umask(0)
    try:
        object_code("key", lambda: CODE)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(_only_file(folder).stat().st_mode) == 0o600


def test_disk_cache_off_touches_no_disk(folder):
    with configure(disk_cache=False):
        assert object_code("key", lambda: CODE) == CODE
    assert not folder.exists()
    cache.forget()
    object_code("key", lambda: CODE)
    cache.forget()
    with configure(disk_cache=False):
        assert object_code("key", lambda: b"other") == b"other"


def test_the_default_folder_is_the_users(monkeypatch, tmp_path):
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "user" / "kernelscape"))
    with configure(cache_directory=None):
        object_code("key", lambda: CODE)
    assert len(os.listdir(tmp_path / "user" / "kernelscape")) == 1


def test_without_a_home_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cache, "_default_directory", lambda: "~/.cache/kernelscape")
    with configure(cache_directory=None):
        assert object_code("key", lambda: CODE) == CODE
    assert os.listdir(tmp_path) == []


# --- files that are not to be trusted -------------------------------------------------------------------------------


def _flip(position):
    def damage(content):
        changed = bytearray(content)
        changed[position] ^= 1
        return bytes(changed)

    return damage


DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "header only": lambda content: content[: cache._HEADER],
    "less than the header": lambda content: content[:20],
    "last byte missing": lambda content: content[:-1],
    "one byte more": lambda content: content + b"\0",
    "foreign": lambda content: b"\x7fELF" + bytes(3000),
    "payload flipped": _flip(-1),
    "payload flipped early": _flip(cache._HEADER),
    "checksum flipped": _flip(cache._HEADER - 1),
    "key flipped": _flip(len(cache._MAGIC)),
    "magic flipped": _flip(0),
    "another version of the format": _flip(len(cache._MAGIC) - 1),
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_a_miss_and_is_replaced(folder, damage):
    object_code("key", lambda: CODE)
    file = _only_file(folder)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    cache.forget()
    assert object_code("key", lambda: CODE) == CODE
    assert _only_file(folder).read_bytes() == whole
    cache.forget()
    assert object_code("key", _fails) == CODE


def test_another_keys_object_is_a_miss(folder):
    object_code("one", lambda: b"code of one")
    one = _only_file(folder)
    os.rename(one, folder / cache._file_name("two"))
    assert _in_a_new_process("two") == b"built anew"


@POSIX
@pytest.mark.parametrize("kind", ["link", "broken link", "folder", "pipe", "writable by all", "somebody else's"])
def test_what_is_not_an_own_private_file_is_a_miss(folder, kind, monkeypatch):
    object_code("key", lambda: CODE)
    file = _only_file(folder)
    aside = folder.with_name("aside")
    os.rename(file, aside)
    if kind == "link":
        file.symlink_to(aside)
    elif kind == "broken link":
        file.symlink_to(folder / "nowhere")
    elif kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        os.rename(aside, file)
    if kind == "writable by all":
        file.chmod(0o666)
    if kind == "somebody else's":
        _pretend_owner(monkeypatch, stat.S_ISREG)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert _in_a_new_process("key") == b"built anew"
    monkeypatch.undo()
    assert (len(os.listdir("/proc/self/fd")) if before else 0) == before, "no descriptor is left open"
    if kind != "folder":
        with configure(cache_directory=folder, disk_cache=True):
            cache.forget()
            assert object_code("key", _fails) == b"built anew", "it was replaced"
        assert stat.S_ISREG(file.lstat().st_mode)


def _pretend_owner(monkeypatch, applies):
    """Make the system say that things of one kind belong to the next user."""
    fstat = os.fstat

    def pretending(descriptor):
        status = fstat(descriptor)
        values = list(status)
        if applies(status.st_mode):
            values[4] += 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "fstat", pretending)


# --- folders that are not to be trusted -----------------------------------------------------------------------------


def _assert_refused_once(folder, reason):
    with pytest.warns(CacheWarning, match=reason) as caught:
        codes = [object_code("one", lambda: CODE), object_code("two", lambda: CODE), _in_a_new_process("one")]
    assert codes == [CODE, CODE, b"built anew"]
    assert len(caught) == 1
    assert str(folder) in str(caught[0].message)
    assert "KERNELSCAPE_CACHE_DIR" in str(caught[0].message)


@POSIX
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o702, 0o1777])
@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_that_others_may_write_is_refused(folder, mode, linked):
    target = folder.with_name("target") if linked else folder
    target.mkdir()
    target.chmod(mode)
    if linked:
        folder.symlink_to(target)
    _assert_refused_once(folder, rf"others than its owner may write to it \(mode {mode:04o}\)")
    assert os.listdir(target) == []


@POSIX
def test_a_folder_of_somebody_else_is_refused(folder, monkeypatch):
    folder.mkdir(mode=0o700)
    _pretend_owner(monkeypatch, stat.S_ISDIR)
    user = os.geteuid()
    _assert_refused_once(folder, f"it belongs to user {user + 1}, and this process runs as user {user}")
    assert os.listdir(folder) == []


@POSIX
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o500])
@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_that_only_its_user_writes_is_used(folder, mode, linked):
    target = folder.with_name("target") if linked else folder
    target.mkdir()
    if linked:
        folder.symlink_to(target)
    object_code("key", lambda: CODE)
    target.chmod(mode)
    assert _in_a_new_process("key") == CODE
    assert len(os.listdir(target)) == 1


# --- disks that fail --------------------------------------------------------------------------------------------------

TROUBLES = [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.ENOENT, errno.EMFILE, errno.EDQUOT, errno.ESTALE]


@pytest.mark.parametrize("number", TROUBLES, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("name", ["open", "replace", "mkdir", "makedirs", "scandir", "write"])
def test_a_failing_disk_never_fails_the_caller(folder, monkeypatch, caplog, name, number):
    def failing(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(cache, "_BYTES_BETWEEN_CLEANINGS", 0)
    caplog.set_level(logging.DEBUG, "kernelscape")
    if name == "write":

        class FailingFile:
            def __init__(self, file, *_, **__):
                self.file = file

            def __enter__(self):
                return self

            def __exit__(self, *_):
                os.close(self.file)

            write = failing

        monkeypatch.setattr(cache, "open", FailingFile, raising=False)
    else:
        monkeypatch.setattr(os, name, failing)
    assert object_code("key", lambda: CODE) == CODE
    monkeypatch.undo()
    assert os.strerror(number) in caplog.text
    left = os.listdir(folder) if folder.exists() else []
    assert not [entry for entry in left if entry.endswith(cache._TEMPORARY)]


def test_a_folder_that_vanishes_is_made_again(folder):
    object_code("one", lambda: CODE)
    _only_file(folder).unlink()
    folder.rmdir()
    assert _in_a_new_process("one") == b"built anew"
    cache.forget()
    assert object_code("one", _fails) == b"built anew"


def test_a_file_in_the_folders_place(folder):
    folder.write_text("not a folder")
    assert object_code("key", lambda: CODE) == CODE
    assert folder.read_text() == "not a folder"


def test_a_file_in_the_place_of_a_parent(folder):
    folder.write_text("not a folder")
    with configure(cache_directory=folder / "below" / "it"):
        assert object_code("key", lambda: CODE) == CODE


# --- bounds ---------------------------------------------------------------------------------------------------------


def test_the_disk_is_bounded_and_keeps_what_was_used_last(folder, monkeypatch):
    monkeypatch.setattr(cache, "_BYTES_BETWEEN_CLEANINGS", 0)
    monkeypatch.setattr(cache, "_DISK_BYTES", 20 * (len(CODE) + cache._HEADER))
    old = time.time() - 1e6
    for number in range(20):
        object_code(str(number), lambda: CODE)
        os.utime(folder / cache._file_name(str(number)), (old + number, old + number))
    assert len(os.listdir(folder)) == 20
    assert _in_a_new_process("0") == CODE  # now the one used last
    (folder / "notes.txt").write_text("mine")
    object_code("new", lambda: CODE)
    kept = {key for key in [*map(str, range(20)), "new"] if (folder / cache._file_name(key)).exists()}
    assert kept == {"0", "new", *map(str, range(7, 20))}
    assert (folder / "notes.txt").exists()


def test_a_store_seldom_cleans(folder, monkeypatch):
    cleanings = []
    monkeypatch.setattr(cache, "_clean", lambda _: cleanings.append(1))
    monkeypatch.setattr(cache, "_BYTES_BETWEEN_CLEANINGS", 10 * (len(CODE) + cache._HEADER))
    for number in range(300):
        object_code(str(number), lambda: CODE)
    # 300 stores with a chance of a tenth each: outside of these bounds once in 10⁸ times.
    assert 5 <= len(cleanings) <= 65


def test_what_dead_processes_left_is_removed(folder, monkeypatch):
    monkeypatch.setattr(cache, "_BYTES_BETWEEN_CLEANINGS", 0)
    folder.mkdir(mode=0o700)
    for name, age in (("old", 7200), ("young", 10)):
        (folder / f"{name}{cache._TEMPORARY}").write_bytes(b"half")
        os.utime(folder / f"{name}{cache._TEMPORARY}", (time.time() - age,) * 2)
    object_code("key", lambda: CODE)
    assert sorted(os.listdir(folder)) == sorted([cache._file_name("key"), f"young{cache._TEMPORARY}"])


def test_the_memory_is_bounded_and_keeps_what_was_used_last(monkeypatch):
    monkeypatch.setattr(cache, "_MEMORY_BYTES", 3 * len(CODE))
    with configure(disk_cache=False):
        for key in "abc":
            object_code(key, lambda: CODE)
        object_code("a", _fails)
        object_code("d", lambda: CODE)
        for key in "acd":
            object_code(key, _fails)
        assert object_code("b", lambda: b"gone") == b"gone"
        assert object_code("huge", lambda: bytes(4 * len(CODE))) == bytes(4 * len(CODE))
        assert object_code("b", _fails) == b"gone"
        assert cache._memory_used == sum(map(len, cache._memory.values())) <= 3 * len(CODE)


# --- many at once ---------------------------------------------------------------------------------------------------


def _at_once(count, work):
    """Run ``work(index)`` in threads that start together; return what each returned or raised."""
    barrier = threading.Barrier(count)
    results = [None] * count

    def body(index):
        barrier.wait(10)
        try:
            with configure(disk_cache=False):
                results[index] = work(index)
        except Exception as error:  # noqa: BLE001  # it is what the test looks at
            results[index] = error

    threads = [threading.Thread(target=body, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    return results


def test_one_build_at_a_time_for_a_key_and_keys_do_not_wait_for_each_other():
    builds = []
    both = threading.Barrier(2, timeout=10)  # passed only if the builds of the two keys overlap

    def build(key):
        builds.append(key)
        both.wait()
        time.sleep(0.05)
        return key.encode()

    keys = ["even", "odd"]
    results = _at_once(16, lambda index: object_code(keys[index % 2], lambda: build(keys[index % 2])))
    assert results == [b"even", b"odd"] * 8
    assert sorted(builds) == keys


def test_waiters_get_an_object_too_large_for_the_memory(monkeypatch):
    monkeypatch.setattr(cache, "_MEMORY_BYTES", 10)
    builds, arrived = [], []

    def build():
        builds.append(1)
        while len(arrived) < 8:
            time.sleep(0.001)
        time.sleep(0.2)  # the last one to arrive still has to begin to wait
        return CODE

    def work(index):
        arrived.append(index)
        return object_code("key", build)

    assert _at_once(8, work) == [CODE] * 8
    assert len(builds) == 1


def test_those_who_wait_for_a_failing_build_try_themselves(folder):
    tries = []

    def build():
        tries.append(1)
        time.sleep(0.02)
        if len(tries) < 4:
            raise ZeroDivisionError(len(tries))
        return CODE

    results = _at_once(8, lambda index: object_code("key", build))
    assert sorted(str(result) for result in results if isinstance(result, Exception)) == ["1", "2", "3"]
    assert results.count(CODE) == 5
    assert len(tries) == 4


def test_a_failing_build_leaves_nothing_behind(folder):
    def build():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        object_code("key", build)
    assert not folder.exists() or os.listdir(folder) == []
    assert cache._turns == {}
    assert object_code("key", lambda: CODE) == CODE


def test_a_build_that_asks_for_its_own_key_does_not_wait_for_itself():
    assert object_code("key", lambda: object_code("key", lambda: b"inner") + b" outer") == b"inner outer"


def test_many_processes_share_a_folder(folder):
    script = textwrap.dedent("""
        import sys
        from kernelscape import cache
        cache._BYTES_BETWEEN_CLEANINGS = 20_000
        cache._DISK_BYTES = 40_000
        for round in range(30):
            for key in "abcdefgh":
                cache.forget()
                code = cache.object_code(key, lambda: key.encode() * 8000)
                assert code == key.encode() * 8000, (key, code[:10])
    """)
    environment = {**os.environ, "KERNELSCAPE_CACHE_DIR": str(folder)}
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", script], env=environment, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, b"")
    for name in os.listdir(folder):
        assert name.endswith(cache._SUFFIX)
        content = (folder / name).read_bytes()
        key = chr(content[cache._HEADER])
        assert cache._file_name(key) == name
        assert cache._unpack(key, content) == key.encode() * 8000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_forked_in_the_middle_of_builds_is_not_held_up(folder):
    stop = threading.Event()
    inside = threading.Event()

    def slow():
        inside.set()
        stop.wait(10)
        return CODE

    def busy():
        number = 0
        with configure(disk_cache=False):
            while not stop.is_set():
                number += 1
                object_code(str(number % 50), lambda: CODE)

    threads = [threading.Thread(target=object_code, args=("slow", slow)), threading.Thread(target=busy)]
    for thread in threads:
        thread.start()
    assert inside.wait(10)
    good = 0
    try:
        for _ in range(15):
            child = os.fork()
            if child == 0:
                found = object_code("slow", lambda: b"of the child")
                intact = cache._memory_used == sum(map(len, cache._memory.values()))
                os._exit(0 if found == b"of the child" and intact else 1)
            good += _exit_status(child) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
    assert good == 15


def _exit_status(child):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.001)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "hung"


# --- fingerprints ---------------------------------------------------------------------------------------------------


def test_fingerprints_are_stable_between_processes():
    assert len(fingerprint("ir", b"cpu", "")) == 64
    script = "from kernelscape.cache import fingerprint; print(fingerprint('ir', b'cpu', ''))"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    output = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert output.stdout.strip() == fingerprint("ir", b"cpu", "")


PARTS = st.lists(st.text(alphabet="ab\0", max_size=3) | st.binary(max_size=2), max_size=4)


@given(PARTS, PARTS)
def test_fingerprints_tell_parts_apart(first, second):
    # 1 == True would be a trap here, but str and bytes never compare equal.
    assert (fingerprint(*first) == fingerprint(*second)) == (first == second)


def test_fingerprints_see_where_a_part_ends():
    assert len({fingerprint(*parts) for parts in [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), (b"abc",)]}) == 5
