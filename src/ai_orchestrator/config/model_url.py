"""Whether a text can be the address of a model; asked of the variable and of `options.url`."""

from __future__ import annotations

from urllib.parse import urlsplit

from ai_orchestrator.base.errors import shorten


def model_url_problem(text: str) -> str:
    """Why the text is no http or https URL with a host, a sentence; empty where it is one."""
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if is_url and not any(character.isspace() for character in text):
        return ""
    return (
        f"{shorten(ascii(text))} is no http or https URL with a host. Write it like "
        "http://127.0.0.1:11434/v1."
    )
