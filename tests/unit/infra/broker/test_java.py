from pathlib import Path

import pytest

from infra.broker.java import find_java, parse_version, require_java
from infra.runtime.errors import BrokerStartError


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ('openjdk version "22-ea" 2024-03-19', 22),
        ("bash: java: not found", None),
    ],
)
def test_version(said: str, version: int | None) -> None:
    assert parse_version(said) == version


def _fake_java(folder: Path, text: str) -> None:
    program = folder / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def test_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_java(tmp_path, "echo 'openjdk version \"11.0.1\"' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    found = find_java()
    assert found is not None
    assert (found.program, found.version) == (f"{tmp_path}/bin/java", 11)
    with pytest.raises(BrokerStartError, match=r"needs Java 17 or newer and .* is Java 11.*--broker tansu"):
        require_java()


def test_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerStartError, match="no Java was found"):
        require_java()


def test_a_java_that_fails_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_java(tmp_path, "exit 3")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java() is None
