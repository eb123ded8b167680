"""How an event of an earlier major version of the schemas is made one of this version, one major version at a time.

A minor version only adds optional fields, so its events are read as they are and need no step. For a new major version:
raise SCHEMA_MAJOR, write the step from the one before it, add it to STEPS, and leave the golden files of the old one
where they are; a test takes each of them in.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from schemas.errors import InvalidField, NewerSchema
from schemas.event import SCHEMA_MAJOR

Tree = dict[str, Any]  # an event as JSON has it: {"meta": {…}, "fact": {…}}
Step = Callable[[Tree], Tree]  # from one major version to the next; may change what it is given

STEPS: Final[Mapping[int, Step]] = {}  # by the version that they start from; 1 is the first that there was


def upgraded(tree: Tree, *, steps: Mapping[int, Step] = STEPS, major: int = SCHEMA_MAJOR) -> Tree:
    """The event as one of version `major`; as it is when it is one already. The event itself is not checked here.

    Raises NewerSchema, or InvalidField: no version, or one from which no step leads on.
    """
    meta = tree.get("meta")
    version = meta.get("schema_version") if isinstance(meta, dict) else None
    found = _major(version)
    if found > major:
        raise NewerSchema(str(version), major)
    for each in range(found, major):
        if each not in steps:
            raise InvalidField("meta.schema_version", version, f"{_known(steps, major)}")
        tree = steps[each](tree)
        tree["meta"]["schema_version"] = f"{each + 1}.0"
    return tree


def _major(version: object) -> int:
    major, _, minor = version.partition(".") if isinstance(version, str) else ("", "", "")
    if not (major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()):
        raise InvalidField("meta.schema_version", version, f"'{SCHEMA_MAJOR}.<minor>'")
    return int(major)


def _known(steps: Mapping[int, Step], major: int) -> str:
    return " or ".join([*(f"'{each}.<minor>'" for each in sorted(steps)), f"'{major}.<minor>'"])
