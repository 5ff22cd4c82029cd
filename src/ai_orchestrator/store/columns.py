"""How values of ours look in a column; used by `tables` only.

The text forms are part of the first migration: a reader of the file with plain `sqlite3` sees
RFC 3339 times that sort as text, and JSON.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeEngine

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


class UtcTimestamp(sa.TypeDecorator[datetime]):
    """Aware UTC datetimes with microseconds: `2026-01-31T09:05:00.000001Z`, or timestamptz."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Timestamptz where the database has it, so that people can compute with it there."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """What goes into the column. A naive datetime is a defect of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a stored time must be aware, got {value!r}")
        utc = value.astimezone(UTC)
        if dialect.name == "postgresql":
            return utc
        return utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def process_result_value(
        self,
        value: datetime | str | None,
        dialect: Dialect,  # noqa: ARG002 # SQLAlchemy's signature
    ) -> datetime | None:
        """An aware UTC datetime."""
        if value is None:
            return None
        read = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return read.astimezone(UTC)


class WordText(sa.TypeDecorator[E], Generic[E]):
    """A word of a closed vocabulary, as itself."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, of: type[E]) -> None:
        super().__init__()
        self.of = of

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:  # noqa: ARG002 # SQLAlchemy's signature
        """The plain string: drivers treat enums each in their own way."""
        return None if value is None else str(value.value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:  # noqa: ARG002 # SQLAlchemy's signature
        """The member. Raises ValueError for a word of another release."""
        return None if value is None else self.of(value)


class JsonText(sa.TypeDecorator[T], Generic[T]):
    """A value of a msgspec type as JSON text; money stays exact, as a string."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, of: type[T]) -> None:
        super().__init__()
        self.of = of
        self._decoder = msgspec.json.Decoder(of)

    def process_bind_param(self, value: T | None, dialect: Dialect) -> str | None:  # noqa: ARG002 # SQLAlchemy's signature
        """Compact JSON."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> T | None:  # noqa: ARG002 # SQLAlchemy's signature
        """The typed value. Raises msgspec.ValidationError for JSON of another shape."""
        return None if value is None else self._decoder.decode(value)
