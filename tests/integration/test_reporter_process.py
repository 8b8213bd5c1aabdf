"""The reporter inside a host process: what it imports, what it leaves when nobody closes it, what it logs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from reporter_world import make_topics, seqs_of

from infra.broker.interface import Broker


async def _run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True, timeout=120)


async def test_the_import_is_light() -> None:
    done = await _run("import sys, json, producers.sdk; print(json.dumps(sorted(sys.modules)))")
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {
        "aiokafka",
        "fastavro",
        "pydantic",
        "structlog",
        "numpy",
        "polars",
        "psutil",
        "faust",
        "pyarrow",
    }


_UNCLOSED = """
import json, sys
from producers.sdk import Reporter
reporter = Reporter("careless", bootstrap=sys.argv[1], spool_dir=sys.argv[2], close_deadline_s=60).start()
for i in range(100):
    reporter.log("info", str(i))
print(json.dumps({"session": reporter.session_id, "modules": sorted({name.split(".")[0] for name in sys.modules})}))
"""


async def test_an_author_who_forgets_to_close_loses_nothing(tansu: Broker, tmp_path: Path) -> None:
    await make_topics(tansu)
    done = await _run(_UNCLOSED, tansu.bootstrap, str(tmp_path))
    told = json.loads(done.stdout)
    assert (await seqs_of(tansu.bootstrap, told["session"], 101)).keys() == set(range(101))
    assert done.stderr == ""
    assert not {"numpy", "polars", "psutil", "pyarrow"} & set(told["modules"])


_OVER_HTTP = """
import json, sys
from producers.sdk import AgentReporter
with AgentReporter("a", gateway="http://127.0.0.1:1", spool_dir=sys.argv[1], close_deadline_s=0.1) as reporter:
    with reporter.run("r"), reporter.tool("t"):
        reporter.log("info", "x")
    reporter.flush(0.3)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


async def test_over_http_no_client_of_kafka_is_loaded(tmp_path: Path) -> None:
    done = await _run(_OVER_HTTP, str(tmp_path))
    loaded = set(json.loads(done.stdout))
    assert not loaded & {
        "aiokafka",
        "aiohttp",
        "httpx",
        "http",
        "fastapi",
        "numpy",
        "polars",
        "duckdb",
        "faust",
        "psutil",
        "fastavro",
    }
    assert "pydantic" in loaded


_TOLD = """
import logging, threading
told = threading.Event()
class Heard(logging.Handler):
    def emit(self, record):
        logging.lastResort.emit(record)
        told.set()
logging.getLogger("fleetpulse").addHandler(Heard())
"""


_OVER_KAFKA = """
import json, sys
from producers.sdk import AgentReporter
import producers.sdk.link, producers.sdk.sender
settings = {"bootstrap": "127.0.0.1:1", "spool_dir": sys.argv[1]}
AgentReporter("a", policies=[{"id": "pii", "type": "pii"}], **settings)
from producers.governance import LengthPolicy, PiiPolicy
from producers.sdk.config import ReporterConfig
built = [kind.__name__ for kind in (LengthPolicy, PiiPolicy, ReporterConfig) if kind.__pydantic_complete__]
print(json.dumps({"modules": sorted(sys.modules), "built": built}))
"""


async def test_over_kafka_only_what_is_used_is_loaded_and_built(tmp_path: Path) -> None:
    done = await _run(_OVER_KAFKA, str(tmp_path))
    told = json.loads(done.stdout)
    assert "aiokafka.producer.producer" in told["modules"]
    assert not {"aiokafka.admin", "fastavro", "pydantic_settings", "typer", "rich", "structlog"} & set(told["modules"])
    # Settings that are plainly right need no validators, nor the plugins that pydantic looks for when it builds one.
    assert "pydantic.plugin._loader" not in told["modules"]
    assert told["built"] == []


async def test_an_absent_broker_is_told_once(tmp_path: Path) -> None:
    code = _TOLD + _UNCLOSED + "told.wait(60); reporter.flush(1.5); reporter.close(0.1)"
    done = await _run(code, "127.0.0.1:1", str(tmp_path))
    assert [line[:28] for line in done.stderr.splitlines()] == ["no broker at 127.0.0.1:1, ev"]


_DEAD_SENDER = """
import json, sys, threading
from producers.sdk import Reporter
threading.excepthook = lambda args: None
reporter = Reporter("wounded", bootstrap="127.0.0.1:1", spool_dir=sys.argv[1], close_deadline_s=0.1).start()
reporter.heartbeat()
loop = reporter._sender._running.result()
loop.call_soon_threadsafe(loop.stop)
reporter._sender.join(60)
reporter.heartbeat()
report = reporter.flush(0.1)
print(json.dumps([report.issued, report.acknowledged, report.complete, reporter.close().complete]))
"""


async def test_a_dead_sender_claims_nothing_and_hangs_nobody(tmp_path: Path) -> None:
    done = await _run(_DEAD_SENDER, str(tmp_path))
    assert json.loads(done.stdout) == [2, 0, False, False]
    assert "the reporter's sender died" in done.stderr
