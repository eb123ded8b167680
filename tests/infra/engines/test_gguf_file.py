"""What is read from GGUF files, and what of them is refused: small files, written by the format's own package."""

from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter

from infra.engines.gguf_file import GgufUnusable, facts_of

WORDS = {"<s>": 3, "</s>": 3, "hello": 1, "<|end|>": 3}  # 3: control


def written(path: Path, template: str | None) -> Path:
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(WORDS))
    writer.add_token_types(list(WORDS.values()))
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    if template:
        writer.add_chat_template(template)
    writer.add_tensor("t", np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_facts_that_a_chat_needs_are_read(tmp_path: Path) -> None:
    facts = facts_of(written(tmp_path / "m.gguf", "{{ messages }}"))
    assert (facts.chat_template, facts.context_tokens, facts.pre_tokenizer) == ("{{ messages }}", 512, "gpt-2")
    assert (facts.bos, facts.bos_id, facts.eos) == ("<s>", 0, "</s>")
    assert dict(facts.control) == {"<s>": 0, "</s>": 1, "<|end|>": 3}
    assert facts.ends == {0, 1, 3}


def test_a_file_without_a_chat_template_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GgufUnusable, match=r"no chat template.*instruct.*gguf-new-metadata"):
        facts_of(written(tmp_path / "m.gguf", None))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    whole = written(tmp_path / "m.gguf", "{{ messages }}").read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(GgufUnusable, match="is the file complete"):
        facts_of(cut)


@pytest.mark.parametrize(("content", "reason"), [(b"", "no GGUF file"), (b"PK\x03\x04", "no GGUF file")])
def test_another_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    other = tmp_path / "m.gguf"
    other.write_bytes(content)
    with pytest.raises(GgufUnusable, match=reason):
        facts_of(other)


def test_an_absent_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GgufUnusable, match="No such file"):
        facts_of(tmp_path / "absent.gguf")
    with pytest.raises(GgufUnusable, match="Is a directory"):
        facts_of(tmp_path)
