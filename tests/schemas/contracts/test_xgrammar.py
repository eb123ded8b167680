"""Every contract as xgrammar compiles it, in the engine's environment: what its grammar accepts and what it refuses."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.contracts import schema_of, tokens_needed
from tests.contract_examples import KINDS

ROOT: Final = Path(__file__).resolve().parents[3]
PYTHON: Final = ROOT / ".venv-vllm" / "bin" / "python"
MODEL: Final = ROOT / ".venv-vllm" / "models" / "smollm2-135m-instruct"
PROGRAM: Final = Path(__file__).with_name("xgrammar_program.py")
COMPILES_WITHIN_S: Final = 240  # importing vLLM takes most of it

pytestmark = pytest.mark.slow


def samples(name: str) -> list[str]:
    """Good answers compact and with spaces, then the near misses, then what is no plain answer at all."""
    kind = KINDS[name]
    good = [json.dumps(answer, ensure_ascii=False, separators=pair) for answer in kind.good for pair in SPACED]
    bad = [json.dumps(miss.answer, ensure_ascii=False, separators=(",", ":")) for miss in kind.bad]
    return [*good, *bad, *unruly(good[0])]


SPACED: Final = ((",", ":"), (", ", ": "))
TWICE: Final = [
    '{"m-1":1,"m-1":2,"m-2":3,"m-3":4}',
    '{"m-1":1,"m-2":3,"m-3":4,"m-1":2}',
    '{"m-2":3,"m-1":1,"m-3":4}',
    '{"m-1":1,"m-2":3,"m-3":4}',
]


def unruly(good: str) -> list[str]:
    """A good answer in a fence, after prose, with white space without end, and said twice."""
    return [f"```json\n{good}\n```", f"Sure! {good}", good.replace("{", "{\n\n\n", 1), good + good]


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """What xgrammar makes of all kinds; the engine's environment is made when it is not there yet."""
    if not PYTHON.exists():
        request.getfixturevalue("vllm_environment")
    kinds = {name: {"schema": schema_of(kind.contract), "samples": samples(name)} for name, kind in KINDS.items()}
    kinds["ids of m-1, m-2, m-3"] = {"schema": schema_of(KINDS["ranking"].contract), "samples": TWICE}
    done = subprocess.run(
        [str(PYTHON), "-I", str(PROGRAM)],
        input=json.dumps({"model": str(MODEL), "kinds": kinds}),
        capture_output=True,
        text=True,
        timeout=COMPILES_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    # What vLLM logs while it is imported also goes to the standard output.
    read: Mapping[str, Any] = json.loads(done.stdout[done.stdout.index('{"intent"') :])
    return read


@pytest.mark.parametrize("name", KINDS)
def test_good_answers_are_accepted(name: str, report: Mapping[str, Any]) -> None:
    goods = len(KINDS[name].good) * len(SPACED)
    refused = [text for text, ok in zip(samples(name), report[name]["accepted"], strict=True) if not ok][:goods]
    assert report[name]["accepted"][:goods] == [True] * goods, refused


@pytest.mark.parametrize("name", KINDS)
def test_near_misses_are_refused_by_the_grammar_where_it_can(name: str, report: Mapping[str, Any]) -> None:
    kind = KINDS[name]
    goods = len(kind.good) * len(SPACED)
    accepted = report[name]["accepted"][goods:]
    for miss, taken in zip(kind.bad, accepted, strict=False):
        assert taken == (miss.refused_by == "validation"), f"{miss.why}: {miss.answer}"


@pytest.mark.parametrize("name", KINDS)
def test_neither_prose_nor_fences_nor_two_answers_nor_empty_lines_are_accepted(
    name: str, report: Mapping[str, Any]
) -> None:
    assert report[name]["accepted"][-4:] == [False] * 4


def test_an_id_said_twice_or_out_of_its_place_is_refused(report: Mapping[str, Any]) -> None:
    assert report["ids of m-1, m-2, m-3"]["accepted"] == [False, False, False, True]


@pytest.mark.parametrize("name", KINDS)
def test_vllm_leaves_the_schema_to_xgrammar_and_the_answer_fits_its_tokens(
    name: str, report: Mapping[str, Any]
) -> None:
    assert report[name]["left_to_xgrammar"]
    good = report[name]["tokens"][: len(KINDS[name].good) * len(SPACED)]
    assert max(good) < tokens_needed(KINDS[name].contract)
