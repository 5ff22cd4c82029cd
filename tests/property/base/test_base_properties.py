"""What holds for all requests, process tables, streams and sandboxes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from ai_orchestrator.base import descendants, guardian_wire
from ai_orchestrator.base.descendants import Entry
from ai_orchestrator.base.running import _Cut
from ai_orchestrator.base.sandbox import Bind, HostLayout, Sandbox, bubblewrap_argv

texts = st.binary().filter(lambda text: b"\0" not in text)
names = st.binary(min_size=1).filter(lambda text: not {0, ord("=")} & set(text))


@given(
    tree=texts,
    cwd=texts,
    argv=st.lists(texts, min_size=1),
    env=st.dictionaries(names, texts),
    numbers=st.lists(st.integers(0, 2**32 - 1)),
)
def test_request_arrives_as_it_was_sent(
    tree: bytes, cwd: bytes, argv: list[bytes], env: dict[bytes, bytes], numbers: list[int]
) -> None:
    """Empty words, equals signs in values and bytes that are no text included."""
    sent = guardian_wire.Request(tree, cwd, argv, env, numbers)
    got = guardian_wire.decode_request(guardian_wire.encode_request(sent))
    assert (got.tree, got.cwd, got.argv, got.env, got.numbers) == (tree, cwd, argv, env, numbers)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=4, max_size=4), st.integers(0, 255))
def test_report_arrives_as_it_was_sent(figures: list[int], kind: int) -> None:
    """And within the size that a reader allows for."""
    packed = guardian_wire.pack_report(kind, *figures)
    assert guardian_wire.unpack_report(packed) == (kind, *figures)
    assert len(packed) <= guardian_wire.MESSAGE_LIMIT_BYTES


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([b"S", b"R", b"Z", b"X"]))))
def test_below_is_exactly_those_with_the_ancestor(rows: list[tuple[int, bytes]]) -> None:
    """Each living process whose chain of parents reaches the ancestor, once, parents first."""
    table = {
        pid: Entry(pid, parent % pid, 0, 0, state) for pid, (parent, state) in enumerate(rows, 1)
    }

    def reaches(pid: int) -> bool:
        while pid in table:
            pid = table[pid].parent
            if pid == 1:
                return True
        return False

    found = [entry.pid for entry in descendants.below(table, 1)]
    living = {pid for pid, entry in table.items() if entry.state in b"SR"}
    assert set(found) == {pid for pid in living if reaches(pid)}
    assert len(found) == len(set(found))
    for pid in found:
        assert table[pid].parent not in found[found.index(pid) :]


@given(st.lists(st.binary()), st.integers(0, 50))
def test_stream_is_cut_at_the_limit(chunks: list[bytes], limit_bytes: int) -> None:
    """The beginning is kept, and whether there was more is told."""

    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    cut = _Cut(stream(), limit_bytes)
    asyncio.run(cut.read())
    whole = b"".join(chunks)
    assert bytes(cut.kept) == whole[:limit_bytes]
    assert cut.is_cut == (len(whole) > limit_bytes)


parts = st.lists(st.sampled_from(["a", "b", "work", "home"]), min_size=1, max_size=4)
hiding = {PurePosixPath(path) for path in ("/work", "/home", "/home/agent", "/tmp", "/")}
targets = parts.map(lambda names: PurePosixPath("/", *names)).filter(lambda p: p not in hiding)
binds = st.lists(targets.map(lambda path: Bind(Path("/src"), path)), max_size=5).map(tuple)


@given(
    read_only=binds,
    writable=binds,
    is_work_read_only=st.booleans(),
    argv=st.lists(st.text(), min_size=1),
)
def test_no_mount_hides_one_that_lies_in_it(
    read_only: tuple[Bind, ...],
    writable: tuple[Bind, ...],
    is_work_read_only: bool,  # noqa: FBT001
    argv: list[str],
) -> None:
    """Every mount of an outer place comes first; the root is closed last; argv is untouched."""
    box = Sandbox(
        work=Path("/w"),
        home=Path("/h"),
        tmp=Path("/t"),
        is_work_read_only=is_work_read_only,
        read_only_binds=read_only,
        binds=writable,
    )
    host = HostLayout((), (), (), ())
    got = list(bubblewrap_argv(box, argv, bubblewrap=Path("/bwrap"), host=host))
    assert got[-len(argv) :] == argv
    options = got[: -len(argv)]
    closing = options.index("--remount-ro")
    mounts = [i for i, word in enumerate(options) if word in {"--bind", "--ro-bind"}]
    placed = [PurePosixPath(options[i + 2]) for i in mounts][3:]  # after work, home and tmp
    assert max(mounts) < closing
    assert all(
        outer not in inner.parents for i, inner in enumerate(placed) for outer in placed[i + 1 :]
    )
