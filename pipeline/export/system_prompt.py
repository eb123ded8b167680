"""The system prompt of a turn, as the model saw it: the log holds the hash of the prompt, the files hold its text.

Where the hash is another one, today's text stands in, and it is counted. Examples of the prompt are left out: nobody
said them.
"""

from pathlib import Path

from infra.prompts import Prompts
from pipeline.export.turns import LoggedTurn
from stages.chat.prompting import REPLY, SHELF


class SystemPrompts:
    """Gives each turn its system prompt."""

    def __init__(self, own: Path | None) -> None:
        """`own`: the folder of own prompts. Raises PromptMissing, PromptBroken."""
        self._prompts = Prompts(SHELF, own)
        self._sha256 = self._prompts.version(REPLY).sha256
        told = {self._system(talk) for talk in ("one", "two")}
        self._always = told.pop() if len(told) == 1 else None  # None: it tells what is talked about
        self._older: set[str] = set()

    @property
    def older(self) -> int:
        """How many turns of those asked about were answered with another text."""
        return len(self._older)

    def of(self, turn: LoggedTurn) -> str:
        use = (turn.generated or {}).get("prompt") or {}
        if use.get("name") == REPLY and use.get("sha256") != self._sha256:
            self._older.add(turn.id)
        return self._system(turn.talk or turn.text) if self._always is None else self._always

    def _system(self, talk: str) -> str:
        messages = self._prompts.render(REPLY, {"talk": talk}).messages
        return "\n\n".join(message.content for message in messages if message.role == "system")
