"""The secret key's file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.security.secret_key import load_or_make_key


def test_key_is_made_once_and_read_again(tmp_path: Path) -> None:
    """The second start gets the key of the first, and only the key's file is there."""
    path = tmp_path / "secret.key"
    key = load_or_make_key(path)
    assert len(key) == 32
    assert load_or_make_key(path) == key
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret.key"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_starters_at_the_same_time_agree(tmp_path: Path) -> None:
    """Eight threads that find no key all end with the same one."""
    path = tmp_path / "secret.key"
    keys: list[bytes] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        keys.append(load_or_make_key(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666], ids=oct)
def test_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A key readable by others is not used, and the message says how to go on."""
    path = tmp_path / "secret.key"
    load_or_make_key(path)
    path.chmod(mode)
    with pytest.raises(EnvironmentProblemError, match="chmod 600"):
        load_or_make_key(path)


@pytest.mark.parametrize("content", [b"", b"zz" * 32, b"ab" * 31, b"ab" * 33, b"AB" * 32], ids=str)
def test_file_without_a_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    """A damaged key is never replaced: credentials may still wait under it."""
    path = tmp_path / "secret.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(EnvironmentProblemError, match="holds no key"):
        load_or_make_key(path)
    assert path.read_bytes() == content


def test_link_is_refused(tmp_path: Path) -> None:
    """A symbolic link is not followed, whether its target exists or not."""
    target = tmp_path / "elsewhere"
    path = tmp_path / "secret.key"
    path.symlink_to(target)
    with pytest.raises(EnvironmentProblemError, match="cannot be used"):
        load_or_make_key(path)
    load_or_make_key(target)
    with pytest.raises(EnvironmentProblemError, match="cannot be used"):
        load_or_make_key(path)


def test_directory_is_refused(tmp_path: Path) -> None:
    """A directory in the key's place is an error of the environment, not a crash."""
    (tmp_path / "secret.key").mkdir(mode=0o700)
    with pytest.raises(EnvironmentProblemError):
        load_or_make_key(tmp_path / "secret.key")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_key_of_another_user_is_refused(tmp_path: Path) -> None:
    """A key that another user owns could be changed by them."""
    path = tmp_path / "secret.key"
    load_or_make_key(path)
    os.chown(path, 65534, 65534)
    with pytest.raises(EnvironmentProblemError, match="belongs to user 65534"):
        load_or_make_key(path)
