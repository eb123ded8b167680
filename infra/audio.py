"""Sound in and out: recordings of many kinds and streams to mono 16 kHz, PCM to WAV, several WAVs to one.

Decodes with libsndfile (soundfile) and resamples with soxr, block by block, so that neither a long recording nor a
small file that unpacks into a huge one takes more memory or time than the limits allow. Knows no model and no blob
store. A recording that is cut off is used as far as it goes; only when nothing usable is left it is refused.
"""

import asyncio
import io
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from schemas.errors import InvalidField

RATE_HZ = 16_000  # what both recognisers and the voice activity detector were trained on
LONGEST_S = 120.0
SHORTEST_S = 0.1
AUDIO_MAX_BYTES = 32 * 1024 * 1024
CHANNELS_MAX = 16
RATE_MIN_HZ = 4_000  # below it nothing of speech is left to understand
RATE_MAX_HZ = 384_000
CONTAINERS = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF")
WAV_MEDIA_TYPE = "audio/wav"

_EXPECTED_SOUND = "a recording as WAV, FLAC, OGG (Vorbis or Opus) or MP3"
# The channels cancel each other out when their mean is this much weaker than the loudest of them alone would make it.
_CANCELLED_DB = -10.0
_BLOCK_FRAMES = 1 << 13  # as small as a FLAC frame or two: what lies before the place of a cut is kept
# soundfile seeks after each read, and libsndfile's seek in MP3 loses samples: after each block up to a few thousand are
# zeros. Two channels at 48 kHz are the most that MP3 has, so the whole of it is small.
_READ_WHOLE = frozenset({"MP3"})
_WAV_RATE_OFFSET, _WAV_RATE_END = 24, 28  # of the `fmt ` chunk when it comes first, as it nearly always does

Samples = NDArray[np.float32]
"""Mono, shape (samples,), between -1 and 1, at RATE_HZ."""


class UnusableAudio(InvalidField):
    """The recording cannot be decoded or breaks a limit; sending it again would not help."""

    code = "unusable-audio"


class StreamResampler:
    """PCM s16le mono of one rate, piece by piece, to PCM s16le at RATE_HZ; behind by some milliseconds."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._stream = None if rate_hz == RATE_HZ else soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="int16")

    def feed(self, pcm: bytes) -> bytes:
        """What is ready of the piece and those before; it holds whole samples."""
        return pcm if self._stream is None else _resampled(self._stream, pcm, last=False)

    def flush(self) -> bytes:
        """What was still held back; then the stream begins anew."""
        if self._stream is None:
            return b""
        rest = _resampled(self._stream, b"", last=True)
        self._stream.clear()
        return rest


def samples_of(pcm: bytes) -> Samples:
    """PCM s16le mono as samples between -1 and 1, shape (samples,)."""
    samples: Samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0
    return samples


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """What a spoken turn may bring."""

    longest_s: float = LONGEST_S
    shortest_s: float = SHORTEST_S
    max_bytes: int = AUDIO_MAX_BYTES


async def decode(data: bytes, limits: AudioLimits = AudioLimits()) -> Samples:
    """A recording as mono samples at RATE_HZ, decoded in a thread. Raises UnusableAudio."""
    return await asyncio.to_thread(decode_blocking, data, limits)


def decode_blocking(data: bytes, limits: AudioLimits = AudioLimits()) -> Samples:
    """Like `decode`, in the caller's thread."""
    if not data:
        raise UnusableAudio("audio.size_bytes", 0, _EXPECTED_SOUND)
    if len(data) > limits.max_bytes:
        raise UnusableAudio("audio.size_bytes", len(data), f"at most {limits.max_bytes} bytes")
    try:
        samples, alone = _mixed_down(data, limits)
        if alone is not None:
            samples, _ = _mixed_down(data, limits, alone)
    except soundfile.LibsndfileError as error:
        raise _unreadable(data, error) from None
    if len(samples) < limits.shortest_s * RATE_HZ:
        length = f"{len(samples) / RATE_HZ:.3f} s"
        raise UnusableAudio("audio.audio_s", length, f"at least {limits.shortest_s} s of sound that can be decoded")
    return samples


def wav_of(pcm: bytes, rate_hz: int) -> bytes:
    """PCM s16le mono as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(pcm)
    return file.getvalue()


def pcm_of(samples: NDArray[np.floating]) -> bytes:
    """Samples between -1 and 1, shape (samples,), as PCM s16le; what lies beyond is clipped."""
    pcm: NDArray[np.int16] = (np.clip(samples, -1.0, 1.0) * 32767.0).round().astype("<i2")
    return pcm.tobytes()


def join_wavs(wavs: Sequence[bytes]) -> bytes:
    """Several WAVs (PCM s16le mono of one rate: the sentences of a reply) as one. Raises UnusableAudio."""
    if not wavs:
        raise UnusableAudio("wavs", "none", "at least one WAV file")
    rate_hz, pieces = 0, []
    for at, data in enumerate(wavs):
        pcm, found_hz = _read_wav(data, f"wavs[{at}]")
        rate_hz = rate_hz or found_hz
        if found_hz != rate_hz:
            raise UnusableAudio(f"wavs[{at}].rate_hz", found_hz, f"{rate_hz}, like the first")
        pieces.append(pcm)
    return wav_of(b"".join(pieces), rate_hz)


def _resampled(stream: soxr.ResampleStream, pcm: bytes, *, last: bool) -> bytes:
    done: NDArray[np.int16] = stream.resample_chunk(np.frombuffer(pcm, "<i2"), last=last)
    return done.astype("<i2", copy=False).tobytes()


def _check_header(sound: soundfile.SoundFile, limits: AudioLimits) -> None:
    if sound.format not in CONTAINERS:
        raise UnusableAudio("audio.format", sound.format, _EXPECTED_SOUND)
    if not RATE_MIN_HZ <= sound.samplerate <= RATE_MAX_HZ:
        raise UnusableAudio("audio.rate_hz", sound.samplerate, f"{RATE_MIN_HZ} to {RATE_MAX_HZ} Hz")
    if not 1 <= sound.channels <= CHANNELS_MAX:
        raise UnusableAudio("audio.channels", sound.channels, f"1 to {CHANNELS_MAX} channels")
    if sound.frames > limits.longest_s * sound.samplerate:
        raise UnusableAudio(
            "audio.audio_s", f"{sound.frames / sound.samplerate:.1f} s", f"at most {limits.longest_s} s"
        )


def _mixed_down(data: bytes, limits: AudioLimits, channel: int | None = None) -> tuple[Samples, int | None]:
    """Decode, mix down and resample block by block; one channel only when it is given.

    Returns the samples and, when the mean of the channels cancels the sound out (one of two is wired the wrong way
    round), the channel to take instead. The header's length is not believed: what is read is counted.
    """
    with soundfile.SoundFile(io.BytesIO(data)) as sound:
        _check_header(sound, limits)
        stream = soxr.ResampleStream(sound.samplerate, RATE_HZ, 1, dtype="float32")
        left = int(limits.longest_s * sound.samplerate)
        pieces: list[Samples] = []
        energy_of_each, energy_of_mean = np.zeros(sound.channels), 0.0
        for block in _blocks(sound, left + 1 if sound.format in _READ_WHOLE else _BLOCK_FRAMES):
            left -= len(block)
            if left < 0:
                raise UnusableAudio("audio.audio_s", f"more than {limits.longest_s} s", f"at most {limits.longest_s} s")
            # The plain mean: every channel may be the one with the voice, so none is weighted by a loudspeaker's place.
            mono = block.mean(axis=1, dtype=np.float32) if channel is None else np.ascontiguousarray(block[:, channel])
            if not np.isfinite(mono).all():
                raise UnusableAudio("audio.samples", "NaN or infinity", "finite numbers between -1 and 1")
            energy_of_each += np.square(block, dtype=np.float64).sum(axis=0)
            energy_of_mean += float(np.square(mono, dtype=np.float64).sum())
            pieces.append(stream.resample_chunk(mono))
        pieces.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
        cancelled = energy_of_mean < 10 ** (_CANCELLED_DB / 10) * energy_of_each.max() / sound.channels**2
    return np.clip(np.concatenate(pieces), -1.0, 1.0), int(energy_of_each.argmax()) if cancelled else None


def _blocks(sound: soundfile.SoundFile, frames: int) -> Iterator[NDArray[np.float32]]:
    """Blocks of shape (frames, channels) up to the end, or up to where a recording that is cut off can be read."""
    while True:
        try:
            block = sound.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            return
        if not len(block):
            return
        yield block


def _unreadable(data: bytes, error: soundfile.LibsndfileError) -> UnusableAudio:
    """What is wrong with bytes that libsndfile does not open."""
    if data[:4] == b"RIFF" and data[12:16] == b"fmt " and len(data) >= _WAV_RATE_END:
        rate_hz = int.from_bytes(data[_WAV_RATE_OFFSET:_WAV_RATE_END], "little")
        if not RATE_MIN_HZ <= rate_hz <= RATE_MAX_HZ:
            return UnusableAudio("audio.rate_hz", rate_hz, f"{RATE_MIN_HZ} to {RATE_MAX_HZ} Hz")
    start = data[:16]
    return UnusableAudio("audio", start, f"{_EXPECTED_SOUND} ({error.error_string.rstrip('.')})")


def _read_wav(data: bytes, field: str) -> tuple[bytes, int]:
    try:
        with wave.open(io.BytesIO(data)) as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                found = f"{file.getnchannels()} channels of {8 * file.getsampwidth()} bits"
                raise UnusableAudio(field, found, "PCM s16le mono")
            return file.readframes(file.getnframes()), file.getframerate()
    except (wave.Error, EOFError) as error:
        raise UnusableAudio(field, data[:16], f"a WAV file ({error})") from None
