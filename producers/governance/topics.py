"""Words and phrases in a text, found by looking its words up: the time does not grow with the number of topics."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from producers.governance.folding import folded

_FEW = 24
"""First words that are looked for one by one sooner than all words are taken apart."""
_WORD = re.compile(r"[^\W_]+")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
# Scripts that do not put blanks between words: there a topic is looked for within them.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


class Words:
    """A folded text and which words are in it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def words(self) -> frozenset[str]:
        """Each of them once; it takes as long as looking for forty words."""
        return frozenset((_ASCII_WORD if self.text.isascii() else _WORD).findall(self.text))


def _is_unspaced(word: str) -> bool:
    return any(unicodedata.name(char, "").startswith(_UNSPACED) for char in word)


def _phrase(words: Sequence[str]) -> re.Pattern[str]:
    """Whole words with anything but words between them; linear, for nothing in it can be split in two ways.

    It begins with a literal, which is quick to look for; that nothing is glued to its front is asked afterwards.
    """
    first, *others = words
    return re.compile(rf"{first}(?<![^\W_]{first})" + "".join(rf"[\W_]+{word}" for word in others) + r"(?![^\W_])")


class TopicIndex:
    """Phrases of one policy by their first word. Raises `ValueError` for a topic without a letter or digit."""

    def __init__(self, topics: Iterable[str]) -> None:
        self._phrases: dict[str, list[tuple[re.Pattern[str], str]]] = defaultdict(list)
        self._within: list[tuple[str, str]] = []
        for topic in topics:
            self._add(topic)

    def _add(self, topic: str) -> None:
        text = folded(topic).text.strip()
        words = _WORD.findall(text)
        if not words:
            raise ValueError(f"the topic {topic!r} has no letter and no digit")
        if _is_unspaced(text):
            self._within.append((text, topic))
        else:
            self._phrases[words[0]].append((_phrase(words), topic))

    def _begun(self, words: Words) -> Iterable[str]:
        """First words of phrases that may be in the text: few are looked for one by one, many among its words."""
        if len(self._phrases) <= _FEW:
            return [word for word in self._phrases if word in words.text]
        return self._phrases.keys() & words.words

    def find(self, words: Words) -> Iterator[tuple[int, int, str]]:
        """Start and end in the folded text, and the topic, of everything that is spoken of."""
        for word in self._begun(words):
            for phrase, topic in self._phrases[word]:
                for found in phrase.finditer(words.text):
                    yield found.start(), found.end(), topic
        for text, topic in self._within:
            at = words.text.find(text)
            while at >= 0:
                yield at, at + len(text), topic
                at = words.text.find(text, at + len(text))
