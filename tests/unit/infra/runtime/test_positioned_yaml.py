"""Settings in YAML: what is refused, and where each mistake is told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from infra.runtime.positioned_yaml import MOST_BYTES, YamlMistakeError, parse_document, read_document, spelled

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def _mistakes(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(YamlMistakeError) as raised:
        parse_document(text)
    return [(mistake.line, mistake.column, mistake.problem) for mistake in raised.value.mistakes]


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("", 1, 1, "is empty"),
        ("# nothing\n---\n", 1, 1, "is empty"),
        ("a: 1\nb: {c: 1, c: 2}", 2, 11, "stands here twice"),
        ("a: &x []\nb: *x", 2, 4, "aliases are not read"),
        ("a: &x [*x]", 1, 8, "aliases are not read"),
        ("a: &x {b: 1}\nc:\n  <<: {d: 1}", 3, 3, "a key has to be a plain word"),
        ("? [a, b]\n: c", 1, 3, "a key has to be a plain word"),
        ("a:\n\tb: 1", 2, 1, "a tab"),
        ("a: [1", 1, 6, "expected"),
        ("a: !!python/object:os.system {}", 1, 4, "tags are not allowed"),
        ("a: !mine 1", 1, 4, "tags are not allowed"),
        ("a: 2026-99-99", 1, 4, "not a value"),
        (f"a: {'9' * 5000}", 1, 4, "not a value"),
        ("a: 1\n---\nb: 2", 2, 1, "another document"),
        ("a: 1\nb: \x07", 2, 4, "a character that YAML does not allow"),
        ("a: " + "[" * 100 + "]" * 100, 1, 34, "nested too deeply"),
        ("[" * 100_000, 1, 32, "nested too deeply"),
        (BOMB, 2, 8, "aliases are not read"),
        ("a: " + "x" * MOST_BYTES, 1, 1, "larger than"),
    ],
)
def test_what_is_refused_is_told_at_its_place(text: str, line: int, column: int, problem: str) -> None:
    began_s = time.monotonic()
    [(at_line, at_column, told)] = _mistakes(text)
    assert ((at_line, at_column), problem in told) == ((line, column), True), (at_line, at_column, told)
    assert time.monotonic() - began_s < 30, "a text that is refused costs next to nothing"


def test_every_double_key_is_told() -> None:
    assert [mistake[:2] for mistake in _mistakes("a: 1\na: 2\nb: {c: 1, c: 2, c: 3}")] == [(2, 1), (3, 11), (3, 17)]


def test_values_keep_their_types_and_places() -> None:
    document = parse_document("a: 1\nlist:\n  - {b: true, 3: ~}\n  - text\n")
    assert document.value == {"a": 1, "list": [{"b": True, "3": None}, "text"]}
    assert document.place(("list", 0, "b")) == (3, 9)
    assert document.key_place(("list", 0, "b")) == (3, 6)
    assert document.key_place(("list", 1)) == document.place(("list", 1)) == (4, 5)
    assert document.place(("list", 0, "b", "nowhere")) == (3, 9)
    assert spelled(("list", 0, "b")) == "list[0].b"


def test_texts_are_filled_in_after_parsing_and_keys_are_not() -> None:
    document = parse_document("a: [x, 1]\nx: y", lambda text: f"<{text}: [>")
    assert document.value == {"a": ["<x: [>", 1], "x": "<y: [>"}


def test_what_cannot_be_filled_in_is_a_mistake_at_its_place() -> None:
    def refuse(text: str) -> str:
        raise ValueError(f"no {len(text)}")

    with pytest.raises(YamlMistakeError, match="line 1, column 4: no 1"):
        parse_document("a: x", refuse)


def test_a_file_may_begin_with_a_mark_of_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\nb:: {\n")
    with pytest.raises(YamlMistakeError, match="line 3"):
        read_document(path)
    path.write_bytes(b"\xef\xbb\xbfa: \xc3\xa9\n")
    assert read_document(path).value == {"a": "é"}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"a: 1\nb: \xff\n", "line 2, column 4: not UTF-8"),
        ("a: 1".encode("utf-16"), "line 1, column 1: not UTF-8"),
        (b"a: 1\n" * MOST_BYTES, "larger than"),
    ],
)
def test_a_file_that_cannot_be_read(raw: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(raw)
    with pytest.raises(YamlMistakeError, match=told):
        read_document(path)
    with pytest.raises(FileNotFoundError):
        read_document(tmp_path / "none.yaml")
