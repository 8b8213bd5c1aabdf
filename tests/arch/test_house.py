"""The shape of the house: import contracts, schemas and topics documented, reasons for every exception to a rule."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest
from tracked import ROOT, text_of, tracked

from infra.provisioning.document import topics_page
from schemas.catalogue import TOPICS
from schemas.registry import load_schema

PYTHON = [path for path in tracked() if path.suffix == ".py"]


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_page_of_the_topics_is_current() -> None:
    assert (ROOT / "docs" / "topics.md").read_text(encoding="utf-8") == topics_page(), (
        "run: fleetpulse topics docs --output docs/topics.md"
    )


@pytest.mark.parametrize("topic", TOPICS.values(), ids=str)
def test_every_topic_and_field_is_on_the_page(topic: object) -> None:
    page = topics_page()
    section = page.split(f"## {topic.name}\n")[1].split("\n## ")[0]  # type: ignore[attr-defined]  # a Topic, named by str in ids
    envelope = page.split("## The envelope\n")[1].split("\n## ")[0]
    for field in load_schema(topic.schema).raw["fields"]:  # type: ignore[attr-defined]  # as above
        assert f"| `{field['name']}` |" in envelope + section


def comments(path: Path) -> list[tuple[int, str]]:
    """Line number and text of every comment of a Python file."""
    tokens = tokenize.generate_tokens(io.StringIO(text_of(path)).readline)
    return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]


def test_every_exception_to_a_rule_has_its_reason() -> None:
    """`# noqa: CODE  # why` and `# type: ignore[code]  # why`."""
    bare = re.compile(r"#\s*(noqa|type:\s*ignore)\b")
    reasoned = re.compile(r"#\s*(noqa: [A-Z0-9, ]+|type: ignore\[[a-z, -]+\])\s+#\s+\S.+")
    without = [
        f"{path}:{line}: {text}"
        for path in PYTHON
        for line, text in comments(path)
        if bare.search(text) and not reasoned.search(text)
    ]
    assert without == []


def test_tests_have_names_of_their_own() -> None:
    names = [path.name for path in PYTHON if path.parts[0] == "tests" and path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))
