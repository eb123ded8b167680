"""Counts with llama.cpp itself, by the embedded engine's route /tokenize: the tokenizer is the one in the GGUF file.

The engine is a process of its own for as long as this is open; it ends with its parent, and only loopback hears it.
"""

import os
import secrets
import subprocess
from pathlib import Path
from typing import Final

import httpx

from infra import weights
from infra.engines.llama_cpp import API_KEY_VARIABLE, SMOLLM2, EngineProcess
from infra.processes import die_with_parent
from infra.tokenizing.port import TokenizerFailed

_LEAST_SLOT_TOKENS: Final = 256  # nothing is generated
_ANSWER_WITHIN_S: Final = 60.0  # for a file's whole text
_LISTENING: Final = "listening on "


class GgufTokenizer:
    """The tokenizer of a GGUF file, by default the bundled SmolLM2's."""

    def __init__(self, model: Path | None = None) -> None:
        """Start the engine (under a second for a small model). Raises TokenizerFailed, WeightsMissing."""
        if model is None:
            weights.path_of(SMOLLM2)  # tells what to install, before a process is started
        process = EngineProcess(0, model.resolve() if model else None, slots=1, slot_tokens=_LEAST_SLOT_TOKENS)
        key = secrets.token_urlsafe(24)
        self._name = process.model_name
        self._process = subprocess.Popen(
            process.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, API_KEY_VARIABLE: key},
            preexec_fn=die_with_parent(),
        )
        assert self._process.stdout is not None and self._process.stderr is not None  # pipes
        line = self._process.stdout.readline().strip()
        if not line.startswith(_LISTENING):
            said = (self._process.stderr.read().strip().splitlines() or ["it said nothing"])[-1]
            self._process.wait()
            raise TokenizerFailed(said)
        headers = {"Authorization": f"Bearer {key}"}
        address = line.removeprefix(_LISTENING)
        self._http = httpx.Client(base_url=address, headers=headers, timeout=_ANSWER_WITHIN_S, trust_env=False)

    @property
    def name(self) -> str:
        return self._name

    def count(self, text: str) -> int:
        told = {"content": text, "add_special": False, "parse_special": False}
        try:
            answer = self._http.post("/tokenize", json=told).raise_for_status()
            return len(answer.json()["tokens"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise TokenizerFailed(f"{self._name}: llama.cpp does not count tokens: {type(error).__name__}") from error

    def close(self) -> None:
        if hasattr(self, "_http"):
            self._http.close()
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
