"""Reading the state of a repository, and which URLs are let through."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.workspace.mirror import choose_ref, parse_refs
from ai_orchestrator.workspace.source import (
    RemotePolicy,
    Status,
    check_name,
    check_url,
    parse_look,
    parse_status,
)

STRICT = RemotePolicy()
HEAD = "1" * 40


def test_a_status_is_read_record_by_record() -> None:
    """Changed, renamed, unmerged, untracked; names with blanks and line ends."""
    ids = f"{HEAD} {HEAD}"
    records = [
        f"# branch.oid {HEAD}",
        "# branch.head feature/x y",
        f"1 .M N... 100644 100644 100644 {ids} a b.txt",
        f"2 R. N... 100644 100644 100644 {ids} R100 new\nname",
        "? old name that looks untracked",
        f"u UU N... 100644 100644 100644 100644 {HEAD} {ids} c.txt",
        "? stray",
    ]
    status = parse_status("".join(f"{record}\0" for record in records).encode())
    assert status == Status(
        HEAD, "feature/x y", ("a b.txt", "new\nname", "c.txt"), ("c.txt",), untracked=1
    )


def test_a_status_before_the_first_commit_has_no_head() -> None:
    """The branch is known all the same."""
    output = b"# branch.oid (initial)\0# branch.head main\0"
    assert parse_status(output) == Status(None, "main")


def test_a_detached_head_is_on_no_branch() -> None:
    """Only the commit is known."""
    output = f"# branch.oid {HEAD}\0# branch.head (detached)\0".encode()
    assert parse_status(output) == Status(HEAD, None)


def test_a_look_gives_the_places_of_a_repository() -> None:
    """Relative ones are relative to where git was started."""
    look = parse_look(Path("/r/sub"), b"false\ntrue\nfalse\nsha1\n/r/.git\n../.git\n../\n")
    assert (look.top, look.git_dir, look.common_dir) == (
        Path("/r"),
        Path("/r/.git"),
        Path("/r/.git"),
    )
    assert (look.is_bare, look.is_shallow, look.is_inside, look.is_sha256) == (
        False,
        True,
        False,
        False,
    )


def test_a_bare_look_has_no_way_up() -> None:
    """Its top is the repository itself."""
    look = parse_look(Path("/b.git"), b"true\nfalse\ntrue\nsha256\n/b.git\n.\n")
    assert (look.top, look.is_bare, look.is_sha256) == (Path("/b.git"), True, True)


def test_a_path_with_a_line_end_is_refused() -> None:
    """Its parts could not be told apart."""
    with pytest.raises(BadInputError):
        parse_look(Path("/a\nb"), b"false\nfalse\nfalse\nsha1\n/a\nb/.git\n.git\n\n")


@pytest.mark.parametrize(
    ("url", "transport"),
    [
        ("https://example.org/a/b.git", "https"),
        ("ssh://git@example.org:2222/a/b", "ssh"),
        ("git@example.org:a/b.git", "ssh"),
        ("example.org:a/b", "ssh"),
    ],
)
def test_https_and_ssh_are_let_through(url: str, transport: str) -> None:
    """As everybody writes them."""
    assert check_url(url, STRICT) == transport


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "http://example.org/a",
        "git://example.org/a",
        "ftp://example.org/a",
        "file:///etc",
        "ext::sh -c id",
        "ext::https://example.org",
        "fd::17",
        "-u/bin/sh",
        "--upload-pack=id",
        "-o:ProxyCommand=id",
        "ssh://-oProxyCommand=id/x",
        "-oProxyCommand=id:x",
        "https://user:secret@example.org/a",
        "https://token@example.org/a",
        "ssh://git:secret@example.org/a",
        "https:///a",
        "https://[::1",
        "/home/u/p",
        "./p",
        "https://example.org/a\nb",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    """Helpers, options, logins, plain text, local paths."""
    with pytest.raises(BadInputError):
        check_url(url, STRICT)


def test_a_secret_in_a_url_is_not_repeated() -> None:
    """The message goes to logs."""
    with pytest.raises(BadInputError) as caught:
        check_url("https://user:hunter2@example.org/a", STRICT)
    assert "hunter2" not in str(caught.value)


def test_file_urls_need_to_be_allowed() -> None:
    """By whoever runs the program."""
    assert check_url("file:///srv/git/a", RemotePolicy(allow_file=True)) == "file"


@pytest.mark.parametrize("name", ["", "-x", "a\nb", "a\0b", "\x1b[31m"])
def test_a_name_cannot_be_an_option_or_hide_something(name: str) -> None:
    """It goes to a command line and into messages."""
    with pytest.raises(BadInputError):
        check_name(name)


def test_remote_refs_are_read_with_the_commits_of_tags() -> None:
    """The line that ends in ^{} has what an annotated tag points at."""
    output = f"{HEAD}\trefs/tags/v1\n{'2' * 40}\trefs/tags/v1^{{}}\n".encode()
    assert parse_refs(output) == {"refs/tags/v1": "2" * 40}


def test_one_ref_is_chosen_by_its_name_or_its_full_name() -> None:
    """Longer names with the same end are others."""
    refs = {"refs/heads/main": HEAD, "refs/heads/x/main": "2" * 40, "HEAD": HEAD}
    assert choose_ref("u", "main", refs) == ("refs/heads/main", HEAD)
    assert choose_ref("u", "refs/heads/x/main", refs) == ("refs/heads/x/main", "2" * 40)
    assert choose_ref("u", "HEAD", refs) == ("HEAD", HEAD)
