"""The figures that this project promises, measured on this machine, against their goals.

python bench/run.py [--strict] [--json] [--only GROUP ...]

docs/reference/figures.md says what each of them means.
"""

# the path comes first: this file is run by its name
from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import commands, parts, sizes, steps
from bench.figures import Figure, Machine, as_document, summary, table
from bench.place import Place

LIMIT_S = 240.0
"""No group begins after this; each has limits of its own."""

Group = Callable[[Place], list[Figure]]
GROUPS: Mapping[str, Group] = {
    "help": commands.help_text,
    "guardian": parts.guardian,
    "store": parts.store,
    "engine": parts.engine,
    "client": commands.client,
    "steps": steps.small,
    "large": steps.large,
    "prompt": sizes.prompt,
    "diff": sizes.diff,
    "demo": commands.demo,
}


def main() -> int:
    """0, or with --strict 1 where a goal was missed."""
    options = _parse()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="ai-orchestrator-bench-") as root:
        figures = measure(options.only or list(GROUPS), Place(Path(root)))
    machine = Machine(os.cpu_count() or 1, before, os.getloadavg()[0])
    if options.json:
        print(json.dumps(as_document(figures, machine), indent=2))
    else:
        print(f"{table(figures)}\n\n{summary(figures, machine)}")
    return int(options.strict and any(figure.has_missed for figure in figures))


def measure(names: Sequence[str], place: Place) -> list[Figure]:
    """The figures of the groups, in their order; what fails says why in its place."""
    deadline_s = time.monotonic() + LIMIT_S
    figures: list[Figure] = []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr)
        if time.monotonic() > deadline_s:
            figures.append(_not_measured(name, f"{LIMIT_S:.0f} s were over"))
            continue
        try:
            figures += GROUPS[name](place)
        except Exception as error:  # noqa: BLE001  # the others are still worth having
            figures.append(_not_measured(name, f"{type(error).__name__}: {error}"))
    return figures


def _not_measured(name: str, why: str) -> Figure:
    """A goal of nothing: what cannot be measured was not met."""
    return Figure(name, None, "ms", goal=0.0, why_not=" ".join(why.split())[:200])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--strict", action="store_true", help="exit 1 where a goal is missed")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--only", nargs="+", choices=list(GROUPS), metavar="GROUP", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
