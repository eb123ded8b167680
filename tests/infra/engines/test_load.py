"""What servers tell of their own work, in the words of each, and in none."""

import pytest

from infra.engines.http import Endpoint
from infra.engines.load import EngineLoad, load_of, read
from infra.engines.scripted import ScriptedEngine, saying
from infra.engines.scripted_server import Manners, served

VLLM = """
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a"} 3.0
# TYPE vllm:generation_tokens counter
vllm:generation_tokens_total{engine="0",model_name="a"} 1000.0
vllm:generation_tokens_created{engine="0",model_name="a"} 1.7e9
# TYPE vllm:prefix_cache_queries counter
vllm:prefix_cache_queries_total{engine="0",model_name="a"} 400.0
# TYPE vllm:prefix_cache_hits counter
vllm:prefix_cache_hits_total{engine="0",model_name="a"} 300.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="a"} 0.25
"""
LLAMA = """
# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total 27
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 1
"""


def test_vllm_tells_requests_tokens_and_cache() -> None:
    load = read(VLLM)
    assert (load.running, load.generated_tokens, load.cache_hit_rate, load.cache_used_share) == (3, 1000, 0.75, 0.25)
    assert load.waiting is None


def test_several_engines_of_one_server_are_added_up() -> None:
    two = VLLM + VLLM.replace('engine="0"', 'engine="1"')
    assert read(two).generated_tokens == 2000


def test_llama_cpp_tells_requests_and_tokens() -> None:
    load = read(LLAMA)
    assert (load.running, load.generated_tokens, load.cache_hit_rate) == (1, 27, None)


@pytest.mark.parametrize("text", ["", "<html>no</html>", '{"detail": "Not Found"}', "a{b 1"])
def test_what_is_no_metrics_tells_nothing(text: str) -> None:
    assert read(text) == EngineLoad()


async def test_a_server_without_metrics_or_none_at_all_tells_nothing(unused_tcp_port: int) -> None:
    assert await load_of(Endpoint(f"http://127.0.0.1:{unused_tcp_port}", "m")) == EngineLoad()
    async with served(ScriptedEngine(saying("")), Manners()) as url:
        assert await load_of(Endpoint(url, "m")) == EngineLoad()
    async with served(ScriptedEngine(saying("")), Manners(metrics=VLLM)) as url:
        assert (await load_of(Endpoint(url, "m"))).running == 3
