"""The chat generator. See stages/chat/stage.py."""

from stages.chat.planning import Memory, Sampling
from stages.chat.prompting import SHELF
from stages.chat.ranking import ranking_asks
from stages.chat.stage import CHAT, ChatGiven

__all__ = ["CHAT", "SHELF", "ChatGiven", "Memory", "Sampling", "ranking_asks"]
