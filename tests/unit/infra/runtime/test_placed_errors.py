"""What a model refuses is told where it stands, with the name that was probably meant."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from infra.runtime.placed_errors import mistakes_of
from infra.runtime.positioned_yaml import Mistake, parse_document


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Fast(_Strict):
    kind: Literal["fast"]
    speed: float = Field(alias="for", gt=0)


class Safe(_Strict):
    kind: Literal["safe"]
    secret: SecretStr = Field(min_length=16)
    safe: int | None = None


class Limits(_Strict):
    least: int = 0
    longest_s: float = 1.0


class Root(_Strict):
    version: Literal[1]
    parts: tuple[Annotated[Fast | Safe, Field(discriminator="kind")], ...] = ()
    limits: Limits | None = None
    free: dict[Annotated[str, Field(pattern="^[a-z]+$")], Limits] = Field(default_factory=dict)


def _told(text: str) -> list[Mistake]:
    document = parse_document(text)
    with pytest.raises(ValidationError) as raised:
        Root.model_validate(document.value)
    return mistakes_of(raised.value, Root, document)


@pytest.mark.parametrize(
    ("text", "line", "column", "where", "problem"),
    [
        ("version: 2", 1, 10, "version", "Input should be 1"),
        ("parts: []", 1, 1, "version", "Field required"),
        ("version: 1\nlimit: {}", 2, 1, "limit", "there is no limit; did you mean limits?"),
        ("version: 1\nlimits: {longest: 2}", 2, 10, "limits.longest", "did you mean longest_s?"),
        ("version: 1\nlimits: {xyz: 2}", 2, 10, "limits.xyz", "there is no xyz; known are least, longest_s"),
        ("version: 1\nparts:\n  - {kind: fast, fro: 1, for: 1}", 3, 18, "parts[0].fro", "did you mean for?"),
        ("version: 1\nparts:\n  - {kind: fast, for: x}", 3, 23, "parts[0].for", "valid number"),
        ("version: 1\nparts:\n  - {kind: fats}", 3, 5, "parts[0]", "'fast'"),
        ("version: 1\nfree: {a: {leest: 1}}", 2, 12, "free.a.leest", "did you mean least?"),
        ("version: 1\nfree: {A: {}}", 2, 8, "free.A", "should match pattern"),
        ("[1]", 1, 1, "", "dictionary"),
        ("version: 1\nparts: 5", 2, 8, "parts", "tuple"),
    ],
)
def test_a_mistake_is_told_at_its_place(text: str, line: int, column: int, where: str, problem: str) -> None:
    found = _told(text)[0]
    assert (found.line, found.column, found.where, problem in found.problem) == (line, column, where, True), found


def test_a_kind_and_a_key_of_the_same_name_are_told_apart() -> None:
    [found] = _told("version: 1\nparts: [{kind: safe, secret: 0123456789abcdef, safe: x}]")
    assert (found.line, found.column, found.where) == (2, 54, "parts[0].safe")


def test_all_mistakes_are_told_in_the_order_of_the_document_and_secrets_never() -> None:
    found = _told(
        "version: 7\nparts:\n- {kind: safe, secret: hunter2}\n- {kind: fast, for: -1, x: 1}\nlimits: {leat: 1}"
    )
    assert [mistake.line for mistake in found] == [1, 3, 4, 4, 5]
    assert "hunter2" not in str(found)
