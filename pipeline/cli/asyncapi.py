"""`parley asyncapi`: what may be published and heard, as a document that tools for AsyncAPI read."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli import exits
from pipeline.cli.joining import note
from schemas.errors import InvalidField


def asyncapi(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file, else to the terminal.")] = None,
    socket: Annotated[bool, typer.Option("--socket", help="The gateway's WebSocket instead of the bus.")] = False,
) -> None:
    """Print the AsyncAPI 3.0 document: all subjects, the events with their JSON schemas, who hears and says what."""
    with exits.told():
        if socket:
            from pipeline.gateway.socket.asyncapi import document
        else:
            from pipeline.asyncapi import document

        text = json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
        if out is None:
            print(text, end="")
            return
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InvalidField("--out", str(out), f"a file that can be written ({error.strerror})") from None
        note(f"the document is in {out}")
