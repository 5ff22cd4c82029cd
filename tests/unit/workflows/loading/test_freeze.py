"""What is frozen in a task: steps, agents, limits, verifiers, and what flags change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ai_orchestrator.config.problems import ConfigError
from ai_orchestrator.model.review import Severity
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.task import ResolvedConfig, RunOptions
from ai_orchestrator.model.workflow import (
    AccountSpec,
    AgentStep,
    Limits,
    LoopStep,
    ParallelStep,
    ScriptStep,
    Step,
)
from ai_orchestrator.review.protection import DEFAULT_PROTECTED
from ai_orchestrator.workflows.graph import agent_steps, walk
from ai_orchestrator.workflows.loading.load import (
    NoAgentError,
    agent_specs,
    check,
    default_workflow,
    freeze,
    preview,
    remarks,
    workflow_names,
)

MakeConfig = Callable[..., ResolvedConfig]

AGENTS = """\
agents:
  claude: {role: implementation}
  codex: {role: review}
  gemini: {}
"""


def shape(steps: tuple[Step, ...]) -> list[tuple[str, str | None]]:
    """Path and condition of every step."""
    return [
        (step.path, step.until if isinstance(step, LoopStep) else step.when) for step in walk(steps)
    ]


def agents_of(steps: tuple[Step, ...]) -> dict[str, str]:
    """Path -> agent."""
    return {step.path: step.agent for step in agent_steps(steps)}


def test_list_form_is_one_loop(make_config: MakeConfig) -> None:
    """Implement once, refine when there is something to refine, review every round."""
    text = """\
workflows:
  default:
    - {agent: claude, task: implement, description: Write it}
    - {agent: codex, task: review}
    - {agent: gemini, task: refine}
    - {agent: codex, task: suggestions}
"""
    spec = freeze(make_config(AGENTS, text))
    assert shape(spec.steps) == [
        ("improve", "approved and verified"),
        ("improve/implement", "iteration == 1"),
        ("improve/review", None),
        ("improve/refine", "not verified or open_findings > 0"),
        ("improve/suggestions", None),
    ]
    assert spec.success is SuccessRule.APPROVED_VERIFIED
    assert isinstance(spec.steps[0], LoopStep)
    assert spec.steps[0].max_iterations == 3
    assert agents_of(spec.steps)["improve/refine"] == "gemini"


def test_list_form_without_a_review_needs_the_verifiers_only(make_config: MakeConfig) -> None:
    """Nobody can approve, so nobody has to."""
    spec = freeze(make_config(AGENTS, "workflows: {default: [{task: implement}, {task: refine}]}"))
    assert spec.success is SuccessRule.VERIFIED
    assert shape(spec.steps)[0] == ("improve", "verified")


def test_list_form_that_changes_nothing_is_no_loop(make_config: MakeConfig) -> None:
    """Reviewing the same tree three times helps nobody."""
    spec = freeze(make_config(AGENTS, "workflows: {default: [{task: review}]}"))
    assert shape(spec.steps) == [("review", None)]


def test_older_map_form_is_one_loop_with_its_rounds(make_config: MakeConfig) -> None:
    """`max_iterations` without a loop of its own bounds the steps as they are."""
    text = """\
workflows:
  default:
    max_iterations: 7
    min_open_findings: 3
    steps:
      - {agent: claude, task: implement}
      - {agent: codex, task: review}
"""
    spec = freeze(make_config(AGENTS, text))
    assert isinstance(spec.steps[0], LoopStep)
    assert spec.steps[0].max_iterations == 7
    assert spec.min_open_findings == 3
    assert shape(spec.steps)[1] == ("improve/implement", "iteration == 1")


CLASSIC = """\
agents:
  codex: {enabled: true, command: codex, role: implementation, timeout: 300, description: C}
  gemini: {enabled: true, command: gemini, role: review, timeout: 180, max_retries: 2}
  claude: {enabled: true, command: claude, role: refinement, timeout: 300, max_retries: 2}
  copilot: {enabled: false, command: copilot, role: suggestions, timeout: 120, options: {effort: x}}
workflows:
  default:
    - {agent: codex, task: implement, description: Initial implementation}
    - {agent: gemini, task: review, description: Code review}
    - {agent: claude, task: refine, description: Implement feedback}
  quick:
    - {agent: codex, task: implement}
settings:
  max_iterations: 4
  min_open_findings: 3
"""


def test_file_of_the_past_works_over_the_built_in_one(make_config: MakeConfig) -> None:
    """The older form, in the words that people have in their repositories."""
    config = make_config(CLASSIC, built_in=True)
    assert check(config) == []
    spec = freeze(config)
    assert agents_of(spec.steps) == {
        "improve/implement": "codex",
        "improve/review": "gemini",
        "improve/refine": "claude",
    }
    (loop,) = spec.steps
    assert isinstance(loop, LoopStep)
    assert (loop.max_iterations, spec.min_open_findings) == (4, 3)
    assert spec.agents["gemini"].max_retries == 2
    assert freeze(config, "quick").success is SuccessRule.VERIFIED


def test_own_condition_beats_that_of_the_older_form(make_config: MakeConfig) -> None:
    """What is written stands."""
    text = "workflows: {default: [{task: implement, when: not verified}]}"
    assert ("improve/implement", "not verified") in shape(freeze(make_config(AGENTS, text)).steps)


def test_steps_without_a_loop_run_once(make_config: MakeConfig) -> None:
    """A map that asks for no rounds is taken as it is."""
    text = "workflows: {default: {steps: [{task: implement}, {task: review}]}}"
    assert shape(freeze(make_config(AGENTS, text)).steps) == [("implement", None), ("review", None)]


PATHS = """\
workflows:
  default:
    steps:
      - run: fmt
      - run: lint
      - task: review
      - id: again
        task: review
      - task: review
      - iterate:
          - task: security_review
          - {run: x, id: build}
      - id: improve-2
        iterate: [{task: implement}]
      - parallel: [{task: review}, {task: review}]
      - use: other
  other: {steps: [{task: review}, {iterate: [{task: implement}]}]}
"""


def test_paths_come_from_ids_and_tasks(make_config: MakeConfig) -> None:
    """Repeats are numbered, what is inside something stands below it."""
    paths = [step.path for step in walk(freeze(make_config(AGENTS, PATHS)).steps)]
    assert paths == [
        "run",
        "run.2",
        "review",
        "again",
        "review.2",
        "improve",
        "improve/security-review",
        "improve/build",
        "improve-2",
        "improve-2/implement",
        "parallel",
        "parallel/review",
        "parallel/review.2",
        "other/review",
        "other/improve",
        "other/improve/implement",
    ]


def test_written_id_keeps_its_name_and_the_others_make_way(make_config: MakeConfig) -> None:
    """A path that a person wrote never changes when another step is put before it."""
    text = "workflows: {default: {steps: [{task: review}, {task: implement, id: review}]}}"
    steps = freeze(make_config(AGENTS, text)).steps
    assert [(step.path, getattr(step, "task", "")) for step in steps] == [
        ("review.2", "review"),
        ("review", "implement"),
    ]


ROLES = """\
workflows:
  default:
    success: verified
    steps: [{task: implement}, {task: review}, {task: suggestions}, {task: test},
            {task: document}, {task: security_review}, {task: own}]
  loop: [{task: refine}]
prompts: {own: {text: x, kind: verdict}}
"""


def test_step_without_an_agent_goes_to_the_one_whose_role_fits(make_config: MakeConfig) -> None:
    """Each task has its role; suggestions fall to a reviewer, refining to the implementer."""
    config = make_config(AGENTS, ROLES)
    assert agents_of(freeze(config).steps) == {
        "implement": "claude",
        "review": "codex",
        "suggestions": "codex",
        "test": "claude",
        "document": "claude",
        "security-review": "codex",
        "own": "codex",
    }
    assert agents_of(freeze(config, "loop").steps) == {"improve/refine": "claude"}


def test_step_may_name_a_role(make_config: MakeConfig) -> None:
    """`role: review` at a step asks for the reviewing agent."""
    text = "workflows: {default: [{task: implement, role: review}]}"
    assert agents_of(freeze(make_config(AGENTS, text)).steps) == {"improve/implement": "codex"}


@pytest.mark.parametrize("enabled", ["false", "missing"])
def test_one_agent_is_enough_for_every_role(make_config: MakeConfig, enabled: str) -> None:
    """Whoever is there takes all steps; those who are not are not in the frozen table."""
    rest = f"agents: {{claude: {{enabled: {enabled}}}, codex: {{enabled: {enabled}}}}}"
    spec = freeze(
        make_config(AGENTS, rest, "workflows: {default: [{task: implement}, {task: review}]}")
    )
    assert set(agents_of(spec.steps).values()) == {"gemini"}
    assert set(spec.agents) == {"gemini"}


def test_reading_agent_gets_no_step_that_writes(make_config: MakeConfig) -> None:
    """`permission: read-only` at an agent is a bound on what it is given."""
    text = "agents: {claude: {permission: read-only}}\nworkflows: {default: [{task: implement}]}"
    assert agents_of(freeze(make_config(AGENTS, text)).steps) == {"improve/implement": "codex"}


NAMED = "workflows: {default: [{task: implement, agent: claude, model: opus, account: a}]}\n"
ACCOUNT = "accounts: {a: {agent: claude, kind: env, variables: [KEY]}}\n"


def test_missing_agent_is_the_machines_fault(make_config: MakeConfig) -> None:
    """The configuration is right: what is missing is told as an environment problem, exit 3."""
    config = make_config(AGENTS, ACCOUNT, NAMED, "agents: {claude: {enabled: missing}}")
    with pytest.raises(NoAgentError, match="'claude' is not installed") as caught:
        freeze(config)
    assert caught.value.exit_code == 3


def test_workflow_can_be_shown_without_its_agents(make_config: MakeConfig) -> None:
    """A list of workflows does not depend on what is installed."""
    config = make_config(AGENTS, ACCOUNT, NAMED, "agents: {claude: {enabled: missing}}")
    assert agents_of(preview(config).steps) == {"improve/implement": "claude"}


def test_agents_are_listed_unless_they_are_disabled(make_config: MakeConfig) -> None:
    """Those that are not installed are listed too: a survey says what they lack."""
    text = "agents: {claude: {enabled: missing}, codex: {enabled: false}}"
    agents, accounts = agent_specs(make_config(AGENTS, ACCOUNT, text))
    assert [agent.name for agent in agents] == ["claude", "gemini"]
    assert [account.name for account in accounts] == ["a"]


def test_no_agent_at_all_is_the_machines_fault(make_config: MakeConfig) -> None:
    """Those that would do are named."""
    text = "agents: {claude: {enabled: missing}, codex: {enabled: false}}"
    with pytest.raises(NoAgentError, match="None of the agents claude is installed"):
        freeze(make_config(text, "workflows: {default: [{task: implement}]}"))


BUILT_IN = "agents: {builtin: {enabled: missing, driver: builtin}}\n"
IMPLEMENT = "workflows: {default: [{task: implement}]}"


@pytest.mark.parametrize(
    ("agents", "steps", "told"),
    [
        pytest.param(
            "agents: {claude: {enabled: missing}, codex: {enabled: false}}",
            IMPLEMENT,
            "None of the agents claude is installed; without any of them, set "
            "AI_ORCHESTRATOR_MODEL_URL to a model for 'builtin'.",
            id="besides-programs",
        ),
        pytest.param(
            "agents: {}",
            IMPLEMENT,
            "The agent 'builtin' has no model: set AI_ORCHESTRATOR_MODEL_URL",
            id="alone",
        ),
        pytest.param(
            AGENTS,
            "workflows: {default: [{task: implement, agent: builtin}]}",
            "The agent 'builtin' has no model: set AI_ORCHESTRATOR_MODEL_URL",
            id="named",
        ),
    ],
)
def test_built_in_agent_lacks_a_model_and_no_installation(
    make_config: MakeConfig, agents: str, steps: str, told: str
) -> None:
    """It comes with the program; the variable is the way without any vendor's."""
    with pytest.raises(NoAgentError) as caught:
        freeze(make_config(agents, BUILT_IN, steps))
    assert told in str(caught.value)
    assert "builtin is installed" not in str(caught.value)


@pytest.mark.parametrize("enabled", ["false", "missing"])
def test_optional_step_of_an_agent_that_is_not_there_is_left_out(
    make_config: MakeConfig, enabled: str
) -> None:
    """`optional` means that the task can do without it."""
    text = (
        f"agents: {{gemini: {{enabled: {enabled}}}}}\n"
        "workflows: {default: [{task: implement},"
        " {task: suggestions, agent: gemini, optional: true}]}"
    )
    assert list(agents_of(freeze(make_config(AGENTS, text)).steps)) == ["improve/implement"]


def test_success_stays_when_an_optional_review_is_left_out(make_config: MakeConfig) -> None:
    """A missing reviewer makes a task harder to finish, never easier."""
    text = (
        "agents: {codex: {enabled: missing}}\n"
        "workflows: {default: [{task: implement}, {task: review, agent: codex, optional: true}]}"
    )
    with pytest.raises(ConfigError, match="out of reach: no step reviews"):
        freeze(make_config(AGENTS, text))


def test_run_can_be_restricted_to_agents(make_config: MakeConfig) -> None:
    """`--agents` gives every step to those named, and drops what was meant for another."""
    config = make_config(AGENTS, ACCOUNT, NAMED)
    (step,) = agent_steps(freeze(config, None, RunOptions(only_agents=("codex",))).steps)
    assert (step.agent, step.model, step.account) == ("codex", None, None)
    (step,) = agent_steps(freeze(config, None, RunOptions(only_agents=("claude",))).steps)
    assert (step.agent, step.model, step.account) == ("claude", "opus", "a")


@pytest.mark.parametrize("enabled", ["false", "missing"])
def test_naming_an_agent_enables_it(make_config: MakeConfig, enabled: str) -> None:
    """A flag beats a file; whether the program is there is seen when it is started."""
    config = make_config(AGENTS, f"agents: {{gemini: {{enabled: {enabled}}}}}", NAMED, ACCOUNT)
    spec = freeze(config, None, RunOptions(only_agents=("gemini",)))
    assert set(agents_of(spec.steps).values()) == {"gemini"}


def test_unknown_agent_of_the_flag_is_refused(make_config: MakeConfig) -> None:
    """With the known ones, and a guess."""
    with pytest.raises(ConfigError, match=r"--agents: no agent 'cladue'.*'claude'\?"):
        freeze(make_config(AGENTS, NAMED, ACCOUNT), None, RunOptions(only_agents=("cladue",)))


def test_nothing_is_told_of_the_steps_that_an_unknown_agent_leaves_alone(
    make_config: MakeConfig,
) -> None:
    """The document is right: what follows from the flag would send people into it."""
    with pytest.raises(ConfigError) as caught:
        freeze(make_config(built_in=True), None, RunOptions(only_agents=("nope",)))
    (problem,) = caught.value.problems
    assert problem.message.startswith("no agent 'nope'.")


def test_model_of_the_flag_needs_one_agent(make_config: MakeConfig) -> None:
    """A model of one vendor means nothing to another's agent."""
    config = make_config(AGENTS, "workflows: {default: [{task: implement}, {task: review}]}")
    with pytest.raises(ConfigError, match="uses several agents: claude, codex"):
        freeze(config, None, RunOptions(model="opus"))
    spec = freeze(config, None, RunOptions(model="opus", only_agents=("claude",)))
    assert {step.model for step in agent_steps(spec.steps)} == {"opus"}


def test_rounds_of_the_flag_beat_all_loops(make_config: MakeConfig) -> None:
    """Also those that say their own."""
    text = "workflows: {default: {steps: [{iterate: [{task: implement}], max_iterations: 9}]}}"
    spec = freeze(make_config(AGENTS, text), None, RunOptions(max_iterations=2))
    assert isinstance(spec.steps[0], LoopStep)
    assert spec.steps[0].max_iterations == 2


def test_rounds_of_the_flag_without_a_loop_are_refused(make_config: MakeConfig) -> None:
    """A flag is never parsed and ignored."""
    config = make_config(AGENTS, "workflows: {default: {steps: [{task: implement}]}}")
    with pytest.raises(ConfigError, match="--max-iterations: the workflow 'default' repeats no"):
        freeze(config, None, RunOptions(max_iterations=2))


def test_other_flags_beat_the_document(make_config: MakeConfig) -> None:
    """Each where it has a meaning."""
    options = RunOptions(
        sandbox="off",
        allow_red_base=True,
        allow_unverified=True,
        fail_on=Severity.LOW,
        max_cost_usd=1.5,
        max_tokens=10,
    )
    text = "workflows: {default: {fail_on: high, max_tokens: 5, steps: [{task: implement}]}}"
    spec = freeze(make_config(AGENTS, text), None, options)
    assert (spec.sandbox, spec.fail_on, spec.max_cost_usd) == ("off", Severity.LOW, 1.5)
    assert (spec.allow_red_base, spec.allow_unverified, spec.max_tokens) == (True, True, 10)


WHOLE = """\
verify: [pytest -q]
settings: {bar: high, network: none, sandbox: best-effort, max_duration: 1h, step_retries: 4,
           agent_timeout: 20m, stall_timeout: 60, max_cost_usd: 9, verifier_timeout: 2m}
workflows:
  default:
    description: All of it
    success: changed+verified
    bar: low
    fail_on: critical
    baseline: expect-red
    allow_unverified: true
    network: open
    timeout: 2h
    max_tokens: 1000
    min_open_findings: 2
    verify:
      - pytest -q
      - "npm ci && npm test"
      - {run: [pytest, -x], timeout: 30s, network: true}
      - {run: make lint, name: style}
    protected: [Makefile, /ci/**]
    setup: [npm ci, "cp a b && true"]
    setup_files: [schema/**]
    copy: [.env]
    link: [node_modules]
    ports: 2
    steps: [{task: implement}]
"""


def test_everything_around_the_steps_is_frozen(make_config: MakeConfig) -> None:
    """The workflow's word beats the common one; commands are split or given to a shell."""
    spec = freeze(make_config(AGENTS, WHOLE))
    assert (spec.bar, spec.fail_on, spec.min_open_findings) == ("low", "critical", 2)
    assert (spec.baseline, spec.allow_unverified) == ("expect-red", True)
    assert (spec.agent_network, spec.sandbox) == ("open", "best-effort")
    assert (spec.max_duration_s, spec.max_tokens, spec.max_cost_usd) == (7200.0, 1000, 9.0)
    assert spec.step_retries == 4
    assert spec.protected == ("Makefile", "/ci/**")
    assert spec.environment.setup == (("npm", "ci"), ("sh", "-c", "cp a b && true"))
    assert spec.environment.setup_files == ("schema/**",)
    assert (spec.environment.copy, spec.environment.link) == ((".env",), ("node_modules",))
    assert spec.environment.ports == 2


def test_verifiers_are_frozen_with_names(make_config: MakeConfig) -> None:
    """A name for people, words for the machine, and the settings' time where none is given."""
    verifiers = freeze(make_config(AGENTS, WHOLE)).verifiers
    assert verifiers is not None
    assert [(one.name, one.argv, one.timeout_s, one.network) for one in verifiers] == [
        ("pytest", ("pytest", "-q"), 120.0, False),
        ("npm-ci", ("sh", "-c", "npm ci && npm test"), 120.0, False),
        ("pytest-2", ("pytest", "-x"), 30.0, True),
        ("style", ("make", "lint"), 120.0, False),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", None), ("verify: auto", None), ("verify: []", ()), ("verify: null", None)],
)
def test_verifiers_are_detected_unless_said(
    make_config: MakeConfig, text: str, expected: tuple[object, ...] | None
) -> None:
    """None asks to look at the repository; an empty list is a word too."""
    config = make_config(AGENTS, "workflows: {default: [{task: implement}]}", text)
    assert freeze(config).verifiers == expected


def test_usual_files_are_protected(make_config: MakeConfig) -> None:
    """CI and the verifiers' own configuration, unless the document says otherwise."""
    config = make_config(AGENTS, "workflows: {default: [{task: implement}]}")
    assert freeze(config).protected == DEFAULT_PROTECTED
    assert (
        freeze(make_config(AGENTS, "protected: []\nworkflows: {default: [{task: test}]}")).protected
        == ()
    )


LIMITS = """\
agents: {claude: {timeout: 10m, stall_timeout: 1m, max_turns: 7, max_tokens: 8}}
settings: {agent_timeout: 20m}
workflows:
  default:
    success: verified
    steps:
      - {task: implement, timeout: 90, max_turns: 3, max_cost_usd: 0.5}
      - task: test
      - {task: document, agent: codex}
      - {run: x, timeout: 5s, network: true, optional: true, when: verified, description: D}
"""


def test_limits_are_the_steps_then_the_agents_then_the_settings(make_config: MakeConfig) -> None:
    """The nearest word counts, each limit for itself."""
    steps = freeze(make_config(AGENTS, LIMITS)).steps
    assert [step.limits for step in agent_steps(steps)] == [
        Limits(90.0, 60.0, 3, 8, 0.5),
        Limits(600.0, 60.0, 7, 8, None),
        Limits(1200.0, 300.0, None, None, None),
    ]
    assert steps[3] == ScriptStep(
        "run", ("x",), 5.0, network=True, when="verified", is_optional=True, description="D"
    )


def test_agents_are_frozen_with_command_and_options(make_config: MakeConfig) -> None:
    """Commands as words, options as text; the driver is the name where it is one."""
    text = """\
agents:
  claude: {command: claude --x 'a b', model: opus, account: a, description: C,
           options: {max_retries: 1, effort: t}}
  mine: {driver: command, command: [run me, now]}
  builtin: {}
"""
    config = make_config(text, ACCOUNT, "workflows: {default: [{task: implement}]}")
    agents = freeze(config).agents
    assert agents["claude"].command == ("claude", "--x", "a b")
    assert agents["claude"].options == {"max_retries": "1", "effort": "t"}
    assert (agents["claude"].driver, agents["claude"].account) == ("claude", "a")
    assert (agents["mine"].driver, agents["mine"].command) == ("command", ("run me", "now"))
    assert (agents["builtin"].driver, agents["builtin"].command) == ("builtin", ())


def test_accounts_of_the_agents_are_frozen(make_config: MakeConfig) -> None:
    """Names of variables only; a step has its agent's account unless it says its own."""
    text = (
        "agents: {claude: {account: b}}\n"
        "accounts: {a: {agent: claude, kind: env, variables: [KEY]}, "
        "b: {agent: claude, kind: user-home, directory: /h}, c: {agent: codex, kind: none}, "
        "d: {agent: claude, kind: vendor-home}}\n"
        "workflows: {default: {success: verified,"
        " steps: [{task: implement, account: a}, {task: test}, {task: refine, account: d}]}}"
    )
    spec = freeze(make_config(AGENTS, text), None, RunOptions(only_agents=("claude",)))
    assert [step.account for step in agent_steps(spec.steps)] == ["a", "b", "d"]
    assert spec.accounts == {
        "a": AccountSpec("a", "claude", "env", ("KEY",)),
        "b": AccountSpec("b", "claude", "user-home", (), "/h"),
        "d": AccountSpec("d", "claude", "vendor-home"),
    }


def test_each_agent_has_tries_of_its_own(make_config: MakeConfig) -> None:
    """`max_retries` of an agent; the settings hold for those that say nothing."""
    config = make_config(
        AGENTS, "agents: {claude: {max_retries: 0}}\nworkflows: {default: [{task: implement}]}"
    )
    spec = freeze(config)
    assert spec.step_retries == 1
    assert {name: agent.max_retries for name, agent in spec.agents.items()} == {
        "claude": 0,
        "codex": None,
        "gemini": None,
    }


ADVICE = """\
workflows:
  default:
    - {agent: claude, task: implement}
    - {agent: codex, task: suggestions}
"""


def test_advice_of_a_disabled_agent_is_left_out_and_told(make_config: MakeConfig) -> None:
    """Nothing is decided by it, and nobody is asked in the agent's place."""
    config = make_config(AGENTS, "agents: {codex: {enabled: false}}", ADVICE)
    assert [step.task for step in agent_steps(freeze(config).steps)] == ["implement"]
    assert check(config) == []
    (note,) = remarks(config, ["default"])
    assert note.startswith("f.yaml:4 workflows.default[1].agent: the agent 'codex' is disabled")


@pytest.mark.parametrize("step", ["{agent: codex, task: test, optional: true}"])
@pytest.mark.parametrize("enabled", ["false", "missing"])
def test_optional_step_of_an_agent_that_is_not_there_is_left_out_and_told(
    make_config: MakeConfig, enabled: str, step: str
) -> None:
    """What was asked for and will not happen is said."""
    text = f"workflows: {{default: [{{agent: claude, task: implement}}, {step}]}}"
    config = make_config(AGENTS, f"agents: {{codex: {{enabled: {enabled}}}}}", text)
    assert [step.task for step in agent_steps(freeze(config).steps)] == ["implement"]
    assert "the step is left out" in remarks(config, ["default"])[0]


OWN_PROMPTS = """\
prompts:
  implement: {text: "Mine: {{ task }}"}
  lawyer: {text: Check the licence., kind: verdict}
  fast: {text: Quickly., kind: change}
workflows:
  default:
    steps: [{task: implement}, {task: refine, prompt: fast}, {task: lawyer}]
"""


def test_own_prompts_stand_in_place_of_the_built_in_ones(make_config: MakeConfig) -> None:
    """A task has its own prompt, another task's, or the one of the document."""
    spec = freeze(make_config(AGENTS, OWN_PROMPTS))
    found = {step.task: step for step in agent_steps(spec.steps)}
    assert spec.prompts["implement"] == "Mine: {{ task }}\n"
    assert found["refine"].prompt == "fast"
    assert "refine" not in spec.prompts
    assert (found["lawyer"].asks, found["lawyer"].permission, found["lawyer"].role) == (
        "verdict",
        "read-only",
        "reviewer",
    )


def test_own_prompt_for_a_verdict_says_how_to_answer(make_config: MakeConfig) -> None:
    """Who writes a prompt need not know the form that is parsed; it can be asked for again."""
    prompts = freeze(make_config(AGENTS, OWN_PROMPTS)).prompts
    assert prompts["lawyer"].startswith("Check the licence.\n\n## Answer")
    assert '{"verdict"' in prompts["lawyer"]
    assert "review_again" in prompts


def test_parallel_steps_are_frozen_as_a_group(make_config: MakeConfig) -> None:
    """Reviewers side by side, with one condition."""
    text = (
        "workflows: {default: {steps: [{parallel: [{task: review}, {task: security_review}], "
        "when: verified, id: both}]}}"
    )
    (group,) = freeze(make_config(AGENTS, text)).steps
    assert isinstance(group, ParallelStep)
    assert group.when == "verified"
    assert [step.path for step in group.steps] == ["both/review", "both/security-review"]
    assert all(isinstance(step, AgentStep) for step in group.steps)


def test_default_workflow_is_the_one_of_the_settings(make_config: MakeConfig) -> None:
    """`run` without a name takes it."""
    config = make_config(AGENTS, "workflows: {a: [{task: test}]}\nsettings: {default_workflow: a}")
    assert default_workflow(config) == "a"
    assert freeze(config).name == "a"
    assert workflow_names(config) == ("a",)


@pytest.mark.parametrize("name", [None, "defalt"])
def test_unknown_workflow_lists_the_known(make_config: MakeConfig, name: str | None) -> None:
    """Asked for by name, or by the settings."""
    config = make_config(
        AGENTS, "workflows: {default: [{task: test}]}\nsettings: {default_workflow: defalt}"
    )
    with pytest.raises(ConfigError, match=r"no workflow 'defalt'.*Did you mean 'default'\?"):
        freeze(config, name)


def test_fault_in_another_workflow_does_not_stop_a_run(make_config: MakeConfig) -> None:
    """What is not used is `validate`'s business."""
    config = make_config(AGENTS, "workflows: {default: [{task: test}], other: [{task: tset}]}")
    assert freeze(config).name == "default"
    with pytest.raises(ConfigError, match="no task 'tset'"):
        freeze(config, "other")


def test_wrong_shape_anywhere_stops_a_run_with_all_problems(make_config: MakeConfig) -> None:
    """A document that cannot be read as a whole is refused, with everything that is wrong."""
    config = make_config(
        AGENTS, "workflows: {default: [{task: tset}]}\nsetings: {}\nsettings: {bar: loud}"
    )
    with pytest.raises(ConfigError) as caught:
        freeze(config)
    assert {problem.path for problem in caught.value.problems} == {
        "workflows.default[0].task",
        "setings",
        "settings.bar",
    }


@pytest.mark.parametrize("workflows", [None, 3, []])
def test_names_of_a_document_of_another_shape(make_config: MakeConfig, workflows: object) -> None:
    """Shell completion must not fail on a broken file."""
    config = make_config(AGENTS)
    config.document["workflows"] = workflows
    assert workflow_names(config) == ()
