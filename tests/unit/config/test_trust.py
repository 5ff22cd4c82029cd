"""What a repository carries, and when it is trusted."""

from __future__ import annotations

import fcntl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError, TemporaryError
from ai_orchestrator.config.repository_config import RepositoryConfig, read_repository_config
from ai_orchestrator.config.trust import TrustStore

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CONFIG = """\
prompts:
  mine: {file: prompts/mine.md}
workflows:
  ship: {file: ../flows/ship.yaml}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose configuration names two files."""
    top = tmp_path / "repository"
    for name, text in {
        "config/agents.yaml": CONFIG,
        "config/prompts/mine.md": "Do it.",
        "flows/ship.yaml": "- task: implement\n",
        "README.md": "not part of it",
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    return top


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    """A store in a data directory that does not exist yet."""
    return TrustStore(tmp_path / "data" / "trust.json")


def read(repository: Path) -> RepositoryConfig:
    """What the repository carries now."""
    config = read_repository_config(repository)
    assert config is not None
    return config


def test_configuration_holds_all_files_that_it_names(repository: Path) -> None:
    """The digest covers every byte that would be used, and nothing else."""
    config = read(repository)
    assert set(config.files) == {
        "config/agents.yaml",
        "config/prompts/mine.md",
        "flows/ship.yaml",
    }
    assert config.read("../flows/ship.yaml") == b"- task: implement\n"


def test_repository_without_configuration_has_nothing_to_trust(tmp_path: Path) -> None:
    """None, and no error."""
    assert read_repository_config(tmp_path) is None


def test_trust_is_kept_and_found_again(repository: Path, store: TrustStore, tmp_path: Path) -> None:
    """Another process with the same data directory knows it."""
    record = store.grant(read(repository), NOW)
    assert record.files == tuple(sorted(read(repository).files))
    assert TrustStore(tmp_path / "data" / "trust.json").is_trusted(read(repository))


def test_nothing_is_trusted_at_first(repository: Path, store: TrustStore) -> None:
    """No file, no trust."""
    assert not store.is_trusted(read(repository))
    assert store.records() == ()


@pytest.mark.parametrize(
    "name", ["config/agents.yaml", "config/prompts/mine.md", "flows/ship.yaml"]
)
def test_one_changed_byte_ends_the_trust(repository: Path, store: TrustStore, name: str) -> None:
    """Trust is in what the files say, not in the repository."""
    store.grant(read(repository), NOW)
    path = repository / name
    path.write_text(path.read_text() + "\n")
    assert not store.is_trusted(read(repository))


def test_other_files_do_not_matter(repository: Path, store: TrustStore) -> None:
    """Work on the repository does not end the trust."""
    store.grant(read(repository), NOW)
    (repository / "README.md").write_text("changed")
    assert store.is_trusted(read(repository))


def test_same_files_elsewhere_are_not_trusted(
    repository: Path, store: TrustStore, tmp_path: Path
) -> None:
    """A copy in another place is another repository: what its commands would run on differs."""
    store.grant(read(repository), NOW)
    copy = tmp_path / "copy"
    (copy / "config" / "prompts").mkdir(parents=True)
    (copy / "flows").mkdir()
    for name, data in read(repository).files.items():
        (copy / name).write_bytes(data)
    assert not store.is_trusted(read(copy))


def test_repository_is_the_same_through_a_link(
    repository: Path, store: TrustStore, tmp_path: Path
) -> None:
    """Where it really lies counts."""
    (tmp_path / "link").symlink_to(repository)
    store.grant(read(tmp_path / "link"), NOW)
    assert store.is_trusted(read(repository))


def test_revoked_trust_is_gone(repository: Path, store: TrustStore) -> None:
    """Revoking tells whether there was anything to revoke."""
    store.grant(read(repository), NOW)
    assert store.revoke(repository)
    assert not store.is_trusted(read(repository))
    assert not store.revoke(repository)


def test_new_grant_replaces_the_old_one(repository: Path, store: TrustStore) -> None:
    """One record per repository: going back to an older version is not trusted."""
    old = read(repository)
    store.grant(old, NOW)
    (repository / "flows/ship.yaml").write_text("- task: refine\n")
    store.grant(read(repository), NOW)
    assert len(store.records()) == 1
    assert not store.is_trusted(old)


@pytest.mark.parametrize("data", ["", "{", '{"v": 2}', '{"trusted": 3}'])
def test_unreadable_store_is_told_and_not_taken_for_empty(
    repository: Path, store: TrustStore, tmp_path: Path, data: str
) -> None:
    """A damaged file is no reason to forget, or to believe, anything."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "trust.json").write_text(data)
    with pytest.raises(EnvironmentProblemError, match="cannot be read"):
        store.is_trusted(read(repository))


def test_second_writer_is_asked_to_try_again(
    repository: Path, store: TrustStore, tmp_path: Path
) -> None:
    """Two commands at once cannot lose each other's grant."""
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "trust.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TemporaryError, match="Another command"):
            store.grant(read(repository), NOW)
    store.grant(read(repository), NOW)
    assert store.is_trusted(read(repository))


@pytest.mark.parametrize(
    "reference", ["/etc/passwd", "../../outside.md", "../../repository2/x", "..", "a\\b"]
)
def test_reference_out_of_the_repository_is_refused(repository: Path, reference: str) -> None:
    """A repository cannot have files of its user's read."""
    (repository / "config/agents.yaml").write_text(f"prompts: {{x: {{file: '{reference}'}}}}")
    with pytest.raises(BadInputError):
        read_repository_config(repository)


@pytest.mark.parametrize("name", ["config/prompts/mine.md", "config/agents.yaml"])
def test_link_out_of_the_repository_is_refused(repository: Path, tmp_path: Path, name: str) -> None:
    """Not by a link either."""
    outside = tmp_path / "secret"
    outside.write_text("a: 1")
    (repository / name).unlink()
    (repository / name).symlink_to(outside)
    with pytest.raises(BadInputError, match="leaves the repository"):
        read_repository_config(repository)


def test_named_file_that_is_missing_is_told(repository: Path) -> None:
    """What cannot be read cannot be trusted."""
    (repository / "flows/ship.yaml").unlink()
    with pytest.raises(BadInputError, match="does not exist"):
        read_repository_config(repository)


def test_number_of_files_is_bounded(repository: Path) -> None:
    """A configuration cannot have a million files read."""
    entries = "".join(f"  p{n}: {{file: ../README{n}.md}}\n" for n in range(300))
    for n in range(300):
        (repository / f"README{n}.md").touch()
    (repository / "config/agents.yaml").write_text(f"prompts:\n{entries}")
    with pytest.raises(BadInputError, match="more than 200 files"):
        read_repository_config(repository)
