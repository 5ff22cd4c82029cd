"""What the durable engine's library may write to our log. Called once, when the engine starts.

The library logs every exception that ends a workflow with its trace, also the one by which it
ends a workflow that was cancelled. That is what a person asked for, and no error.
"""

from __future__ import annotations

import logging

from dbos._error import DBOSAwaitedWorkflowCancelledError, DBOSWorkflowCancelledError


def quieten() -> None:
    """The library tells of errors only, and a cancellation is none."""
    library = logging.getLogger("dbos")
    library.setLevel(logging.ERROR)
    if not any(isinstance(one, _NoCancellations) for one in library.filters):
        library.addFilter(_NoCancellations())


class _NoCancellations(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, DBOSWorkflowCancelledError | DBOSAwaitedWorkflowCancelledError)
