"""What stays in a directory of ours between two runs, and which secrets are known of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.agents.bench import until

from ai_orchestrator.agents.registry import driver
from ai_orchestrator.agents.turns import TurnLimitError
from ai_orchestrator.agents.vendor_home import SECRETS_KEPT, VendorHome, VendorHomes, lock_of
from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.base.lockfile import acquire, is_held
from ai_orchestrator.model.agent import AgentEvent, TextSeen, WaitSeen
from ai_orchestrator.workspace.removal import remove_tree

LOGIN = driver("claude").login
FILE = ".credentials.json"
OLD, NEW = "sk-old-0123456789abcdef", "sk-new-0123456789abcdef"


def names_in(folder: Path) -> list[str]:
    """Names of what lies in it."""
    return sorted(path.name for path in folder.iterdir())


class Accounts:
    """The folder of accounts, and what the redactor was told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.known: dict[str, Mapping[str, str]] = {}
        self.events: list[AgentEvent] = []
        self.homes = VendorHomes(root, discard=remove_tree, learn=self.known.__setitem__)

    def home(self, name: str = "work") -> VendorHome:
        """The account's."""
        home = self.homes.home(self.root / name, LOGIN)
        assert home is not None
        return home

    def log_in(self, token: str, name: str = "work") -> Path:
        """As the vendor does: by rename."""
        state = self.root / name
        state.mkdir(parents=True, exist_ok=True)
        (state / "new").write_text(json.dumps({"o": {"accessToken": token, "plan": "max"}}))
        (state / "new").replace(state / FILE)
        return state

    async def lend(self, limit_s: float = 30.0) -> None:
        """A run that does nothing."""
        async with self.home().lent(limit_s=limit_s, on_event=self.events.append):
            pass

    @property
    def secrets(self) -> set[str]:
        """All values that are redacted."""
        return {value for found in self.known.values() for value in found.values()}


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    """Without an account."""
    return Accounts(tmp_path / "accounts")


def test_only_directories_of_ours_are_homes(accounts: Accounts) -> None:
    """Not the user's own, not what lies deeper."""
    for path in (None, Path("/home/u/.claude"), accounts.root, accounts.root / "a" / "b"):
        assert accounts.homes.home(path, LOGIN) is None


async def test_only_the_login_stays(accounts: Accounts, tmp_path: Path) -> None:
    """Neither settings nor transcripts nor links, before a run and after it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")

    def litter() -> None:
        (state / "settings.json").write_text('{"hooks": {}}')
        (state / "projects" / "x").mkdir(parents=True)
        (state / "projects" / "x" / "a.jsonl").write_text("words")
        (state / "link").symlink_to(outside)
        (state / "closed").mkdir(mode=0o000)

    state = accounts.log_in(OLD)
    litter()
    async with accounts.home().lent(limit_s=30.0, on_event=accounts.events.append):
        assert names_in(state) == [FILE]
        litter()
    assert names_in(state) == [FILE]
    assert state.stat().st_mode & 0o777 == 0o700
    assert (outside / "precious").exists()


async def test_a_renewed_login_stays_as_it_is(accounts: Accounts) -> None:
    """The very file, whoever replaced it."""
    state = accounts.log_in(OLD)
    async with accounts.home().lent(limit_s=30.0, on_event=accounts.events.append):
        accounts.log_in(NEW)
        number = (state / FILE).stat().st_ino
    assert (state / FILE).stat().st_ino == number
    assert NEW in (state / FILE).read_text()


@pytest.mark.parametrize("left", ["nothing", "directory", "empty", "link", "folder-is-a-link"])
async def test_without_a_login_nothing_is_lent(
    accounts: Accounts, left: str, tmp_path: Path
) -> None:
    """With what to type; and no link is taken for one."""
    state = accounts.root / "work"
    elsewhere = accounts.log_in(OLD, "elsewhere")
    if left == "folder-is-a-link":
        state.symlink_to(tmp_path / "away")
    elif left != "nothing":
        state.mkdir()
    if left == "empty":
        (state / FILE).touch()
    if left == "link":
        (state / FILE).symlink_to(elsewhere / FILE)
    with pytest.raises(EnvironmentProblemError, match="ai-orchestrator agents login work"):
        await accounts.lend()
    assert (elsewhere / FILE).exists()


async def test_the_sessions_folder_is_new_for_each_run(accounts: Accounts, tmp_path: Path) -> None:
    """A place to lay the task's own over, or a link to it; what stood there is gone."""
    state, mine = accounts.log_in(OLD), tmp_path / "mine"
    mine.mkdir()
    home = accounts.home()
    async with home.lent(limit_s=30.0, on_event=accounts.events.append):
        (state / "projects").symlink_to(tmp_path)
        await home.show_sessions(None)
        assert (state / "projects").is_dir()
        assert not (state / "projects").is_symlink()
        await home.show_sessions(mine)
        assert (state / "projects").readlink() == mine
    assert names_in(state) == [FILE]
    assert mine.is_dir()


async def test_secrets_are_known_before_and_after_a_renewal(accounts: Accounts) -> None:
    """The old ones too: late events may hold them. Short values are no secrets."""
    accounts.log_in(OLD)
    home = accounts.home()
    async with home.lent(limit_s=30.0, on_event=accounts.events.append):
        assert accounts.secrets == {OLD}
        accounts.log_in(NEW)
        home.seeing(accounts.events.append)(TextSeen("x"))
        assert accounts.secrets == {OLD, NEW}
        assert accounts.events == [TextSeen("x")]
    await accounts.lend()
    assert accounts.secrets == {OLD, NEW}
    assert set(accounts.known["account:work"]) == {"accessToken", "accessToken.1"}


async def test_a_login_that_is_no_json_is_secret_word_by_word(accounts: Accounts) -> None:
    """Another format than we know."""
    (accounts.log_in(OLD) / FILE).write_text(f"token = '{NEW}'\n")
    await accounts.lend()
    assert accounts.secrets == {NEW}


async def test_secrets_are_bounded(accounts: Accounts) -> None:
    """An agent may write the file as well."""
    many = {str(number): f"sk-{number:0>20}" for number in range(500)}
    (accounts.log_in(OLD) / FILE).write_text(json.dumps(many))
    await accounts.lend()
    assert len(accounts.secrets) <= 2 * SECRETS_KEPT


async def test_no_number_of_made_up_secrets_drives_out_the_login(accounts: Accounts) -> None:
    """An agent writes them into the file, so that the true one is no longer looked for."""
    state = accounts.log_in(OLD)
    home = accounts.home()
    async with home.lent(limit_s=30.0, on_event=accounts.events.append):
        for start in range(0, 500, 50):
            many = {str(number): f"sk-{number:0>20}" for number in range(start, start + 50)}
            (state / "new").write_text(json.dumps(many))
            (state / "new").replace(state / FILE)
            home.look()
        assert OLD in accounts.secrets
        assert len(accounts.secrets) <= 2 * SECRETS_KEPT


async def test_a_run_that_has_to_wait_says_so_once(accounts: Accounts) -> None:
    """And when it has its turn."""
    accounts.log_in(OLD)
    async with accounts.home().lent(limit_s=30.0, on_event=lambda _: None):
        second = asyncio.create_task(accounts.lend())
        await until(lambda: accounts.events == [WaitSeen("work")])
    await second
    assert accounts.events == [WaitSeen("work"), WaitSeen("work", is_over=True)]


async def test_a_wait_in_vain_ends(accounts: Accounts) -> None:
    """At its limit."""
    accounts.log_in(OLD)
    async with accounts.home().lent(limit_s=30.0, on_event=lambda _: None):
        with pytest.raises(TurnLimitError):
            await accounts.lend(limit_s=0.05)


async def test_a_cancelled_run_leaves_a_login_only(accounts: Accounts) -> None:
    """And the next one has its turn after that."""
    state = accounts.log_in(OLD)

    async def hold() -> None:
        async with accounts.home().lent(limit_s=30.0, on_event=lambda _: None):
            (state / "settings.json").write_text("{}")
            await asyncio.Event().wait()

    holder = asyncio.create_task(hold())
    await until((state / "settings.json").exists)
    holder.cancel()
    await accounts.lend()
    assert names_in(state) == [FILE]
    await asyncio.wait((holder,))
    assert holder.cancelled()


async def test_a_run_waits_while_a_person_logs_in(accounts: Accounts) -> None:
    """It starts with the new login."""
    state = accounts.log_in(OLD)
    person = acquire(lock_of(state))
    assert person is not None
    run = asyncio.create_task(accounts.lend())
    await until(lambda: accounts.events == [WaitSeen("work")])
    accounts.log_in(NEW)
    person.release()
    await run
    assert accounts.secrets == {NEW}


async def test_a_person_can_tell_that_a_run_uses_the_account(accounts: Accounts) -> None:
    """By its lock, which goes with the run."""
    state = accounts.log_in(OLD)
    async with accounts.home().lent(limit_s=30.0, on_event=accounts.events.append):
        assert is_held(lock_of(state))
    assert not is_held(lock_of(state))


async def test_a_wait_for_a_person_ends_too(accounts: Accounts) -> None:
    """At the same limit, and the next one has its turn."""
    person = acquire(lock_of(accounts.log_in(OLD)))
    assert person is not None
    with pytest.raises(TurnLimitError):
        await accounts.lend(limit_s=0.05)
    person.release()
    await accounts.lend()


async def test_an_account_that_is_removed_meanwhile_fails_no_run(accounts: Accounts) -> None:
    """The next one is told."""
    state = accounts.log_in(OLD)
    async with accounts.home().lent(limit_s=30.0, on_event=accounts.events.append):
        remove_tree(state)
    with pytest.raises(EnvironmentProblemError):
        await accounts.lend()
