"""Tokens are counted as the model counts them, and what is no tokenizer is told."""

from pathlib import Path

import pytest

from infra import weights
from infra.embeddings import MINILM_TOKENIZER
from infra.engines.llama_cpp import SMOLLM2
from infra.tokenizing.factory import opened
from infra.tokenizing.port import TokenizerFailed
from schemas.errors import InvalidField


def test_the_bundled_model_counts_with_its_own_tokenizer() -> None:
    with opened(None, None) as tokenizer:
        assert tokenizer.name == "smollm2-135m-instruct"
        assert [tokenizer.count(text) for text in ("", "Hello", "Hello 123 world.", "<|im_start|>")] == [0, 1, 7, 7]


def test_a_gguf_file_is_named_after_itself() -> None:
    with opened(str(weights.path_of(SMOLLM2)), None) as tokenizer:
        assert (tokenizer.name, tokenizer.count("Hello")) == ("SmolLM2-135M-Instruct.Q4_1", 1)


def test_a_tokenizer_json_counts_the_whole_text_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "mini" / "tokenizer.json"
    file.parent.mkdir()
    file.write_bytes(weights.path_of(MINILM_TOKENIZER).read_bytes())

    for named in (file, file.parent):
        with opened(str(named), None) as tokenizer:
            assert (tokenizer.name, tokenizer.count("hello " * 900)) == ("mini", 900)


def test_a_file_that_is_no_tokenizer_is_told(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF and nothing else")

    with pytest.raises(TokenizerFailed, match=r"tokenizer\.json: "), opened(str(tmp_path), None):
        pass
    with pytest.raises(TokenizerFailed, match=r"could not load .*broken\.gguf"):
        opened(str(tmp_path / "broken.gguf"), None).__enter__()


@pytest.mark.parametrize("named", ["absent.json", "no/such/file.gguf", "a b"])
def test_what_is_neither_a_file_nor_a_name_is_refused(named: str) -> None:
    with pytest.raises(InvalidField, match=r"--tokenizer: .* there is no such file"), opened(named, None):
        pass


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="this one has none"), opened(str(tmp_path), None):
        pass


def test_a_hub_name_without_a_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(TokenizerFailed, match="nobody/nothing cannot be fetched from the hub"):
        opened("nobody/nothing", None).__enter__()
