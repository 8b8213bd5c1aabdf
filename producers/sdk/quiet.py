"""Keep the Kafka client's complaints about a broker that is away out of the host application's logs.

The reporter says itself, once, that the broker is away and that it is back; aiokafka says it at every attempt, as an
error, and reports Tansu's refusal of producer ids as one. Only the sender's thread is concerned: an application that
uses aiokafka for itself hears everything of that.
"""

from __future__ import annotations

import logging
import threading

THREAD_NAME = "fleetpulse-sender"
_LOGGERS = ("aiokafka", "aiokafka.client", "aiokafka.conn", "aiokafka.producer.producer", "aiokafka.producer.sender")


def _not_of_a_sender(record: logging.LogRecord) -> bool:
    del record
    return threading.current_thread().name != THREAD_NAME or logging.getLogger("fleetpulse.sdk").isEnabledFor(
        logging.DEBUG
    )


def quiet_client_logs() -> None:
    """Filter them; with the logger `fleetpulse.sdk` at debug level they are heard."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_not_of_a_sender)
