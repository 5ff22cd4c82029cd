"""The document that comes with the program: default, example and documentation in one."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest

from ai_orchestrator.config.yaml_source import parse_yaml, plain
from ai_orchestrator.model.review import Verdict
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.task import ResolvedConfig, RunOptions
from ai_orchestrator.model.workflow import LoopStep
from ai_orchestrator.review.verdict import parse_suggestions, parse_verdict
from ai_orchestrator.workflows.graph import agent_steps, walk
from ai_orchestrator.workflows.loading.built_in import built_in_text
from ai_orchestrator.workflows.loading.compile_prompts import prompt_table
from ai_orchestrator.workflows.loading.document import Document, SettingsDoc
from ai_orchestrator.workflows.loading.faults import Faults
from ai_orchestrator.workflows.loading.load import check, freeze, workflow_names
from ai_orchestrator.workflows.loading.tasks import BUILT_IN_TASKS
from ai_orchestrator.workflows.prompts import built_in_prompts

MakeConfig = Callable[..., ResolvedConfig]
ALL = RunOptions(only_agents=("claude", "codex", "gemini", "copilot"))
BUILT_IN = plain(parse_yaml(built_in_text().encode(), "built-in"))


def test_it_has_no_problem(make_config: MakeConfig) -> None:
    """What `config init` writes is right."""
    assert check(make_config(built_in=True)) == []


@pytest.mark.parametrize(
    ("name", "success"),
    [
        ("default", SuccessRule.APPROVED_VERIFIED),
        ("quick", SuccessRule.VERIFIED),
        ("thorough", SuccessRule.APPROVED_VERIFIED),
        ("review-only", SuccessRule.REVIEW_DELIVERED),
        ("document", SuccessRule.CHANGED_VERIFIED),
    ],
)
def test_workflows_need_what_they_promise(
    make_config: MakeConfig, name: str, success: SuccessRule
) -> None:
    """Names and success rules that people rely on."""
    assert freeze(make_config(built_in=True), name, ALL).success is success


def test_these_are_all_workflows(make_config: MakeConfig) -> None:
    """The test above knows every one of them."""
    names = workflow_names(make_config(built_in=True))
    assert names == ("default", "quick", "thorough", "review-only", "document")


def test_default_implements_refines_and_reviews(make_config: MakeConfig) -> None:
    """One loop: implement in the first round, refine later, review in each."""
    (loop,) = freeze(make_config(built_in=True), None, ALL).steps
    assert isinstance(loop, LoopStep)
    assert [(step.path, getattr(step, "when", None)) for step in walk(loop.steps)] == [
        ("improve/implement", "iteration == 1"),
        ("improve/refine", "iteration > 1"),
        ("improve/review", None),
    ]
    assert [step.agent for step in agent_steps(loop.steps)] == ["claude", "claude", "codex"]


@pytest.mark.parametrize("agent", ["claude", "codex", "gemini", "copilot", "builtin"])
@pytest.mark.parametrize("name", ["default", "quick", "thorough", "review-only", "document"])
def test_every_workflow_runs_with_any_one_agent(
    make_config: MakeConfig, agent: str, name: str
) -> None:
    """One installed agent is enough."""
    options = RunOptions(only_agents=(agent,))
    spec = freeze(make_config(built_in=True), name, options)
    assert {step.agent for step in agent_steps(spec.steps)} == {agent}


def test_built_in_agent_makes_way_for_every_other(make_config: MakeConfig) -> None:
    """It takes steps only where nobody else is installed."""
    found = {step.agent for step in agent_steps(freeze(make_config(built_in=True)).steps)}
    assert found == {"claude", "codex"}
    others = "\n".join(f"  {name}: {{enabled: missing}}" for name in ALL.only_agents)
    config = make_config(f"agents:\n{others}\n", built_in=True)
    assert {step.agent for step in agent_steps(freeze(config).steps)} == {"builtin"}


def test_values_are_the_defaults_of_the_program() -> None:
    """The file says what holds without it: every key, with its default."""
    assert isinstance(BUILT_IN, dict)
    written = BUILT_IN["settings"]
    assert isinstance(written, dict)
    assert msgspec.convert(written, SettingsDoc) == SettingsDoc()
    assert set(written) | {"max_tokens", "max_cost_usd"} == set(SettingsDoc.__struct_fields__)


def test_every_key_of_the_document_is_explained() -> None:
    """The example shows each key of each section, used or in a comment."""
    words = set(re.findall(r"[a-z_]+", built_in_text()))
    keys = set(Document.__struct_fields__) | set(SettingsDoc.__struct_fields__)
    assert keys <= words


def test_every_task_has_a_prompt_and_every_prompt_a_task() -> None:
    """No built-in prompt is left over."""
    assert set(built_in_prompts()) == {*BUILT_IN_TASKS, "review_again"}


@pytest.mark.parametrize(
    "name", [name for name, task in BUILT_IN_TASKS.items() if task.asks == "verdict"]
)
def test_answer_shown_to_reviewers_can_be_read(name: str) -> None:
    """The example in the prompt is itself a valid answer."""
    prompt = prompt_table(Document(), Faults())[name]
    assert isinstance(parse_verdict(prompt.template), Verdict)


def test_answers_shown_elsewhere_can_be_read() -> None:
    """Suggestions, and the prompt that asks again."""
    suggestions = prompt_table(Document(), Faults())["suggestions"].template
    assert isinstance(parse_suggestions(suggestions), tuple)
    assert isinstance(parse_verdict(built_in_prompts()["review_again"]), Verdict)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("implement", ["task", "commands", "protected", "verifier_output"]),
        ("refine", ["task", "open_findings", "verifier_output", "commands", "protected"]),
        ("review", ["task", "diff", "open_findings", "verifier_output"]),
        ("security_review", ["task", "diff", "open_findings"]),
        ("suggestions", ["task", "diff", "open_findings"]),
        ("test", ["task", "commands"]),
        ("document", ["task", "commands"]),
        ("review_again", ["problem"]),
    ],
)
def test_prompts_ask_for_what_their_task_needs(name: str, inputs: list[str]) -> None:
    """A refining agent sees the findings, a reviewer the change itself."""
    template = built_in_prompts()[name]
    assert all(f"{{{{ {one} }}}}" in template for one in inputs)
