"""`fleetpulse sql` and `fleetpulse ledger`."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

import typer

from infra.runtime.durations import parse_duration_s
from infra.runtime.errors import SettingError
from infra.runtime.settings import load_settings

_UNITS_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_MIN_MEMORY_BYTES = 32 * 10**6
_MAX_TIMEOUT_S = 86_400.0


def parse_bytes(text: str, setting: str) -> int:
    """`500MB`, `1GiB` or plain bytes as a number of bytes. Raises `SettingError`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", text.strip())
    if found is None or found[2].lower() not in _UNITS_BYTES:
        raise SettingError(f"cannot read {text!r}", setting=setting, way_out="Write it like 500MB or 2GiB")
    return int(float(found[1]) * _UNITS_BYTES[found[2].lower()])


@contextlib.contextmanager
def open_output(path: Path | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that appears under its name only when all of it is written.

    Raises `SettingError` when the file cannot be made.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        sink = temporary.open("wb")
    except OSError as error:
        raise SettingError(f"cannot write {path}: {error.strerror}", setting="--output") from error
    try:
        with sink:
            yield sink
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def lake_dir(option: Path | None) -> Path:
    """The lake of an option, else of the settings."""
    return load_settings(lake=option).lake_dir


def sql(
    query: Annotated[str, typer.Argument(metavar="SELECT", help="one SELECT; - reads it from standard input")],
    lake: Annotated[
        Path | None, typer.Option(help="folder of the lake; default FLEETPULSE_LAKE or DATA_DIR/lake")
    ] = None,
    output_format: Annotated[str, typer.Option("--format", help="table, json, csv or parquet")] = "table",
    output: Annotated[Path | None, typer.Option(help="file to write instead of standard output")] = None,
    timeout: Annotated[str, typer.Option(help="wall time it may take, for example 30s")] = "30s",
    max_rows: Annotated[int, typer.Option(min=1, help="an answer with more rows is an error")] = 1_000_000,
    memory: Annotated[str, typer.Option(help="memory it may use, for example 1GB")] = "1GB",
    safe_csv: Annotated[bool, typer.Option(help="in csv, keep spreadsheets from taking text for formulas")] = False,
) -> None:
    """Ask the lake one SELECT: tables by name, latest_trust, latest_status, agents, metrics_hourly, ledger and more.

    Example:  fleetpulse sql "SELECT agent_id, trust FROM latest_trust ORDER BY trust LIMIT 5"
    """
    from sinks.lake.query_print import Format, writer_of  # noqa: PLC0415  # --help stays quick
    from sinks.lake.sql import SqlLimits, run_sql  # noqa: PLC0415  # --help stays quick

    if output_format not in list(Format):
        raise SettingError(
            f"unknown format {output_format!r}", setting="--format", way_out="Use table, json, csv or parquet"
        )
    wanted = Format(output_format)
    if wanted is Format.PARQUET and output is None and sys.stdout.isatty():
        raise SettingError("Parquet is not for a terminal", setting="--output", way_out="Name a file")
    limits = SqlLimits(_timeout_s(timeout), max_rows, _memory_bytes(memory), threads=min(4, os.cpu_count() or 1))
    text = sys.stdin.read() if query == "-" else query
    folder = lake_dir(lake)
    with run_sql(folder, text, limits) as answer, open_output(output) as sink:
        writer_of(wanted, safe_csv=safe_csv)(answer, sink)
    if next(folder.glob("*/date=*"), None) is None:
        sys.stderr.write(f"note: the lake {folder} is empty, every table has zero rows\n")


def _timeout_s(text: str) -> float:
    seconds = parse_duration_s(text, "--timeout")
    if seconds > _MAX_TIMEOUT_S:
        raise SettingError(f"{text!r} is out of range", setting="--timeout", way_out="Use at most a day")
    return seconds


def _memory_bytes(text: str) -> int:
    size = parse_bytes(text, "--memory")
    if size < _MIN_MEMORY_BYTES:
        raise SettingError(
            f"{text!r} is too little", setting="--memory", way_out=f"Use at least {_MIN_MEMORY_BYTES // 10**6}MB"
        )
    return size


def ledger(
    lake: Annotated[
        Path | None, typer.Option(help="folder of the lake; default FLEETPULSE_LAKE or DATA_DIR/lake")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="only this agent")] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="only agents with missing events, with their numbers")
    ] = False,
    sessions: Annotated[bool, typer.Option("--sessions", help="a line a session instead of a line an agent")] = False,
    accounts: Annotated[
        Path | None, typer.Option(help="folder of the producers' accounts: shows the tails too")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="so many lines at most, the worst first")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table")] = False,
) -> None:
    """The proof of delivery: per agent what was published, what landed, what is missing, what came twice.

    Example:  fleetpulse ledger --lake ./lake --missing
    """
    from infra.runtime.narrow import wide_console  # noqa: PLC0415  # --help stays quick
    from sinks.lake.ledger_view import LedgerQuestion, read_ledger, show_ledger  # noqa: PLC0415  # --help stays quick

    question = LedgerQuestion(agent, missing, sessions, limit)
    found = read_ledger(lake_dir(lake), question, accounts)
    sys.stdout.write(found.as_json() if as_json else show_ledger(found, wide_console().width))
