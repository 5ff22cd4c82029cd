"""Walks the texts inside a struct: for redaction, and for cutting what is too long.

Fields whose type is a Literal or an enum are part of our vocabulary and stay as they are, so that
a stored value can always be decoded again, whatever a secret happens to be: values are changed
before they are encoded, never after. Pure; for all that writes something down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

T = TypeVar("T")


def map_texts(value: T, change: Callable[[str], str]) -> T:
    """The value with every free text in it changed; the same object where nothing was."""
    changed = _map(value, change)
    assert isinstance(changed, type(value))
    return changed


def free_texts(value: object) -> list[str]:
    """Every free text in a value, in the order of its fields."""
    seen: list[str] = []

    def remember(text: str) -> str:
        seen.append(text)
        return text

    map_texts(value, remember)
    return seen


def _map(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return value if isinstance(value, Enum) else change(value)
    if isinstance(value, msgspec.Struct):
        return _map_struct(value, change)
    if isinstance(value, tuple | list):
        items = [_map(item, change) for item in value]
        return type(value)(items) if _any_other(items, value) else value
    if isinstance(value, dict):
        return {_map(key, change): _map(item, change) for key, item in value.items()}
    return value


def _map_struct(value: msgspec.Struct, change: Callable[[str], str]) -> msgspec.Struct:
    changed: dict[str, Any] = {}
    for name in _free_fields(type(value)):
        before = getattr(value, name)
        after = _map(before, change)
        if after is not before:
            changed[name] = after
    return msgspec.structs.replace(value, **changed) if changed else value


def _any_other(items: list[Any], value: tuple[Any, ...] | list[Any]) -> bool:
    return any(item is not before for item, before in zip(items, value, strict=True))


@cache
def _free_fields(struct: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(
        field.name for field in msgspec.structs.fields(struct) if not _is_literal(field.type)
    )


def _is_literal(annotation: object) -> bool:
    return any(get_origin(part) is Literal for part in _parts(annotation))


def _parts(annotation: object) -> Iterator[object]:
    yield annotation
    if get_origin(annotation) is not Literal:
        for argument in get_args(annotation):
            yield from _parts(argument)
