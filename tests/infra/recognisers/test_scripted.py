"""The scripted recogniser hears what was written into a recording, and nothing else."""

import numpy as np
import pytest

from infra.audio import RATE_HZ, decode
from infra.recognisers.factory import make_recogniser
from infra.recognisers.scripted import recording_of


@pytest.mark.parametrize("text", ["note to buy milk", "Zürich – 12 €", "x", "long " * 700, ""])
async def test_what_was_written_into_a_recording_is_heard_after_decoding(text: str) -> None:
    samples = await decode(recording_of(text))

    assert (await make_recogniser("scripted").transcribe(samples)).text == text


async def test_other_recordings_are_noise_or_silence() -> None:
    recogniser = make_recogniser("scripted")
    noise = np.random.default_rng(1).uniform(-1, 1, RATE_HZ).astype(np.float32)

    assert (await recogniser.transcribe(noise)).empty_because == "noise"
    assert (await recogniser.transcribe(np.zeros(RATE_HZ, np.float32))).empty_because == "silence"
