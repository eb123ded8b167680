"""What is counted and read from servers, and that the servers named on a command line are the ones that are asked."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.engines.port import EngineUnavailable, Message
from infra.engines.scripted import Answer, ScriptedEngine, saying
from infra.engines.scripted_server import Manners, served
from scripts.bench.asking import backends
from scripts.bench.asking.backends import Backend, BackendRefused, Named, looked_at
from scripts.bench.asking.figures import Cost, Level, Wave, added, percentile, typical
from scripts.bench.asking.tables import table
from scripts.bench.asking.timing import Answers, cached, counters


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([3.0], 0.95, 3.0), ([1, 2], 0.5, 1.5), ([4, 1, 3, 2], 0, 1), ([4, 1, 3, 2], 1, 4), (list(range(101)), 0.95, 95)],
)
def test_percentiles(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == pytest.approx(expected)


def test_of_nothing_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_level_is_the_median_of_its_waves_and_tells_what_failed() -> None:
    waves = (Wave(2, 20, 1.0, (0.1, 0.3)), Wave(2, 20, 2.0, (0.2,), failed=1), Wave(2, 60, 2.0, (0.5, 0.6)))
    level = Level(2, waves)
    assert level.tokens_hz == 20
    assert level.firsts_s == [0.1, 0.3, 0.2, 0.5, 0.6]
    assert level.failed == 1


def test_what_a_way_adds_is_taken_round_by_round() -> None:
    """The machine was slow in the second round, for both."""
    bare, client = [Cost(1, 1), Cost(9, 1), Cost(1, 1)], [Cost(2, 3), Cost(10, 3), Cost(2.5, 3)]
    assert added(client, bare) == Cost(1, 2)
    assert typical(client) == Cost(2.5, 3)


METRICS = """# HELP vllm:prefix_cache_hits_total x
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 1.28e+02
vllm:prefix_cache_hits_total{engine="1",model_name="m"} 2.0
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 512.0
vllm:prefix_cache_hits_created{engine="0",model_name="m"} 1.7e+09
vllm:external_prefix_cache_hits_total{engine="0",model_name="m"} 7.0
"""


def test_vllms_counters_are_read_and_nothing_like_them() -> None:
    assert counters(METRICS) == {"prefix_cache_hits": 130.0, "prefix_cache_queries": 512.0}
    assert counters("") == {}


def test_cached_tokens_are_found_wherever_a_server_tells_them() -> None:
    assert cached({}, {"cache_n": 40, "prompt_n": 3}, {}, {}) == 40
    assert cached({"prompt_tokens_details": {"cached_tokens": 16}}, {}, {}, {}) == 16
    assert cached({}, {}, {"prefix_cache_hits": 100.0}, {"prefix_cache_hits": 148.0}) == 48
    assert cached({"prompt_tokens_details": None}, {}, {}, {}) is None


def parsed(*line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    backends.add_arguments(parser)
    return parser.parse_args(line)


def test_options_belong_to_the_server_before_them() -> None:
    given = parsed(
        *("--base-url", "http://a", "--model", "m", "--base-url", "http://b", "--key-file", "k", "--name", "second")
    )
    assert given.servers == [Named("http://a", "m"), Named("http://b", None, Path("k"), "second")]
    assert parsed().servers == []


def test_an_option_without_a_server_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--model", "m", "--base-url", "http://a")
    assert "--model belongs behind a --base-url" in capsys.readouterr().err


async def test_what_is_behind_an_address_is_looked_up(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n")
    async with served(ScriptedEngine(saying("Hi")), Manners(api_key="secret")) as url:
        found = await looked_at(Named(f"{url}/v1/", key_file=key, name="mine"))
        assert (found.name, found.endpoint.model, found.dialect) == ("mine", "scripted", "openai")
        assert found.endpoint.api_key == "secret"
        with pytest.raises(BackendRefused, match=r"--model: 'other' is not there; .* has scripted"):
            await looked_at(Named(url, "other", key))
        with pytest.raises(BackendRefused, match="401"):
            await looked_at(Named(url))
        given = parsed("--base-url", url, "--key-file", str(key), "--base-url", url, "--key-file", str(key))
        with pytest.raises(BackendRefused, match="'openai' is there twice"):
            async with backends.opened(given):
                pass


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense"])
async def test_a_server_that_is_not_there_is_told_in_a_line(url: str) -> None:
    with pytest.raises(BackendRefused) as refused:
        await looked_at(Named(url))
    assert str(refused.value).startswith(f"--base-url: {url}/v1/models: ")
    assert "\n" not in str(refused.value)


async def test_an_answer_is_timed_and_counted() -> None:
    engine = ScriptedEngine(lambda _: Answer("one two three four", first_delay_s=0.05, gap_s=0.02))
    async with served(engine, Manners()) as url:
        answers = Answers(await looked_at(Named(url)))
        timed = await answers.timed([Message("user", "count")], 10)
        await answers.aclose()
    assert timed.text == "one two three four"
    assert (timed.completion_tokens, timed.cached_tokens, timed.cached_share) == (4, None, None)
    assert 0.05 <= timed.first_s < timed.whole_s
    assert timed.tokens_hz == pytest.approx(3 / (timed.whole_s - timed.first_s))


async def test_a_wave_tells_what_failed(bench: Callable[[str], dict[str, object]]) -> None:
    """The benchmark itself, with one request in three refused."""
    engine = ScriptedEngine(
        lambda ask: Answer(error=EngineUnavailable("full")) if "number 1 " in ask.messages[0].content else Answer("a b")
    )
    async with served(engine, Manners()) as url:
        from infra.clock import SystemClock
        from infra.engines.factory import make_engine

        found: Backend = await looked_at(Named(url))
        client = make_engine(found.config, SystemClock())
        wave = await bench("engine_throughput")["wave"](client, 3, 8)  # type: ignore[operator]  # a script, not a module
        await client.aclose()
    assert (wave.streams, wave.failed, wave.tokens, len(wave.firsts_s)) == (3, 1, 4, 2)


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
