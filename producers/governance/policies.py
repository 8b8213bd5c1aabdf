"""Policies: what an answer has to keep to, as data. `parse_policies` reads them in our shape and in the sources'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from infra.runtime.errors import SettingError
from producers.governance.verdict import Severity
from producers.plainly import made_plainly

Action = Literal["block", "redact", "flag"]
OnError = Literal["block", "flag", "allow"]
PiiKind = Literal["email", "phone", "ssn", "card", "iban"]
Words = Annotated[str, Field(min_length=1, max_length=200)]


class Part(NamedTuple):
    """`response[start:end]` is what a check of your own objects to."""

    start: int
    end: int


# What a check of one's own says: None is fine; a text is what is wrong; parts are where.
Objection: TypeAlias = str | list[Part] | None
OwnCheck: TypeAlias = Callable[[str, str, Mapping[str, str]], Objection]


class Policy(BaseModel):
    """What all policies have. `action`: what happens to the answer; `on_error`: what if the policy itself fails."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )

    default_remediation: ClassVar[str] = "Have the answer reviewed before it is given again."

    id: str = Field(min_length=1, max_length=256)
    name: str = Field(default="", max_length=256, description="for people; the id if empty")
    description: str = Field(default="", max_length=2_000)
    enabled: bool = True
    severity: Severity = "medium"
    action: Action = "redact"
    on_error: OnError = "flag"
    remediation: str = Field(default="", max_length=2_000, description="what to do about it; a usual one if empty")
    message: str = Field(default="", max_length=2_000, description="what leaves in place of an answer that it blocks")

    @property
    def title(self) -> str:
        """The name for people."""
        return self.name or self.id

    @property
    def advice(self) -> str:
        """What to do about a violation."""
        return self.remediation or self.default_remediation


class PiiPolicy(Policy):
    """No personal data. `entities` of `detector` presidio are Presidio's names; empty means all of them."""

    default_remediation: ClassVar[str] = "Answer without personal data, or point to a place that may show it."

    type: Literal["pii"] = "pii"
    entities: tuple[str, ...] = ()
    detector: Literal["builtin", "presidio"] = "builtin"
    language: str = Field(default="en", description="of the answers, for Presidio")
    threshold: float = Field(default=0.5, ge=0, le=1, description="least score, for Presidio")


class LengthPolicy(Policy):
    """At most so many characters (code points). Action `redact` cuts the answer after its last whole word."""

    default_remediation: ClassVar[str] = "Ask for a shorter answer, or raise the limit."

    type: Literal["length"] = "length"
    max_length: int = Field(ge=1, le=10_000_000)


class TopicsPolicy(Policy):
    """Words and phrases that are not spoken of, whatever their case and diacritics, as whole words."""

    default_remediation: ClassVar[str] = "Say that this topic is not covered, and who can help."

    type: Literal["topics"] = "topics"
    topics: tuple[Words, ...] = Field(min_length=1, max_length=10_000)


class PatternPolicy(Policy):
    """Regular expressions in RE2's syntax: no backreferences, no look-around, and time linear in the answer."""

    default_remediation: ClassVar[str] = "Answer without what the pattern describes."

    type: Literal["pattern"] = "pattern"
    patterns: tuple[Annotated[str, Field(min_length=1, max_length=2_000)], ...] = Field(min_length=1, max_length=100)
    ignore_case: bool = False


class CallablePolicy(Policy):
    """A check of one's own: `check(user_input, response, context)`, synchronous and quick; it may raise."""

    type: Literal["callable"] = "callable"
    check: OwnCheck
    action: Action = "flag"


# One by one: a union of them all would be checked, and kept in memory, by agents that use one of them.
_KINDS: Mapping[str, type[Policy]] = {
    "pii": PiiPolicy,
    "length": LengthPolicy,
    "topics": TopicsPolicy,
    "pattern": PatternPolicy,
    "callable": CallablePolicy,
}
# What the sources' policies, which have no type, are known by.
_TYPE_BY_FIELD = {
    "maxLength": "length",
    "max_length": "length",
    "topics": "topics",
    "patterns": "pattern",
    "check": "callable",
    "entities": "pii",
}
_PII_WORDS = ("personal", "pii", "privacy", "hipaa", "gdpr", "ccpa")


def parse_policies(given: Iterable[Policy | Mapping[str, Any]]) -> tuple[Policy, ...]:
    """Policies, models as they are and mappings checked; field names in snake_case or camelCase.

    A mapping without `type`, as in the sources, gets it from its fields (`maxLength`: length) or its id
    (`no-personal-info`, `hipaa-compliance`: pii). Raises `SettingError` that names the policy and the field.
    """
    policies = tuple(
        policy if isinstance(policy, Policy) else _parse(policy, place) for place, policy in enumerate(given)
    )
    _refuse_doubles(policies)
    return policies


def _refuse_doubles(policies: tuple[Policy, ...]) -> None:
    seen = set[str]()
    for policy in policies:
        if policy.id in seen:
            raise SettingError(f"two policies have the id {policy.id!r}", setting="policies", way_out="Rename one")
        seen.add(policy.id)


def _parse(policy: object, place: int) -> Policy:
    where = f"policies[{place}]"
    if not isinstance(policy, Mapping):
        raise SettingError("a policy is a mapping", setting=where, way_out="See docs/governance.md")
    kind = _type_of(policy, where)
    values = {"type": kind, **policy}
    try:
        return made_plainly(_KINDS[kind], values) or _KINDS[kind].model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "?"
        raise SettingError(first["msg"], setting=f"{where}.{field}", way_out="See docs/governance.md") from error


def _known(kind: object, where: str) -> str:
    if isinstance(kind, str) and kind in _KINDS:
        return kind
    raise SettingError(
        f"no type of policies is {kind!r:.80}", setting=f"{where}.type", way_out=f"Choose one of {', '.join(_KINDS)}"
    )


def _type_of(policy: Mapping[str, Any], where: str) -> str:
    if "type" in policy:
        return _known(policy["type"], where)
    for field, kind in _TYPE_BY_FIELD.items():
        if field in policy:
            return kind
    name = str(policy.get("id", "")).lower()
    if any(word in name for word in _PII_WORDS):
        return "pii"
    raise SettingError(
        f"the policy {name!r} does not say what it forbids",
        setting=f"{where}.type",
        way_out="Give it a type: pii, length, topics, pattern or callable",
    )
