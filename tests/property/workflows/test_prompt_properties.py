"""Properties of prompts: whatever stands in the inputs, the frame of the prompt holds."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ai_orchestrator.workflows.prompts import PromptInputs, built_in_prompt, fenced, render

HOSTILE = st.text(alphabet=st.sampled_from("`~a\n{} \\"), max_size=60)


@given(HOSTILE)
def test_fence_is_closed_once(text: str) -> None:
    """The closing fence is the last line, and no line before it can be read as one."""
    lines = fenced(text).split("\n")
    fence = lines[-1]
    assert re.fullmatch(r"`{3,}", fence)
    assert lines[1] == f"{fence}text"
    assert all(fence not in line for line in lines[2:-1])


@given(task=HOSTILE, diff=HOSTILE, output=HOSTILE)
def test_values_are_never_read_as_templates(task: str, diff: str, output: str) -> None:
    """Rendering ends and keeps each value, whatever braces it holds."""
    inputs = PromptInputs("implement", 1, task, "/work", diff=diff, verifier_output=output)
    text = render(built_in_prompt("implement"), inputs)
    assert text.startswith("Step: implement (iteration 1)\nWorking directory: /work\n")
    assert task.strip("\n") in text
