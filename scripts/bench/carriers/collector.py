"""A collector of spans that forgets them: an HTTP server on loopback, in a process of its own.

It costs the measured process nothing, but competes with it for the cores, as one that runs beside Parley does.
As a program, `python -m scripts.bench.carriers.collector`, it says its port on a line.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from infra import processes
from infra.bus.server import HOST

MODULE: Final = "scripts.bench.carriers.collector"
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_DONE: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"


@asynccontextmanager
async def collecting(folder: Path) -> AsyncIterator[str]:
    """A collector for as long as the block lasts; its address."""
    log = folder / "collector.log"
    process = await processes.spawn([sys.executable, "-m", MODULE], log=log)
    try:
        while not log.read_bytes().endswith(b"\n"):
            if process.returncode is not None:
                raise RuntimeError(f"the collector did not start: {log.read_text()[-500:]}")
            await asyncio.sleep(0.05)
        yield f"http://{HOST}:{int(log.read_text())}"
    finally:
        await processes.stop(process, grace_s=2.0)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            length = _LENGTH.search(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(int(length[1]) if length else 0)
            writer.write(_DONE)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, HOST, 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
