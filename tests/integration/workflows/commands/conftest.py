"""A runner of verifiers as the product makes it, and repositories that try to get out of it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ai_orchestrator.base.process import GuardedSpawner
from ai_orchestrator.base.sandbox import find_bubblewrap, read_host_layout
from ai_orchestrator.model.agent import SandboxMode
from ai_orchestrator.model.review import Verifier, VerifierResult
from ai_orchestrator.workflows.commands.enclosure import Enclosure
from ai_orchestrator.workflows.commands.verify import VerifierRunner, VerifyOrder

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECRET = "sk-ant-0123456789-of-the-orchestrator"


@dataclass
class Bench:
    """Runs verifiers on a checkout in a temporary directory."""

    root: Path
    spawner: GuardedSpawner
    enclosure: Enclosure
    kept: dict[str, bytes] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: f"verify-{os.urandom(8).hex()}")

    def __post_init__(self) -> None:
        """Makes the directories."""
        for name in ("checkout", "home", "tmp"):
            (self.root / name).mkdir()

    @property
    def checkout(self) -> Path:
        """The clean checkout."""
        return self.root / "checkout"

    def write(self, path: str, text: str) -> None:
        """A file of the repository; a script where it starts with `#!`."""
        file = self.checkout / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if text.startswith("#!"):
            file.chmod(0o755)

    def order(self, *verifiers: Verifier, sandbox: SandboxMode = "required") -> VerifyOrder:
        """An order for the checkout, with the machine's own tools on the PATH."""
        return VerifyOrder(
            name=self.mark,
            verifiers=verifiers,
            checkout=self.checkout,
            home=self.root / "home",
            tmp=self.root / "tmp",
            path_env=SYSTEM_PATH,
            sandbox=sandbox,
        )

    async def run(self, order: VerifyOrder) -> tuple[VerifierResult, ...]:
        """The results."""
        runner = VerifierRunner(
            self.spawner,
            self.enclosure,
            redact=lambda text: text.replace(SECRET, "[redacted]"),
            keep=self._keep,
        )
        return await runner.run(order)

    async def shell(
        self,
        script: str,
        *,
        sandbox: SandboxMode = "required",
        network: bool = False,
        timeout_s: float = 60.0,
    ) -> VerifierResult:
        """The result of one verifier that is a shell script of the repository."""
        self.write("check.sh", f"#!/bin/sh\n{script}\n")
        verifier = Verifier("check", ("./check.sh",), timeout_s=timeout_s, network=network)
        return (await self.run(self.order(verifier, sandbox=sandbox)))[0]

    def living(self) -> list[int]:
        """Processes anywhere on the machine that carry the bench's mark in their command line."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if self.mark.encode() in line and int(entry.name) != os.getpid():
                    found.append(int(entry.name))
        return found

    async def _keep(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.kept[digest] = content
        return digest


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench whose own environment holds a secret."""
    bubblewrap = find_bubblewrap(SYSTEM_PATH)
    if bubblewrap is None:
        pytest.skip("bubblewrap is not installed")
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    spawner = GuardedSpawner()
    yield Bench(tmp_path, spawner, Enclosure(bubblewrap, read_host_layout()))
    spawner.close()


@pytest.fixture
def with_python(bench: Bench) -> Callable[[VerifyOrder], VerifyOrder]:
    """Puts the interpreter that runs the tests, which has pytest, on an order's PATH."""
    assert bench.root.exists()
    folder = Path(sys.executable).parent
    return lambda order: replace(order, path_env=f"{folder}:{SYSTEM_PATH}")
