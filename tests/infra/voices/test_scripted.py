"""The scripted voice is silent for as long as a text is."""

from infra.voices.factory import make_voice


async def test_the_sound_is_as_long_as_the_text_and_the_same_each_time() -> None:
    voice = make_voice("scripted")

    short, long = await voice.speak("one two"), await voice.speak("one two three four")

    assert 0 < short.audio_s < long.audio_s
    assert short == await voice.speak("one two")
    assert not any(short.pcm)


async def test_nothing_to_say_has_no_length() -> None:
    assert (await make_voice("scripted").speak(" ")).audio_s == 0
