"""A contract as the JSON schema that is sent to an engine, and how many tokens its largest answer can take.

What pydantic writes is more than the grammar compilers obey, and not the same for each: references, titles, defaults
(which make a property optional), `oneOf` with a discriminator, a length beside a pattern (xgrammar drops the length,
and vLLM then leaves xgrammar for another backend). `schema_of` writes what xgrammar and llguidance (in llama.cpp) were
both seen to enforce: objects whose properties are all required and in order, `anyOf`, `enum`, `const`, patterns,
integers between bounds, arrays between counts.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from schemas.contracts.contract import Contract

Schema = Mapping[str, Any]

COMPACT: Final = {"whitespace_flexible": False}
"""llguidance's own key, which all others ignore: by default a model may fill its answer up with line breaks."""
_NOT_SENT: Final = frozenset({"title", "default", "description", "discriminator", "minLength", "maxLength", "$defs"})
_END: Final = 1  # the token that ends the answer
_GAP_BYTES: Final = 1  # white space at each of the places where JSON allows some (dialects.py asks for no more)
_KEY_GAPS: Final = 4  # before a key, before and after its colon, after its value
_ITEM_GAPS: Final = 2


class Unbounded(TypeError):
    """The contract allows answers without end: a text without a length, a list without a count, a number."""


def schema_of(contract: type[Contract]) -> dict[str, Any]:
    """The schema to be sent. Raises Unbounded for what no grammar can bound."""
    whole = _inlined(contract)
    _bytes(whole)
    sent: dict[str, Any] = _sent(whole)
    return {**sent, "x-guidance": dict(COMPACT)}


def tokens_needed(contract: type[Contract]) -> int:
    """The max_tokens with which no answer that the grammar allows is cut off, whatever the model's tokenizer.

    A token stands for a byte at least, also where a model spells a word letter by letter as no tokenizer would: so it
    is the longest answer's bytes in UTF-8, with white space and the end. Usual answers take a quarter of it. Raises
    Unbounded.
    """
    return _bytes(_inlined(contract)) + _END


def _inlined(contract: type[Contract]) -> Schema:
    """Pydantic's schema without references."""
    whole = contract.model_json_schema(by_alias=True)
    resolved: Schema = _resolved(whole, whole.get("$defs", {}), ())
    return resolved


def _resolved(node: Any, definitions: Schema, inside: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_resolved(entry, definitions, inside) for entry in node]
    if not isinstance(node, Mapping):
        return node
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        if name in inside:
            raise Unbounded(f"{name} contains itself")
        return _resolved(definitions[name], definitions, (*inside, name))
    return {key: _resolved(value, definitions, inside) for key, value in node.items() if key != "$defs"}


def _sent(node: Schema) -> dict[str, Any]:
    kinds = node.get("anyOf") or node.get("oneOf")
    if kinds:
        return {"anyOf": [_sent(kind) for kind in kinds]}
    sent = {key: value for key, value in node.items() if key not in _NOT_SENT}
    if node.get("type") == "object":
        # The names of properties are not keywords: one may well be called "title".
        properties = {name: _sent(value) for name, value in node.get("properties", {}).items()}
        return {**sent, "properties": properties, "required": list(properties), "additionalProperties": False}
    if node.get("type") == "array":
        return {**sent, "items": _sent(node["items"])}
    return sent


def _bytes(node: Schema) -> int:
    """The most bytes that a value takes as JSON in UTF-8."""
    if kinds := node.get("anyOf") or node.get("oneOf"):
        return max(map(_bytes, kinds))
    if "const" in node or "enum" in node:
        return max(map(_written, node.get("enum", [node.get("const")])))
    match node.get("type"):
        case "object":
            properties = node.get("properties", {})
            inside = sum(
                _written(key) + 2 + _KEY_GAPS * _GAP_BYTES + _bytes(value) for key, value in properties.items()
            )
            return 2 + _GAP_BYTES + inside
        case "array" if "maxItems" in node:
            most: int = node["maxItems"]
            return 2 + _GAP_BYTES + most * (1 + _ITEM_GAPS * _GAP_BYTES + _bytes(node["items"]))
        case "string" if "pattern" in node and "maxLength" in node:
            # The ends of its character class stand in the pattern, and longer signs have higher numbers.
            longest: int = node["maxLength"]
            return 2 + longest * max(len(sign.encode()) for sign in str(node["pattern"]))
        case "integer" if "minimum" in node and "maximum" in node:
            return max(_written(node["minimum"]), _written(node["maximum"]))
        case "boolean":
            return len("false")
    raise Unbounded(f"no bound on {json.dumps(node)}")


def _written(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
