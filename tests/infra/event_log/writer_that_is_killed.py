"""A process that appends batches for ever: `python writer_that_is_killed.py LOG TURNS_FILE`. The test kills it."""

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.event_log.log import open_log
from infra.event_log.port import Batch, Row, StreamIdentity


async def main(path: Path, lines: list[Any]) -> None:
    rows = [Row(number, subject, {}, payload.encode()) for number, subject, payload in lines[1:]]
    stream = StreamIdentity("PARLEY_EVENTS", datetime.fromisoformat(lines[0]))
    async with await open_log(path) as log:
        begin = log.position(stream)
        print("appending", flush=True)
        for first in range(begin, len(rows), 20):
            await log.append(Batch(stream, tuple(rows[first : first + 20])))
            print(first, flush=True)


asyncio.run(main(Path(sys.argv[1]), [json.loads(line) for line in Path(sys.argv[2]).read_text().splitlines()]))
