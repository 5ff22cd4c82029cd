"""Files in directories where an agent may have left traps; stored figures; the raw log."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import pytest

from ai_orchestrator.agents import usage
from ai_orchestrator.agents.files import read_bounded, write_below
from ai_orchestrator.agents.raw_log import LIMIT_LOG_BYTES, TAIL_BYTES, RawLog
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.security.redaction import Redactor

SECRET = b"sk-secret"


def test_a_small_file_is_read(tmp_path: Path) -> None:
    """Up to the limit, the limit included."""
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bounded(tmp_path / "a", 5) == b"12345"
    assert read_bounded(tmp_path / "a", 4) is None
    assert read_bounded(tmp_path / "none", 4) is None


@pytest.mark.parametrize("trap", ["link", "pipe", "directory"])
def test_what_is_no_file_is_not_read(trap: str, tmp_path: Path) -> None:
    """A link leads out, a pipe blocks for ever."""
    path = tmp_path / "a"
    if trap == "link":
        path.symlink_to("/etc/passwd")
    elif trap == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert read_bounded(path, 10**6) is None


@pytest.mark.parametrize("place", ["d", "d/e", "d/e/file"])
def test_writing_follows_no_link(place: str, tmp_path: Path) -> None:
    """Wherever on the way it lies."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    (outside / "e").mkdir(parents=True)
    (outside / "file").write_text("precious")
    target = outside / "file" if place.endswith("file") else outside
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).symlink_to(target)
    write_below(root, Path("d/e/file"), b"ours")
    assert (root / "d" / "e" / "file").read_bytes() == b"ours"
    assert (outside / "file").read_text() == "precious"
    assert not (root / place).is_symlink()


def test_a_file_in_the_way_of_a_directory_goes(tmp_path: Path) -> None:
    """And what is there already is replaced."""
    (tmp_path / "d").write_text("in the way")
    write_below(tmp_path, Path("d/file"), b"one")
    write_below(tmp_path, Path("d/file"), b"two")
    assert (tmp_path / "d" / "file").read_bytes() == b"two"
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["file"]


@pytest.mark.parametrize("name", ["file", "folder/file"])
def test_a_directory_in_the_way_of_a_file_goes(name: str, tmp_path: Path) -> None:
    """With all that is in it, and nothing half made stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    root = tmp_path / "root"
    (root / name / "inner").mkdir(parents=True)
    (root / name / "link").symlink_to(outside)
    write_below(root, Path(name), b"ours")
    assert (root / name).read_bytes() == b"ours"
    assert (outside / "precious").exists()
    assert [path.name for path in (root / name).parent.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, say."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_below(tmp_path, Path("file"), b"ours")
    assert list(tmp_path.iterdir()) == []


def test_figures_are_kept_per_session(tmp_path: Path) -> None:
    """With their money, exactly; the last of a session counts."""
    usage.store(tmp_path, "a", Usage(1, 2, 0, Decimal("0.000001")))
    usage.store(tmp_path, "b", Usage(3, 4))
    usage.store(tmp_path, "a", Usage(5, 6, 0, Decimal("0.1")))
    assert usage.load(tmp_path, "a") == Usage(5, 6, 0, Decimal("0.1"))
    assert usage.load(tmp_path, "b") == Usage(3, 4)
    assert usage.load(tmp_path, "c") is None


@pytest.mark.parametrize("content", [b"", b"{}", b'{"sessions": 3}', b"\xff"], ids=repr)
def test_unreadable_figures_count_as_none(content: bytes, tmp_path: Path) -> None:
    """And the next run stores its own."""
    (tmp_path / usage.FILE_NAME).write_bytes(content)
    assert usage.load(tmp_path, "a") is None
    usage.store(tmp_path, "a", Usage(1))
    assert usage.load(tmp_path, "a") == Usage(1)


def test_stored_sessions_are_bounded(tmp_path: Path) -> None:
    """The latest stay."""
    for number in range(usage.SESSIONS_KEPT + 5):
        usage.store(tmp_path, str(number), Usage(number))
    assert usage.load(tmp_path, "4") is None
    assert usage.load(tmp_path, "5") == Usage(5)


class KeptFile(io.BytesIO):
    """A file whose content stays when it is closed."""

    content = b""

    def close(self) -> None:
        """Keeps it."""
        self.content = self.content or self.getvalue()
        super().close()


def log_of() -> tuple[RawLog, KeptFile]:
    """A raw log that takes the secret out."""
    file, redactor = KeptFile(), Redactor()
    redactor.add("the test", {"S": SECRET.decode()})
    return RawLog(lambda: file, redactor.new_stream), file


def test_a_secret_cut_by_a_chunk_is_taken_out() -> None:
    """Each stream is one text."""
    log, file = log_of()
    log.stdout(b"key sk-se")
    log.stderr(b"other sk-secret\n")
    log.stdout(b"cret!\nrest sk-secret")
    log.close()
    assert file.content == b"! other [redacted:S]\nkey [redacted:S]!\nrest [redacted:S]\n"
    log.close()


def test_the_tail_of_stderr_is_kept_redacted() -> None:
    """For the result's message."""
    log, _ = log_of()
    log.stderr(b"early\n" * 2000 + b"last sk-secret")
    log.close()
    assert log.stderr_tail.endswith("early\nlast [redacted:S]\n")
    assert len(log.stderr_tail) <= TAIL_BYTES


def test_the_log_is_bounded() -> None:
    """An agent that prints for ever fills no disk."""
    log, file = log_of()
    chunk = (b"x" * 1000 + b"\n") * 1000
    for _ in range(LIMIT_LOG_BYTES // len(chunk) + 20):
        log.stdout(chunk)
    log.close()
    assert len(file.content) <= LIMIT_LOG_BYTES + 1000
    assert file.content.endswith(b"reached its limit]\n")


def full_log() -> BinaryIO:
    """No write to it has room."""
    return Path("/dev/full").open("wb")


def no_log() -> BinaryIO:
    """It cannot be made."""
    raise PermissionError(errno.EACCES, "Permission denied", "/dev/full")


@pytest.mark.parametrize("opened", [full_log, no_log], ids=["full", "closed-to-us"])
@pytest.mark.parametrize("line", [b"x\n", b"x" * 100_000 + b"\n"], ids=["at-close", "at-write"])
def test_a_log_that_cannot_be_written_is_told_once_and_stops_nothing(
    line: bytes, opened: Callable[[], BinaryIO], caplog: pytest.LogCaptureFixture
) -> None:
    """The output passes by; the tail of standard error is still there."""
    log = RawLog(opened, Redactor().new_stream)
    for _ in range(3):
        log.stdout(line)
    log.stderr(b"why\n")
    log.close()
    assert log.stderr_tail == "why\n"
    assert caplog.text.count("/dev/full") == 1


PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "MIIEowIBAAKCAQEAxyzxyzxyzxyzxyzxyzxyzxyzxyzxyzxyzxyzxyzxyzxyzxyz\n" * 4
    + "-----END RSA PRIVATE KEY-----\n"
).encode()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_key_that_stands_over_lines_is_taken_out(stream: str) -> None:
    """However it comes, with ordinary lines around it."""
    log, file = log_of()
    for number in range(0, len(PEM), 50):
        getattr(log, stream)((b"before\n" if not number else b"") + PEM[number : number + 50])
    getattr(log, stream)(b"after\n")
    log.close()
    assert b"MIIE" not in file.content
    assert b"xyzxyz" not in file.content
    assert b"before\n" in file.content
    assert file.content.endswith(b"after\n")
    assert "xyzxyz" not in log.stderr_tail


PIECES = {
    "claude": '{"type":"stream_event","event":{"type":"content_block_delta","delta":'
    '{"type":"text_delta","text":%s}}}',
    "copilot": '{"type":"assistant.message_delta","data":{"deltaContent":%s}}',
    "gemini": '{"type":"message","role":"assistant","content":%s,"delta":true}',
}


@pytest.mark.parametrize("agent", PIECES)
def test_a_key_in_pieces_of_a_message_is_not_in_the_log(agent: str) -> None:
    """Between them stands JSON; the whole message follows, or is in the events."""
    log, file = log_of()
    for piece in ('"sk-s"', '"ecret"'):
        log.stdout(PIECES[agent].encode() % piece.encode() + b"\n")
    whole = b'{"type":"assistant","delta":"a word","message":{"content":"sk-secret"}}\n'
    log.stdout(whole)
    log.close()
    assert file.content == whole.replace(SECRET, b"[redacted:S]")
