"""The Python of docs/frameworks.md and docs/otlp.md runs as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = ("frameworks", "otlp")


def blocks() -> list[tuple[str, str]]:
    found = [(page, BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text("utf-8"))) for page in PAGES]
    return [(f"{page}-{number}", text) for page, texts in found for number, text in enumerate(texts)]


@pytest.mark.parametrize(("name", "text"), blocks(), ids=lambda value: value if len(value) < 20 else "")
def test_a_block_is_python(name: str, text: str) -> None:
    compile(text, name, "exec")


@pytest.mark.fault
@pytest.mark.parametrize(("name", "text"), blocks(), ids=lambda value: value if len(value) < 20 else "")
def test_a_block_runs(name: str, text: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "FLEETPULSE_DATA_DIR": str(tmp_path),
        "FLEETPULSE_BOOTSTRAP": "127.0.0.1:1",
        "FLEETPULSE_GATEWAY": "http://127.0.0.1:1",
        "FLEETPULSE_API_KEY": "none",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    ran = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", text],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    if name.startswith("frameworks"):
        assert any((tmp_path / "spool").rglob("*")), "without a broker the events wait on disk"
