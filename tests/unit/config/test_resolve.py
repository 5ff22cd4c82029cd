"""One configuration out of all layers, with the origin of every value."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.layers import Setting
from ai_orchestrator.config.paths import data_directory, trust_file, user_config_file
from ai_orchestrator.config.problems import ConfigError
from ai_orchestrator.config.repository_config import read_repository_config
from ai_orchestrator.config.resolve import Resolution, ResolveRequest, resolve
from ai_orchestrator.config.trust import TrustStore

MakeEnvironment = Callable[..., Environment]
BUILT_IN = "settings:\n  bar: medium\n  level: built-in\n"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def write(path: Path, text: str) -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def level(resolution: Resolution) -> tuple[object, str, int | None]:
    """The value that every layer of a test sets, and where it came from."""
    origin = resolution.config.origins["settings.level"]
    return resolution.config.document["settings"]["level"], origin.source, origin.line


def trust(environment: Environment, repository: Path) -> None:
    """What `ai-orchestrator trust` does."""
    config = read_repository_config(repository)
    assert config is not None
    TrustStore(trust_file(data_directory(environment))).grant(config, NOW)


def test_built_in_document_alone(make_environment: MakeEnvironment) -> None:
    """Without any file the built-in values hold, and say so."""
    resolution = resolve(ResolveRequest(make_environment(), BUILT_IN))
    assert level(resolution) == ("built-in", "built-in", 3)
    assert resolution.notes == ()


def test_each_layer_beats_the_one_below(make_environment: MakeEnvironment) -> None:
    """User < repository < environment < flag, each told as the origin of its value."""
    environment = make_environment()
    repository = environment.working_directory
    request = ResolveRequest(environment, BUILT_IN, repository=repository)
    user = write(user_config_file(environment), "settings: {level: user}")
    assert level(resolve(request)) == ("user", str(user), 1)
    write(repository / "config/agents.yaml", "settings:\n  level: repository\n")
    trust(environment, repository)
    assert level(resolve(request)) == ("repository", "config/agents.yaml", 2)
    variables = {"AI_ORCHESTRATOR_SETTINGS__LEVEL": "variable"}
    with_variable = Environment(variables, repository, environment.home)
    request = ResolveRequest(with_variable, BUILT_IN, repository=repository)
    origin = "environment AI_ORCHESTRATOR_SETTINGS__LEVEL"
    assert level(resolve(request)) == ("variable", origin, None)
    flag = Setting.of(("settings", "level"), "flag", "flag --level")
    request = ResolveRequest(with_variable, BUILT_IN, repository=repository, flags=(flag,))
    assert level(resolve(request)) == ("flag", "flag --level", None)
    assert resolve(request).config.document["settings"]["bar"] == "medium"


@pytest.mark.parametrize("way", ["-c", "variable"])
def test_named_file_replaces_the_search(make_environment: MakeEnvironment, way: str) -> None:
    """`-c` and the variable leave user and repository out, without a word about trust."""
    environment = make_environment(**({"AI_ORCHESTRATOR_CONFIG": "my.yaml"} if way != "-c" else {}))
    named = write(environment.working_directory / "my.yaml", "settings: {level: named}")
    write(user_config_file(environment), "settings: {bar: user}")
    write(environment.working_directory / "config/agents.yaml", "settings: {level: no}")
    resolution = resolve(
        ResolveRequest(
            environment,
            BUILT_IN,
            repository=environment.working_directory,
            config_file=named if way == "-c" else None,
        )
    )
    assert level(resolution) == ("named", "my.yaml", 1)
    assert resolution.config.document["settings"]["bar"] == "medium"
    assert resolution.notes == ()


def test_flag_for_the_file_beats_the_variable(make_environment: MakeEnvironment) -> None:
    """`-c` is the later word; the variable's file need not even exist."""
    environment = make_environment(AI_ORCHESTRATOR_CONFIG="none.yaml")
    named = write(environment.working_directory / "my.yaml", "settings: {level: named}")
    resolution = resolve(ResolveRequest(environment, BUILT_IN, config_file=named))
    assert level(resolution)[0] == "named"


@pytest.mark.parametrize("variable", ["", "none.yaml"])
def test_named_file_that_does_not_exist_is_not_found(
    make_environment: MakeEnvironment, variable: str
) -> None:
    """No fall back to the search."""
    environment = make_environment(AI_ORCHESTRATOR_CONFIG=variable)
    file = None if variable else environment.working_directory / "none.yaml"
    by = "AI_ORCHESTRATOR_CONFIG" if variable else "-c"
    with pytest.raises(NotFoundError, match=rf"none\.yaml \({by}\)"):
        resolve(ResolveRequest(environment, BUILT_IN, config_file=file))


def test_untrusted_repository_is_ignored_and_told(make_environment: MakeEnvironment) -> None:
    """Cloning something does not give it a say, and the way to give it one is named."""
    environment = make_environment()
    write(environment.working_directory / "config/agents.yaml", "settings: {level: evil}")
    request = ResolveRequest(environment, BUILT_IN, repository=environment.working_directory)
    resolution = resolve(request)
    assert level(resolution)[0] == "built-in"
    assert len(resolution.notes) == 1
    assert "not trusted" in resolution.notes[0]
    assert "`ai-orchestrator trust`" in resolution.notes[0]


@pytest.mark.parametrize(
    "text", ["settings: {level: evil}", "a: [", "prompts: {x: {file: /etc/passwd}}"]
)
def test_repository_that_changed_since_is_ignored_and_told(
    make_environment: MakeEnvironment, text: str
) -> None:
    """A pull that brings new commands does not run them, whatever state the file is in."""
    environment = make_environment()
    repository = environment.working_directory
    path = write(repository / "config/agents.yaml", "settings: {level: good}")
    trust(environment, repository)
    path.write_text(text)
    resolution = resolve(ResolveRequest(environment, BUILT_IN, repository=repository))
    assert level(resolution)[0] == "built-in"
    assert "changed since it was trusted" in resolution.notes[0]


def test_named_file_in_the_repository_is_the_users_own_word(
    make_environment: MakeEnvironment,
) -> None:
    """Who types the path of the file needs no trust record for it."""
    environment = make_environment()
    path = write(environment.working_directory / "config/agents.yaml", "settings: {level: mine}")
    request = ResolveRequest(
        environment, BUILT_IN, repository=environment.working_directory, config_file=path
    )
    assert level(resolve(request))[0] == "mine"


def test_files_named_by_a_file_are_put_in(make_environment: MakeEnvironment) -> None:
    """A prompt becomes its text, a workflow its steps, each with its own file as origin."""
    environment = make_environment()
    folder = environment.working_directory / "conf"
    write(folder / "p.md", "Do it.\n")
    write(folder / "flows/a.yaml", "- task: implement\n- task: review\n")
    write(folder / "flows/b.yaml", "success: verified\nbar: low\n")
    text = (
        "prompts: {p: {file: p.md, kind: change}}\n"
        "workflows: {a: {file: flows/a.yaml}, b: {file: flows/b.yaml, bar: high}}\n"
    )
    named = write(folder / "my.yaml", text)
    config = resolve(ResolveRequest(environment, BUILT_IN, config_file=named)).config
    assert config.document["prompts"] == {"p": {"kind": "change", "text": "Do it.\n"}}
    assert config.document["workflows"]["a"] == [{"task": "implement"}, {"task": "review"}]
    assert config.document["workflows"]["b"] == {"success": "verified", "bar": "high"}
    assert config.origins["prompts.p.text"].source == "conf/p.md"
    review = config.origins["workflows.a[1].task"]
    assert (review.source, review.line) == ("conf/flows/a.yaml", 2)


def test_trusted_repository_reads_its_files_as_they_were_trusted(
    make_environment: MakeEnvironment,
) -> None:
    """The named file is part of what was trusted."""
    environment = make_environment()
    repository = environment.working_directory
    write(repository / "config/agents.yaml", "workflows: {a: {file: ../a.yaml}}")
    write(repository / "a.yaml", "- task: implement\n")
    trust(environment, repository)
    config = resolve(ResolveRequest(environment, BUILT_IN, repository=repository)).config
    assert config.document["workflows"]["a"] == [{"task": "implement"}]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("prompts: {p: {file: none.md}}", "prompts.p.file", "no file"),
        ("prompts: {p: {file: list.yaml, text: x}}", "prompts.p.file", "exclude each other"),
        ("workflows: {a: {file: list.yaml, bar: low}}", "workflows.a.file", "stand alone"),
        ("workflows: {a: {file: broken.yaml}}", "", "broken.yaml:1: not valid YAML"),
    ],
)
def test_named_file_that_cannot_be_put_in_is_told(
    make_environment: MakeEnvironment, text: str, path: str, words: str
) -> None:
    """The place that names it is told, or the place in it that is wrong."""
    environment = make_environment()
    write(environment.working_directory / "list.yaml", "- task: implement\n")
    write(environment.working_directory / "broken.yaml", "a: [}\n")
    named = write(environment.working_directory / "my.yaml", text)
    with pytest.raises(ConfigError) as caught:
        resolve(ResolveRequest(environment, BUILT_IN, config_file=named))
    assert [problem.path for problem in caught.value.problems] == [path]
    assert words in str(caught.value)


def test_problems_of_all_layers_are_told_at_once(make_environment: MakeEnvironment) -> None:
    """A broken file and a wrong variable are mended in one go."""
    environment = make_environment(AI_ORCHESTRATOR_FOO="1", MAX_ITERATIONS="many")
    write(user_config_file(environment), "a: 1\na: 2\n")
    with pytest.raises(ConfigError) as caught:
        resolve(ResolveRequest(environment, BUILT_IN))
    text = str(caught.value)
    assert len(caught.value.problems) == 3
    assert "agents.yaml:2: the key 'a'" in text
    assert "AI_ORCHESTRATOR_FOO" in text
    assert "MAX_ITERATIONS" in text


def test_document_that_is_no_map_is_refused(make_environment: MakeEnvironment) -> None:
    """A list at the top is told as what it is."""
    environment = make_environment()
    write(user_config_file(environment), "- task: implement\n")
    with pytest.raises(ConfigError, match="must be a map"):
        resolve(ResolveRequest(environment, BUILT_IN))


def test_older_keys_are_noted(make_environment: MakeEnvironment) -> None:
    """A file of the past works, and says what its keys are called now."""
    environment = make_environment()
    write(user_config_file(environment), "settings: {min_suggestions_threshold: 3}")
    resolution = resolve(ResolveRequest(environment, BUILT_IN))
    assert resolution.config.document["settings"]["min_open_findings"] == 3
    assert "`min_open_findings`" in resolution.notes[0]


def test_origins_cover_every_value(make_environment: MakeEnvironment) -> None:
    """`config show` can tell where each came from."""
    config = resolve(ResolveRequest(make_environment(), BUILT_IN)).config
    assert set(config.origins) == {"settings", "settings.bar", "settings.level"}


def test_resolving_does_not_import_what_is_slow() -> None:
    """Every command resolves, so it must not pay for the check of the shape."""
    code = (
        "import sys, ai_orchestrator.config.resolve, ai_orchestrator.workflows.loading.load;"
        "sys.exit(any(name in sys.modules for name in ('jsonschema', 'dbos', 'litestar')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
