r"""What a scenario is: rules that select on the prompt, and what the model then does.

Read by `scenario_file` from YAML, played by `decision`. A whole scenario:

    name: demo
    description: One sentence for `--help` and for people.
    root: /work                # the directory of relative paths, when the prompt names none
    usage: {input: 900, output: 120, cached: 400}   # of every action without its own
    rules:
      - when: {step: implement, iteration: 1}
        reply:
          - read: calculator/core.py
          - edit: {path: calculator/core.py, old: "VERSION = 1\n", new: "VERSION = 2\n"}
          - run: python3 -m unittest -q
          - say: Done.
            usage: {input: 2000, output: 80}
            delay_s: 0.5
      - when: {step: review}
        reply:
          - verdict: {verdict: approve, findings: []}

`when` has `step`, `iteration`, `dialect` and `model`; what is left out matches anything. `step` is
compared with the last component of the path in the prompt's line `Step: PATH (iteration N)`, with
or without the `.2` of a repeat. The first matching rule wins.

One action is played per model call. Which one depends on nothing but the request: on the number of
tool results after the text that selected the rule. Actions:

- `write: {path, content}`: a new file, through the agent's own tool.
- `edit: {path, old, new}`: replaces whole lines. `read` the file before: some agents insist.
- `run: COMMAND`, `read: PATH`.
- `say: TEXT`: ends the turn.
- `verdict: {verdict, findings, text}`: ends the turn with a fenced JSON block.
- `error: {status: 401|429|500, reset_s}`, `hang: true`, `cut: true`: the failures of a provider.
  With `times: N` each is given N times, then the reply goes on as if it were not there; that
  count is the one thing that the server remembers.

Paths are relative to the working directory. A path that starts with `/` is used as it is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class DialectName(StrEnum):
    """The four ways in which agents talk to a model."""

    ANTHROPIC = "anthropic"
    RESPONSES = "responses"
    CHAT = "chat"
    GEMINI = "gemini"


class Usage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens of one model call."""

    input: int = 100
    """Tokens of the whole prompt; those from the cache are among them."""
    output: int = 20
    cached: int = 0
    """The part of `input` that came from the provider's cache."""

    def __post_init__(self) -> None:
        if min(self.input, self.output, self.cached) < 0:
            raise ValueError("token counts are not negative")
        if self.cached > self.input:
            raise ValueError(f"cached ({self.cached}) is a part of input ({self.input})")


class Write(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Creates a file."""

    path: str
    content: str


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Replaces `old` by `new`, once. Both are whole lines: a patch cannot say less."""

    path: str
    old: str
    new: str

    def __post_init__(self) -> None:
        if not self.old.endswith("\n"):
            raise ValueError("old has to be whole lines, the last one with its line end")
        if self.new and not self.new.endswith("\n"):
            raise ValueError("new has to be whole lines, the last one with its line end")


class Run(msgspec.Struct, frozen=True):
    """Runs a shell command in the working directory."""

    command: str


class Read(msgspec.Struct, frozen=True):
    """Reads a file."""

    path: str


class Say(msgspec.Struct, frozen=True):
    """Says something and ends the turn."""

    text: str


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One objection of a reviewer."""

    severity: Literal["critical", "high", "medium", "low"]
    file: str
    claim: str
    evidence: str
    line: int | None = None


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ends the turn with a reviewer's verdict, as a fenced JSON block after `text`."""

    verdict: Literal["approve", "request_changes"]
    findings: tuple[Finding, ...] = ()
    text: str = "I have read the change."


class ProviderError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The provider refuses the call."""

    status: Literal[401, 429, 500]
    reset_s: float = 1.0
    """Seconds until a 429 is said to end; sent in each vendor's own headers and body."""

    def __post_init__(self) -> None:
        if self.reset_s < 0:
            raise ValueError("reset_s is not negative")


class Hang(msgspec.Struct, frozen=True):
    """The provider says nothing until the client goes away."""


class Cut(msgspec.Struct, frozen=True):
    """The connection breaks in the middle of the answer."""


ToolUse = Write | Edit | Run | Read
Ending = Say | Verdict
Failure = ProviderError | Hang | Cut
Play = ToolUse | Ending | Failure


class Action(msgspec.Struct, frozen=True):
    """What the model does in one call, what it costs and how long it takes."""

    play: Play
    usage: Usage
    delay_s: float = 0.0
    times: int | None = None
    """How often a failure is given before the reply goes on without it; None: for ever."""


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request must have to select a rule; None matches anything."""

    step: str | None = None
    iteration: int | None = None
    dialect: DialectName | None = None
    model: str | None = None

    def covers(self, other: When) -> bool:
        """Each request that `other` matches is matched by this one too."""
        pairs = (
            (self.step, other.step),
            (self.iteration, other.iteration),
            (self.dialect, other.dialect),
            (self.model, other.model),
        )
        return all(mine is None or mine == theirs for mine, theirs in pairs)


class Rule(msgspec.Struct, frozen=True):
    """A reply and what selects it."""

    when: When
    reply: tuple[Action, ...]


class Scenario(msgspec.Struct, frozen=True):
    """A valid scenario: it exists, so it can be played."""

    name: str
    description: str
    root: str
    usage: Usage
    rules: tuple[Rule, ...]
