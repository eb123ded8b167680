"""The gateway's WebSocket protocol, version 1: what a client says (said.py) and what the gateway tells (told.py).

A text frame is one JSON object with a `type`. A binary frame from the client is microphone sound (PCM s16le mono at the
rate that `microphone` named); one from the gateway is the WAV file that the `audio` message just before it announced.

In order: `hello` -> `welcome`, what happened since `after`, `caught-up`; then both sides speak when they like. Each
message about a turn that comes from an event bears `seq`, that event's place in the stream. A client that was cut off
says `hello` again with `after` = the last `seq` it has seen, to any gateway, and gets what it missed, once.
"""

from typing import Final

VERSION_MAJOR: Final = 1
VERSION: Final = "1.0"
CLOSE_PROTOCOL: Final = 1002  # what was said is no message of this protocol, or `hello` did not come in time
CLOSE_REFUSED: Final = 1008  # wrong token, foreign conversation, too many sockets
CLOSE_TOO_BIG: Final = 1009
CLOSE_SLOW: Final = 4008  # the client does not read what it is sent; `hello` again with `after`
CLOSE_AGAIN: Final = 1012  # the gateway ends or the bus is away: `hello` again with `after`
