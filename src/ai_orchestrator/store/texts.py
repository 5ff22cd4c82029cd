"""What a database and JSON refuse in a text. Used by whatever stores one."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text without what a database or JSON refuses: NUL and halves of surrogate pairs."""
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
