"""Scenarios from YAML files, checked once: file, line, place, what is wrong, what is known.

Called by the process entry, by tests and by whoever starts a scripted server in its own process.
The format is described in `scenario`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from ai_orchestrator.base.errors import BadInputError, NotFoundError, shorten
from ai_orchestrator.scripted.scenario import (
    Action,
    Cut,
    Edit,
    Finding,
    Hang,
    Play,
    ProviderError,
    Read,
    Rule,
    Run,
    Say,
    Scenario,
    ToolUse,
    Usage,
    Verdict,
    When,
    Write,
)

SHIPPED = Path(__file__).parent / "scenarios"

LIMIT_BYTES = 1024 * 1024  # a guess: a scenario with a few files in it has some 10 KB

_Key = str | int
_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_Loader: type[yaml.SafeLoader | yaml.CSafeLoader] = (
    yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
)


class ScenarioError(BadInputError):
    """A scenario file says something that cannot be played."""

    code = "scenario"


class _FaultError(Exception):
    """A fault and the keys that lead to it; becomes a `ScenarioError` with file and line."""

    def __init__(self, keys: tuple[_Key, ...], problem: str) -> None:
        super().__init__(problem)
        self.keys = keys
        self.problem = problem


def shipped_scenarios() -> dict[str, Path]:
    """The scenarios that come with the package, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def find_scenario(name_or_path: str) -> Path:
    """The file of a shipped scenario's name, or the path itself where it is one.

    A word without `/` and without `.yaml` is a name. Raises `NotFoundError`.
    """
    is_path = "/" in name_or_path or name_or_path.endswith((".yaml", ".yml"))
    if is_path and (path := Path(name_or_path)).is_file():
        return path
    shipped = shipped_scenarios()
    if name_or_path in shipped:
        return shipped[name_or_path]
    raise NotFoundError(
        f"no scenario {name_or_path!r}.",
        hint=f"Known: {', '.join(shipped)}. Or give the path of a YAML file.",
    )


def load_scenario(path: Path) -> Scenario:
    """The scenario in that file. Raises `ScenarioError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}.") from error
    if len(data) > LIMIT_BYTES:
        raise ScenarioError(f"{path}: {len(data)} bytes; a scenario has at most {LIMIT_BYTES}.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 at byte {error.start}.") from error
    return parse_scenario(text, origin=str(path))


def parse_scenario(text: str, origin: str) -> Scenario:
    """The scenario that `text` describes; `origin` names it in errors.

    Raises `ScenarioError` for everything that is not a scenario.
    """
    try:
        # _Loader is one of PyYAML's two safe loaders
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  # nosec B506
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ScenarioError(f"{origin}: not YAML: {shorten(str(error))}") from error
    try:
        return _scenario(document)
    except _FaultError as fault:
        line = _line_of(text, fault.keys)
        place = _spell(fault.keys)
        raise ScenarioError(f"{origin}:{line} {place}: {fault.problem}") from fault


def _scenario(document: object) -> Scenario:
    known = ("name", "description", "root", "usage", "rules")
    body = _mapping(document, known, ())
    usage = _struct(body.get("usage", {}), Usage, ("usage",))
    rules = tuple(
        _rule(item, usage, ("rules", index))
        for index, item in enumerate(_sequence(body.get("rules", []), ("rules",)))
    )
    _refuse_unreachable(rules)
    return Scenario(
        name=_text(body.get("name"), ("name",)),
        description=_text(body.get("description", ""), ("description",)),
        root=_absolute(body.get("root", "/work"), ("root",)),
        usage=usage,
        rules=rules,
    )


def _rule(item: object, usage: Usage, at: tuple[_Key, ...]) -> Rule:
    body = _mapping(item, ("when", "reply"), at)
    when = _struct(body.get("when", {}), When, (*at, "when"))
    actions = _sequence(body.get("reply"), (*at, "reply"))
    reply = tuple(
        _action(action, usage, (*at, "reply", index)) for index, action in enumerate(actions)
    )
    _check_order(reply, (*at, "reply"))
    return Rule(when=when, reply=reply)


def _action(item: object, usage: Usage, at: tuple[_Key, ...]) -> Action:
    options = ("usage", "delay_s", "times")
    body = _mapping(item, (*_PLAYS, *options), at)
    names = [key for key in body if key not in options]
    if len(names) != 1:
        raise _FaultError(at, f"needs exactly one of: {', '.join(_PLAYS)}.")
    (name,) = names
    play = _PLAYS[name](body[name], (*at, name))
    if "usage" in body:
        usage = _struct(body["usage"], Usage, (*at, "usage"))
    return Action(
        play=play,
        usage=usage,
        delay_s=_seconds(body.get("delay_s", 0.0), (*at, "delay_s")),
        times=_times(body["times"], play, (*at, "times")) if "times" in body else None,
    )


def _check_order(reply: tuple[Action, ...], at: tuple[_Key, ...]) -> None:
    """Each action can be reached, and the last one leaves no agent waiting."""
    if not reply:
        raise _FaultError(at, "has no action.")
    *before, last = reply
    for index, action in enumerate(before):
        if isinstance(action.play, Say | Verdict):
            raise _FaultError((*at, index), "ends the turn, so what follows is never reached.")
        if not isinstance(action.play, Write | Edit | Run | Read) and action.times is None:
            raise _FaultError(
                (*at, index), "what follows a failure is reached only with `times: N`."
            )
    if isinstance(last.play, Write | Edit | Run | Read) or last.times is not None:
        problem = "the last action has to end the turn: say, verdict, or a failure without times."
        raise _FaultError((*at, len(before)), problem)


def _refuse_unreachable(rules: tuple[Rule, ...]) -> None:
    for later, rule in enumerate(rules):
        for earlier in range(later):
            if rules[earlier].when.covers(rule.when):
                problem = f"never reached: rules[{earlier}] matches all that it matches."
                raise _FaultError(("rules", later), problem)


def _struct(value: object, kind: type[_Struct], at: tuple[_Key, ...]) -> _Struct:
    _mapping(value, kind.__struct_fields__, at)
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.ValidationError as error:
        raise _FaultError(at, f"{shorten(str(error))}.") from error


def _verdict(value: object, at: tuple[_Key, ...]) -> Verdict:
    body = _mapping(value, Verdict.__struct_fields__, at)
    for index, item in enumerate(_sequence(body.get("findings", []), (*at, "findings"))):
        _struct(item, Finding, (*at, "findings", index))
    return _struct(value, Verdict, at)


def _struct_reader(kind: type[Write | Edit | ProviderError]) -> Callable[..., Play]:
    def read(value: object, at: tuple[_Key, ...]) -> Play:
        return _struct(value, kind, at)

    return read


def _text_reader(kind: type[Run | Read | Say]) -> Callable[..., Play]:
    def read(value: object, at: tuple[_Key, ...]) -> Play:
        return kind(_text(value, at))

    return read


def _switch_reader(kind: type[Hang | Cut]) -> Callable[..., Play]:
    def read(value: object, at: tuple[_Key, ...]) -> Play:
        if value is not True:
            raise _FaultError(at, "has one value only: true.")
        return kind()

    return read


_PLAYS: dict[str, Callable[[object, tuple[_Key, ...]], Play]] = {
    "write": _struct_reader(Write),
    "edit": _struct_reader(Edit),
    "run": _text_reader(Run),
    "read": _text_reader(Read),
    "say": _text_reader(Say),
    "verdict": _verdict,
    "error": _struct_reader(ProviderError),
    "hang": _switch_reader(Hang),
    "cut": _switch_reader(Cut),
}


def _mapping(value: object, known: Collection[str], at: tuple[_Key, ...]) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _FaultError(at, f"has to be a mapping with some of: {', '.join(known)}.")
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            raise _FaultError((*at, key), f"unknown. Known: {', '.join(known)}.{guess}")
    return value


def _sequence(value: object, at: tuple[_Key, ...]) -> Sequence[object]:
    if not isinstance(value, list):
        raise _FaultError(at, "has to be a list.")
    return value


def _text(value: object, at: tuple[_Key, ...]) -> str:
    if not isinstance(value, str):
        raise _FaultError(at, f"has to be a text, not {value!r:.40}.")
    return value


def _absolute(value: object, at: tuple[_Key, ...]) -> str:
    path = _text(value, at)
    if not path.startswith("/"):
        raise _FaultError(at, f"has to be an absolute path, not {path!r}.")
    return path


def _seconds(value: object, at: tuple[_Key, ...]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise _FaultError(at, f"has to be seconds from 0 to 3600, not {value!r:.40}.")
    return float(value)


def _times(value: object, play: Play, at: tuple[_Key, ...]) -> int:
    if isinstance(play, ToolUse | Say | Verdict):
        raise _FaultError(at, "only for the failures: error, hang, cut.")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _FaultError(at, f"has to be a whole number from 1 on, not {value!r:.40}.")
    return value


def _spell(keys: tuple[_Key, ...]) -> str:
    spelled = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return spelled.removeprefix(".") or "the document"


def _line_of(text: str, keys: tuple[_Key, ...]) -> int:
    """The line, from 1, of the deepest of `keys` that the document has."""
    node = yaml.compose(text, Loader=_Loader)
    line = 1 if node is None else node.start_mark.line + 1
    for key in keys:
        found = _child(node, key)
        if found is None:
            break
        line, node = found
    return line


def _child(node: yaml.Node | None, key: _Key) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        item = node.value[key]
        return item.start_mark.line + 1, item
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                return name.start_mark.line + 1, value
    return None
