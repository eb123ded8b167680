"""The chat generator. See stages/chat/stage.py."""

from pathlib import Path
from typing import Final

from stages.chat.planning import Memory, Sampling
from stages.chat.stage import CHAT, ChatGiven

PROMPTS_FOLDER: Final = Path(__file__).parent / "prompts"

__all__ = ["CHAT", "PROMPTS_FOLDER", "ChatGiven", "Memory", "Sampling"]
