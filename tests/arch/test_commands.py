"""Commands: each has help with an example, and every one that a page or an example names exists with its options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import typer
from click import unstyle
from tracked import ROOT, text_of, tracked
from typer.testing import CliRunner

from infra.bench.cli import GROUP as BENCHES
from infra.cli.main import GROUP, app, load

PAGES = [path for path in tracked() if path.suffix == ".md"]
NAMES = sorted(entry.name for entry in entry_points(group=GROUP))


def leaves() -> list[tuple[str, ...]]:
    """Every command, as the words after `fleetpulse`."""
    found: list[tuple[str, ...]] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        loaded = load(entry)
        if isinstance(entry.load(), typer.Typer):
            names = [c.name or (c.callback.__name__ if c.callback else "") for c in loaded.registered_commands]
            found += [(entry.name, name.replace("_", "-")) for name in names]
        else:
            found.append((entry.name,))
    return found


LEAVES = leaves()


@cache
def help_of(words: tuple[str, ...]) -> str:
    """What `--help` prints, with blanks of one length."""
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output
    return re.sub(r"[\s│]+", " ", unstyle(done.output))


def command_of(words: list[str]) -> tuple[str, ...] | None:
    """The command that these words begin with; None where there is none."""
    for length in (2, 1):
        if tuple(words[:length]) in LEAVES:
            return tuple(words[:length])
    return None


def problems(line: str) -> Iterator[str]:
    """What is wrong with a `fleetpulse ...` line."""
    words = shlex.split(line, comments=True)[1:]
    words = words[: next((i for i, word in enumerate(words) if word in {"|", "<", ">", "&&", "&", ";"}), None)]
    command = command_of(words)
    if command is None:
        if words and (len(words) != 1 or words[0] not in {*NAMES, "--help"}):
            yield f"no such command: {line}"
        return
    for word in words[len(command) :]:
        option = word.split("=")[0]
        if re.fullmatch(r"--?[a-z][a-z-]*", option) and not re.search(
            rf"(?<![\w-]){option}(?![\w-])", help_of(command)
        ):
            yield f"no option {option}: {line}"


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_help_has_an_example_that_is_real(words: tuple[str, ...]) -> None:
    told = help_of(words)
    assert "Example: fleetpulse " in told
    example = told.split("Example: ")[1].split("╭")[0].split(" Arguments:")[0].split(" Options:")[0].strip()
    assert command_of(shlex.split(example)[1:]) == words
    assert list(problems(example)) == []


@pytest.mark.parametrize("name", NAMES)
def test_help_of_each_part(name: str) -> None:
    assert "Usage:" in help_of((name,))


def told_in(page: Path) -> Iterator[str]:
    """The `fleetpulse ...` command lines of a page: of its shell blocks and of code within the text."""
    text = text_of(page)
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if language in {"", "sh", "bash", "shell", "console"}:
            for line in block.replace("\\\n", " ").splitlines():
                prompt = line.removeprefix("$ ") if language in {"", "console"} and line.startswith("$ ") else line
                if (language not in {"", "console"} or line.startswith("$ ")) and "fleetpulse " in prompt:
                    yield prompt[prompt.index("fleetpulse ") :]
    without_blocks = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"`(fleetpulse [^`\n]+)`", without_blocks)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_on_pages_exist(page: Path) -> None:
    wrong: list[str] = []
    for line in told_in(page):
        # A shape rather than a call (`fleetpulse sql ...`, `fleetpulse NAME`) is a command as far as it goes.
        said = re.split(r" \.\.\.| [A-Z]{4,}\b", line)[0]
        try:
            wrong += problems(said)
        except ValueError:  # a quotation that goes on in the next line
            wrong += problems(said.split('"')[0])
    assert wrong == []


def test_every_benchmark_is_a_command_and_in_make_bench() -> None:
    benches = {entry.name for entry in entry_points(group=BENCHES)}
    assert {words[1] for words in LEAVES if words[0] == "bench"} == benches
    listed = re.search(r"^BENCHES \?= (.+)$", text_of(ROOT / "Makefile"), re.MULTILINE)
    assert listed is not None
    assert set(listed[1].split()) == benches
