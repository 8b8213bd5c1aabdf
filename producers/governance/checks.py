"""A policy made ready: a function from an answer to what is wrong with it."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from infra.runtime.errors import SettingError
from producers.governance.detectors import KINDS, find_all
from producers.governance.folding import Folded, folded, plain
from producers.governance.patterns import Patterns
from producers.governance.policies import CallablePolicy, LengthPolicy, PatternPolicy, PiiPolicy, Policy, TopicsPolicy
from producers.governance.redact import in_original, personal_spans, redact_text
from producers.governance.topics import TopicIndex, Words
from producers.governance.verdict import Span

if TYPE_CHECKING:
    from producers.governance.policies import Objection

_NAMES = {
    "email": "e-mail address",
    "phone": "phone number",
    "ssn": "social security number",
    "card": "payment card number",
    "iban": "bank account number",
}


class Reading:
    """An answer as the checks read it; what several of them need is worked out once."""

    def __init__(self, user_input: str, response: str, context: Mapping[str, str], kinds: frozenset[str]) -> None:
        self.user_input = user_input
        self.response = response
        self.context = context
        self._kinds = kinds

    @cached_property
    def folded(self) -> Folded:
        """Without case and diacritics."""
        return folded(self.response)

    @cached_property
    def plain(self) -> Folded:
        """With them."""
        return plain(self.response)

    @cached_property
    def words(self) -> Words:
        """The words of the folded answer."""
        return Words(self.folded.text)

    @cached_property
    def personal(self) -> list[Span]:
        """Personal data of the kinds that any policy asks for."""
        return in_original(self.folded.span, find_all(self.folded.text, self._kinds))

    @property
    def everything_personal(self) -> list[Span]:
        """Personal data of all kinds, whatever the policies ask for."""
        return self.personal if self._kinds.issuperset(KINDS) else personal_spans(self.response)


class Objected(NamedTuple):
    """What is wrong, and where; no spans: the answer as a whole."""

    what: str
    spans: tuple[Span, ...] = ()


Check: TypeAlias = Callable[[Reading], Objected | None]


def make_check(policy: Policy) -> Check:
    """The check of a policy. Raises `SettingError` when the policy cannot work (a bad pattern, a missing package)."""
    match policy:
        case PiiPolicy(detector="presidio"):
            return _presidio_check(policy)
        case PiiPolicy():
            return _personal_check(wanted_kinds(policy))
        case LengthPolicy():
            return _length_check(policy.max_length)
        case TopicsPolicy():
            return _topics_check(policy)
        case PatternPolicy():
            return _pattern_check(policy)
        case CallablePolicy():
            return _own_check(policy)
    raise SettingError(f"a {type(policy).__name__} cannot be judged", setting="policies", way_out="Use one of ours")


def wanted_kinds(policy: PiiPolicy) -> frozenset[str]:
    """The built-in kinds that a policy asks for. Raises `SettingError` for one that there is not."""
    unknown = set(policy.entities) - set(KINDS)
    if unknown:
        raise SettingError(
            f"no built-in detector finds {', '.join(sorted(unknown))}",
            setting=f"policies[{policy.id}].entities",
            way_out=f"Choose from {', '.join(KINDS)}, or set detector to presidio",
        )
    return frozenset(policy.entities or KINDS)


def _counted(spans: tuple[Span, ...]) -> str:
    counts = Counter(span.kind for span in spans)
    return ", ".join(
        f"{count} {_NAMES.get(kind, kind)}{_plural(_NAMES.get(kind, kind), count)}" for kind, count in counts.items()
    )


def _plural(name: str, count: int) -> str:
    return "" if count == 1 else "es" if name.endswith("s") else "s"


def _personal_check(kinds: frozenset[str]) -> Check:
    def check(reading: Reading) -> Objected | None:
        spans = tuple(span for span in reading.personal if span.kind in kinds)
        return Objected(f"The answer holds {_counted(spans)}", spans) if spans else None

    return check


def _presidio_check(policy: PiiPolicy) -> Check:
    from producers.governance.detectors.presidio import PresidioDetector  # noqa: PLC0415  # optional and heavy

    detector = PresidioDetector(policy.entities, policy.language, policy.threshold)

    def check(reading: Reading) -> Objected | None:
        spans = tuple(in_original(reading.plain.span, detector.find(reading.plain.text)))
        return Objected(f"The answer holds {_counted(spans)}", spans) if spans else None

    return check


def _length_check(longest: int) -> Check:
    def check(reading: Reading) -> Objected | None:
        length = len(reading.response)
        if length <= longest:
            return None
        return Objected(f"The answer has {length:,} characters, {longest:,} are allowed", (Span(longest, length, ""),))

    return check


def _topics_check(policy: TopicsPolicy) -> Check:
    try:
        index = TopicIndex(policy.topics)
    except ValueError as error:
        raise SettingError(str(error), setting=f"policies[{policy.id}].topics", way_out="Name a word") from error

    def check(reading: Reading) -> Objected | None:
        found = sorted(index.find(reading.words))
        spans = tuple(Span(*reading.folded.span(start, end), "topic") for start, end, _ in found)
        named = ", ".join(dict.fromkeys(topic for _, _, topic in found))
        return Objected(f"The answer speaks of {named}"[:500], spans) if found else None

    return check


def _pattern_check(policy: PatternPolicy) -> Check:
    patterns = Patterns(policy.patterns, ignore_case=policy.ignore_case, policy_id=policy.id)

    def check(reading: Reading) -> Objected | None:
        spans = tuple(Span(*reading.plain.span(*found), "pattern") for found in patterns.find(reading.plain.text))
        return Objected(f"The answer matches {policy.title} in {len(spans)} of its parts", spans) if spans else None

    return check


def _own_check(policy: CallablePolicy) -> Check:
    def check(reading: Reading) -> Objected | None:
        said = _ask(policy, reading)
        if said is None:
            return None
        if isinstance(said, str):
            return Objected(redact_text(said))
        spans = tuple(_own_span(len(reading.response), *part) for part in said)
        return Objected(f"{policy.title} objects to {len(spans)} parts of the answer", spans) if spans else None

    return check


def _ask(policy: CallablePolicy, reading: Reading) -> Objection:
    said: object = policy.check(reading.user_input, reading.response, reading.context)
    if inspect.iscoroutine(said):
        said.close()
        raise TypeError("a check is an ordinary function, not a coroutine")
    return cast("Objection", said)


def _own_span(length: int, start: int, end: int) -> Span:
    if not 0 <= start < end <= length:
        raise ValueError(f"a part from {start} to {end} is not within the answer")
    return Span(start, end, "part")
