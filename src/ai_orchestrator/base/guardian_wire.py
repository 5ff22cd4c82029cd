"""What the owner, the guardian and the keepers say to each other.

Three parties, two kinds of Unix SOCK_SEQPACKET sockets, so that every message arrives whole:

- owner -> guardian: `BEAT`, or `SPAWN` with descriptors: a memfd that holds the encoded request
  (argv and environment may be megabytes, a datagram may not), the tree's own socket, and what the
  child gets as 0, 1, 2 and up.
- owner <-> keeper, one socket per tree: `STOP` down; `ADOPTED`, then `STARTED` and `ENDED` or
  `FAILED` up. End of file from the owner means that the tree has lost its owner.

Both sides are of one release and one machine; the form has no version. Imported by the guardian,
so it imports next to nothing.
"""

from __future__ import annotations

import os
import struct

BEAT = b"."
SPAWN = b"s"
MESSAGE_LIMIT_BYTES = 64
REQUEST_FDS = 2
"""Descriptors of a SPAWN before the child's own: the request, the tree's socket."""

_REPORT = struct.Struct("<Biiii")
_STOP = struct.Struct("<d")
_HEAD = struct.Struct("<III")

STARTED = 1
FAILED = 2
ENDED = 3
ADOPTED = 4

STAGES = ("containment", "descriptors", "directory", "program")
"""`command.Stage` by number, for FAILED."""

ON_ITS_OWN = 0
STOPPED = 1
OWNERLESS = 2
"""Why a tree ended, for ENDED: by itself, by STOP, or since owner or guardian went away."""


class Request:
    """A decoded SPAWN: all as bytes, since nobody between owner and kernel needs text."""

    __slots__ = ("argv", "cwd", "env", "numbers", "tree")

    def __init__(
        self,
        tree: bytes,
        cwd: bytes,
        argv: list[bytes],
        env: dict[bytes, bytes],
        numbers: list[int],
    ) -> None:
        self.tree = tree
        self.cwd = cwd
        self.argv = argv
        self.env = env
        self.numbers = numbers
        """What the child calls the descriptors that follow the first `REQUEST_FDS`."""


def encode_request(request: Request) -> bytes:
    """The bytes of `request`; its texts hold no NUL."""
    env = [name + b"=" + value for name, value in request.env.items()]
    head = _HEAD.pack(len(request.argv), len(env), len(request.numbers))
    numbers = struct.pack(f"<{len(request.numbers)}I", *request.numbers)
    return head + numbers + b"\0".join([request.tree, request.cwd, *request.argv, *env])


def decode_request(data: bytes) -> Request:
    """The request that `encode_request` made `data` of."""
    n_argv, n_env, n_numbers = _HEAD.unpack_from(data)
    form = f"<{n_numbers}I"
    numbers = list(struct.unpack_from(form, data, _HEAD.size))
    tree, cwd, *texts = data[_HEAD.size + struct.calcsize(form) :].split(b"\0")
    env = dict(_name_and_value(text) for text in texts[n_argv : n_argv + n_env])
    return Request(tree, cwd, texts[:n_argv], env, numbers)


def _name_and_value(text: bytes) -> tuple[bytes, bytes]:
    name, _, value = text.partition(b"=")
    return name, value


def pack_report(kind: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0) -> bytes:
    """A report of a keeper.

    ADOPTED: nothing. STARTED: pid. FAILED: index in `STAGES`, errno. ENDED: wait status,
    leftovers, why, survivors.
    """
    return _REPORT.pack(kind, a, b, c, d)


def unpack_report(data: bytes) -> tuple[int, int, int, int, int]:
    """Kind and the four figures of a report."""
    kind, a, b, c, d = _REPORT.unpack(data)
    return kind, a, b, c, d


def pack_stop(grace_s: float) -> bytes:
    """STOP: TERM now, KILL after `grace_s` seconds."""
    return _STOP.pack(grace_s)


def unpack_stop(data: bytes) -> float:
    """Seconds of grace of a STOP."""
    (grace_s,) = _STOP.unpack(data)
    return float(grace_s)


def read_whole(fd: int) -> bytes:
    """All that the file behind `fd` holds, from its beginning."""
    size = os.fstat(fd).st_size
    parts = []
    offset = 0
    while offset < size:
        part = os.pread(fd, size - offset, offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
    return b"".join(parts)
