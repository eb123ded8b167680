"""What each backend adds to the OpenAI-compatible protocol or leaves out: data, obeyed by compatible.py beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

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
    template: tuple[tuple[str, bool], ...] = ()  # what the chat template is told: a voice cannot wait for thinking
    health_path: str | None = None
    grammar: Literal["json_schema", "structural_tag", "llguidance"] = "json_schema"  # how it is forced into a schema

    def forcing(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """What is added to the body to force an answer into a schema.

        With a plain `json_schema` a model may fill its answer up with white space until it is cut off: under vLLM with
        as many line breaks as it likes (unless the server was started otherwise), in llama.cpp with twenty tabs a
        place. A structural tag is compiled by the same xgrammar and bounds it; llguidance reads a bound in the schema.
        """
        match self.grammar:
            case "structural_tag":
                inside = {"type": "json_schema", "json_schema": dict(schema), "max_whitespace_cnt": _GAP_MAX_CHARS}
                return {"response_format": {"type": "structural_tag", "format": inside}}
            case "llguidance":
                return {"grammar": f"%llguidance {{}}\nstart: %json {json.dumps(schema)}"}
            case "json_schema":
                told = {"name": "answer", "schema": dict(schema), "strict": True}
                return {"response_format": {"type": "json_schema", "json_schema": told}}


_NO_THINKING: Final = (("enable_thinking", False),)  # Qwen3's word for it; templates without it do not mind
VLLM: Final = Dialect(
    "vllm",
    priority=True,
    penalty="repetition_penalty",
    top_k=True,
    continuing=(("continue_final_message", True), ("add_generation_prompt", False)),
    template=_NO_THINKING,
    health_path="/health",
    grammar="structural_tag",
)
# It announces keep-alive and hangs up after each stream all the same, so a kept connection would fail the next ask.
# xllamacpp is built with LLGuidance; a llama-server of your own that is not refuses this grammar: name it `openai`.
LLAMA_CPP: Final = Dialect(
    "llama.cpp",
    penalty="repeat_penalty",
    top_k=True,
    template=_NO_THINKING,
    keeps_alive=False,
    health_path="/health",
    grammar="llguidance",
)
OPENAI: Final = Dialect("openai")  # the bare protocol: some servers refuse a field that they do not know
# Ours, from infra/engines/chat_server.py: one request at a time, the others by priority. It ignores `response_format`:
# the library can force no grammar, so contracts are asked for in words only, and are checked on arrival as everywhere.
# It ignores `seed`, too.
GPT4ALL: Final = Dialect("gpt4all", priority=True, penalty="repeat_penalty", top_k=True, health_path="/health")
