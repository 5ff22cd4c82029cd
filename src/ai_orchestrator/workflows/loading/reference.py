"""The tables of the reference, made from the structs and tables that the program itself uses.

    python -m ai_orchestrator.workflows.loading.reference docs/reference/configuration.md

Renews what stands between `<!-- table: NAME -->` and `<!-- end -->` in the files given.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.config import older_keys, older_names
from ai_orchestrator.config.credentials import OPEN_VARIABLES, SECRET_VARIABLES
from ai_orchestrator.config.files import write_whole
from ai_orchestrator.review.protection import DEFAULT_PROTECTED
from ai_orchestrator.workflows.condition import FACT_KINDS
from ai_orchestrator.workflows.loading.schema import Schema, json_schema
from ai_orchestrator.workflows.loading.shape import expected
from ai_orchestrator.workflows.loading.tasks import BUILT_IN_TASKS

_TABLE = re.compile(
    r"(?P<head><!-- table: (?P<name>[a-z-]+) -->\n).*?(?P<end>\n<!-- end -->)", re.DOTALL
)


def with_tables(text: str) -> str:
    """The text with every table as it is now. Raises `NotFoundError` for an unknown one."""
    return _TABLE.sub(lambda match: f"{match['head']}\n{_table(match['name'])}{match['end']}", text)


def _table(name: str) -> str:
    if name not in TABLES:
        raise NotFoundError(f"No table '{name}'. Known: {', '.join(TABLES)}.")
    return TABLES[name]() + "\n"


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines
    )


def _keys(definition: str) -> str:
    schema: Schema = json_schema()["$defs"][definition]
    required = schema.get("required", [])
    rows = [
        (
            f"`{name}`",
            expected(part),
            "required" if name in required else _default(part),
            str(part.get("description", "")),
        )
        for name, part in schema["properties"].items()
    ]
    return _rows(("key", "value", "default", "meaning"), rows)


def _default(schema: Schema) -> str:
    value = schema.get("default")
    if value is None or value in ({}, [], ""):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _retired() -> str:
    rows = [(f"`{'.'.join(keys)}`", hint) for keys, hint in older_keys.RETIRED.items()]
    return _rows(("key", "instead"), rows)


def _renamed() -> str:
    rows = [
        (f"`{'.'.join(keys)}`", f"`{'.'.join((*keys[:-1], new))}`")
        for keys, new in older_keys.RENAMED.items()
    ]
    return _rows(("older name", "name now"), rows)


def _tasks() -> str:
    rows = [
        (f"`{name}`", task.asks, task.permission, task.role, ", ".join(task.agent_roles))
        for name, task in BUILT_IN_TASKS.items()
    ]
    return _rows(("task", "asks for", "permission", "conversation", "taken by role"), rows)


def _facts() -> str:
    rows = [(f"`{name}`", kind) for name, kind in FACT_KINDS.items()]
    return _rows(("name", "kind"), rows)


def _credentials() -> str:
    rows = [
        *((f"`{name}`", "yes") for name in SECRET_VARIABLES),
        *((f"`{name}`", "no") for name in OPEN_VARIABLES),
    ]
    return _rows(("variable", "secret"), rows)


def _protected() -> str:
    return "\n".join(f"- `{pattern}`" for pattern in DEFAULT_PROTECTED)


TABLES: Mapping[str, Callable[[], str]] = {
    "document": lambda: _keys("Document"),
    "agent": lambda: _keys("AgentDoc"),
    "account": lambda: _keys("AccountDoc"),
    "workflow": lambda: _keys("WorkflowDoc"),
    "step": lambda: _keys("StepDoc"),
    "verifier": lambda: _keys("VerifierDoc"),
    "prompt": lambda: _keys("PromptDoc"),
    "settings": lambda: _keys("SettingsDoc"),
    "renamed-keys": _renamed,
    "retired-keys": _retired,
    "older-variables": older_names.reference_table,
    "credentials": _credentials,
    "tasks": _tasks,
    "facts": _facts,
    "protected": _protected,
}
"""Name of a table -> its Markdown."""


if __name__ == "__main__":
    for name in sys.argv[1:]:
        document = Path(name)
        write_whole(document, with_tables(document.read_text("utf-8")).encode(), mode=0o644)
