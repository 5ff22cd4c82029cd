"""Which variables leave the environment, and which of them are secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai_orchestrator.config.credentials import (
    OPEN_VARIABLES,
    SECRET_LIMIT_BYTES,
    SECRET_VARIABLES,
    account_variables,
    is_secret,
    pick_credentials,
    secret_values,
)
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.problems import ConfigError
from ai_orchestrator.model.task import ResolvedConfig

MakeEnvironment = Callable[..., Environment]
NOTHING = ResolvedConfig({}, {})


def with_accounts(accounts: object) -> ResolvedConfig:
    """A configuration with these accounts, right or wrong."""
    document: dict[str, Any] = {"accounts": accounts}
    return ResolvedConfig(document, {})


def test_only_allow_listed_variables_are_picked(make_environment: MakeEnvironment) -> None:
    """Nothing else of a person's environment is sent anywhere."""
    environment = make_environment(
        OPENAI_API_KEY="k", OPENAI_BASE_URL="http://x", AWS_SECRET_ACCESS_KEY="no", HOME="/h"
    )
    assert pick_credentials(environment, NOTHING) == {
        "OPENAI_API_KEY": "k",
        "OPENAI_BASE_URL": "http://x",
    }


def test_variables_of_accounts_are_picked_too(make_environment: MakeEnvironment) -> None:
    """An account of the configuration may name a variable of its own."""
    environment = make_environment(WORK_KEY="w", OTHER="o")
    config = with_accounts({"work": {"agent": "claude", "kind": "env", "variables": ["WORK_KEY"]}})
    assert pick_credentials(environment, config) == {"WORK_KEY": "w"}


@pytest.mark.parametrize(
    "accounts",
    [None, 3, [], {"a": 3}, {"a": {"variables": "X"}}, {"a": {"variables": [1, "a b", ""]}}],
    ids=repr,
)
def test_accounts_of_another_shape_name_nothing(accounts: object) -> None:
    """The document need not have been checked before."""
    assert account_variables(with_accounts(accounts)) == ()


def test_secret_is_read_from_a_file(make_environment: MakeEnvironment) -> None:
    """`NAME_FILE` works as in containers: the line break at the end is no part of the key."""
    environment = make_environment(GH_TOKEN_FILE="token")
    (environment.working_directory / "token").write_text("t0ken\n")
    assert pick_credentials(environment, NOTHING) == {"GH_TOKEN": "t0ken"}


def test_variable_and_file_that_agree_are_fine(make_environment: MakeEnvironment) -> None:
    """Both may be set to the same."""
    environment = make_environment(GH_TOKEN_FILE="token", GH_TOKEN="t")
    (environment.working_directory / "token").write_text("t")
    assert pick_credentials(environment, NOTHING) == {"GH_TOKEN": "t"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"other", "something else"),
        (b"", "no value"),
        (b"\n", "no value"),
        (b"a\0b", "no value"),
        (b"\xff", "not UTF-8"),
        (b"x" * (SECRET_LIMIT_BYTES + 1), "at most"),
        (None, "no file"),
    ],
)
def test_file_that_cannot_be_the_secret_is_told_without_its_content(
    make_environment: MakeEnvironment, content: bytes | None, words: str
) -> None:
    """The variable and the path are named, the value never."""
    environment = make_environment(GH_TOKEN_FILE="token", GH_TOKEN="t0ken")
    if content is not None:
        (environment.working_directory / "token").write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        pick_credentials(environment, NOTHING)
    assert str(caught.value).startswith("environment GH_TOKEN_FILE: ")
    assert "t0ken" not in str(caught.value)


def test_open_variables_have_no_file_form(
    make_environment: MakeEnvironment, tmp_path: Path
) -> None:
    """An address is no secret; a variable with such a name is somebody else's."""
    environment = make_environment(OPENAI_BASE_URL_FILE=str(tmp_path / "none"))
    assert pick_credentials(environment, NOTHING) == {}


def test_secret_unless_known_as_open() -> None:
    """A variable that only an account knows is taken for a secret."""
    assert all(is_secret(name) for name in (*SECRET_VARIABLES, "WORK_KEY"))
    assert not any(is_secret(name) for name in OPEN_VARIABLES)
    assert secret_values({"WORK_KEY": "w", "OPENAI_BASE_URL": "u"}) == ("w",)
