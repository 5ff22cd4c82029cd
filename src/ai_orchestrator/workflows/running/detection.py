"""Looks into a commit for verifiers, where a workflow names none."""

from __future__ import annotations

import asyncio
import shutil

from ai_orchestrator.model.review import Verifier
from ai_orchestrator.review.detect import Detection, detect, files_to_read
from ai_orchestrator.workflows.running.ports import TaskTree
from ai_orchestrator.workflows.running.world import TaskFacts, World


async def find_verifiers(
    world: World, facts: TaskFacts, tree: TaskTree, commit: str
) -> tuple[Verifier, ...]:
    """The verifiers that fit the commit's files and the tools on the PATH; perhaps none.

    What fits and cannot be used, since a tool is missing, is a note of the task.
    """
    detection = await _detect(tree, commit, facts.path_env)
    for note in detection.notes:
        await world.records.add_note(facts.task_id, note)
    return detection.verifiers


async def _detect(tree: TaskTree, commit: str, path_env: str) -> Detection:
    files = await tree.list_files(commit)
    wanted = files_to_read(files)
    contents = await asyncio.gather(*(tree.read_file(commit, path) for path in wanted))
    texts = {
        path: content.decode("utf-8", "replace")
        for path, content in zip(wanted, contents, strict=True)
        if content is not None
    }
    return detect(files, texts.get, lambda tool: shutil.which(tool, path=path_env) is not None)
