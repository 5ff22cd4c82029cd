"""Has the tables of all structs built while one thread looks at them.

msgspec builds what it knows of a struct when a value is first decoded into it, and lets other
threads see that half built: seen with 0.22 as a crash of the whole process, where four threads did
their first `convert` at once. A process with threads asks for it before they begin to decode.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


def build_struct_tables() -> int:
    """How many structs are ready, of all modules that are imported by now."""
    ready = 0
    for one in _structs(msgspec.Struct):
        try:
            msgspec.json.Decoder(one)
        except TypeError:  # it holds what cannot be decoded, so nobody decodes it
            continue
        ready += 1
    return ready


def _structs(parent: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for one in parent.__subclasses__():
        yield one
        yield from _structs(one)
