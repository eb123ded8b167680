"""Says in one line what is wrong with a configuration: the key, its value, what would be right. No secret is in it.

Knows pydantic's errors and no section in particular.
"""

import re
from typing import Any, Final, get_args, get_origin

import pydantic
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from schemas.errors import InvalidField, shown

SECRETS: Final = ("key", "token")  # how the keys of secrets end
SECTIONS_WITH_SECRETS: Final = frozenset({"bus", "engine", "models", "gateway"})

_Place = tuple[int | str, ...]


def one_line(refused: pydantic.ValidationError, root: type[BaseModel]) -> str:
    """The first mistake that was found; `root` is the model of the whole configuration."""
    first = refused.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"]))
    cause = first.get("ctx", {}).get("error")
    if first["type"] == "extra_forbidden":
        existing = ", ".join(sorted(_section_at(first["loc"][:-1], root).model_fields))
        return f"{key}: there is no such key; expected one of {existing}"
    value = "(missing)" if first["type"] == "missing" else _without_secrets(key, shown(first["input"]))
    if isinstance(cause, InvalidField) and cause.field not in key.split("."):
        key, value = f"{key}.{cause.field}" if key else cause.field, cause.value
    allowed = cause.expected if isinstance(cause, InvalidField) else _expected(first, root)
    return f"{key}: {value} is not allowed; expected {allowed}"


def _expected(error: ErrorDetails, root: type[BaseModel]) -> str:
    """What would be right, in words of a configuration."""
    place = error["loc"]
    match error["type"]:
        case "dict_type" | "model_type" | "dict_attributes_type" | "model_attributes_type":
            return "keys and values below it, such as `name: value`"
        case "tuple_type" | "list_type":
            return "a list, such as [first, second]"
        case "missing":
            known = get_args(_section_at(place[:-1], root).model_fields[str(place[-1])].annotation)
            return f"one of {', '.join(map(repr, known))}" if known else "a value"
    return error["msg"].removeprefix("Input should be ")


def _section_at(place: _Place, root: type[BaseModel]) -> type[BaseModel]:
    """The section at a place of the configuration; `models.big` is of the kind that `models` holds."""
    section: Any = root
    for part in place:
        section = get_args(section)[1] if get_origin(section) is dict else section.model_fields[str(part)].annotation
    found: type[BaseModel] = section
    return found


def _without_secrets(key: str, value: str) -> str:
    """A value as it may be shown: nothing of keys and tokens, no password of an address."""
    whole = key in SECTIONS_WITH_SECRETS or re.fullmatch(r"models\.[^.]*", key)
    if whole or key.endswith(SECRETS):
        return "(hidden)"
    return re.sub(r"://[^/@\s]*@", "://(hidden)@", value)
