"""The jars of Apache Kafka: fetched once by Maven, believed only with the digests that are committed here."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from infra.broker.java import require_java
from infra.runtime.errors import BrokerStartError
from infra.runtime.settings import Settings

KAFKA_VERSION = "4.1.0"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_FETCH_WITHIN_S = 900.0
_SHOWN = 5


class JarsError(BrokerStartError):
    """The jars of Apache Kafka are missing, too many, or not what they should be."""


def jars_dir(settings: Settings) -> Path:
    """Where the jars are kept, fetched or not."""
    return settings.cache_dir.expanduser().absolute() / f"kafka-{KAFKA_VERSION}"


def packaged(name: str) -> Path:
    """A file beside this module (pom.xml, jars.sha256, log4j2.xml)."""
    return Path(str(resources.files("infra.broker").joinpath(name)))


def expected_digests() -> dict[str, str]:
    """SHA-256 (hexadecimal) of every jar by file name, from `jars.sha256` (the format of sha256sum)."""
    lines = packaged("jars.sha256").read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def problems(folder: Path, expected: dict[str, str]) -> list[str]:
    """What is wrong with the files of `folder`, one line each; empty when it holds exactly the expected jars."""
    found = {path.name: path for path in folder.iterdir()}
    missing = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    too_many = [f"{name} does not belong there" for name in sorted(found.keys() - expected.keys())]
    different = [
        f"{name} has another SHA-256 than expected"
        for name in sorted(expected.keys() & found.keys())
        if _digest(found[name]) != expected[name]
    ]
    return missing + too_many + different


def verify(folder: Path) -> None:
    """Raises `JarsError`, naming the files, unless `folder` holds exactly the jars that are expected."""
    wrong = problems(folder, expected_digests())
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise JarsError(
            f"the Kafka jars in {folder} cannot be trusted: {'; '.join(wrong[:_SHOWN])}{more}",
            setting="FLEETPULSE_CACHE_DIR",
            way_out="Remove that folder and run: fleetpulse broker fetch",
        )


def require_jars(settings: Settings) -> Path:
    """The folder of the verified jars. Raises `JarsError` when they are absent or wrong."""
    folder = jars_dir(settings)
    if not folder.is_dir():
        raise JarsError(
            f"the Kafka jars are not in {folder}",
            setting="FLEETPULSE_CACHE_DIR",
            way_out="Fetch them once with: fleetpulse broker fetch, or use --broker tansu",
        )
    verify(folder)
    return folder


def fetch(settings: Settings) -> Path:
    """Fetch the jars unless they are there, and verify them either way; returns their folder.

    Complete or not at all: Maven fills a temporary folder beside, which is verified and then renamed; who fetches at
    the same time does no harm. Raises `JarsError`, or `BrokerStartError` where Java or Maven is absent.
    """
    folder = jars_dir(settings)
    if not folder.is_dir():
        require_java()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as scratch:
            fresh = Path(scratch) / "jars"
            _copy_dependencies(fresh)
            verify(fresh)
            _publish(fresh, folder)
    verify(folder)
    return folder


def _publish(fresh: Path, folder: Path) -> None:
    try:
        fresh.rename(folder)
    except OSError:
        if not folder.is_dir():  # otherwise another fetch was first, and its folder is verified next
            raise


def _copy_dependencies(into: Path) -> None:
    command = [_maven(), "-B", "-q", "--strict-checksums", "-f", str(packaged("pom.xml")), _COPY]
    command += [f"-DoutputDirectory={into}", "-DincludeScope=runtime"]
    try:
        done = subprocess.run(  # noqa: S603  # found by which, fixed arguments
            command, capture_output=True, text=True, timeout=_FETCH_WITHIN_S, check=False, env=os.environ
        )
    except subprocess.TimeoutExpired as error:
        raise JarsError(f"Maven did not fetch the Kafka jars within {_FETCH_WITHIN_S:g} s") from error
    if done.returncode != 0:
        said = " ".join((done.stdout + done.stderr).split())[:600]
        raise JarsError(
            f"Maven could not fetch the Kafka jars: {said}",
            way_out="Check the network and the Maven settings, or use --broker tansu",
        )


def _maven() -> str:
    program = shutil.which("mvn")
    if program is None:
        raise JarsError(
            "fetching the Kafka jars needs Maven, and there is no mvn",
            setting="PATH",
            way_out="Install Maven, or use --broker tansu",
        )
    return program


def _digest(path: Path) -> str:
    with path.open("rb") as jar:
        return hashlib.file_digest(jar, "sha256").hexdigest()
