"""Makes recognisers by the name that stands in the configuration."""

from collections.abc import Callable, Mapping

from infra.recognisers.port import Recogniser
from schemas.errors import InvalidField


def make_recogniser(
    name: str, model: str | None = None, *, beam: int = 1, threads: int = 2, background: bool = False
) -> Recogniser:
    """A recogniser that has not loaded anything yet; `model` None is the bundled one, `background`: others go first.

    Its library is imported here and not before, so that a process loads only what it uses. Raises InvalidField
    for a name that does not exist.
    """
    makers: Mapping[str, Callable[[], Recogniser]] = {
        "whisper": lambda: _whisper(model, beam, threads, background),
        "moonshine": lambda: _moonshine(model, background),
        "scripted": _scripted,  # for tests and benchmarks
    }
    if name not in makers:
        raise InvalidField("recogniser.backend", name, f"one of {', '.join(sorted(makers))}")
    return makers[name]()


def _whisper(model: str | None, beam: int, threads: int, background: bool) -> Recogniser:
    from infra.recognisers.whisper import BUNDLED_NAME, WhisperRecogniser, WhisperSettings

    return WhisperRecogniser(WhisperSettings(model or BUNDLED_NAME, beam=beam, threads=threads, background=background))


def _moonshine(model: str | None, background: bool) -> Recogniser:
    from infra.recognisers.moonshine import BUNDLED_NAME, MoonshineRecogniser, MoonshineSettings

    return MoonshineRecogniser(MoonshineSettings(model or BUNDLED_NAME, background))


def _scripted() -> Recogniser:
    from infra.recognisers.scripted import ScriptedRecogniser

    return ScriptedRecogniser()
