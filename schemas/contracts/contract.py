"""What all contracts share: nothing beyond their fields, all of it bounded, and texts that a grammar holds in bounds.

A text is one line of Latin letters, digits and common signs. Quotation marks, backslashes and line breaks are left out
of the grammar: escaped, each would be up to six characters for one. So are `<>[]{|}`, lest an answer hold a chat
template's marker. Validation is wider than the grammar (any printable letters, runs of white space made one space),
since an engine that is not forced into the grammar may know better letters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from schemas.errors import InvalidField

ASCII: Final = "!#-;=?-Z_a-z"
LATIN: Final = f"{ASCII}£À-ɏ"
MONEY: Final = f"{ASCII}£€¥"
KEY_MAX_CHARS: Final = 40
_KEY_SIGNS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-")

B = TypeVar("B", bound="Contract")


class Contract(BaseModel):
    """Compiled to a grammar for the engine, and validated again on arrival; nothing beyond its fields is allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Line:
    """Makes a str one line of 1 to `max_chars` characters: `Annotated[str, Line(60)]`.

    `signs`: which ones the grammar allows, as the ranges of a character class; spaces besides, but not at the start.
    """

    max_chars: int
    signs: str = LATIN

    @property
    def pattern(self) -> str:
        return f"^[{self.signs}][ {self.signs}]{{0,{self.max_chars - 1}}}$"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler
        bounded = core_schema.str_schema(min_length=1, max_length=self.max_chars)
        return core_schema.no_info_before_validator_function(_one_line, bounded)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del schema, handler
        return {"type": "string", "pattern": self.pattern, "minLength": 1, "maxLength": self.max_chars}


def _one_line(value: object) -> object:
    if not isinstance(value, str):
        return value
    return " ".join("".join(sign if sign.isprintable() else " " for sign in value).split())


def keyed(base: type[B], keys: Sequence[str], value: object, most: int) -> type[B]:
    """The contract `base` with one required field of type `value` for each key, in this order and no other.

    Such an object can leave out no key and name none twice. Raises InvalidField: fewer than two keys or more than
    `most`, one that stands there twice, or one that is no plain id.
    """
    name = base.__name__
    if not 2 <= len(keys) <= most:
        raise InvalidField(f"{name} keys", len(keys), f"2 to {most} of them")
    for place, key in enumerate(keys):
        if not (0 < len(key) <= KEY_MAX_CHARS and _KEY_SIGNS.issuperset(key)):
            raise InvalidField(f"{name} key", key, f"1 to {KEY_MAX_CHARS} letters, digits, _ . : or -")
        if key in keys[:place]:
            raise InvalidField(f"{name} key", key, "each one once")
    fields: dict[str, Any] = {f"key_{place}": (value, Field(alias=key)) for place, key in enumerate(keys)}
    return create_model(name, __base__=base, **fields)


def entries(answer: Contract) -> dict[str, int]:
    """What an answer in a `keyed` contract says: value by key, in the order in which the keys were given."""
    return {str(field.alias): int(getattr(answer, name)) for name, field in type(answer).model_fields.items()}
