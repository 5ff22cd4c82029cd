"""The numbers that the runner's process is started with."""

from __future__ import annotations

import pytest

from ai_orchestrator.runner import main


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "many"])
@pytest.mark.parametrize("option", ["--idle-s", "--drain-s", "--max-tasks", "--setup-limit-gib"])
def test_a_number_without_a_meaning_is_refused(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 with the option's name, before anything is opened."""
    with pytest.raises(SystemExit) as caught:
        main(["--data-dir", "/nowhere", "--socket", "/nowhere/s", f"{option}={value}"])

    assert caught.value.code == 2
    assert option in capsys.readouterr().err
