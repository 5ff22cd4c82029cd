"""What a run of verifiers gives back: codes, both ends of the output, and whose fault it was."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.workflows.commands.conftest import SECRET, SYSTEM_PATH, Bench

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.base.sandbox import read_host_layout
from ai_orchestrator.model.agent import SandboxMode
from ai_orchestrator.model.review import Verifier
from ai_orchestrator.workflows.commands.enclosure import Enclosure
from ai_orchestrator.workflows.commands.verify import VerifyOrder

MODES: list[SandboxMode] = ["required", "off"]


@pytest.mark.parametrize("sandbox", MODES)
async def test_all_verifiers_run_whatever_the_first_one_says(
    bench: Bench, sandbox: SandboxMode
) -> None:
    """The next prompt can show everything."""
    bench.write("Makefile", "lint:\n\t@echo bad style; exit 3\ntest:\n\t@echo fine\n")
    verifiers = [Verifier(name, ("make", "-s", name)) for name in ("lint", "test")]
    lint, test = await bench.run(bench.order(*verifiers, sandbox=sandbox))
    assert (lint.name, lint.is_green, lint.code) == ("lint", False, 2)
    assert "bad style" in lint.output
    assert (test.is_green, test.output, test.artefact) == (True, "fine\n", None)


@pytest.mark.parametrize("sandbox", MODES)
async def test_both_streams_come_in_order(bench: Bench, sandbox: SandboxMode) -> None:
    """What a terminal would show."""
    result = await bench.shell("echo one; echo two >&2; echo three; exit 7", sandbox=sandbox)
    assert (result.output, result.code) == ("one\ntwo\nthree\n", 7)


@pytest.mark.parametrize("sandbox", MODES)
async def test_time_limit_ends_the_whole_tree(bench: Bench, sandbox: SandboxMode) -> None:
    """The result says so, keeps the output, and nothing runs on."""
    script = f'trap "" TERM; echo begun; while true; do sleep 1; done # {bench.mark}'
    result = await bench.shell(f"setsid sh -c '{script}' & wait", sandbox=sandbox, timeout_s=2.0)
    assert (result.is_timed_out, result.code, result.is_green) == (True, None, False)
    assert result.output == "begun\n"
    assert bench.living() == []


async def test_long_output_keeps_both_ends_and_the_whole_beside(bench: Bench) -> None:
    """10 MB are no burden: the result is short, the artefact bounded."""
    result = await bench.shell("echo BEGIN; yes 0123456789 | head -c 10485760; echo; echo END")
    assert len(result.output) <= 8_000
    assert result.output.startswith("BEGIN\n0123456789")
    assert "characters left out" in result.output
    assert result.output.endswith("\nEND\n")
    assert result.artefact is not None
    whole = bench.kept[result.artefact]
    assert 8_000_000 < len(whole) < 9_000_000
    assert b"bytes left out" in whole


async def test_output_that_is_a_little_long_is_kept_whole(bench: Bench) -> None:
    """Nothing of it is lost."""
    result = await bench.shell("seq 1 3000")
    assert result.artefact is not None
    assert bench.kept[result.artefact].decode() == "".join(f"{n}\n" for n in range(1, 3001))


async def test_output_is_plain_and_redacted(bench: Bench) -> None:
    """No colours, no control characters, no broken UTF-8, no secrets."""
    result = await bench.shell(rf"printf '\033[31mred\033[0m \007\000 \377 {SECRET}\r\n'")
    assert result.output == "red  \ufffd [redacted]\n"


async def test_missing_program_is_the_environments_fault(bench: Bench) -> None:
    """It is named, before anything runs."""
    bench.write("Makefile", "test:\n\ttouch ran\n")
    order = bench.order(Verifier("a", ("make", "test")), Verifier("lint", ("no-such-linter", "-x")))
    with pytest.raises(EnvironmentProblemError, match=r"Verifier lint \(no-such-linter -x\)"):
        await bench.run(order)
    assert not (bench.checkout / "ran").exists()


async def test_missing_script_of_the_repository_is_the_works_fault(bench: Bench) -> None:
    """An agent that deletes its judge gets a red verifier, not an excuse."""
    (result,) = await bench.run(bench.order(Verifier("check", ("./gone.sh",))))
    assert (result.is_green, result.code) == (False, 127)
    assert "gone.sh" in result.output


async def test_sandbox_that_does_not_work_is_the_environments_fault(
    bench: Bench, tmp_path: Path
) -> None:
    """What bubblewrap said is told."""
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    bench.enclosure = Enclosure(fake, read_host_layout())
    with pytest.raises(EnvironmentProblemError, match="No permissions to create new namespace"):
        await bench.shell("true")


async def test_required_sandbox_that_is_not_there_is_refused(bench: Bench) -> None:
    """Never silently less; best-effort and off run without."""
    bench.enclosure = Enclosure(None, read_host_layout(), "not installed.")
    with pytest.raises(EnvironmentProblemError, match="not installed"):
        await bench.shell("true")
    assert (await bench.shell("true", sandbox="best-effort")).is_green
    assert (await bench.shell("true", sandbox="off")).is_green


@pytest.mark.parametrize("sandbox", MODES)
async def test_pytest_of_a_virtual_environment_is_found_with_its_libraries(
    bench: Bench, with_python: Callable[[VerifyOrder], VerifyOrder], sandbox: SandboxMode
) -> None:
    """The tools of the client's PATH work, wherever they are installed."""
    bench.write("core.py", "def add(a, b):\n    return a + b\n")
    bench.write(
        "tests/test_core.py", "from core import add\ndef test_a():\n    assert add(1, 2) == 3\n"
    )
    order = bench.order(Verifier("pytest", ("python3", "-m", "pytest", "-q")), sandbox=sandbox)
    (result,) = await bench.run(with_python(order))
    assert result.is_green, result.output
    assert "1 passed" in result.output


async def test_program_in_the_repository_is_never_taken_from_the_path(bench: Bench) -> None:
    """A PATH that names the current directory does not name the checkout."""
    bench.write("make", "#!/bin/sh\necho hijacked\n")
    bench.write("Makefile", "test:\n\t@echo real\n")
    order = bench.order(Verifier("test", ("make", "test")))
    (result,) = await bench.run(replace(order, path_env=f".::bin:{SYSTEM_PATH}"))
    assert result.output == "real\n"


async def test_interpreter_outside_the_path_is_shown_through_its_links(
    bench: Bench, tmp_path: Path
) -> None:
    """A link to an interpreter somewhere else brings its installation along."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(sys.executable)
    order = bench.order(Verifier("v", ("python3", "-c", "import json; print('works')")))
    (result,) = await bench.run(replace(order, path_env=f"{tmp_path}/bin:/usr/bin:/bin"))
    assert result.output == "works\n"
