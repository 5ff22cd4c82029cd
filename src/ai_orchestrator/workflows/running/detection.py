"""Looks into a commit for verifiers, where a workflow names none."""

from __future__ import annotations

import asyncio
import shutil

from ai_orchestrator.model.review import Verifier
from ai_orchestrator.review.detect import detect, files_to_read
from ai_orchestrator.workflows.running.ports import TaskTree


async def detect_verifiers(tree: TaskTree, commit: str, path_env: str) -> tuple[Verifier, ...]:
    """The verifiers that fit the commit's files and the tools on the PATH; perhaps none."""
    files = await tree.list_files(commit)
    wanted = files_to_read(files)
    contents = await asyncio.gather(*(tree.read_file(commit, path) for path in wanted))
    texts = {
        path: content.decode("utf-8", "replace")
        for path, content in zip(wanted, contents, strict=True)
        if content is not None
    }
    detection = detect(files, texts.get, lambda tool: shutil.which(tool, path=path_env) is not None)
    return detection.verifiers
