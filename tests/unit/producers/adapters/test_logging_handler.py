"""What becomes of records of Python's logging. The reporter is a real one that was never started: it only queues."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from producers.adapters.logging_handler import FleetLogHandler, level_of
from producers.sdk import AgentReporter
from producers.sdk.quiet import THREAD_NAME


class Heard:
    """A logger with the handler, and what the reporter queued."""

    def __init__(self, reporter: AgentReporter, **settings: Any) -> None:  # noqa: ANN401  # as the handler takes
        self.reporter = reporter
        self.logger = logging.Logger("shop.orders")  # of its own, so that tests share nothing
        self.handler = FleetLogHandler(reporter, **settings)
        self.logger.addHandler(self.handler)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Fields of the logs so far."""
        return [dict(fields) for _, _, topic, fields in self.reporter._buffer.take(1_000) if topic == "fleet.logs"]


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    return Heard(AgentReporter("a-1", "acme", bootstrap="127.0.0.1:1", spool_dir=tmp_path))


def test_a_record_is_reported_without_personal_data(heard: Heard) -> None:
    heard.logger.warning(
        "order of %s", "ops@example.org", extra={"card": "4111 1111 1111 1111", "category": "business"}
    )
    (event,) = heard.events
    assert event["message"] == "order of [EMAIL]"
    assert (event["level"], event["category"], event["source"]) == ("warn", "business", "shop.orders")
    assert event["metadata"]["card"] == "[CARD]"
    assert event["metadata"]["function"] == "test_a_record_is_reported_without_personal_data"


def test_exceptions_are_named_and_their_text_is_redacted(heard: Heard) -> None:
    try:
        int("no account DE89 3704 0044 0532 0130 00")
    except ValueError:
        heard.logger.exception("failed")
    (event,) = heard.events
    assert event["level"] == "error"
    assert event["metadata"]["exception"] == "ValueError"
    assert event["metadata"]["exception_text"] == "invalid literal for int() with base 10: 'no account [IBAN]'"


def test_what_the_policies_hide_is_hidden_in_logs_too(tmp_path: Path) -> None:
    policies = [{"id": "p", "patterns": [r"MRN-\d+"]}]
    heard = Heard(AgentReporter("a-1", "acme", policies=policies, bootstrap="127.0.0.1:1", spool_dir=tmp_path))
    heard.logger.info("MRN-12 of a@b.org")
    assert [event["message"] for event in heard.events] == ["[REDACTED] of [EMAIL]"]


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (0, "debug"),
        (10, "debug"),
        (20, "info"),
        (25, "info"),
        (30, "warn"),
        (40, "error"),
        (50, "critical"),
        (99, "critical"),
    ],
)
def test_levels(number: int, level: str) -> None:
    assert level_of(number) == level


def test_logs_of_a_run_carry_its_id(heard: Heard) -> None:
    with heard.reporter.run("refund", run_id="run-7"):
        heard.logger.info("inside")
    heard.logger.info("outside")
    assert [event["run_id"] for event in heard.events] == ["run-7", None]


def test_what_the_sdk_itself_logs_is_left_out(heard: Heard) -> None:
    own = logging.Logger("fleetpulse.sdk.link")  # as above
    own.addHandler(heard.handler)
    own.error("broker away")
    sender = threading.Thread(target=heard.logger.error, args=("aiokafka says",), name=THREAD_NAME)
    sender.start()
    sender.join()
    assert heard.events == []


def test_a_record_that_is_made_while_one_is_handled_is_left_out(tmp_path: Path) -> None:
    def chatty(text: str) -> str:
        heard.logger.info("redacting")
        return text.upper()

    heard = Heard(AgentReporter("a-1", "acme", bootstrap="127.0.0.1:1", spool_dir=tmp_path), redact=chatty)
    heard.logger.info("hello")
    assert [event["message"] for event in heard.events] == ["HELLO"]


def test_a_record_that_cannot_be_formatted_does_not_break_the_host(
    heard: Heard, capsys: pytest.CaptureFixture[str]
) -> None:
    heard.logger.info("%d", "no number")
    heard.logger.info("lone \ud800 surrogate %s", "x" * 10_000)
    (event,) = heard.events
    assert event["message"].startswith("lone ? surrogate xxx")
    assert len(event["message"]) == 4_000
    assert "Logging error" in capsys.readouterr().err
