"""Values in columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import make_url
from sqlalchemy.engine import Dialect

from ai_orchestrator.store.columns import UtcTimestamp

SQLITE = make_url("sqlite://").get_dialect()()
POSTGRESQL = make_url("postgresql+psycopg://").get_dialect()()
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NOON, "2026-01-31T12:00:00.000000Z"),
        (NOON + timedelta(microseconds=1), "2026-01-31T12:00:00.000001Z"),
        (NOON.astimezone(timezone(timedelta(hours=-7))), "2026-01-31T12:00:00.000000Z"),
    ],
    ids=["whole", "microsecond", "elsewhere"],
)
def test_times_are_text_in_utc_with_microseconds(value: datetime, text: str) -> None:
    """One width, one zone: the text sorts as the time does, and comes back as it was."""
    column = UtcTimestamp()
    assert column.process_bind_param(value, SQLITE) == text
    read = column.process_result_value(text, SQLITE)
    assert read == value
    assert read is not None
    assert read.tzinfo is UTC


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["lite", "pg"])
def test_naive_time_is_refused(dialect: Dialect) -> None:
    """A time without a zone means something else on every machine."""
    with pytest.raises(ValueError, match="aware"):
        UtcTimestamp().process_bind_param(NOON.replace(tzinfo=None), dialect)
