"""Which passages a question is about: BM25, no model and no network.

weight(term, passage) = idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / usual length)), idf = ln(1 + (N - df +
0.5) / (df + 0.5)) (Robertson and Zaragoza 2009), with a long-standing choice of k1 and b.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from producers.example.corpus import Passage

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]+")
_STOP = frozenset(
    {"the", "and", "for", "are", "what", "which", "who", "how", "does", "where", "when", "why", "can", "say"}
)
"""Words of questions; other common words weigh little by themselves."""
_K1, _B = 1.2, 0.4
PROSE_BONUS = 1.5
"""A question is rather answered by prose than by code."""


def terms(text: str) -> list[str]:
    """Lower-case words without stop words and plural s."""
    words = (word.lower() for word in _WORD.findall(text))
    return [word.rstrip("s") if len(word) > 3 else word for word in words if word not in _STOP]


class Index:
    """An inverted index over passages."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = passages
        counts = [Counter(terms(f"{passage.path} {passage.text}")) for passage in passages]
        usual = sum(count.total() for count in counts) / max(len(counts), 1)
        seen_in = Counter(term for count in counts for term in count)
        self._postings: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, count in enumerate(counts):
            bonus = PROSE_BONUS if passages[number].path.endswith(".md") else 1.0
            length = _K1 * (1 - _B + _B * count.total() / usual)
            for term, tf in count.items():
                rarity = math.log(1 + (len(passages) - seen_in[term] + 0.5) / (seen_in[term] + 0.5))
                self._postings[term].append((number, bonus * rarity * tf * (_K1 + 1) / (tf + length)))

    def rank(self, question: str, count: int) -> list[Passage]:
        """The `count` passages nearest to the question, best first; fewer where nothing else has one of its words."""
        scores: defaultdict[int, float] = defaultdict(float)
        for term in set(terms(question)):
            for number, weight in self._postings.get(term, ()):
                scores[number] += weight
        best = sorted(scores, key=lambda number: (-scores[number], number))[:count]
        return [self.passages[number] for number in best]
