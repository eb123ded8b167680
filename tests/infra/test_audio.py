"""Decoding what people send, refusing what cannot be used, and writing WAV."""

import io
import struct
import time
import wave
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from infra.audio import (
    RATE_HZ,
    AudioLimits,
    StreamResampler,
    UnusableAudio,
    decode,
    decode_blocking,
    join_wavs,
    pcm_of,
    samples_of,
    wav_of,
)

TONE_HZ = 440.0


def tone(rate_hz: int, audio_s: float) -> NDArray[np.float32]:
    t = np.arange(int(rate_hz * audio_s)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * TONE_HZ * t)).astype(np.float32)


def encoded(container: str, subtype: str, rate_hz: int, channels: int = 1, audio_s: float = 2.0) -> bytes:
    """A tone in the last channel, silence in the others."""
    sound = np.zeros((int(rate_hz * audio_s), channels), np.float32)
    sound[:, -1] = tone(rate_hz, audio_s)
    file = io.BytesIO()
    soundfile.write(file, sound, rate_hz, format=container, subtype=subtype)
    return file.getvalue()


def loudest_hz(samples: NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * RATE_HZ / len(samples))


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("WAV", "ULAW"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
async def test_every_kind_and_rate_becomes_the_same_tone_at_16_khz(container: str, subtype: str, rate_hz: int) -> None:
    if subtype == "OPUS" and rate_hz in (22_050, 44_100):
        rate_hz = 24_000  # Opus has no others

    samples = await decode(encoded(container, subtype, rate_hz))

    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) / RATE_HZ == pytest.approx(2.0, abs=0.06)  # the codecs pad by a frame
    assert loudest_hz(samples) == pytest.approx(TONE_HZ, abs=1.0)
    assert float(samples.std()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("channels", [2, 3, 8])
@pytest.mark.parametrize("container", ["WAV", "FLAC"])
async def test_a_voice_in_any_one_channel_is_heard(container: str, channels: int) -> None:
    samples = await decode(encoded(container, "PCM_16", 16_000, channels))

    assert loudest_hz(samples) == pytest.approx(TONE_HZ, abs=1.0)
    assert float(samples.std()) == pytest.approx(0.5 / np.sqrt(2) / channels, rel=0.02)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "MP3"])
@pytest.mark.parametrize("wrong_way_round", [-1.0, -0.9])
async def test_channels_that_cancel_each_other_out_are_heard_as_the_louder_one(
    container: str, wrong_way_round: float
) -> None:
    sound = np.stack([wrong_way_round * tone(48_000, 2.0), tone(48_000, 2.0)], axis=1)
    file = io.BytesIO()
    soundfile.write(file, sound, 48_000, format=container)

    samples = await decode(file.getvalue())

    assert loudest_hz(samples) == pytest.approx(TONE_HZ, abs=1.0)
    assert float(samples.std()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


async def test_channels_that_differ_but_do_not_cancel_are_mixed() -> None:
    rng = np.random.default_rng(1)
    voice, hiss = tone(16_000, 2.0), (0.1 * rng.standard_normal(32_000)).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, np.stack([voice, hiss], axis=1), 16_000, format="WAV", subtype="FLOAT")

    samples = await decode(file.getvalue())

    assert samples == pytest.approx((voice + hiss) / 2, abs=1e-3)


async def test_an_mp3_of_a_few_seconds_loses_no_samples_at_block_borders() -> None:
    samples = await decode(encoded("MP3", "MPEG_LAYER_III", 48_000, channels=2))

    windows = samples[1600 : len(samples) // 160 * 160 - 1600].reshape(-1, 160)
    assert float(windows.std(axis=1).min()) > 0.1


def wav(rate_hz: int = 16_000, frames: int = 16_000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(b"\0\1" * frames * channels)
    return file.getvalue()


def with_rate(data: bytes, rate_hz: int) -> bytes:
    return data[:24] + struct.pack("<I", rate_hz) + data[28:]


def of_nans() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.full(16_000, np.nan, np.float32), 16_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (lambda: b"", "audio.size_bytes", "0"),
        (lambda: b"this is a letter, not a recording " * 100, "audio", "this is a letter"),
        (lambda: np.random.default_rng(7).bytes(100_000), "audio", ""),
        (lambda: bytes(100_000), "audio", "x00"),
        (lambda: wav()[:30], "audio", "RIFF"),
        (lambda: with_rate(wav(), 0), "audio.rate_hz", "0"),
        (lambda: wav(rate_hz=1), "audio.rate_hz", "1"),
        (lambda: with_rate(wav(), 4_000_000_000), "audio.rate_hz", "4000000000"),
        (lambda: wav(channels=17), "audio.channels", "17"),
        (lambda: wav(frames=0), "audio.audio_s", "0.000 s"),
        (lambda: wav(frames=1_599), "audio.audio_s", "0.100 s"),
        (lambda: wav(frames=16_000 * 600), "audio.audio_s", "600.0 s"),
        (of_nans, "audio.samples", "NaN"),
        (lambda: encoded("CAF", "PCM_16", 16_000), "audio.format", "CAF"),
    ],
    ids=[
        "empty", "text", "random bytes", "zeros", "cut in the header", "0 Hz", "1 Hz", "4 GHz", "17 channels",
        "no frames", "too short", "ten minutes", "NaN", "another container",
    ],
)  # fmt: skip
async def test_what_cannot_be_used_is_refused_by_field_and_value(
    make: Callable[[], bytes], field: str, value: str
) -> None:
    with pytest.raises(UnusableAudio) as refused:
        await decode(make())

    assert refused.value.field == field
    assert value in refused.value.value
    assert refused.value.expected


async def test_more_bytes_than_allowed_are_refused_before_they_are_read() -> None:
    with pytest.raises(UnusableAudio) as refused:
        await decode(wav(), AudioLimits(max_bytes=1_000))

    assert refused.value.field == "audio.size_bytes"
    assert "1000" in refused.value.expected


@pytest.mark.parametrize(("container", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")])
async def test_a_recording_that_is_cut_off_is_used_as_far_as_it_goes(container: str, subtype: str) -> None:
    data = encoded(container, subtype, 48_000)

    samples = await decode(data[: len(data) // 2])

    assert 0.5 < len(samples) / RATE_HZ < 1.1
    assert loudest_hz(samples) == pytest.approx(TONE_HZ, abs=2.0)


async def test_a_wav_that_was_piped_and_does_not_know_its_length_is_used() -> None:
    data = wav()

    samples = await decode(data[:4] + b"\xff" * 4 + data[8:40] + b"\xff" * 4 + data[44:])

    assert len(samples) == 16_000


def test_a_small_file_that_unpacks_into_hours_is_refused_at_once() -> None:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 48_000, 8, format="FLAC", subtype="PCM_16") as out:
        for _ in range(130):
            out.write(np.zeros((48_000, 8), np.int16))
    bomb = bytearray(file.getvalue())
    assert len(bomb) < 500_000
    # STREAMINFO's count of samples (36 bits) set to 48,000: the header lies that it is one second long.
    bomb[21:26] = bytes([bomb[21] & 0xF0]) + (48_000).to_bytes(4, "big")

    begun = time.process_time()
    try:
        samples = decode_blocking(bytes(bomb))
    except UnusableAudio as refused:
        assert refused.field == "audio.audio_s"
    else:
        assert len(samples) <= 120 * RATE_HZ
    assert time.process_time() - begun < 5.0


def test_pcm_clips_and_keeps_the_scale() -> None:
    pcm = np.frombuffer(pcm_of(np.array([0.0, 0.5, 1.0, -1.0, 3.0], np.float32)), "<i2")

    assert pcm.tolist() == [0, 16384, 32767, -32767, 32767]


async def test_a_wav_that_was_written_is_read_back() -> None:
    samples = tone(RATE_HZ, 1.0)

    back = await decode(wav_of(pcm_of(samples), RATE_HZ))

    assert back == pytest.approx(samples, abs=1e-4)


def test_the_sentences_of_a_reply_become_one_file_in_order() -> None:
    first, second = wav_of(b"\1\0" * 100, 24_000), wav_of(b"\2\0" * 50, 24_000)

    with wave.open(io.BytesIO(join_wavs([first, second]))) as joined:
        assert joined.getframerate() == 24_000
        assert joined.readframes(1_000) == b"\1\0" * 100 + b"\2\0" * 50


@pytest.mark.parametrize(
    ("wavs", "field"),
    [
        ([], "wavs"),
        ([wav_of(b"\0\0", 24_000), wav_of(b"\0\0", 16_000)], "wavs[1].rate_hz"),
        ([wav(channels=2)], "wavs[0]"),
        ([b"not a wav"], "wavs[0]"),
    ],
)
def test_what_cannot_be_joined_is_refused_by_its_place(wavs: list[bytes], field: str) -> None:
    with pytest.raises(UnusableAudio) as refused:
        join_wavs(wavs)

    assert refused.value.field == field


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_a_stream_keeps_its_pitch_and_its_length_in_whatever_pieces_it_comes(rate_hz: int) -> None:
    pcm, resampler = pcm_of(tone(rate_hz, 2.0)), StreamResampler(rate_hz)
    whole = StreamResampler(rate_hz)
    at_once = whole.feed(pcm) + whole.flush()

    pieces = b"".join(resampler.feed(pcm[at : at + 70]) for at in range(0, len(pcm), 70)) + resampler.flush()

    assert abs(len(pieces) / 2 - 2 * RATE_HZ) <= 1
    assert loudest_hz(samples_of(pieces)) == pytest.approx(TONE_HZ, abs=1)
    assert np.abs(samples_of(pieces) - samples_of(at_once)).max() < 1e-3


def test_a_stream_goes_on_after_it_was_flushed_and_nothing_is_left_over() -> None:
    resampler = StreamResampler(48_000)
    pcm = pcm_of(tone(48_000, 1.0))

    first, second = (resampler.feed(pcm) + resampler.flush() for _ in range(2))

    assert len(first) == len(second)
    assert np.abs(samples_of(first) - samples_of(second)).max() < 1e-3  # soxr dithers the last bit
