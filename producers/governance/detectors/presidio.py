"""Microsoft Presidio behind the interface of the detectors: names, places and whatever else its recognisers know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from infra.runtime.errors import SettingError
from producers.governance.detectors.interface import Hit


def _load_analyzer() -> Any:  # noqa: ANN401  # an optional package
    try:
        from presidio_analyzer import AnalyzerEngine  # noqa: PLC0415  # optional, and takes seconds
    except ImportError as error:
        raise SettingError(
            "policies with detector presidio need Presidio, which is not installed",
            setting="policies",
            way_out="pip install 'fleetpulse[presidio]', and a spaCy model: python -m spacy download en_core_web_lg",
        ) from error
    try:
        return AnalyzerEngine()
    except (ImportError, OSError, ValueError, SystemExit) as error:
        # spaCy tries to fetch a model that is missing, and may end the process where it cannot.
        raise SettingError(
            f"Presidio cannot load its language model: {type(error).__name__}",
            setting="policies",
            way_out="python -m spacy download en_core_web_lg",
        ) from error


class PresidioDetector:
    """`entities`: Presidio's names, empty for all; `threshold`: least score; `analyzer`: one of your own making.

    Takes text with its case. Unlike the built-in ones its time is Presidio's: milliseconds an answer.
    Raises `SettingError` where Presidio is not installed.
    """

    def __init__(
        self,
        entities: Sequence[str] = (),
        language: str = "en",
        threshold: float = 0.5,
        analyzer: Any = None,  # noqa: ANN401  # as above
    ) -> None:
        self._analyzer = _load_analyzer() if analyzer is None else analyzer
        self._entities = list(entities) or None
        self._language = language
        self._threshold = threshold

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it was asked for, or everything that it can find in the language."""
        names = self._entities or self._analyzer.get_supported_entities(language=self._language)
        return tuple(name.lower() for name in names)

    def find(self, text: str) -> Iterator[Hit]:
        """See `Detector.find`. What Presidio raises, this raises."""
        found = self._analyzer.analyze(
            text=text, language=self._language, entities=self._entities, score_threshold=self._threshold
        )
        for result in found:
            if result.end > result.start:
                yield Hit(result.start, result.end, result.entity_type.lower())
