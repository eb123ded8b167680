"""Run by test_xgrammar.py with the Python of the engine's environment, where xgrammar is: it cannot be imported here.

Reads {"model": folder, "kinds": {name: {"schema": ..., "samples": [text, ...]}}} and writes for each kind whether each
sample is accepted as a whole, how many tokens it has, and whether vLLM gives the schema to xgrammar at all.
"""

import json
import sys

import xgrammar
from transformers import AutoTokenizer
from vllm.v1.structured_output.backend_xgrammar import has_xgrammar_unsupported_json_features

told = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(told["model"])
compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo.from_huggingface(tokenizer))
report = {}
for name, kind in told["kinds"].items():
    inside = {"type": "json_schema", "json_schema": kind["schema"], "max_whitespace_cnt": 1}
    grammar = compiler.compile_structural_tag({"type": "structural_tag", "format": inside})
    accepted = []
    for sample in kind["samples"]:
        matcher = xgrammar.GrammarMatcher(grammar, terminate_without_stop_token=True)
        accepted.append(bool(matcher.accept_string(sample) and matcher.is_terminated()))
    report[name] = {
        "accepted": accepted,
        "tokens": [len(tokenizer.encode(sample)) for sample in kind["samples"]],
        "left_to_xgrammar": not has_xgrammar_unsupported_json_features(kind["schema"]),
    }
json.dump(report, sys.stdout)
