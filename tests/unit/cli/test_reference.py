"""The reference pages are what the commands say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_orchestrator.cli.reference import MEANINGS, cli_page, commands, exit_codes_page, main
from ai_orchestrator.model.states import ExitCode

DOCS = Path(__file__).parents[3] / "docs" / "reference"


def test_cli_page_is_up_to_date() -> None:
    """Else: python -m ai_orchestrator.cli.reference > docs/reference/cli.md."""
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == cli_page()


def test_exit_code_page_is_up_to_date() -> None:
    """Else: python -m ai_orchestrator.cli.reference exit-codes > docs/reference/exit-codes.md."""
    assert (DOCS / "exit-codes.md").read_text(encoding="utf-8") == exit_codes_page()


def test_every_command_has_a_section() -> None:
    """Also those of groups."""
    page = cli_page()

    assert len(list(commands())) > 20
    for path, _ in commands():
        assert f"## {path}\n" in page


def test_every_exit_code_has_a_meaning() -> None:
    """No number without a sentence."""
    named = {value for name, value in vars(ExitCode).items() if name.isupper()}

    assert set(MEANINGS) == named


@pytest.mark.parametrize("args", [[], ["exit-codes"]], ids=["cli", "exit-codes"])
def test_pages_are_printed(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As the documentation says."""
    main(args)

    assert capsys.readouterr().out.startswith("# ")


def test_an_unknown_page_is_refused() -> None:
    """With the usage."""
    with pytest.raises(SystemExit, match="usage"):
        main(["nonsense"])
