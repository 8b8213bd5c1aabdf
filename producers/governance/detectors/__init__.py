"""Detectors of personal data behind one interface."""

from producers.governance.detectors.builtin import BUILTIN, KINDS, find_all
from producers.governance.detectors.interface import Detector, Hit

__all__ = ["BUILTIN", "KINDS", "Detector", "Hit", "find_all"]
