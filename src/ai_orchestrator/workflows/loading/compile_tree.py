"""What a workflow needs around its steps: verifiers, protected files, the environment of a tree.

Each key stands in the workflow, or at the top of the document for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.config.document_path import Keys
from ai_orchestrator.model.review import Verifier
from ai_orchestrator.model.workflow import EnvironmentSpec
from ai_orchestrator.review.globs import check as check_pattern
from ai_orchestrator.review.protection import DEFAULT_PROTECTED
from ai_orchestrator.workflows.loading.document import Document, TreeDoc, VerifierDoc
from ai_orchestrator.workflows.loading.faults import Faults, read_argv, read_duration_s
from ai_orchestrator.workflows.loading.words import command_name, leaves_repository, numbered

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TreeCompiler:
    """Reads the keys of `TreeDoc` for one workflow."""

    document: Document
    keys: Keys
    """Place of the workflow."""
    workflow: TreeDoc
    verifier_timeout_s: float
    faults: Faults

    def verifiers(self) -> tuple[Verifier, ...] | None:
        """The verifiers; None when they are to be found by looking at the repository."""
        keys, given = self._either("verify", self.workflow.verify, self.document.verify)
        if given is None or given == "auto":
            return None
        docs = [VerifierDoc(run=one) if isinstance(one, str) else one for one in given]
        made = [
            self._verifier((*keys, index), doc, is_line=isinstance(one, str))
            for index, (doc, one) in enumerate(zip(docs, given, strict=True))
        ]
        names = self._names(keys, docs, made)
        return tuple(
            Verifier(name, one.argv, one.timeout_s, one.network)
            for name, one in zip(names, made, strict=True)
        )

    def _verifier(self, keys: Keys, doc: VerifierDoc, *, is_line: bool) -> Verifier:
        run_keys = keys if is_line else (*keys, "run")
        return Verifier(
            name="",
            argv=read_argv(run_keys, doc.run, self.faults),
            timeout_s=read_duration_s(
                (*keys, "timeout"), doc.timeout, self.verifier_timeout_s, self.faults
            ),
            network=doc.network,
        )

    def _names(
        self, keys: Keys, docs: Sequence[VerifierDoc], made: Sequence[Verifier]
    ) -> list[str]:
        """The written names, and for the others that of the command, numbered from 2."""
        written: set[str] = set()
        for index, doc in enumerate(docs):
            if doc.name is not None and doc.name in written:
                self.faults.add((*keys, index, "name"), f"the name '{doc.name}' stands twice.")
            written.update(() if doc.name is None else (doc.name,))
        derived = [
            command_name(doc.run) if one.argv else "command"
            for doc, one in zip(docs, made, strict=True)
            if doc.name is None
        ]
        free = iter(numbered(derived, written, mark="-"))
        return [doc.name or next(free) for doc in docs]

    def protected(self) -> tuple[str, ...]:
        """Patterns of files that may not change."""
        keys, given = self._either("protected", self.workflow.protected, self.document.protected)
        if given is None:
            return DEFAULT_PROTECTED
        for index, pattern in enumerate(given):
            self._check_pattern((*keys, index), pattern)
        return tuple(given)

    def _check_pattern(self, keys: Keys, pattern: str) -> None:
        try:
            check_pattern(pattern)
        except BadInputError as error:
            self.faults.add(keys, str(error))
        if leaves_repository(pattern.removeprefix("/")):
            self.faults.add(keys, f"'{pattern}' leaves the repository.")

    def environment(self) -> EnvironmentSpec:
        """What makes a fresh tree ready."""
        keys, setup = self._either("setup", self.workflow.setup, self.document.setup)
        commands = [
            read_argv((*keys, index), command, self.faults)
            for index, command in enumerate(setup or ())
        ]
        _, ports = self._either("ports", self.workflow.ports, self.document.ports)
        return EnvironmentSpec(
            setup=tuple(commands),
            setup_files=self._setup_files(),
            copy=self._paths("copy", self.workflow.copy, self.document.copy),
            link=self._paths("link", self.workflow.link, self.document.link),
            ports=ports or 0,
        )

    def _setup_files(self) -> tuple[str, ...] | None:
        keys, given = self._either(
            "setup_files", self.workflow.setup_files, self.document.setup_files
        )
        for index, pattern in enumerate(given or ()):
            self._check_pattern((*keys, index), pattern)
        return None if given is None else tuple(given)

    def _paths(self, key: str, own: list[str] | None, common: list[str] | None) -> tuple[str, ...]:
        keys, paths = self._either(key, own, common)
        for index, path in enumerate(paths or ()):
            if leaves_repository(path):
                self.faults.add((*keys, index), f"'{path}' leaves the repository.")
        return tuple(paths or ())

    def _either(self, key: str, own: T | None, common: T | None) -> tuple[Keys, T | None]:
        """The workflow's value with its place, else that of the document."""
        return ((*self.keys, key), own) if own is not None else ((key,), common)
