"""The errors of all that is read from outside: one family, always naming field, value and what would be right."""

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

SHOWN_VALUE_CHARS = 80  # enough to recognise a value in a message, too little to flood a log


class SchemaError(ValueError):
    """What came from outside is not what the schemas allow."""


class InvalidField(SchemaError):
    """One field of what came from outside holds a value that is not allowed; trying again is useless."""

    code: ClassVar[Literal["invalid", "unusable-audio"]] = "invalid"  # how a turn that ends by it is told to fail

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = shown(value)
        self.expected = expected
        super().__init__(f"{field}: {self.value} is not allowed; expected {expected}")

    def told(self) -> dict[str, str]:
        """As another process is told of it."""
        return {"field": self.field, "value": self.value, "expected": self.expected}

    @classmethod
    def retold(cls, told: Mapping[str, str]) -> Self:
        """The same as another process has told it: its value is quoted already."""
        error = cls(told["field"], None, told["expected"])
        error.value = told["value"]
        error.args = (f"{error.field}: {error.value} is not allowed; expected {error.expected}",)
        return error


class NewerSchema(SchemaError):
    """The event was written by a newer major version of the schemas than this program reads."""

    def __init__(self, found: str, supported_major: int) -> None:
        self.field = "schema_version"
        self.value = found
        self.expected = f"{supported_major}.x"
        super().__init__(f"schema_version: {found!r} is newer than this Parley reads; expected {self.expected}")


def shown(value: object) -> str:
    """A value as it may stand in a message: quoted, escaped and cut at SHOWN_VALUE_CHARS."""
    text = ascii(value)
    return text if len(text) <= SHOWN_VALUE_CHARS else f"{text[:SHOWN_VALUE_CHARS]}… ({len(text)} characters)"
