"""The jars are believed only with their digests."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from infra.broker.jars import (
    KAFKA_VERSION,
    JarsError,
    expected_digests,
    fetch,
    jars_dir,
    packaged,
    problems,
    require_jars,
)
from infra.runtime.settings import Settings, load_settings

GOOD = b"a jar"
EXPECTED = {name: hashlib.sha256(GOOD).hexdigest() for name in ("a.jar", "b.jar")}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(cache_dir=tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in EXPECTED:
        (tmp_path / name).write_bytes(GOOD)
    return tmp_path


def test_exactly_the_expected_ones(folder: Path) -> None:
    assert problems(folder, EXPECTED) == []


def test_one_missing(folder: Path) -> None:
    (folder / "a.jar").unlink()
    assert problems(folder, EXPECTED) == ["a.jar is missing"]


def test_one_too_many(folder: Path) -> None:
    (folder / "evil.jar").write_bytes(GOOD)
    assert problems(folder, EXPECTED) == ["evil.jar does not belong there"]


def test_one_different(folder: Path) -> None:
    (folder / "b.jar").write_bytes(GOOD + b"!")
    assert problems(folder, EXPECTED) == ["b.jar has another SHA-256 than expected"]


def test_wrong_jars_are_refused_with_the_way_out(settings: Settings) -> None:
    jars_dir(settings).mkdir(parents=True)
    (jars_dir(settings) / "kafka-clients-4.1.0.jar").write_bytes(b"not Kafka")
    for use in (fetch, require_jars):
        with pytest.raises(JarsError, match=r"cannot be trusted: .* is missing; .* and \d+ more.*Remove that folder"):
            use(settings)


def test_absent_jars_are_refused_with_the_way_out(settings: Settings) -> None:
    with pytest.raises(JarsError, match=r"are not in .*fleetpulse broker fetch"):
        require_jars(settings)


def _fake_program(folder: Path, name: str, text: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of the PATH, with a Java that says it is 17."""
    found = tmp_path / "programs"
    found.mkdir()
    _fake_program(found, "java", "echo 'openjdk version \"17.0.1\"' >&2")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(found))
    return found


def test_fetch_without_maven(settings: Settings, programs: Path) -> None:
    with pytest.raises(JarsError, match="needs Maven, and there is no mvn"):
        fetch(settings)


def test_a_fetch_that_fails_leaves_nothing_behind(settings: Settings, programs: Path) -> None:
    _fake_program(programs, "mvn", "echo 'could not resolve kafka' >&2; exit 1")
    with pytest.raises(JarsError, match="could not resolve kafka"):
        fetch(settings)
    assert list(settings.cache_dir.iterdir()) == []


def test_a_fetch_that_brings_the_wrong_jars_leaves_nothing_behind(settings: Settings, programs: Path) -> None:
    _fake_program(programs, "mvn", 'for a; do case $a in -DoutputDirectory=*) /bin/mkdir "${a#*=}";; esac; done')
    with pytest.raises(JarsError, match="cannot be trusted"):
        fetch(settings)
    assert list(settings.cache_dir.iterdir()) == []


def test_the_committed_list_belongs_to_the_pom() -> None:
    digests = expected_digests()
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests.values())
    assert f"kafka-clients-{KAFKA_VERSION}.jar" in digests
    place = {"m": "http://maven.apache.org/POM/4.0.0"}
    pom = Xml.parse(packaged("pom.xml"))  # our own file
    for dependency in pom.iterfind(".//m:dependency", place):
        name, version = (dependency.findtext(f"m:{tag}", namespaces=place) for tag in ("artifactId", "version"))
        assert f"{name}-{version}.jar" in digests
