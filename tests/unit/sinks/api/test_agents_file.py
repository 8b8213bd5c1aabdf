"""The agents file: what is refused, and which agents a pattern means."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.runtime.errors import SettingError
from infra.runtime.positioned_yaml import YamlMistakeError
from sinks.api.labels.file import MOST_PATTERNS, Entry, named_agents_file, parse_agents_file, read_agents_file
from sinks.api.labels.known import Labels, Rows
from sinks.api.live.wordbook import WordBook

HOLLOW = st.text(alphabet="ab.*?[]{}()|^$\\+-#& \né", max_size=6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agents:\n  - {mach: a}", "line 2, column 6.*did you mean match"),
        ("agents:\n  - {labels: {'a b': c}}", "line 2"),
        ("agents:\n  - {position: [1, 2]}", "line 2"),
        ("agents:\n  - {position: [1, 2, .nan]}", "line 2"),
        ("version: 2", "line 1"),
        ("agents:\n" + "  - {match: 'a*'}\n" * (MOST_PATTERNS + 1), "more than 500"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(YamlMistakeError) as caught:
        parse_agents_file(text)
    assert re.search(said, str(caught.value))


def test_numbers_are_texts_of_labels() -> None:
    assert parse_agents_file("agents:\n  - {match: a, labels: {floor: 3}}").agents[0].labels == {"floor": "3"}


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert named_agents_file(None, tmp_path) == tmp_path / "agents.yaml"
    with pytest.raises(SettingError, match="cannot be read"):
        named_agents_file(tmp_path / "none.yaml", tmp_path)
    (tmp_path / "some.yaml").write_text("agents: [")
    monkeypatch.setenv("FLEETPULSE_AGENTS_FILE", str(tmp_path / "some.yaml"))
    with pytest.raises(SettingError, match=r"some\.yaml: line 1"):
        named_agents_file(None, tmp_path)
    with pytest.raises(SettingError):
        read_agents_file(tmp_path)


def _labelled(entries: list[Entry], names: list[str]) -> list[dict[str, str]]:
    labels, book = Labels(entries, len(names)), WordBook()
    nothing = np.zeros(len(names), np.int32)
    labels.judge(Rows(np.arange(len(names)), names, {"tenant": nothing, "deployment": nothing, "host": nothing}, book))
    return [labels.of(slot) for slot in range(len(names))]


@given(pattern=HOLLOW.filter(bool), names=st.lists(HOLLOW, max_size=5))
def test_a_pattern_means_what_a_shell_would_mean_by_it(pattern: str, names: list[str]) -> None:
    found = _labelled([Entry(match=pattern, labels={"x": "y"})], names)
    plain = pattern.replace("[", "[[]")  # of the shell's signs only * and ? are any
    assert [bool(each) for each in found] == [fnmatchcase(name, plain) for name in names]


def test_the_later_of_two_entries_counts() -> None:
    entries = [
        Entry(match="a*", labels={"x": "1", "y": "1"}),
        Entry(match="ab", labels={"x": "2"}),
        Entry(match="*", labels={"y": ""}),
    ]
    assert _labelled(entries, ["ab", "ac", "b"]) == [{"x": "2"}, {"x": "1"}, {}]
