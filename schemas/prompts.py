"""Which prompt an answer of a model was asked with."""

from pydantic import Field

from schemas.event import Frozen


class PromptUse(Frozen):
    """Which prompt was rendered, by the SHA-256 of its text: the template, and its examples where it has some."""

    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
