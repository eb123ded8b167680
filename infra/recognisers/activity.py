"""Finds the stretches of a recording in which somebody speaks, so that no recogniser is asked to read noise.

Uses the Silero voice activity detector (ONNX, no torch) that comes inside faster-whisper. Both recognisers invent
sentences when they are given silence, noise or music; this stands in front of them. Knows neither of them.
"""

from dataclasses import dataclass

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps

from infra.audio import RATE_HZ, Samples
from infra.recognisers.port import EmptyBecause

SPEECH_PROBABILITY = (
    0.5  # white and pink noise, hum, tones, clicks and breath stay below; speech reaches 0.9 at 0 dB SNR
)
SPEECH_MIN_MS = 96  # three windows of the detector: the shortest "no" lasts longer, a struck string does not
PAUSE_MIN_MS = 200  # shorter gaps are inside a phrase
PAD_MS = 250  # kept before and after, so that no consonant is cut off
PAUSE_MAX_S = 2.0  # a longer pause is left out: it holds nothing, and recognisers invent words for it
SILENCE_DBFS = -60.0  # the loudest window below this and no speech: nobody spoke; above: something else sounded
LEVEL_PEAK = 0.5  # quiet recordings are raised to this peak, of which neither detector nor recogniser loses anything
GAIN_MAX = 100.0  # 40 dB: more would only raise the quantisation noise
_WINDOW = RATE_HZ // 50


@dataclass(frozen=True, slots=True)
class Activity:
    """Where somebody speaks, in order; none: `empty_because` says what was there instead."""

    stretches: tuple[Samples, ...]
    empty_because: EmptyBecause | None = None


def find_speech(samples: Samples, longest_s: float) -> Activity:
    """Cut mono samples at RATE_HZ into stretches of speech of at most `longest_s`, cut in pauses where there are any.

    The stretches are level (raised to LEVEL_PEAK) and free of a direct-current offset.
    """
    level = _levelled(samples)
    options = VadOptions(
        threshold=SPEECH_PROBABILITY,
        min_speech_duration_ms=SPEECH_MIN_MS,
        min_silence_duration_ms=PAUSE_MIN_MS,
        max_speech_duration_s=longest_s,
        speech_pad_ms=PAD_MS,
    )
    spans = [(span["start"], span["end"]) for span in get_speech_timestamps(level, options)]
    if not spans:
        return Activity((), "silence" if _loudest_dbfs(samples) < SILENCE_DBFS else "noise")
    return Activity(tuple(level[start:end] for start, end in _joined(spans, longest_s)))


def _levelled(samples: Samples) -> Samples:
    level: Samples = samples - samples.mean(dtype=np.float32)
    peak = float(np.abs(level).max(initial=0.0))
    if peak > 0:
        level *= np.float32(min(LEVEL_PEAK / peak, GAIN_MAX))
    return level


def _loudest_dbfs(samples: Samples) -> float:
    """Level of the loudest window, without the direct current, in dB of full scale."""
    windows = samples[: len(samples) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    loudest = float(windows.std(axis=1).max(initial=0.0))
    return 20 * float(np.log10(max(loudest, 1e-9)))


def _joined(spans: list[tuple[int, int]], longest_s: float) -> list[tuple[int, int]]:
    """Neighbouring spans as one, as long as the pause between is short and the whole is not too long.

    A recogniser reads a few long stretches better than many short ones: it needs the context.
    """
    joined = [spans[0]]
    for start, end in spans[1:]:
        first, last = joined[-1]
        if start - last <= PAUSE_MAX_S * RATE_HZ and end - first <= longest_s * RATE_HZ:
            joined[-1] = (first, end)
        else:
            joined.append((start, end))
    return joined
