"""An endpoint of a model that nobody answers at."""

from __future__ import annotations

import pytest

from ai_orchestrator.agents.builtin_loop.endpoint import EndpointError, Request, ask


def test_an_endpoint_that_does_not_answer_is_named_without_its_password() -> None:
    """Host and port, so that a wrong one is seen; nothing that may not be shown."""
    with pytest.raises(EndpointError, match=r"no answer from 127\.0\.0\.1:1: ") as caught:
        ask(Request("http://me:secret@127.0.0.1:1/v1/chat/completions", {}, {}))
    assert "secret" not in caught.value.message
