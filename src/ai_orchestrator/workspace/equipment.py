"""Equips a tree: ignored files from the user's checkout, and ports. Called once, at the start."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.model.orders import Equipment
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.model.workflow import EnvironmentSpec
from ai_orchestrator.workspace.environment import bring, exclude_lines, find_extras, unmatched
from ai_orchestrator.workspace.layout import AttemptLayout
from ai_orchestrator.workspace.port_range import PortClaims


@dataclass(frozen=True, slots=True)
class Order:
    """What to bring where."""

    layout: AttemptLayout
    source: RepositorySource
    environment: EnvironmentSpec
    owner: str
    """Whose ports they are: the task."""


def equip(order: Order, claims: PortClaims) -> Equipment:
    """What the tree was given. Blocks: run it in a thread."""
    spec = order.environment
    notes: tuple[str, ...] = ()
    if spec.copy or spec.link:
        notes = _bring(order, _checkout(order.source))
    return Equipment(claims.claim(order.owner, spec.ports), notes)


def _checkout(source: RepositorySource) -> Path:
    if source.path is None:
        raise BadInputError(
            "environment: `copy:` and `link:` need a checkout on this machine to bring from.",
            hint="Use `setup:` where the source is a URL or a new repository.",
        )
    return Path(source.path)


def _bring(order: Order, checkout: Path) -> tuple[str, ...]:
    """Excluded from our commits first, so that a kill in between commits no secret."""
    spec, layout = order.environment, order.layout
    extras = find_extras(checkout, spec.copy, spec.link)
    _exclude(layout.repository / "info" / "exclude", exclude_lines([one.path for one in extras]))
    linked = b"".join(os.fsencode(one.source) + b"\0" for one in extras if one.is_link)
    layout.links.write_bytes(linked)
    bring(extras, layout.tree)
    missing = unmatched(checkout, (*spec.copy, *spec.link))
    return tuple(f"environment: nothing in {checkout} fits {pattern!r}." for pattern in missing)


def _exclude(path: Path, lines: bytes) -> None:
    known = path.read_bytes() if path.exists() else b""
    if lines not in known:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(known + lines)
