"""The intent stage: from an utterance to what it asks for, part by part, with the particulars of each.

stage.py declares it; classify.py is the whole of it on one screen.
"""

from stages.intent.classify import IntentGiven, classify
from stages.intent.decision import Doubt, doubt_with
from stages.intent.head import load_head
from stages.intent.stage import INTENT

__all__ = ["INTENT", "Doubt", "IntentGiven", "classify", "doubt_with", "load_head"]
