"""Answers of the log over the bus: in the message where they fit into one, and else by reference to where they lie.

What a question and an answer look like as JSON; who asks and who answers stands in logging_stage.py.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from infra.bus import parcels
from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.event_log.log import LogReader
from infra.event_log.packing import rows_of, unpacked
from infra.event_log.port import Parameter, QueryRefused, QueryStopped, Table

ANSWER_MAX_BYTES: Final = 900_000  # the bus carries 1 MiB a message
Answer = Mapping[str, Any]


async def answered(log: LogReader, bus: Bus, asked: Answer) -> bytes:
    """The answer to a question whose asker takes one by reference. Raises QueryRefused, BusFull, BusUnavailable."""
    packed = await log.pack(asked["sql"], asked.get("parameters"), limit_rows=asked.get("limit_rows"))
    if packed.size_bytes < ANSWER_MAX_BYTES // 2:  # written once more, some letters take two bytes more
        whole = json.dumps(asdict(unpacked(packed))).encode()
        if len(whole) <= ANSWER_MAX_BYTES:
            return whole
    told = asdict(packed) | {"rows": [], "parcel": await parcels.put(bus.js, packed.rows)}
    return json.dumps(told).encode()


async def fetched(bus: Bus, sql: str, answer: Answer) -> Table:
    """The table of an answer, wherever its rows are. Raises QueryRefused, QueryStopped, BusUnavailable."""
    if "parcel" not in answer:
        return table_of(sql, answer)
    data = await parcels.fetch(bus.js, answer["parcel"])
    try:
        rows = tuple(rows_of(data))
    except (OSError, EOFError, ValueError) as error:
        raise BusUnavailable(f"{parcels.BUCKET}: {answer['parcel']} is damaged ({error}); ask again") from None
    return table_of(sql, {**answer, "rows": rows})


def refusal(refused: QueryRefused) -> bytes:
    """What is answered instead of a table; `stopped`: the question took too long, or too much memory."""
    stopped = {"stopped": True} if isinstance(refused, QueryStopped) else {}
    return json.dumps({"error": refused.expected, **stopped}).encode()


def table_of(sql: str, answer: Answer) -> Table:
    """The table of an answer that holds its rows. Raises QueryRefused, QueryStopped when it tells why there is none."""
    if "error" in answer:
        raise (QueryStopped if answer.get("stopped") else QueryRefused)(sql, answer["error"])
    rows = tuple(tuple(row) for row in answer["rows"])
    return Table(tuple(answer["columns"]), tuple(answer["types"]), rows, answer["truncated"], answer["took_ms"])


def jsonable(parameters: Mapping[str, Parameter]) -> dict[str, object]:
    """Parameters as a question carries them."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in parameters.items()}
