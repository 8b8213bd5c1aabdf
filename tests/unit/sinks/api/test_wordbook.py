"""Texts as numbers."""

from __future__ import annotations

import numpy as np
from api_world import decoded, status
from hypothesis import given
from hypothesis import strategies as st

from sinks.api.live import memory as memory_module
from sinks.api.live.facets import facet
from sinks.api.live.memory import Memory
from sinks.api.live.wordbook import NEVER_SEEN, WordBook, WordColumn

TEXTS = st.lists(st.none() | st.text(max_size=3), max_size=20)


@given(TEXTS)
def test_a_column_reads_as_it_was_written(texts: list[str | None]) -> None:
    column = WordColumn(WordBook())
    column.grow(len(texts))
    column[np.arange(len(texts))] = texts
    assert column[np.arange(len(texts))].tolist() == [text or None for text in texts]


@given(TEXTS)
def test_ranks_are_the_order_of_texts(texts: list[str | None]) -> None:
    book = WordBook()
    codes = book.codes(texts)
    ranks = book.ranks()[codes]
    in_order = sorted(texts, key=lambda text: (not text, text or ""))
    assert [(texts[at] or None) for at in np.argsort(ranks, kind="stable")] == [text or None for text in in_order]
    assert all(book.rank_of(text) == ranks[at] for at, text in enumerate(texts) if text)


@given(TEXTS, st.sets(st.integers(0, 30)))
def test_what_is_kept_stays_as_it_was(texts: list[str | None], dropped: set[int]) -> None:
    book = WordBook()
    codes = book.codes(texts)
    kept = np.asarray([code for at, code in enumerate(codes) if at not in dropped], np.int32)
    renumbered = book.keep(kept)
    assert [book.texts[code] for code in renumbered[kept]] == [
        texts[at] or None for at in range(len(texts)) if at not in dropped
    ]
    assert all(book.find(text) == code for code, text in enumerate(book.texts))
    assert book.find("never seen") == NEVER_SEEN


def test_hosts_that_come_and_go_do_not_stay_for_ever() -> None:
    memory = Memory()
    frame = decoded("status", [status(f"a{n}", host="h") for n in range(100)])
    for turn in range(300):
        hosts = [f"pod-{turn}-{n}" for n in range(100)]
        memory.apply("fleet.status", frame.with_columns(host=frame["host"].scatter(range(100), hosts)))
    assert len(memory.words) < 2 * memory_module._FEW_WORDS
    assert memory.status["host"][7] == "pod-299-7"
    assert facet(memory, "host").having("pod-299-7").nonzero()[0].tolist() == [7]
    assert facet(memory, "tenant").having("acme").all()
