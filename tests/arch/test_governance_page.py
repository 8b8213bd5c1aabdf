"""docs/governance.md: its code runs, and it names every field of every policy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from producers.governance import CallablePolicy, LengthPolicy, PatternPolicy, PiiPolicy, TopicsPolicy
from producers.governance.detectors import KINDS
from producers.governance.detectors.iban import LENGTHS

PAGE = (Path(__file__).parents[2] / "docs" / "governance.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=[f"block{number}" for number in range(len(BLOCKS))])
def test_code_of_the_page_runs(block: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLEETPULSE_")}
    environment |= {"FLEETPULSE_BOOTSTRAP": "127.0.0.1:1", "FLEETPULSE_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", block]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240, env=environment)
    assert done.stdout in {"redacted Write to [EMAIL].\n", ""}


def test_every_field_and_kind_is_on_the_page() -> None:
    models = (CallablePolicy, LengthPolicy, PatternPolicy, PiiPolicy, TopicsPolicy)
    fields = {name for model in models for name in model.model_fields} - {"type"}
    assert {name for name in fields if f"`{name}" not in PAGE} == set()
    assert {kind for kind in KINDS if f"| {kind} |" not in PAGE} == set()
    assert f"{len(LENGTHS)} countries" in PAGE
