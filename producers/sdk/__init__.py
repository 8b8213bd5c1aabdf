"""Report an agent's events: `from producers.sdk import Reporter`. Calls only queue; one daemon thread sends."""

from producers.sdk.report import FlushReport, TopicReport
from producers.sdk.reporter import Reporter

__all__ = ["FlushReport", "Reporter", "TopicReport"]
