"""Encrypts the credentials of a task for the time that it lives; the ciphertext is kept by `store`.

AES-256-GCM with the task's id as associated data: a row copied to another task does not open.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ai_orchestrator.base.errors import EnvironmentProblemError

_FORMAT = b"\x01"
"""First byte of a ciphertext; then 12 bytes of nonce, then what AES-GCM gives."""
_NONCE_BYTES = 12
_decoder = msgspec.json.Decoder(dict[str, str])


class Vault:
    """Encrypts and decrypts under one key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, task_id: str, credentials: Mapping[str, str]) -> bytes:
        """The credentials as a ciphertext that only this key opens, for this task only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        plain = msgspec.json.encode(dict(credentials))
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plain, _bound_to(task_id))

    def decrypt(self, task_id: str, ciphertext: bytes) -> dict[str, str]:
        """The credentials. Raises `EnvironmentProblemError` for what this key did not encrypt."""
        if not ciphertext.startswith(_FORMAT):
            raise EnvironmentProblemError(
                f"credentials of task {task_id}: are in a format of a newer release.",
                hint="Start the newer release, or retry the task with its credentials.",
            )
        nonce, sealed = ciphertext[1 : 1 + _NONCE_BYTES], ciphertext[1 + _NONCE_BYTES :]
        try:
            plain = self._cipher.decrypt(nonce, sealed, _bound_to(task_id))
        except (InvalidTag, ValueError) as error:
            raise EnvironmentProblemError(
                f"credentials of task {task_id}: do not open. Either secret.key is not the one "
                f"they were encrypted under, or the row was changed.",
                hint="Restore secret.key, or retry the task with its credentials.",
            ) from error
        return _decoder.decode(plain)


def _bound_to(task_id: str) -> bytes:
    return b"ai-orchestrator credentials " + task_id.encode()
