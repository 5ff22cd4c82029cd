"""The live view's panel as lines: where the task stands now. Pure; `presenters` draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_orchestrator.cli import figures
from ai_orchestrator.cli.lines import Line, Span, Style, line
from ai_orchestrator.cli.terminal import clean_line
from ai_orchestrator.cli.timeline import STATE_STYLE, finding, short_step, step_label
from ai_orchestrator.model.review import FindingState

if TYPE_CHECKING:
    from datetime import datetime

    from ai_orchestrator.cli.live_view import LiveView, Said, StepLine
    from ai_orchestrator.model.review import VerifierResult

MAX_HEIGHT = 18
MIN_HEIGHT = 6


def panel(view: LiveView, *, now: datetime, height: int) -> tuple[Line, ...]:
    """At most `height` lines; those about the running steps and the figures come first."""
    room = max(min(height, MAX_HEIGHT), MIN_HEIGHT)
    fixed = [_rule(), *_steps(view, now), *_verifiers(view), *_notice(view)]
    foot = _figures(view, now)
    fixed = fixed[: room - 1]
    findings = _findings(view)[: max((room - 1 - len(fixed)) // 2, 0)]
    said = _said(view, room - 1 - len(fixed) - len(findings))
    return (*fixed, *findings, *said, foot)


def _rule() -> Line:
    return line(Span("─" * 40, "dim"))


def _steps(view: LiveView, now: datetime) -> list[Line]:
    return [_step(step, now) for step in view.running[-4:]]


def _step(step: StepLine, now: datetime) -> Line:
    who = step.agent or ("" if step.kind == short_step(step.step) else step.kind)
    model = f" ({step.model})" if step.model else ""
    attempt = f", attempt {step.attempt}" if step.attempt > 1 else ""
    how = f", {step.how}" if step.how != "fresh" else ""
    elapsed = figures.duration((now - step.started_at).total_seconds())
    return line(
        Span("▶ ", "accent"),
        Span(step_label(short_step(step.step), step.iteration), "strong"),
        f"  {who}{model}{how}{attempt}  " if who else f"{how}{attempt}  ",
        Span(elapsed, "dim"),
    )


def _verifiers(view: LiveView) -> list[Line]:
    if not view.verifiers:
        return []
    marks = [
        Span(f" {result.name} {'green' if result.is_green else 'red'}", _verifier_style(result))
        for result in view.verifiers
    ]
    return [line("  verifiers", *marks)]


def _verifier_style(result: VerifierResult) -> Style:
    return "good" if result.is_green else "bad"


def _notice(view: LiveView) -> list[Line]:
    return [line(Span(f"  {clean_line(view.notice)}", "warn"))] if view.notice else []


def _findings(view: LiveView) -> list[Line]:
    if not view.findings:
        return []
    counts = dict.fromkeys(FindingState, 0)
    for entry in view.findings:
        counts[entry.state] += 1
    told = ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)
    still_open = [entry for entry in view.findings if entry.is_open]
    still_open.sort(key=lambda entry: -entry.finding.severity.rank)
    return [
        line(f"  findings: {told}"),
        *(line("    ", *finding(entry)) for entry in still_open),
    ]


def _said(view: LiveView, count: int) -> list[Line]:
    if count <= 0:
        return []
    lines: list[Line] = []
    for piece in reversed(view.said):
        lines = [*_piece(piece), *lines]
        if len(lines) >= count:
            break
    return lines[-count:]


def _piece(piece: Said) -> list[Line]:
    if piece.mark:
        style: Style = "bad" if piece.mark == "error" else "accent"
        name = f"{piece.tool} failed" if piece.mark == "error" else piece.tool
        return [line(Span(f"  • {name} ", style), Span(clean_line(piece.text), "dim"))]
    texts = [text for text in piece.text.split("\n") if text.strip()]
    return [line(Span(f"  │ {clean_line(text)}", "dim")) for text in texts]


def _figures(view: LiveView, now: datetime) -> Line:
    state = view.state.value.replace("_", " ") if view.state else "starting"
    style = STATE_STYLE.get(view.state, "strong") if view.state else "strong"
    elapsed = (now - view.started_at).total_seconds() if view.started_at else 0.0
    limit = "" if view.max_cost_usd is None else f" of {figures.money(view.max_cost_usd)}"
    return line(
        Span(state, style),
        f"  {figures.duration(elapsed)}  {figures.usage(view.usage)}{limit}",
        Span("  Ctrl-C: detach or cancel", "dim"),
    )
