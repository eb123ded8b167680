"""Makes voices by the name that stands in the configuration."""

from collections.abc import Callable, Mapping

from infra.voices.port import Voice
from schemas.errors import InvalidField

DEFAULT = "hibari"


def make_voice(name: str = DEFAULT, model: str | None = None, *, threads: int = 2) -> Voice:
    """A voice that has not loaded anything yet; `model` None is its default one.

    Its library is imported here and not before, so that a process loads only what it uses. Raises InvalidField
    for a name that does not exist.
    """
    makers: Mapping[str, Callable[[], Voice]] = {
        "hibari": lambda: _hibari(model, threads),
        "pyttsx3": lambda: _pyttsx3(model),
        "scripted": _scripted,  # for tests and benchmarks
    }
    if name not in makers:
        raise InvalidField("voice.backend", name, f"one of {', '.join(sorted(makers))}")
    return makers[name]()


def _hibari(model: str | None, threads: int) -> Voice:
    from infra.voices.hibari import BUNDLED_NAME, HibariVoice

    return HibariVoice(model or BUNDLED_NAME, threads)


def _pyttsx3(model: str | None) -> Voice:
    from infra.voices.pyttsx3 import DEFAULT_VOICE, Pyttsx3Voice

    return Pyttsx3Voice(model or DEFAULT_VOICE)


def _scripted() -> Voice:
    from infra.voices.scripted import ScriptedVoice

    return ScriptedVoice()
