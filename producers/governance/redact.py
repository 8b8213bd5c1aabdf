"""Values taken out of a text, so that none of them is left anywhere in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from operator import attrgetter

from producers.governance.detectors import KINDS, Hit, find_all
from producers.governance.folding import folded
from producers.governance.verdict import Span

_MARKS = {kind: f"[{kind.upper()}]" for kind in KINDS}
_USUAL = "[REDACTED]"
_START = attrgetter("start")
_PLAIN_MARKS = ("█", "▓", "▒", "░", "■", "*", "_", " ")


def personal_spans(text: str, kinds: Collection[str] = KINDS) -> list[Span]:
    """Personal data that the built-in detectors find in `text`, as places in it."""
    reading = folded(text)
    return in_original(reading.span, find_all(reading.text, kinds))


def in_original(place: Callable[[int, int], tuple[int, int]], hits: Iterable[Hit]) -> list[Span]:
    """Hits of a folded text as spans of the original."""
    return [Span(*place(hit.start, hit.end), hit.kind) for hit in hits]


def redact_text(text: str) -> str:
    """`text` with a mark in place of all personal data that the built-in detectors find."""
    return cover(text, personal_spans(text))


def cover(text: str, spans: Iterable[Span], values: Collection[str] = ()) -> str:
    """`text` with a mark for each span, and for wherever else the same values or `values` stand.

    None of the values is in the result: where a mark itself would hold one, a plainer mark is taken, and where none
    will do, nothing is left of the text.
    """
    marked = list(spans)
    values = {text[span.start : span.end] for span in marked} | set(values)
    values.discard("")
    marked += [span for value in values for span in _occurrences(text, value)]
    if not marked:
        return text
    pieces = merged(marked)
    for mark in (_mark, *(_always(mark) for mark in _PLAIN_MARKS)):
        became = _replaced(text, pieces, mark)
        if not any(value in became for value in values):
            return became
    return ""


def _occurrences(text: str, value: str) -> Iterable[Span]:
    at = text.find(value)
    while at >= 0:
        yield Span(at, at + len(value), "")
        at = text.find(value, at + 1)


def merged(spans: Iterable[Span]) -> list[Span]:
    """In the order of the text, overlapping ones as one, which is of the kind of the first that has one."""
    joined = list[Span]()
    for span in sorted(spans, key=_START):
        if joined and span.start < joined[-1].end:
            last = joined[-1]
            joined[-1] = Span(last.start, max(last.end, span.end), last.kind or span.kind)
        else:
            joined.append(span)
    return joined


def _mark(kind: str) -> str:
    return _MARKS.get(kind, _USUAL)


def _always(mark: str) -> Callable[[str], str]:
    return lambda _kind: mark


def _replaced(text: str, spans: list[Span], mark: Callable[[str], str]) -> str:
    pieces, done = list[str](), 0
    for span in spans:
        pieces += (text[done : span.start], mark(span.kind))
        done = span.end
    return "".join((*pieces, text[done:]))
