"""Commands that only look work without a runner; those that change something say why not.

All commands of a situation are typed at the same time: each waits for the runner's silence.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from tests.support.commands import Person, Typed
from tests.support.repository import make_repository

from ai_orchestrator.client.transport import READ_TIMEOUT_S

BOUND_S = READ_TIMEOUT_S * 0.75
"""Under the time that a silent server is waited for in the middle of an answer."""
NOTE = "ai-orchestrator: read from the database as it is, since "
LOOKING = {
    "tasks": "succeeded",
    "tasks list --json": '"state":"succeeded"',
    "tasks show TASK": "hello.txt",
    "tasks diff TASK": "+hello",
    "tasks logs TASK": "I said hello",
    "tasks apply TASK --patch -": "+hello",
}
CHANGING = (
    "run Again --detach",
    "tasks cancel TASK",
    "tasks apply TASK",
    "tasks watch TASK",
)
MakeSituation = Callable[[], tuple[Person, str]]


@pytest.fixture(scope="module")
def make_situation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeSituation]:
    """Makes a person with a task that has ended; its text names the file that it made."""
    people: list[Person] = []

    def make() -> tuple[Person, str]:
        person = Person(tmp_path_factory.mktemp("home"))
        people.append(person)
        repository = make_repository(person.home / "shop")
        script = "echo hello > hello.txt; echo I said hello"
        person.has_agent(script, settings={"default_workflow": "quick"})
        done = person.types("run", "Make hello.txt", "--json", cwd=repository)
        assert done.code == 0, done.err
        return person, str(done.json_lines[-1]["task"])

    yield make
    for person in people:
        person.ends_runner()


def types_all(person: Person, task: str) -> dict[str, Typed]:
    """What each of the commands did, in the repository of the task."""

    def types(line: str) -> Typed:
        words = [task if word == "TASK" else word for word in line.split()]
        return person.types(*words, cwd=person.home / "shop", deadline_s=BOUND_S)

    lines = (*LOOKING, *CHANGING)
    with ThreadPoolExecutor(len(lines)) as pool:
        return dict(zip(lines, pool.map(types, lines), strict=True))


@pytest.fixture(scope="module")
def beside_silence(make_situation: MakeSituation) -> Mapping[str, Typed]:
    """What they did beside a runner that holds the lock and does not answer."""
    person, task = make_situation()
    pid = person.runner_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return types_all(person, task)


@pytest.fixture(scope="module")
def of_tomorrow(make_situation: MakeSituation) -> tuple[Person, str]:
    """A database that a newer release has upgraded, and no runner."""
    person, task = make_situation()
    person.ends_runner()
    with closing(sqlite3.connect(person.data / "db.sqlite")) as database:
        database.execute("ALTER TABLE orchestrator_tasks ADD COLUMN of_the_future TEXT")
        database.execute("UPDATE orchestrator_schema_version SET version_num = '9999'")
        database.commit()
    return person, task


@pytest.fixture(scope="module")
def on_tomorrow(of_tomorrow: tuple[Person, str]) -> Mapping[str, Typed]:
    """What they did on that database."""
    return types_all(*of_tomorrow)


@pytest.mark.parametrize("line", LOOKING)
def test_looking_works_beside_a_silent_runner(
    beside_silence: Mapping[str, Typed], line: str
) -> None:
    """With a note that says who did not answer."""
    done = beside_silence[line]
    assert done.code == 0, done.err
    assert LOOKING[line] in done.out
    waits, note, *_ = done.err.splitlines()
    assert re.fullmatch(r"ai-orchestrator: waiting for the runner \d+ to answer \.\.\.", waits)
    assert note.startswith(f"{NOTE}the runner of ")
    assert "holds its lock and does not answer" in done.err


@pytest.mark.parametrize("line", CHANGING)
def test_changing_something_ends_at_a_silent_runner(
    beside_silence: Mapping[str, Typed], line: str
) -> None:
    """As unreachable; nothing is written past the runner."""
    done = beside_silence[line]
    assert (done.code, done.out) == (7, "")
    assert done.err.startswith("ai-orchestrator: waiting for the server to answer ...\n")
    assert "no answer from the server" in done.err


@pytest.mark.parametrize("line", LOOKING)
def test_looking_works_on_the_database_of_a_newer_release(
    on_tomorrow: Mapping[str, Typed], line: str
) -> None:
    """What both releases know is shown, with the note that a newer one has been there."""
    done = on_tomorrow[line]
    assert done.code == 0, done.err
    assert LOOKING[line] in done.out
    assert done.err.startswith(NOTE)
    assert "has schema 9999" in done.err


@pytest.mark.parametrize("line", CHANGING)
def test_changing_something_ends_at_the_database_of_a_newer_release(
    on_tomorrow: Mapping[str, Typed], line: str
) -> None:
    """With exit code 3 and the reason."""
    done = on_tomorrow[line]
    assert (done.code, done.out) == (3, "")
    assert "has schema 9999" in done.err


def test_what_a_newer_release_keeps_otherwise_is_not_guessed(
    of_tomorrow: tuple[Person, str], on_tomorrow: Mapping[str, Typed]
) -> None:
    """A state that this release does not know is told as what it is."""
    person, _ = of_tomorrow
    assert on_tomorrow["tasks"].code == 0
    with closing(sqlite3.connect(person.data / "db.sqlite")) as database:
        database.execute("UPDATE orchestrator_tasks SET state = 'dreaming'")
        database.commit()
    done = person.types("tasks", deadline_s=BOUND_S)
    assert done.code == 3
    assert "cannot be read by this release" in done.err


def test_nothing_to_look_at_is_the_reason_itself(person: Person) -> None:
    """Where no runner can start and no database is there."""
    (person.data / "db.sqlite").mkdir(parents=True)
    done = person.types("tasks", deadline_s=BOUND_S)
    assert done.code == 3
    assert "did not start" in done.err
