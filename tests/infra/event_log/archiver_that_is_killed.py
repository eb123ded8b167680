"""A process that moves all it can into the archive, piece by piece: `python archiver_that_is_killed.py LOG DAY`."""

import asyncio
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from infra.event_log import archiving
from infra.event_log.log import open_log


async def main(path: Path, before: date) -> None:
    archiving.PIECE_ROWS = 10  # type: ignore[misc]  # many pieces, to be killed in
    async with await open_log(path) as log:
        print("archiving", flush=True)
        while (piece := await log.archiving.archive_piece(before, datetime.now(UTC))) is not None:
            print(piece.path, flush=True)


asyncio.run(main(Path(sys.argv[1]), date.fromisoformat(sys.argv[2])))
