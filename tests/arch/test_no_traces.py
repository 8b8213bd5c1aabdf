"""No file names the machine that it was written on, a registry, or a secret."""

from __future__ import annotations

import re

import pytest
from tracked import text_of, tracked

# Written in pieces, or this file would be the first to be found.
REGISTRIES = ("py" + r"pi\.org", "python" + r"hosted\.org", "repo1?" + r"\.maven", "repo" + r"\.maven\.apache")
MACHINES = ("/" + r"work/", "/" + r"root\b", "/" + "tmp/lab", "/" + "home/[a-z]")
SECRETS = (
    "-----BEGIN [A-Z ]*PRIV" + "ATE KEY",
    r"\bAK" + r"IA[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{30,}",
    r"(?i)\b(password|passwd|secret|api_?key|token)\b\s*[=:]\s*['\"][^'\"\s{}$<>]{6,}['\"]",
    r"[a-z]+://[^/\s:@'\"]+:[^/\s@'\"]+@",
)


@pytest.mark.parametrize("pattern", [*REGISTRIES, *MACHINES, *SECRETS])
def test_no_file_has(pattern: str) -> None:
    wanted = re.compile(pattern)
    found = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path in tracked()
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if wanted.search(line)
    ]
    assert found == []
