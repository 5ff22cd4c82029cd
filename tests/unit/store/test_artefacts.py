"""Files named by their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.store.artefacts import ArtefactFiles


def test_content_lies_under_its_digest(tmp_path: Path) -> None:
    """Two characters of folder, the rest as the name, for the owner only, nothing beside it."""
    files = ArtefactFiles(tmp_path / "artefacts")
    digest = files.put(b"content")
    assert digest == hashlib.sha256(b"content").hexdigest()
    path = tmp_path / "artefacts" / digest[:2] / digest[2:]
    assert files.path(digest) == path
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == [path]


def test_same_content_is_written_once(tmp_path: Path) -> None:
    """A second put leaves the file as it is."""
    files = ArtefactFiles(tmp_path)
    first = files.path(files.put(b"content")).stat()
    second = files.path(files.put(b"content")).stat()
    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)


def test_half_written_files_are_no_artefacts(tmp_path: Path) -> None:
    """What a crash left behind is neither listed nor found."""
    files = ArtefactFiles(tmp_path)
    digest = files.put(b"content")
    part = tmp_path / "ab" / f"{'c' * 62}.1.part"
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"half")
    assert list(files.digests()) == [digest]


@pytest.mark.parametrize(
    "digest", ["", "ab", "0" * 64, "../../etc/passwd", "../" * 20 + "00", "A" * 64]
)
def test_what_is_no_digest_is_not_found(tmp_path: Path, digest: str) -> None:
    """No path can be smuggled in as a digest."""
    (tmp_path / "passwd").write_text("x")
    with pytest.raises(NotFoundError):
        ArtefactFiles(tmp_path / "artefacts").path(digest)


def test_removing_tells_what_was_freed(tmp_path: Path) -> None:
    """Again, and for what never was, nothing is freed."""
    files = ArtefactFiles(tmp_path)
    digest = files.put(b"content")
    assert [files.remove(digest), files.remove(digest), files.remove("0" * 64)] == [7, 0, 0]
    with pytest.raises(NotFoundError):
        files.path(digest)
