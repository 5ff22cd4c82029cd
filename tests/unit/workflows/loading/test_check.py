"""Everything that is wrong with a configuration, told at once, in words that help."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ai_orchestrator.model.task import Origin, ResolvedConfig
from ai_orchestrator.workflows.loading.load import check

MakeConfig = Callable[..., ResolvedConfig]

AGENTS = """\
agents:
  claude: {role: implementation}
  codex: {role: review}
  gemini: {}
"""
GOOD = f"""\
{AGENTS}
workflows:
  default:
    steps:
      - iterate:
          - task: implement
            when: iteration == 1
          - task: review
"""


def problems(config: ResolvedConfig) -> list[str]:
    """The problems as people see them."""
    return [str(problem) for problem in check(config)]


def test_good_document_has_no_problem(make_config: MakeConfig) -> None:
    """The base of the tests below is right."""
    assert problems(make_config(GOOD)) == []


def test_problem_reads_as_file_line_place_and_way_out(make_config: MakeConfig) -> None:
    """What, where, and what was probably meant."""
    text = f"{AGENTS}workflows:\n  ship:\n    steps:\n      - {{task: implement, agent: cluade}}\n"
    (found,) = problems(make_config(f"{text}settings: {{default_workflow: ship}}\n"))
    assert found == (
        "f.yaml:8 workflows.ship.steps[0].agent: no agent 'cluade'. "
        "Known: claude, codex, gemini. Did you mean 'claude'?"
    )


def test_two_faults_of_one_step_are_told_together(make_config: MakeConfig) -> None:
    """Nobody has to mend the one to hear of the other."""
    step = "{task: implment, agent: cluade}"
    text = f"{AGENTS}workflows:\n  ship:\n    steps:\n      - {step}\n"
    found = problems(make_config(f"{text}settings: {{default_workflow: ship}}\n"))
    assert [one.partition(": ")[0].rpartition(" ")[2] for one in found] == [
        "workflows.ship.steps[0].task",
        "workflows.ship.steps[0].agent",
    ]


def test_value_of_a_variable_is_told_by_its_name(make_config: MakeConfig) -> None:
    """Not every value has a line."""
    config = make_config(GOOD, "settings: {max_iterations: 1000}")
    origin = Origin("environment MAX_ITERATIONS")
    config.origins["settings.max_iterations"] = origin
    (found,) = problems(config)
    assert found == (
        "environment MAX_ITERATIONS settings.max_iterations: "
        "expected a whole number from 1 to 100, not 1000."
    )


SHAPE = [
    ("agents: {claude: {rol: review}}", "agents.claude.rol", "Did you mean 'role'?"),
    ("agents: {claude: {role: reviewer}}", "agents.claude.role", "Did you mean 'review'?"),
    ("agents: {claude: {enabled: yes}}", "agents.claude.enabled", "Write true or false"),
    ("agents: {claude: {timeout: ten}}", "agents.claude.timeout", "such as 30s"),
    ("agents: {claude: {timeout: -1}}", "agents.claude.timeout", "above 0"),
    ("agents: {claude: {max_turns: 0}}", "agents.claude.max_turns", "from 1"),
    ("agents: {Claude: {driver: claude}}", "agents.Claude", "no name"),
    ("agents: {gemini: 3}", "agents.gemini", "expected a map, not 3"),
    ("setings: {}", "setings", "Did you mean 'settings'?"),
    ("settings: {max_iterations: '3'}", "settings.max_iterations", "not '3'"),
    ("settings: {sandbox: on}", "settings.sandbox", "'off' or 'required'"),
    ("settings: {colored_output: true}", "settings.colored_output", "NO_COLOR"),
    ("settings: {output_dir: ./out}", "settings.output_dir", "run --output"),
    ("rate_limiting: {enabled: true}", "rate_limiting", "has no meaning any more"),
    ("workflows: {x: {steps: [], optional: true}}", "workflows.x.optional", "optional: true"),
    ("workflows: {x: 3}", "workflows.x", "a list or a map"),
    ("workflows: {x: [3]}", "workflows.x[0]", "expected a map"),
    ("workflows: {x: [{task: review, tiemout: 3}]}", "workflows.x[0].tiemout", "'timeout'"),
    ("workflows: {x: {steps: [{run: []}]}}", "workflows.x.steps[0].run", "an empty list"),
    ("workflows: {x: {success: approved}}", "workflows.x.success", "approved+verified"),
    ("verify: [{name: x}]", "verify[0].run", "is missing"),
    ("verify: atuo", "verify", "'auto' or a list"),
    ("accounts: {a: {agent: claude, kind: envv}}", "accounts.a.kind", "Did you mean 'env'?"),
    ("accounts: {a: {kind: env}}", "accounts.a.agent", "is missing"),
    ("prompts: {p: {text: ''}}", "prompts.p.text", "an empty text"),
]


@pytest.mark.parametrize(("text", "path", "words"), SHAPE, ids=[case[1] for case in SHAPE])
def test_wrong_shape_is_told_at_its_place(
    make_config: MakeConfig, text: str, path: str, words: str
) -> None:
    """Unknown keys, wrong types and values out of bounds: one problem each, and no other."""
    found = check(make_config(GOOD, text))
    assert [problem.path for problem in found] == [path]
    assert words in found[0].message


def steps(text: str) -> str:
    """A document whose one workflow has these steps."""
    return f"{AGENTS}workflows: {{default: {{success: verified, steps: [{text}]}}}}"


READER = "agents: {claude: {permission: read-only}}\n"
DISABLED = "agents: {claude: {enabled: false}, codex: {}}\n"
AT = "workflows.default.steps[0]"
SENSE = [
    (steps("{}"), AT, "exactly one of"),
    (steps("{task: implement, run: x}"), AT, "`task` and `run`"),
    (steps("{task: implemnt}"), f"{AT}.task", "Did you mean 'implement'?"),
    (steps("{task: implement, prompt: reviw}"), f"{AT}.prompt", "no prompt 'reviw'"),
    (steps("{task: implement, prompt: review}"), f"{AT}.prompt", "asks for a verdict"),
    (steps("{task: implement, permission: read-only}"), f"{AT}.permission", "`write`"),
    (steps("{task: implement, agent: claude, role: review}"), f"{AT}.role", "exclude"),
    (steps("{task: implement, when: iteration}"), f"{AT}.when", "is a number"),
    (steps("{task: implement, until: verified}"), f"{AT}.until", "nothing at a step with `task`"),
    (steps("{run: x, agent: claude}"), f"{AT}.agent", "nothing at a step with `run`"),
    (steps("{run: 'x \"'}"), f"{AT}.run", "cannot be split"),
    (steps("{run: ['']}"), f"{AT}.run", "is empty"),
    (steps("{task: implement, network: true}"), f"{AT}.network", "means nothing"),
    (steps("{task: implement, account: a}"), f"{AT}.account", "no account 'a'"),
    (steps("{iterate: [{task: implement}], until: verifed}"), f"{AT}.until", "'verified'"),
    (steps("{iterate: [{task: implement}], when: verified}"), f"{AT}.when", "`iterate`"),
    (
        steps("{iterate: [{task: implement}, {iterate: [{task: refine}]}]}"),
        f"{AT}.iterate[1]",
        "inside a loop",
    ),
    (steps("{parallel: [{task: implement}]}"), f"{AT}.parallel[0]", "may not write"),
    (
        steps("{parallel: [{task: review, permission: write}]}"),
        f"{AT}.parallel[0]",
        "may not write",
    ),
    (steps("{parallel: [{run: x}]}"), f"{AT}.parallel[0]", "only agents' tasks"),
    (
        steps("{parallel: [{task: review, when: verified}]}"),
        f"{AT}.parallel[0].when",
        "whole group",
    ),
    (steps("{use: defualt}"), f"{AT}.use", "Did you mean 'default'?"),
    (steps("{use: default}"), f"{AT}.use", "default -> default"),
    (steps("{run: a, id: x}, {run: b, id: x}"), "workflows.default.steps[1].id", "stands twice"),
    (
        f"{AGENTS}workflows: {{default: {{success: approved+verified, steps: [{{run: x}}]}}}}",
        "workflows.default.success",
        "no step reviews",
    ),
    (
        f"{AGENTS}workflows: {{default: {{success: review-delivered, steps: [{{run: x}}]}}}}",
        "workflows.default.success",
        "no step reviews",
    ),
    (
        f"{AGENTS}workflows: {{default: {{success: changed+verified, steps: [{{task: review}}]}}}}",
        "workflows.default.success",
        "no step changes",
    ),
    (f"{AGENTS}workflows: {{default: {{steps: []}}}}", "workflows.default", "has no steps"),
    (f"{AGENTS}workflows: {{default: []}}", "workflows.default", "has no steps"),
    (
        f"{GOOD}    file: other.yaml\n",
        "workflows.default.file",
        "cannot name a further file",
    ),
    (
        f"{AGENTS}workflows: {{default: {{max_iterations: 2, steps: [{{task: review}}]}}}}",
        "workflows.default.max_iterations",
        "repeated",
    ),
    ("workflows: {default: [{task: implement}]}", "workflows.default[0]", "no agent is enabled"),
    (
        f"{READER}workflows: {{default: [{{task: implement}}]}}",
        "workflows.default[0]",
        "no agent is enabled",
    ),
    (
        f"{READER}workflows: {{default: [{{task: implement, agent: claude}}]}}",
        "workflows.default[0].agent",
        "`read-only` and this step writes",
    ),
    (
        f"{DISABLED}workflows: {{default: [{{task: review, agent: claude}}]}}",
        "workflows.default[0].agent",
        "is disabled",
    ),
    (f"{GOOD}settings: {{default_workflow: defult}}", "settings.default_workflow", "'default'"),
    (f"{GOOD}protected: ['../x']", "protected[0]", "leaves the repository"),
    (f"{GOOD}protected: ['!x']", "protected[0]", "exceptions"),
    (f"{GOOD}setup_files: ['../x']", "setup_files[0]", "leaves the repository"),
    (f"{GOOD}copy: [/etc/passwd]", "copy[0]", "leaves the repository"),
    (f"{GOOD}link: [a, ../x]", "link[1]", "leaves the repository"),
    (f"{GOOD}setup: ['a \"']", "setup[0]", "cannot be split"),
    (f"{GOOD}verify: ['  ']", "verify[0]", "is empty"),
    (f"{GOOD}verify: [{{run: ' '}}]", "verify[0].run", "is empty"),
    (
        f"{GOOD}verify: [{{run: a, name: x}}, {{run: b, name: x}}]",
        "verify[1].name",
        "stands twice",
    ),
    (f"{GOOD}verify: [{{run: a, timeout: 0s}}]", "verify[0].timeout", "more than nothing"),
    (f"{GOOD}settings: {{max_duration: 31d}}", "settings.max_duration", "30 days"),
    (f"{GOOD}accounts: {{a: {{agent: x, kind: none}}}}", "accounts.a.agent", "no agent 'x'"),
    (f"{GOOD}accounts: {{a: {{agent: claude, kind: env}}}}", "accounts.a", "`variables`"),
    (
        f"{GOOD}accounts: {{a: {{agent: claude, kind: none, variables: [X]}}}}",
        "accounts.a.variables",
        "only the kind `env`",
    ),
    (
        f"{GOOD}accounts: {{a: {{agent: gemini, kind: vendor-home}}}}",
        "accounts.a.kind",
        "only of claude and codex. Use the kind `env`",
    ),
    (
        f"{GOOD}accounts: {{a: {{agent: x, kind: vendor-home}}}}",
        "accounts.a.agent",
        "no agent 'x'",
    ),
    (
        f"{GOOD}accounts: {{a: {{agent: claude, kind: vendor-home, directory: /x}}}}",
        "accounts.a.directory",
        "only the kind `user-home`",
    ),
    (
        f"{GOOD}accounts: {{a: {{agent: claude, kind: none, directory: /x}}}}",
        "accounts.a.directory",
        "only the kind `user-home`",
    ),
    (f"{GOOD}prompts: {{p: {{kind: change}}}}", "prompts.p", "needs `text` or `file`"),
    (
        f"{GOOD}prompts: {{p: {{text: '{{{{ tsak }}}}'}}}}",
        "prompts.p.text",
        "line 1: no prompt input",
    ),
    (f"{GOOD}prompts: {{review: {{text: x, kind: change}}}}", "prompts.review.kind", "verdict"),
    (
        f"{GOOD}prompts: {{p: {{text: x, permission: read-only}}}}",
        "prompts.p.permission",
        "needs `write`",
    ),
    (
        f"{GOOD}prompts: {{review_again: {{text: x, kind: verdict}}}}",
        "prompts.review_again",
        "no step is made of it",
    ),
]


@pytest.mark.parametrize(
    ("text", "path", "words"), SENSE, ids=[f"{index}-{case[1]}" for index, case in enumerate(SENSE)]
)
def test_what_makes_no_sense_is_told_at_its_place(
    make_config: MakeConfig, text: str, path: str, words: str
) -> None:
    """Right in shape, wrong in meaning: one problem, at the value to change."""
    found = check(make_config(text))
    assert [problem.path for problem in found] == [path]
    assert words in found[0].message


AGENT_SENSE = [
    ("agents: {mine: {command: x}}", "agents.mine", "needs a `driver`"),
    ("agents: {mine: {driver: command}}", "agents.mine", "needs a `command`"),
    ("agents: {builtin: {command: x}}", "agents.builtin.command", "has no command"),
    ("agents: {claude: {command: 'a && b'}}", "agents.claude.command", "without a shell"),
    ("agents: {claude: {command: 'a \"'}}", "agents.claude.command", "cannot be split"),
    ("agents: {claude: {account: work}}", "agents.claude.account", "no account 'work'"),
    (
        "agents: {claude: {account: work}}\naccounts: {work: {agent: codex, kind: none}}",
        "agents.claude.account",
        "of the agent 'codex'",
    ),
    ("agents: {claude: {timeout: 0s}}", "agents.claude.timeout", "more than nothing"),
]


@pytest.mark.parametrize(
    ("text", "path", "words"), AGENT_SENSE, ids=[case[1] for case in AGENT_SENSE]
)
def test_agents_that_make_no_sense_are_told(
    make_config: MakeConfig, text: str, path: str, words: str
) -> None:
    """Each once, however many workflows use them."""
    found = check(make_config(GOOD, text))
    assert [problem.path for problem in found] == [path]
    assert words in found[0].message


def test_all_problems_are_told_at_once(make_config: MakeConfig) -> None:
    """Wrong shapes do not hide wrong meanings elsewhere."""
    text = """\
workflows:
  a:
    steps:
      - task: implemnt
        tiemout: 3
      - task: review
        agent: cluade
  b: [{task: review, when: verifed}]
settings: {max_iteration: 3}
"""
    assert {problem.path for problem in check(make_config(GOOD, text))} == {
        "workflows.a.steps[0].tiemout",
        "workflows.a.steps[0].task",
        "workflows.a.steps[1].agent",
        "workflows.b[0].when",
        "settings.max_iteration",
    }


def test_fault_that_follows_from_another_is_not_told(make_config: MakeConfig) -> None:
    """A mistyped `task` is one problem, not also a step without a kind."""
    found = check(make_config(GOOD, "workflows: {x: {success: verified, steps: [{tsak: review}]}}"))
    assert [problem.path for problem in found] == ["workflows.x.steps[0].tsak"]


def test_agents_that_are_not_installed_are_no_problem(make_config: MakeConfig) -> None:
    """The document is judged, not the machine: CI without agents can validate it."""
    config = make_config(GOOD, "agents: {claude: {enabled: missing}, codex: {enabled: missing}}")
    assert problems(config) == []


def test_circle_of_workflows_is_told_once_per_way_in(make_config: MakeConfig) -> None:
    """Each `use` that leads into the circle is named, and nothing runs away."""
    text = """\
workflows:
  a: {success: verified, steps: [{use: b}]}
  b: {success: verified, steps: [{use: c}]}
  c: {success: verified, steps: [{use: b}, {run: x}]}
"""
    found = {problem.path: problem.message for problem in check(make_config(GOOD, text))}
    assert "b -> c -> b" in found["workflows.a.steps[0].use"]
    assert set(found) == {
        "workflows.a.steps[0].use",
        "workflows.b.steps[0].use",
        "workflows.c.steps[0].use",
    }


@pytest.mark.timeout(20)
def test_use_cannot_multiply_steps_without_bound(make_config: MakeConfig) -> None:
    """Ten workflows that use each other ten times would be ten thousand million steps."""
    lines = ["workflows:", "  w0: [{run: x}]"]
    for level in range(1, 11):
        uses = ", ".join([f"{{use: w{level - 1}}}"] * 10)
        lines.append(f"  w{level}: {{success: verified, steps: [{uses}]}}")
    found = check(make_config(GOOD, "\n".join(lines)))
    assert {problem.path for problem in found} == {f"workflows.w{level}" for level in range(2, 11)}
    assert all("more than 200 steps" in problem.message for problem in found)


@pytest.mark.timeout(20)
def test_long_chain_of_uses_is_refused(make_config: MakeConfig) -> None:
    """Depth is bounded as well, so that no recursion runs out of stack."""
    chain = "\n".join(
        f"  w{n}: {{success: verified, steps: [{{use: w{n + 1}}}]}}" for n in range(60)
    )
    found = check(make_config(GOOD, f"workflows:\n{chain}\n  w60: [{{run: x}}]\n"))
    assert "workflows.w0" in {problem.path for problem in found}
    assert all("deep" in problem.message for problem in found)


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        pytest.param("claude: {options: {efort: low}}", "Did you mean 'effort'?", id="misspelt"),
        pytest.param("gemini: {options: {api_key: x}}", "It has none.", id="without-any"),
        pytest.param("x: {driver: command, command: y, options: {url: z}}", "Known:", id="others"),
    ],
)
def test_an_option_that_the_driver_does_not_know_is_a_fault(
    make_config: MakeConfig, agent: str, told: str
) -> None:
    """Before the agent is to start, and before a key that stands there is kept with a task."""
    text = f"agents: {{{agent}}}"
    problems = check(make_config(text, "workflows: {default: [{run: x}]}"))
    assert any("has no option" in one.message and told in one.message for one in problems)


def test_a_model_without_an_address_is_a_fault(make_config: MakeConfig) -> None:
    """Of the built-in agent only: what others do with a key `url` is theirs."""
    text = "agents: {mine: {driver: builtin, options: {url: foo}}}"
    (problem,) = check(make_config(text, "workflows: {default: [{task: implement}]}"))
    assert problem.path == "agents.mine.options.url"
    assert "'foo' is no http or https URL with a host" in problem.message
