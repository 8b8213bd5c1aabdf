"""Which broker: `auto`, `kafka`, `tansu` or an address, and why."""

from __future__ import annotations

from infra.broker.external import ExternalBroker
from infra.broker.handshake import split_address
from infra.broker.interface import Broker, Kind
from infra.broker.jars import KAFKA_VERSION, jars_dir
from infra.broker.java import LEAST_JAVA, find_java
from infra.broker.kafka import Kafka
from infra.broker.local import LocalBroker
from infra.broker.tansu import Tansu
from infra.runtime.errors import SettingError
from infra.runtime.settings import Settings


def resolve_broker(choice: str, settings: Settings, *, port: int = 0) -> Broker:
    """The broker that `choice` means here, not started yet; its `why` says how it was chosen.

    `auto` is the external one of FLEETPULSE_BOOTSTRAP, else a local Kafka if Java and the jars are there, else Tansu.
    `port` is for a local one; 0 chooses a free port.
    Raises `SettingError` for a choice that is none, `BrokerUnreachableError` when an external one does not answer.
    """
    match choice:
        case "auto":
            return _automatic(settings, port)
        case "kafka":
            return LocalBroker(Kafka(settings), why="asked for", port=port)
        case "tansu":
            return LocalBroker(Tansu(settings.data_dir), why="asked for", port=port)
        case _:
            return _external(choice, setting="--broker", why="asked for")


def _automatic(settings: Settings, port: int) -> Broker:
    kind, why = describe_choice(settings)
    if kind == "external":
        return _external(settings.bootstrap, setting="FLEETPULSE_BOOTSTRAP", why=why)
    recipe = Kafka(settings) if kind == "kafka" else Tansu(settings.data_dir)
    return LocalBroker(recipe, why=why, port=port)


def describe_choice(settings: Settings) -> tuple[Kind, str]:
    """What `auto` means here, and why; nothing is contacted or started."""
    if settings.bootstrap:
        return "external", "FLEETPULSE_BOOTSTRAP is set"
    lacking = lacking_for_kafka(settings)
    if lacking is None:
        return "kafka", f"Java and the jars of Kafka {KAFKA_VERSION} are here"
    return "tansu", f"in memory, because {lacking}"


def lacking_for_kafka(settings: Settings) -> str | None:
    """Why a local Kafka cannot run here; None when it can."""
    if not jars_dir(settings).is_dir():
        return "the Kafka jars are not fetched (fleetpulse broker fetch)"
    java = find_java()
    if java is None or java.version < LEAST_JAVA:
        return f"Kafka needs Java {LEAST_JAVA} or newer"
    return None


def _external(bootstrap: str, *, setting: str, why: str) -> Broker:
    try:
        for address in bootstrap.split(","):
            split_address(address)
    except ValueError as error:
        raise SettingError(
            f"no such broker: {error}", setting=setting, way_out="Use auto, kafka, tansu or HOST:PORT[,HOST:PORT]"
        ) from error
    broker = ExternalBroker(bootstrap, why=why)
    broker.wait_ready()
    return broker
