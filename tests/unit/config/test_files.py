"""Reading with a bound, and writing whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import BadInputError, NotFoundError
from ai_orchestrator.config.files import CONFIG_LIMIT_BYTES, read_small_file, write_whole

DEADLINE = pytest.mark.timeout(5)


def test_file_of_the_limit_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    """The bound is exact."""
    path = tmp_path / "f"
    path.write_bytes(b"x" * CONFIG_LIMIT_BYTES)
    assert len(read_small_file(path)) == CONFIG_LIMIT_BYTES
    path.write_bytes(b"x" * (CONFIG_LIMIT_BYTES + 1))
    with pytest.raises(BadInputError, match="1,048,577 bytes"):
        read_small_file(path)


@DEADLINE
def test_huge_sparse_file_is_refused_by_its_size(tmp_path: Path) -> None:
    """A terabyte that is not there is not read."""
    path = tmp_path / "f"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(BadInputError, match="at most 1,048,576"):
        read_small_file(path)


@DEADLINE
def test_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    """A named pipe in place of a configuration does not hang the command."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInputError, match="not a regular file"):
        read_small_file(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["/dev/zero", "/dev"])
def test_device_and_directory_are_refused(name: str) -> None:
    """Only regular files have an end that can be known."""
    with pytest.raises(BadInputError, match="not a regular file"):
        read_small_file(Path(name))


@pytest.mark.parametrize("name", ["missing", "file/below"])
def test_missing_file_is_not_found(tmp_path: Path, name: str) -> None:
    """A path that leads nowhere is told as such."""
    (tmp_path / "file").touch()
    with pytest.raises(NotFoundError, match="There is no file"):
        read_small_file(tmp_path / name)


def test_written_file_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    """The new content stands under the name, for this user alone, with no partial file beside."""
    path = tmp_path / "new" / "f"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["f"]


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """Where the new content cannot be put in place, the old one stays and no rest is left."""
    path = tmp_path / "f"
    path.mkdir()
    with pytest.raises(OSError, match="f"):
        write_whole(path, b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["f"]
