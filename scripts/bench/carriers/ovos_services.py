"""Seven services on OVOS's bus, and who sends them messages. Runs in OVOS's own environment; imports nothing of Parley.

python ovos_services.py drive PORT processes|threads   sends, and starts the seven: as processes, or as clients here
python ovos_services.py hop PORT NUMBER                one of the seven
python ovos_services.py bus                            the bus with TCP_NODELAY, which it does not set by itself

`drive` reads a command a line, {"serial": N} or {"burst": N, "in_flight": M}, and answers with a line of JSON. It is
written as OVOS's documentation shows it: a client in a thread, `on` and `emit`, `forward` to pass a message on.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Any

from ovos_bus_client import Message, MessageBusClient  # type: ignore[import-not-found]  # of another environment

HOPS = 7
TEXT_CHARS = 300
HOST = "127.0.0.1"
PATIENCE_S = 30.0


def connected(port: int) -> Any:
    """A client with a connection of its own."""
    client = MessageBusClient(host=HOST, port=port)
    client.run_in_thread()
    if not client.connected_event.wait(PATIENCE_S):
        raise SystemExit(f"no bus on port {port}")
    return client


def serve_hop(client: Any, number: int) -> None:
    """Hear message type `number` and emit the next one."""

    def handle(message: Any) -> None:
        client.emit(message.forward(f"bench.hop{number + 1}", message.data))

    client.on(f"bench.hop{number}", handle)


class Driver:
    """Sends messages and waits for them at the end of the seven."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._sent = 0
        self._waiting: dict[str, Callable[[], object]] = {}
        client.on(f"bench.hop{HOPS}", self._arrived)

    def serial(self, messages: int) -> dict[str, object]:
        """How long each took, in ms, when one follows the other."""
        took = []
        for _ in range(messages):
            there = threading.Event()
            began = time.perf_counter()
            self._send(there.set)
            if not there.wait(PATIENCE_S):
                raise TimeoutError(f"a message did not arrive within {PATIENCE_S:.0f} s")
            took.append((time.perf_counter() - began) * 1e3)
        return {"took_ms": took}

    def burst(self, messages: int, in_flight: int) -> dict[str, object]:
        """How many arrive in a second, `in_flight` at once."""
        free, there = threading.Semaphore(in_flight), threading.Semaphore(0)

        def arrived() -> None:
            free.release()
            there.release()

        began = time.perf_counter()
        for _ in range(messages):
            if not free.acquire(timeout=PATIENCE_S):
                raise TimeoutError(f"messages did not arrive within {PATIENCE_S:.0f} s")
            self._send(arrived)
        for _ in range(messages):
            if not there.acquire(timeout=PATIENCE_S):
                raise TimeoutError(f"a message did not arrive within {PATIENCE_S:.0f} s")
        return {"rate": messages / (time.perf_counter() - began)}

    def _send(self, arrived: Callable[[], object]) -> None:
        self._sent += 1
        self._waiting[str(self._sent)] = arrived
        self._client.emit(Message("bench.hop0", {"key": str(self._sent), "text": "x" * TEXT_CHARS}))

    def _arrived(self, message: Any) -> None:
        if (arrived := self._waiting.pop(message.data["key"], None)) is not None:
            arrived()


def drive(port: int, how: str, answers: IO[str]) -> None:
    """Obey the commands until there are no more; the processes end when their input does."""
    children = []
    if how == "processes":
        for number in range(HOPS):
            command = [sys.executable, __file__, "hop", str(port), str(number)]
            children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for child in children:
            assert child.stdout is not None  # a pipe
            while child.stdout.readline() not in ("ready\n", ""):  # OVOS logs to its output too
                pass
    else:
        for number in range(HOPS):
            serve_hop(connected(port), number)
    driver = Driver(connected(port))
    driver.serial(1)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "serial" in command:
            answer = driver.serial(command["serial"])
        else:
            answer = driver.burst(command["burst"], command["in_flight"])
        print(json.dumps(answer), file=answers, flush=True)
    for child in children:
        assert child.stdin is not None  # a pipe
        child.stdin.close()
        child.wait()


def serve_bus() -> None:
    """The bus as it is shipped, but that small messages do not wait for the acknowledgement of those before them."""
    from ovos_messagebus import __main__ as bus  # type: ignore[import-not-found]  # of another environment

    as_shipped = bus.MessageBusEventHandler.open

    def opened(handler: Any) -> None:
        handler.set_nodelay(True)
        as_shipped(handler)

    bus.MessageBusEventHandler.open = opened
    bus.main()


if __name__ == "__main__":
    role = sys.argv[1]
    if role == "bus":
        serve_bus()
    elif role == "hop":
        serve_hop(connected(int(sys.argv[2])), int(sys.argv[3]))
        print("ready", flush=True)
        sys.stdin.read()
    else:
        answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what OVOS logs to standard output shall not come between the answers
        drive(int(sys.argv[2]), sys.argv[3], answers)
    os._exit(0)  # the clients' threads would go on trying to reconnect
