"""SQL as the argument of a command: it may begin with a comment, and may come from standard input."""

import sys
from typing import Any, Final

from typer.core import TyperCommand

from schemas.errors import InvalidField

STANDARD_INPUT: Final = "-"


class SqlCommand(TyperCommand):
    """A command whose one argument is SQL: `-- a comment` at its beginning is no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put what begins with a comment behind all options, where nothing is taken for one."""
        if "--" not in args:
            commented = [each for each in args if self._is_commented(each)]
            if commented:
                args = [*(each for each in args if each not in commented), "--", *commented]
        return super().parse_args(ctx, args)

    def _is_commented(self, argument: str) -> bool:
        options = {name for parameter in self.params for name in parameter.opts}
        spaced = any(sign.isspace() for sign in argument)
        return argument.startswith("--") and spaced and argument.partition("=")[0] not in options


def sql_of(given: str) -> str:
    """What was given, or of `-` what standard input has. Raises InvalidField."""
    if given != STANDARD_INPUT:
        return given
    try:
        read = sys.stdin.read()
    except UnicodeDecodeError as error:
        raise InvalidField("standard input", "bytes", f"SQL in UTF-8 ({error.reason})") from None
    if not read.strip():
        raise InvalidField("standard input", read, "exactly one SELECT")
    return read
