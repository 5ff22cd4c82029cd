"""Properties of loading: whatever a document says, it is frozen or refused, and in one voice."""

from __future__ import annotations

import copy
import shlex
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ai_orchestrator.config.problems import ConfigError
from ai_orchestrator.config.yaml_source import parse_yaml, plain
from ai_orchestrator.model.ids import is_step_path
from ai_orchestrator.model.task import ResolvedConfig
from ai_orchestrator.model.workflow import LoopStep, ParallelStep
from ai_orchestrator.workflows.condition import parse, unparse
from ai_orchestrator.workflows.graph import agent_steps, walk
from ai_orchestrator.workflows.loading.built_in import built_in_text
from ai_orchestrator.workflows.loading.document import Document
from ai_orchestrator.workflows.loading.load import NoAgentError, check, freeze
from ai_orchestrator.workflows.loading.shape import shape_faults
from ai_orchestrator.workflows.loading.words import argv, command_name, duration_s, slug

NAMES = st.sampled_from(["implement", "review", "refine", "suggestions", "test", "mine", "nobody"])
AGENTS = st.sampled_from(["claude", "codex", "off", "nobody"])
CONDITIONS = st.sampled_from(["verified", "iteration == 1", "open_findings > 0", "iteration", "x"])


def optional(strategies: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Maps with some of the keys."""
    return st.fixed_dictionaries({}, optional=strategies)


AGENT_STEPS = st.builds(
    lambda task, rest: {"task": task, **rest},
    NAMES,
    optional(
        {
            "agent": AGENTS,
            "id": st.sampled_from(["a", "b", "review"]),
            "when": CONDITIONS,
            "optional": st.booleans(),
            "timeout": st.sampled_from([5, "5m", "0s"]),
            "role": st.sampled_from(["review", "implementation"]),
            "prompt": NAMES,
            "permission": st.sampled_from(["write", "read-only"]),
        }
    ),
)
LEAF_STEPS = st.one_of(
    AGENT_STEPS,
    st.just({"run": "make fmt"}),
    st.builds(lambda name: {"use": name}, st.sampled_from(["default", "second", "third"])),
    st.just({}),
)
STEPS = st.recursive(
    LEAF_STEPS,
    lambda inner: st.one_of(
        st.builds(
            lambda steps, rest: {"iterate": steps, **rest},
            st.lists(inner, min_size=1, max_size=3),
            optional({"until": CONDITIONS, "max_iterations": st.integers(0, 3)}),
        ),
        st.builds(lambda steps: {"parallel": steps}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=5,
)
SUCCESS = st.sampled_from(["verified", "approved+verified", "changed+verified", "review-delivered"])
WORKFLOWS = st.one_of(
    st.lists(AGENT_STEPS, max_size=4),
    st.builds(
        lambda steps, rest: {"steps": steps, **rest},
        st.lists(STEPS, max_size=4),
        optional({"success": SUCCESS, "max_iterations": st.integers(1, 3)}),
    ),
)


def documents(workflows: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Documents with three such workflows."""
    return st.builds(_document, workflows, workflows, workflows)


def _document(default: Any, second: Any, third: Any) -> dict[str, Any]:
    return {
        "agents": {
            "claude": {"role": "implementation"},
            "codex": {"role": "review", "permission": "read-only"},
            "off": {"driver": "builtin", "enabled": False},
        },
        "prompts": {"mine": {"text": "{{ task }}"}},
        "workflows": {"default": default, "second": second, "third": third},
    }


GOOD_STEPS = st.builds(
    lambda task, rest: {"task": task, **rest},
    st.sampled_from(["implement", "refine", "test", "mine"]),
    optional(
        {
            "agent": st.just("claude"),
            "when": st.sampled_from(["verified", "iteration == 1"]),
            "optional": st.booleans(),
            "timeout": st.sampled_from([5, "5m"]),
        }
    ),
)
REVIEWS = st.sampled_from([{"task": "review"}, {"task": "security_review"}])
GROUPS = st.builds(lambda reviews: {"parallel": reviews}, st.lists(REVIEWS, min_size=1, max_size=3))
FLAT = st.one_of(GOOD_STEPS, REVIEWS, GROUPS, st.just({"run": "make fmt"}))
LOOPS = st.builds(lambda steps: {"iterate": steps}, st.lists(FLAT, min_size=1, max_size=4))
GOOD_WORKFLOWS = st.one_of(
    st.lists(st.one_of(GOOD_STEPS, REVIEWS), min_size=1, max_size=4),
    st.builds(
        lambda steps: {"success": "verified", "steps": steps},
        st.lists(st.one_of(FLAT, LOOPS), min_size=1, max_size=4),
    ),
)
SLOWLY = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)


@SLOWLY
@given(st.one_of(documents(WORKFLOWS), documents(GOOD_WORKFLOWS)))
def test_any_workflow_is_frozen_or_refused(document: dict[str, Any]) -> None:
    """A frozen workflow is whole; a refused one was refused by `check` as well."""
    config = ResolvedConfig(document, {})
    problems = check(config)
    for name in document["workflows"]:
        try:
            spec = freeze(config, name)
        except (ConfigError, NoAgentError):
            assert problems
            continue
        steps = list(walk(spec.steps))
        paths = [step.path for step in steps]
        assert paths
        assert len(set(paths)) == len(paths)
        assert all(map(is_step_path, paths))
        for step in steps:
            condition = step.until if isinstance(step, LoopStep) else step.when
            assert condition is None or unparse(parse(condition))
        assert all(step.prompt in spec.prompts for step in agent_steps(spec.steps))
        assert all(step.agent in spec.agents for step in agent_steps(spec.steps))
        groups = [step for step in steps if isinstance(step, ParallelStep)]
        assert all(one.permission == "read-only" for group in groups for one in group.steps)
        assert msgspec.json.decode(msgspec.json.encode(spec), type=type(spec)) == spec


@SLOWLY
@given(documents(GOOD_WORKFLOWS))
def test_good_workflows_have_no_problem_and_are_frozen(document: dict[str, Any]) -> None:
    """Steps that fit together are never refused, in whatever order they stand."""
    config = ResolvedConfig(document, {})
    assert check(config) == []
    for name in document["workflows"]:
        assert freeze(config, name).name == name


BUILT_IN = plain(parse_yaml(built_in_text().encode(), "built-in"))
assert isinstance(BUILT_IN, dict)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 200),
    st.floats(-2, 200, allow_nan=False).filter(lambda value: not value.is_integer()),
    st.sampled_from(["", "x", "X y", "5m", "1h30m", "review", "auto", "off", "write", "a\n", "é"]),
    st.lists(st.sampled_from(["a", ""]), max_size=2),
    st.dictionaries(st.sampled_from(["a", "run", "task", "A b"]), st.just("x"), max_size=2),
)


def places(data: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys or indices."""
    keys = list(data) if isinstance(data, dict) else list(range(len(data)))
    found = [(data, key) for key in keys]
    for key in keys:
        if isinstance(data[key], dict | list):
            found.extend(places(data[key]))
    return found


@SLOWLY
@given(st.data(), VALUES, st.sampled_from(["replace", "add"]))
def test_schema_and_structs_agree(data: st.DataObject, value: Any, way: str) -> None:
    """What the schema lets pass can be read, and what it refuses cannot."""
    document: Any = copy.deepcopy(BUILT_IN)
    container, key = data.draw(st.sampled_from(places(document)))
    if way == "replace":
        container[key] = value
    elif isinstance(container, dict):
        fields = ["timeout", "when", "verify", "bar", "max_cost_usd", "file", "ports", "zzz"]
        container[data.draw(st.sampled_from(fields))] = value
    try:
        msgspec.convert(document, Document)
    except msgspec.ValidationError:
        assert shape_faults(document)
    else:
        assert shape_faults(document) == []
    check(ResolvedConfig(document, {}))


@given(st.lists(st.text(max_size=6).filter(lambda word: "\0" not in word), min_size=1, max_size=4))
@example(["a", "b c", "$x", "'", '"'])
def test_list_of_words_is_kept_as_it_is(words: list[str]) -> None:
    """Only an empty program is refused."""
    if words[0].strip():
        assert argv(words) == tuple(words)
        assert command_name(words) == slug(command_name(words), "command")


@given(st.text(max_size=30))
@example("'")
@example("a \\")
@example("A=1")
def test_any_line_is_a_command_or_refused(line: str) -> None:
    """A line becomes words or a shell's, or is refused with `ValueError`."""
    try:
        words = argv(line)
    except ValueError:
        return
    assert words in (("sh", "-c", line.strip()), tuple(shlex.split(line)))
    assert command_name(line)


@given(st.text("0123456789.msdh ", max_size=8))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    """And a duration is finite and more than nothing."""
    try:
        seconds = duration_s(text)
    except ValueError:
        return
    assert 0 < seconds <= 30 * 86_400
