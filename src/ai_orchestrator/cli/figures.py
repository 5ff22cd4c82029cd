"""Numbers as people read them. What was not measured is never shown as zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from ai_orchestrator.model.agent import Usage

UNMEASURED = "unmeasured"
AT_LEAST = "at least "


def tokens(count: int | None) -> str:
    """`12,400`, or `unmeasured`."""
    return UNMEASURED if count is None else f"{count:,}"


def money(usd: Decimal | float | None) -> str:
    """`$0.42`, four digits below one cent, or `unmeasured`."""
    if usd is None:
        return UNMEASURED
    return f"${usd:,.4f}" if 0 < usd < 0.01 else f"${usd:,.2f}"


def usage(used: Usage) -> str:
    """`12,400 tokens in, 2,310 out, cost $0.42`; `tokens unmeasured, cost unmeasured`.

    `at least` stands before what a run did not tell that is in the sum.
    """
    return f"{_tokens_of(used)}, cost {_cost_of(used)}"


def cost(used: Usage) -> str:
    """The cost for a narrow column: `$0.42`, `>= $0.42` as a lower bound, or `unmeasured`."""
    is_bound = used.cost_usd is not None and not used.is_cost_whole
    return f"{'>= ' if is_bound else ''}{money(used.cost_usd)}"


def _tokens_of(used: Usage) -> str:
    if used.total_tokens is None:
        return f"tokens {UNMEASURED}"
    bound = "" if used.is_tokens_whole else AT_LEAST
    return f"{bound}{tokens(used.input_tokens)} tokens in, {tokens(used.output_tokens)} out"


def _cost_of(used: Usage) -> str:
    bound = "" if used.cost_usd is None or used.is_cost_whole else AT_LEAST
    return f"{bound}{money(used.cost_usd)}"


def duration(seconds: float) -> str:
    """`0.4s`, `12s`, `3m12s`, `2h05m`."""
    if seconds < 9.95:  # what rounds to 10.0
        return f"{max(seconds, 0.0):.1f}s"
    whole = int(seconds + 0.05)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def age(then: datetime, now: datetime) -> str:
    """`12s`, `5m`, `3h`, `2d`: how long ago, in its largest unit."""
    seconds = max(int((now - then).total_seconds()), 0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def size(count_bytes: int) -> str:
    """`512 B`, `3.4 MB`: decimal units."""
    amount = float(count_bytes)
    if amount < 1000:
        return f"{count_bytes} B"
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 1000:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.1f} TB"


def changes(files: int, insertions: int, deletions: int) -> str:
    """`2 files, +34 -2`."""
    return f"{counted(files, 'file')}, +{insertions} -{deletions}"


def counted(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def short_commit(commit: str) -> str:
    """The first ten characters, as git shows them."""
    return commit[:10]
