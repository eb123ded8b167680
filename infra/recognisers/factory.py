"""Makes recognisers by the name that stands in the configuration."""

from collections.abc import Callable, Mapping

from infra.recognisers.port import Recogniser
from schemas.errors import InvalidField


def make_recogniser(name: str, model: str | None = None, *, beam: int = 1, threads: int = 2) -> Recogniser:
    """A recogniser that has not loaded anything yet; `model` None is the bundled one.

    Its library is imported here and not before, so that a process loads only what it uses. Raises InvalidField
    for a name that does not exist.
    """
    makers: Mapping[str, Callable[[], Recogniser]] = {
        "whisper": lambda: _whisper(model, beam, threads),
        "moonshine": lambda: _moonshine(model),
        "scripted": _scripted,  # for tests and benchmarks
    }
    if name not in makers:
        raise InvalidField("recogniser.backend", name, f"one of {', '.join(sorted(makers))}")
    return makers[name]()


def _whisper(model: str | None, beam: int, threads: int) -> Recogniser:
    from infra.recognisers.whisper import BUNDLED_NAME, WhisperRecogniser, WhisperSettings

    return WhisperRecogniser(WhisperSettings(model=model or BUNDLED_NAME, beam=beam, threads=threads))


def _moonshine(model: str | None) -> Recogniser:
    from infra.recognisers.moonshine import BUNDLED_NAME, MoonshineRecogniser, MoonshineSettings

    return MoonshineRecogniser(MoonshineSettings(model=model or BUNDLED_NAME))


def _scripted() -> Recogniser:
    from infra.recognisers.scripted import ScriptedRecogniser

    return ScriptedRecogniser()
