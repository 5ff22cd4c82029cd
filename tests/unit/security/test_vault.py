"""Credentials at rest."""

from __future__ import annotations

import pytest

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.security.vault import Vault

TASK = "t-01jd0000000000000000000001"
OTHER = "t-01jd0000000000000000000002"
CREDENTIALS = {"ANTHROPIC_API_KEY": "a-secret-value", "GH_TOKEN": "zwölf ✓"}


@pytest.fixture
def vault() -> Vault:
    """A vault with a fixed key."""
    return Vault(bytes(range(32)))


def test_credentials_come_back(vault: Vault) -> None:
    """What was encrypted for a task opens for it."""
    assert vault.decrypt(TASK, vault.encrypt(TASK, CREDENTIALS)) == CREDENTIALS


def test_ciphertext_shows_nothing_and_never_repeats(vault: Vault) -> None:
    """Neither names nor values stand in it, and equal credentials look different."""
    first, second = vault.encrypt(TASK, CREDENTIALS), vault.encrypt(TASK, CREDENTIALS)
    assert first != second
    assert b"secret" not in first
    assert b"ANTHROPIC" not in first


def test_row_of_another_task_does_not_open(vault: Vault) -> None:
    """A ciphertext moved to another task is refused."""
    with pytest.raises(EnvironmentProblemError, match=f"{OTHER}: do not open"):
        vault.decrypt(OTHER, vault.encrypt(TASK, CREDENTIALS))


def test_other_key_does_not_open(vault: Vault) -> None:
    """After secret.key was replaced the message says so."""
    with pytest.raises(EnvironmentProblemError, match=r"secret\.key"):
        Vault(bytes(32)).decrypt(TASK, vault.encrypt(TASK, CREDENTIALS))


def test_every_changed_byte_is_noticed(vault: Vault) -> None:
    """No byte of the ciphertext can be changed without an error."""
    sealed = vault.encrypt(TASK, CREDENTIALS)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(EnvironmentProblemError):
            vault.decrypt(TASK, bytes(changed))


@pytest.mark.parametrize("length", [0, 1, 5, 13, 20])
def test_cut_off_ciphertext_is_refused(vault: Vault, length: int) -> None:
    """A ciphertext that was cut is refused, not half read."""
    with pytest.raises(EnvironmentProblemError):
        vault.decrypt(TASK, vault.encrypt(TASK, CREDENTIALS)[:length])
