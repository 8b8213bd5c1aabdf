"""The example agent finds the passage that answers, and its tools fail in words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from producers.example.corpus import MAX_FILE_BYTES, cut, read_passages
from producers.example.measure import Measurements
from producers.example.policy import redact
from producers.example.retrieval import Index
from producers.example.tools import Toolbox, ToolError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of three files, with what must not be read beside them."""
    (tmp_path / "README.md").write_text(
        "# Boats\n\nA ferry crosses the lake every hour.\n\n# Trains\n\nThey leave at nine.\n"
    )
    (tmp_path / "code.py").write_text("def ferry() -> int:\n    return 60\n\n\ndef train() -> int:\n    return 9\n")
    (tmp_path / "notes.md").write_text("Ask the captain: captain@example.org\n")
    (tmp_path / "big.txt").write_text("x" * (MAX_FILE_BYTES + 1))
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "secret.md").write_text("ferry ferry ferry")
    return tmp_path


def tools_of(project: Path, seed: int = 1) -> Toolbox:
    return Toolbox(project, Index(read_passages(project)), random.Random(seed))


def test_headings_and_functions_begin_passages(project: Path) -> None:
    places = {(p.path, p.line) for p in read_passages(project)}
    assert places == {("README.md", 1), ("README.md", 5), ("code.py", 1), ("code.py", 5), ("notes.md", 1)}


def test_cutting_loses_no_line() -> None:
    text = "\n".join(f"line {number} of a long paragraph" for number in range(200))
    passages = list(cut("a.md", text))
    assert len(passages) > 3
    assert "\n".join(p.text for p in passages) == text
    assert all(text.splitlines()[p.line - 1] == p.text.splitlines()[0] for p in passages)


def test_prose_comes_before_code(project: Path) -> None:
    ranked = Index(read_passages(project)).rank("How often does the ferry cross?", 3)
    places = [(p.path, p.line) for p in ranked]
    assert places[0] == ("README.md", 1)
    assert ("code.py", 1) in places
    assert Index(read_passages(project)).rank("zebra", 3) == []


def test_tools_do_their_work(project: Path) -> None:
    tools = tools_of(project)
    assert tools.search_files("ferry").splitlines()[0] == "README.md:1"
    assert tools.read_file("README.md:5") == "# Trains\n\nThey leave at nine."
    assert tools.read_file("code.py").startswith("def ferry")
    assert tools.count_lines(".py") == "6"


def test_tools_fail_in_words(project: Path) -> None:
    tools = tools_of(project)
    for tool, argument, code in (
        (tools.search_files, "zebra", "nothing_found"),
        (tools.read_file, "missing.md", "not_found"),
        (tools.read_file, "../../etc/passwd", "forbidden"),
        (tools.count_lines, ".rs", "nothing_found"),
    ):
        with pytest.raises(ToolError) as raised:
            tool(argument)
        assert raised.value.code == code


def test_the_glossary_is_busy_now_and_then(project: Path) -> None:
    tools, codes = tools_of(project), []

    def look_up() -> str:
        try:
            return tools.glossary("ferry")
        except ToolError as error:
            codes.append(error.code)
            return ""

    answers = {look_up() for _ in range(200)}
    assert answers == {"", "“ferry” stands 2 times in the project"}
    assert 20 < codes.count("busy") == len(codes) < 80


def test_addresses_are_taken_out() -> None:
    assert redact("ask a.b+c@mail.example.org or d@e.io, not me@home") == (
        "ask [redacted] or [redacted], not me@home",
        2,
    )


def test_measurements_begin_anew(tmp_path: Path) -> None:
    measured = Measurements(tmp_path)
    measured.answered(10.0, failed=True, violations=0)
    measured.answered(30.0, failed=False, violations=1)
    values = measured.take()
    assert (values["response_time"], values["request_count"], values["error_rate"]) == (20.0, 2, 0.5)
    assert (values["compliance_rate"], values["violation_count"], values["success_rate"]) == (0.5, 1, 50.0)
    assert values["memory_usage"] >= 0
    again = measured.take()
    assert "response_time" not in again
    assert again["request_count"] == 0
