"""Apache Kafka as one KRaft node on this machine."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import shutil
import subprocess
import uuid
from pathlib import Path

from infra.broker.interface import Kind, Launch
from infra.broker.jars import packaged, require_jars
from infra.broker.java import require_java
from infra.broker.ports import LOOPBACK, free_port
from infra.runtime.errors import BrokerStartError
from infra.runtime.kafka import MAX_MESSAGE_BYTES
from infra.runtime.settings import Settings

HEAP = "512m"
_FORMAT_WITHIN_S = 120.0
# For a small machine that it shares. Serial collection has the least threads and memory, and a heap this small never
# makes it pause for long. The first compiler alone halves the processor time of a start (4.3 to 2.3 s on two cores) and
# of the first seconds of load (1.7 to 0.9 us an event of 200 bytes); a broker that runs for weeks is an external one.
JVM_OPTIONS = (
    f"-Xmx{HEAP}",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
)


def server_properties(port: int, controller_port: int, data: Path) -> dict[str, str]:
    """The configuration of the node; `data` is the folder of its logs."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        # One node: nothing can be replicated.
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # A killed broker may register again only after its old session; nothing but itself is fenced if it is slow.
        "broker.session.timeout.ms": "5000",
        "broker.heartbeat.interval.ms": "500",
        # Fewer than the 50 of each by default: a restart opens all of their files.
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.num.partitions": "4",
        "message.max.bytes": str(MAX_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
        # The page cache survives a killed process; a second of records is what a power cut may take.
        "log.flush.interval.ms": "1000",
        "log.flush.scheduler.interval.ms": "1000",
        "log.segment.bytes": str(128 * 1024 * 1024),
    }


class Kafka:
    """Keeps its records in `DATA_DIR/kafka/data`; two at once in one folder are refused."""

    kind: Kind = "kafka"
    durable = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.data_dir.absolute() / "kafka"
        self._log = self._folder / "kafka.log"

    def prepare(self, port: int) -> Launch:
        """Check Java and jars, format the folder the first time. Raises `BrokerStartError`, `JarsError`."""
        java = require_java().program
        class_path = f"{require_jars(self._settings)}/*"
        data = self._folder / "data"
        self._folder.mkdir(parents=True, exist_ok=True)
        _require_unused(data)
        self._log.unlink(missing_ok=True)
        controller_port = free_port()
        if not data.is_dir():
            self._format(java, class_path, data)
        properties = self._write_properties("server.properties", server_properties(port, controller_port, data))
        command = [java, *JVM_OPTIONS, *self._logging(), "-cp", class_path, "kafka.Kafka", str(properties)]
        return Launch(command, self._folder / "kafka.out", _environment())

    def complaint(self) -> str:
        """The last lines of Kafka's own log."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-600:] if self._log.is_file() else ""

    def _format(self, java: str, class_path: str, data: Path) -> None:
        """Format beside and rename, so that a folder named `data` is a formatted one."""
        fresh = self._folder / "formatting"
        if fresh.exists():
            shutil.rmtree(fresh)
        properties = self._write_properties("format.properties", server_properties(free_port(), free_port(), fresh))
        command = [java, *JVM_OPTIONS, *self._logging(), "-cp", class_path]
        command += ["kafka.tools.StorageTool", "format", "--cluster-id", _new_cluster_id(), "--config", str(properties)]
        done = subprocess.run(  # noqa: S603  # our own command line, no shell
            command, capture_output=True, text=True, timeout=_FORMAT_WITHIN_S, check=False, env=_environment()
        )
        if done.returncode != 0:
            said = " ".join((done.stdout + done.stderr).split())[-600:]
            raise BrokerStartError(f"Kafka could not format {data}: {said}", setting="FLEETPULSE_DATA_DIR")
        properties.unlink()
        fresh.rename(data)

    def _logging(self) -> list[str]:
        return [f"-Dlog4j2.configurationFile={packaged('log4j2.xml')}", f"-Dfleetpulse.log={self._log}"]

    def _write_properties(self, name: str, properties: dict[str, str]) -> Path:
        path = self._folder / name
        path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()), encoding="utf-8")
        return path


def _require_unused(data: Path) -> None:
    """Raises `BrokerStartError` when a Kafka runs on this folder: it holds a POSIX lock on the file `.lock`.

    Asked before any file of the other is touched; who starts between the question and Kafka's own lock meets that.
    """
    with contextlib.suppress(FileNotFoundError), (data / ".lock").open("r+b") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BrokerStartError(
                f"another Kafka runs on {data}",
                setting="FLEETPULSE_DATA_DIR or --data-dir",
                way_out="Use that one (fleetpulse broker status), or choose another folder",
            ) from error


def _new_cluster_id() -> str:
    """A random id as Kafka writes its own (16 bytes, URL-safe base64 without padding).

    It begins with a letter: the tool would take a leading "-" for an option.
    """
    return "f" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii")[1:22]


def _environment() -> dict[str, str]:
    """The environment without the JDK's own option variables, which change the process and print to its output."""
    dropped = {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"}
    return {key: value for key, value in os.environ.items() if key not in dropped}
