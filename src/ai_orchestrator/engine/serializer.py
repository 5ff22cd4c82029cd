"""Journal values as JSON, so that any release and any tool can read them.

The library's default is pickle, which ties every stored value to the code that wrote it. Our
steps hand over builtins only (`context.py` converts), so plain JSON loses nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec
from dbos import Serializer


class JsonSerializer(Serializer):
    """JSON text; an exception becomes its class name and message, and comes back as one."""

    def serialize(self, data: Any) -> str:  # noqa: ANN401  # the library's signature
        """The value as JSON."""
        if isinstance(data, BaseException):
            data = {"exception": type(data).__name__, "message": str(data)}
        return msgspec.json.encode(data).decode()

    def deserialize(self, serialized_data: str) -> Any:  # noqa: ANN401  # the library's signature
        """The value; an exception comes back as `JournaledError`."""
        value = msgspec.json.decode(serialized_data)
        if isinstance(value, dict) and value.keys() == {"exception", "message"}:
            return JournaledError(f"{value['exception']}: {value['message']}")
        return value

    def name(self) -> str:
        """The name stored beside each value."""
        return "ai_orchestrator_json"


class JournaledError(Exception):
    """What is left of an exception that the journal recorded."""
