"""Tasks that steps can name, each with its prompt: the built-in ones and those of the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ai_orchestrator.config.document_path import Keys
from ai_orchestrator.model.agent import Permission
from ai_orchestrator.workflows.loading.document import Document, PromptDoc, PromptKind
from ai_orchestrator.workflows.loading.faults import Faults
from ai_orchestrator.workflows.loading.tasks import BUILT_IN_TASKS, TASK_OF_KIND, Task
from ai_orchestrator.workflows.prompts import (
    INPUTS,
    REVIEW_AGAIN,
    answer_forms,
    built_in_prompts,
    unknown_inputs,
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A task's prompt, complete."""

    template: str
    task: Task
    permission: Permission


def prompt_table(document: Document, faults: Faults) -> Mapping[str, Prompt]:
    """Name -> prompt: a prompt of the document stands in place of the built-in one of its name."""
    templates = built_in_prompts()
    table = {
        name: Prompt(_with_form(templates[name], task), task, task.permission)
        for name, task in BUILT_IN_TASKS.items()
    }
    for name, doc in document.prompts.items():
        if name != REVIEW_AGAIN:
            table[name] = _own(name, doc, faults)
    return table


def review_again(document: Document, faults: Faults) -> str:
    """The template that asks once more for an answer that could not be read."""
    doc = document.prompts.get(REVIEW_AGAIN)
    if doc is None:
        return built_in_prompts()[REVIEW_AGAIN]
    keys: Keys = ("prompts", REVIEW_AGAIN)
    if doc.kind is not None or doc.permission is not None:
        faults.add(keys, "this prompt has neither `kind` nor `permission`: no step is made of it.")
    return _template(keys, doc, faults)


def _own(name: str, doc: PromptDoc, faults: Faults) -> Prompt:
    keys: Keys = ("prompts", name)
    task = _task(name, doc, faults)
    template = _template(keys, doc, faults)
    permission = doc.permission or task.permission
    if task.asks == "change" and permission == "read-only":
        faults.add((*keys, "permission"), "a prompt that asks for a change needs `write`.")
    return Prompt(_with_form(template, task), task, permission)


def _with_form(template: str, task: Task) -> str:
    """The template and how to answer, so that every answer can be read."""
    form = answer_forms().get(task.asks, "")
    return f"{template.rstrip()}\n\n{form}".rstrip() + "\n"


def _task(name: str, doc: PromptDoc, faults: Faults) -> Task:
    built_in = BUILT_IN_TASKS.get(name)
    if built_in is None:
        return TASK_OF_KIND[doc.kind or "change"]
    if doc.kind not in (None, built_in.asks):
        message = f"the task `{name}` asks for a {built_in.asks}, not a {doc.kind}."
        faults.add(("prompts", name, "kind"), f"{message} Choose another name.")
    return built_in


def _template(keys: Keys, doc: PromptDoc, faults: Faults) -> str:
    if doc.text is None:
        message = "it needs `text` or `file`."
        if doc.file is not None:
            message = f"the file '{doc.file}' was not read when the configuration was resolved."
        faults.add(keys, message)
        return ""
    for name, line in unknown_inputs(doc.text):
        known = ", ".join(INPUTS)
        faults.add((*keys, "text"), f"line {line}: no prompt input '{name}'. Known: {known}.")
    return doc.text


def kind_words(kind: PromptKind) -> str:
    """What an answer of the kind is, for messages."""
    return {"change": "a change", "verdict": "a verdict", "suggestions": "suggestions"}[kind]
