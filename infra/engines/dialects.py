"""What each backend adds to the OpenAI-compatible protocol or leaves out: data, obeyed by compatible.py beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_GAP_MAX_CHARS: Final = 1  # of white space between two pieces of JSON; xgrammar takes no 0


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a backend adds to the protocol, or leaves out."""

    backend: str
    priority: bool = False  # obeys `priority` in the body: a smaller number goes first
    penalty: str | None = None  # its name for a repetition penalty; None: it has none
    top_k: bool = False
    continuing: tuple[tuple[str, bool], ...] = ()  # added to the body when the assistant has begun already
    keeps_alive: bool = True
    health_path: str | None = None
    structural_tags: bool = False  # understands a response format in which white space has a bound

    def response_format(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """What forces an answer into a schema.

        Under vLLM's `json_schema` a model may add line breaks without end, unless the server was started otherwise;
        a structural tag is compiled by the same xgrammar and bounds them for this request.
        """
        if self.structural_tags:
            inside = {"type": "json_schema", "json_schema": dict(schema), "max_whitespace_cnt": _GAP_MAX_CHARS}
            return {"type": "structural_tag", "format": inside}
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema), "strict": True}}


VLLM: Final = Dialect(
    "vllm",
    priority=True,
    penalty="repetition_penalty",
    top_k=True,
    continuing=(("continue_final_message", True), ("add_generation_prompt", False)),
    health_path="/health",
    structural_tags=True,
)
# It announces keep-alive and hangs up after each stream all the same, so a kept connection would fail the next ask.
LLAMA_CPP: Final = Dialect("llama.cpp", penalty="repeat_penalty", top_k=True, keeps_alive=False, health_path="/health")
OPENAI: Final = Dialect("openai")  # the bare protocol: some servers refuse a field that they do not know
# Ours, from infra/engines/chat_server.py: one request at a time, the others by priority. It ignores `response_format`:
# the library can force no grammar, so contracts are asked for in words only, and are checked on arrival as everywhere.
# It ignores `seed`, too.
GPT4ALL: Final = Dialect("gpt4all", priority=True, penalty="repeat_penalty", top_k=True, health_path="/health")
