"""The Java on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from infra.runtime.errors import BrokerStartError

LEAST_JAVA = 17
_ANSWER_WITHIN_S = 60.0


@dataclass(frozen=True)
class Java:
    """A Java program and its major version (17 for 17.0.15)."""

    program: str
    version: int


def find_java() -> Java | None:
    """`$JAVA_HOME/bin/java`, else `java` of the PATH; None when there is none that says its version."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin") if home else None
    program = program or shutil.which("java")
    if program is None:
        return None
    try:
        said = subprocess.run(  # noqa: S603  # found by which, fixed argument
            [program, "-version"], capture_output=True, text=True, timeout=_ANSWER_WITHIN_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = parse_version(said.stderr + said.stdout)
    return Java(program, version) if version is not None else None


def parse_version(said: str) -> int | None:
    """The major version in what `java -version` prints; None where there is none. Old Java calls 8 "1.8"."""
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found.group(1)) if found else None


def require_java() -> Java:
    """Raises `BrokerStartError` when there is no Java of at least version `LEAST_JAVA`."""
    java = find_java()
    if java is None or java.version < LEAST_JAVA:
        found = "no Java was found" if java is None else f"{java.program} is Java {java.version}"
        raise BrokerStartError(
            f"Apache Kafka needs Java {LEAST_JAVA} or newer and {found}",
            setting="JAVA_HOME or PATH",
            way_out="Install a JRE, or use --broker tansu",
        )
    return java
