"""Who asks: over the runner's socket (mode 0600) always the user who owns it."""

from __future__ import annotations

import os
import pwd


def local_principal() -> str:
    """`local:<os user>`; the numeric id where the user has no name."""
    uid = os.geteuid()
    try:
        return f"local:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"local:{uid}"
