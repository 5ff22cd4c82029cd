"""`completion`: the script that makes a shell complete commands, tasks and workflows."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

import click

from ai_orchestrator.cli.app import PROGRAM

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the completion script for SHELL.

    \b
    bash (4.4 or newer): eval "$(ai-orchestrator completion bash)" in ~/.bashrc
    zsh:  eval "$(ai-orchestrator completion zsh)" in ~/.zshrc
    fish: ai-orchestrator completion fish > ~/.config/fish/completions/ai-orchestrator.fish
    """  # noqa: D301  # Click's mark for text that is not to be wrapped
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "Click knows all three"
    complete = kind(ctx.find_root().command, {}, PROGRAM, "_AI_ORCHESTRATOR_COMPLETE")
    # Bash's own `source` would start bash to ask for its version: only base/process.py may spawn.
    click.echo(ShellComplete.source(complete))
    return 0
