"""`FleetLogHandler`: records of Python's logging as events of fleet.logs, without personal data."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

from producers.governance.redact import redact_text
from producers.sdk.agent import AgentReporter
from producers.sdk.events import Category, Level
from producers.sdk.place import here
from producers.sdk.quiet import THREAD_NAME

if TYPE_CHECKING:
    from producers.sdk.reporter import Reporter

MAX_MESSAGE, MAX_VALUE, MAX_EXTRAS = 4_000, 500, 16
_LEVELS: tuple[tuple[int, Level], ...] = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warn"),
    (logging.INFO, "info"),
)
_CATEGORIES = frozenset(get_args(Category))
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "category"}


class FleetLogHandler(logging.Handler):
    """Reports each record by `reporter`; costs some microseconds and never waits.

    ::

        logging.getLogger().addHandler(FleetLogHandler(reporter, level=logging.INFO))

    Messages, extras and the text of exceptions are redacted and bounded: by `redact`, else by the policies of an
    `AgentReporter`, else by `redact_text`. `extra={"category": "security"}`
    says the category, which is `category` otherwise; other extras become metadata. Records of the SDK's own loggers
    and what is logged while a record is being handled are left out. A record that cannot be formatted goes to
    `logging.Handler.handleError`, as usual.
    """

    def __init__(
        self,
        reporter: Reporter,
        level: int | str = logging.NOTSET,
        *,
        category: Category = "system",
        redact: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__(level)
        self._reporter = reporter
        self._category = category
        self._redact = _redaction_of(reporter) if redact is None else redact
        self._busy = threading.local()
        self.addFilter(self._wanted)

    def _wanted(self, record: logging.LogRecord) -> bool:
        return not getattr(self._busy, "now", False) and not _is_own(record)

    def emit(self, record: logging.LogRecord) -> None:
        """Report one record."""
        self._busy.now = True
        try:
            self._report(record)
        except Exception:  # noqa: BLE001  # logging's own contract: a handler never raises, handleError says it
            self.handleError(record)
        finally:
            self._busy.now = False

    def _report(self, record: logging.LogRecord) -> None:
        place = here(self._reporter.session_id)
        category: Category = getattr(record, "category", self._category)
        self._reporter.log(
            level_of(record.levelno),
            self._clean(record.getMessage(), MAX_MESSAGE),
            category=category if category in _CATEGORIES else self._category,
            source=record.name[:MAX_VALUE],
            metadata=self._metadata(record),
            run_id=None if place is None else place.run_id,
        )

    def _metadata(self, record: logging.LogRecord) -> dict[str, str]:
        told = {"place": f"{record.filename}:{record.lineno}", "function": record.funcName or ""}
        if record.exc_info and record.exc_info[0] is not None:
            kind, error = record.exc_info[:2]
            told |= {"exception": kind.__name__, "exception_text": self._clean(str(error), MAX_VALUE)}
        extras = [name for name in vars(record) if name not in _STANDARD][:MAX_EXTRAS]
        return told | {self._clean(n, MAX_VALUE): self._clean(str(getattr(record, n)), MAX_VALUE) for n in extras}

    def _clean(self, text: str, longest: int) -> str:
        return self._redact(text)[:longest].encode("utf-8", "replace").decode("utf-8")


def _redaction_of(reporter: Reporter) -> Callable[[str], str]:
    engine = reporter.engine if isinstance(reporter, AgentReporter) else None
    return redact_text if engine is None else engine.redact


def _is_own(record: logging.LogRecord) -> bool:
    """Who sends the events must not write some by sending: with the broker away that would never end."""
    threads = {record.threadName, threading.current_thread().name}
    return record.name.partition(".")[0] == "fleetpulse" or THREAD_NAME in threads


def level_of(number: int) -> Level:
    """The level of the schema at or below a level of Python's logging."""
    return next((level for least, level in _LEVELS if number >= least), "debug")
