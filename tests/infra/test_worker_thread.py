"""A thread of one model's own."""

import os
import sys
import threading

import pytest

from infra.worker_thread import BACKGROUND_NICE, WorkerThread


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
async def test_a_thread_in_the_background_steps_back_and_nobody_else_does() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    ordinary, background = WorkerThread("ordinary"), WorkerThread("background", background=True)
    before = niceness()

    assert await background.call(niceness) == max(before, BACKGROUND_NICE)
    assert await ordinary.call(niceness) == before
    assert niceness() == before
    await ordinary.aclose()
    await background.aclose()
