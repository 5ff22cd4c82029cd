"""A repository that wants out: what its verifiers cannot see, write, reach or leave behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.workflows.commands.conftest import SECRET, Bench

from ai_orchestrator.model.agent import SandboxMode
from ai_orchestrator.model.review import Verifier
from ai_orchestrator.workflows.commands.verify import VerifyOrder

MODES: list[SandboxMode] = ["required", "off"]


@pytest.mark.parametrize("sandbox", MODES)
async def test_makefile_sees_only_the_listed_variables(bench: Bench, sandbox: SandboxMode) -> None:
    """No variable of the orchestrator is inherited, whatever its name."""
    bench.write(
        "Makefile", "test:\n\t@env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u MAKE_TERMERR env\n"
    )
    order = bench.order(Verifier("test", ("make", "-s", "test")), sandbox=sandbox)
    (result,) = await bench.run(order)
    names = {line.partition("=")[0] for line in result.output.splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_", "MAKE_TERMOUT"} == {
        *("PATH", "HOME", "TMPDIR", "LANG", "CI", "NO_COLOR", "PYTHONDONTWRITEBYTECODE"),
        *("GIT_CONFIG_NOSYSTEM", "GIT_TERMINAL_PROMPT", "AI_ORCHESTRATOR_TREE"),
    }


async def test_conftest_finds_no_secret_in_any_process(
    bench: Bench, with_python: Callable[[VerifyOrder], VerifyOrder]
) -> None:
    """Neither in its own environment nor in that of whatever it can see in /proc."""
    bench.write(
        "conftest.py",
        "import glob, os\n"
        "found = [str(dict(os.environ))]\n"
        "for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try: found.append(open(path, errors='replace').read())\n"
        "    except OSError: pass\n"
        "open('loot', 'w').write('\\n'.join(found))\n",
    )
    bench.write("test_x.py", "def test_x(): ...\n")
    order = with_python(bench.order(Verifier("pytest", ("python3", "-m", "pytest", "-q"))))
    (result,) = await bench.run(order)
    assert result.is_green, result.output
    loot = (bench.checkout / "loot").read_text()
    assert "PYTHONDONTWRITEBYTECODE" in loot
    assert SECRET not in loot
    assert "ANTHROPIC" not in loot


async def test_homes_and_keys_of_the_machine_are_not_there(bench: Bench, tmp_path: Path) -> None:
    """Neither root's, nor another person's, nor the data directory around the checkout."""
    other = tmp_path / "other-home" / ".ssh"
    other.mkdir(parents=True)
    (other / "id_ed25519").write_text("KEY")
    result = await bench.shell(
        f"for p in /root /etc/shadow /var/lib /run /opt /srv {tmp_path} {other}/id_ed25519; do\n"
        'if [ -e "$p" ]; then echo "sees $p"; fi; done\n'
        "ls -A /home; ls -A /home/agent; ls -d /home/*; pwd"
    )
    assert result.output.split() == ["agent", "/home/agent", "/work"]


async def test_writing_outside_of_its_own_directories_fails(bench: Bench, tmp_path: Path) -> None:
    """Work, HOME and TMPDIR are writable, everything else is not, also by the way up."""
    result = await bench.shell(
        'touch /work/in "$HOME/in" "$TMPDIR/in" && echo inside works\n'
        f"for p in /x /usr/x /etc/x /bin/x /home/x ../x /proc/sys/kernel/x {tmp_path}/x; do\n"
        'if touch "$p" 2>/dev/null; then echo "wrote $p"; fi; done; true'
    )
    assert result.output == "inside works\n"
    assert (bench.checkout / "in").exists()
    assert not (tmp_path / "x").exists()


async def test_links_out_of_the_checkout_lead_nowhere(bench: Bench, tmp_path: Path) -> None:
    """A link that means something on the host means nothing inside."""
    (tmp_path / "outside").write_text("precious")
    (bench.checkout / "link").symlink_to(tmp_path / "outside")
    (bench.checkout / "up").symlink_to("../outside")
    result = await bench.shell("cat link up; echo x > link; echo x > up; true")
    assert "precious" not in result.output
    assert (tmp_path / "outside").read_text() == "precious"


CONNECT = """
import socket, sys
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10) as s:
        print("reached", s.recv(100).decode())
except OSError as error:
    print("refused", type(error).__name__)
"""


@pytest.mark.parametrize(("network", "said"), [(False, "refused"), (True, "reached hello")])
async def test_network_is_there_only_when_it_was_asked_for(
    bench: Bench, said: str, *, network: bool
) -> None:
    """A service of the host is out of reach without `network: true`."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    bench.write("connect.py", CONNECT)
    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        result = await bench.shell(f"/usr/bin/python3 connect.py {port}", network=network)
    assert result.output.startswith(said)


@pytest.mark.parametrize("sandbox", MODES)
async def test_daemon_does_not_outlive_its_verifier(bench: Bench, sandbox: SandboxMode) -> None:
    """Not with a session of its own, not reparented; the verifier itself may be green."""
    daemon = f"while true; do sleep 1; done # {bench.mark}"
    result = await bench.shell(
        f"(setsid nohup sh -c '{daemon}' >/dev/null 2>&1 &)\n"
        f"(setsid sh -c '{daemon}' &)\necho started",
        sandbox=sandbox,
    )
    assert (result.is_green, result.output) == (True, "started\n")
    assert bench.living() == []


@pytest.mark.parametrize("sandbox", MODES)
async def test_cancelled_run_leaves_no_process(bench: Bench, sandbox: SandboxMode) -> None:
    """The tree is gone by the time the cancellation arrives."""
    script = f"touch begun; setsid sh -c 'while true; do sleep 1; done # {bench.mark}'"
    running = asyncio.create_task(bench.shell(script, sandbox=sandbox))
    async with asyncio.timeout(30):
        while not (bench.checkout / "begun").exists() or not bench.living():
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.living() == []


async def test_verifier_cannot_pass_for_one_that_was_not_started(bench: Bench) -> None:
    """Only the sandbox's own standard error tells that; a verifier's is part of its output."""
    result = await bench.shell("echo 'bwrap: there is no make in the sandbox' >&2; exit 127")
    assert (result.code, result.is_green) == (127, False)
