"""Turns a GGUF file into a folder that vLLM can load: bfloat16 safetensors, configuration, tokenizer, chat template.

Runs under the interpreter of vLLM's environment, which has transformers, torch and gguf, and therefore imports nothing
of Parley: `.venv-vllm/bin/python -I infra/engines/vllm/gguf_to_safetensors.py MODEL.gguf FOLDER`.
vLLM itself reads GGUF only through a plug-in and slowly; what llama.cpp stores at 4 bits is 16 bits afterwards, with
the same values. The folder is complete or not there: it is written beside its place and renamed.
"""

import argparse
import shutil
import sys
from pathlib import Path


def convert(gguf: Path, folder: Path) -> None:
    """Write `folder` anew. Raises OSError and ValueError when `gguf` is none that transformers can read."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    model.hf_quantizer = None  # it still takes itself for quantised, and would refuse to be saved
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(unfinished)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(unfinished)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("gguf", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    convert(given.gguf, given.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
