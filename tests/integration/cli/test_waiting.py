"""A task that waits, and a command that does not."""

from __future__ import annotations

from pathlib import Path

import yaml
from tests.support.commands import Person
from tests.support.model import builtin_agent, scripted_model

from ai_orchestrator.scripted.demo import DEMO_TASK
from ai_orchestrator.scripted.scenario_file import find_scenario, parse_scenario


def test_command_that_does_not_wait_leaves_a_task_at_its_quota(
    person: Person, repository: Path, tmp_path: Path
) -> None:
    """Exit 5 while the quota is an hour away; the task is there still, and waits."""
    document = yaml.safe_load(find_scenario("demo").read_text("utf-8"))
    document["rules"][0]["reply"] = [{"error": {"status": 429, "reset_s": 3600}}]
    scenario = parse_scenario(yaml.safe_dump(document), "test")
    with scripted_model(scenario, tmp_path / "requests.jsonl") as url:
        person.writes({"agents": {"builtin": builtin_agent(url)}})
        done = person.types("run", DEMO_TASK, "--no-wait", "--json", cwd=repository)
        assert done.code == 5, done.err
        result = done.json_lines[-1]
        assert (result["state"], result["exit_code"]) == ("waiting_quota", 5)
        (listed,) = person.types("tasks", "--json").json_lines[0]
        assert listed["state"] == "waiting_quota"
