"""Changes to a plan: those that can be made are, the others are refused with the reason."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contracts import Step, adaptation_of, adapted
from schemas.contracts.plans import CHANGES_MAX, STEPS_MAX
from schemas.errors import InvalidField

PLAN = (Step("s1", "book"), Step("s2", "rent"), Step("s3", "pack"))


def change(op: str, **fields: str) -> dict[str, str]:
    return {"op": op, **fields}


def after(*changes: dict[str, str], plan: tuple[Step, ...] = PLAN) -> tuple[str, list[str]]:
    """The steps as "id:do" and the reasons of what was refused."""
    result = adapted(plan, adaptation_of(plan).model_validate({"changes": changes}))
    return " ".join(f"{step.id}:{step.do}" for step in result.plan), [refused.reason for refused in result.refused]


@pytest.mark.parametrize(
    ("changes", "plan"),
    [
        ([], "s1:book s2:rent s3:pack"),
        ([change("keep", step="s1")], "s1:book s2:rent s3:pack"),
        ([change("remove", step="s2")], "s1:book s3:pack"),
        ([change("replace", step="s2", do="train")], "s1:book s2:train s3:pack"),
        ([change("insert", after="start", do="ask")], "new1:ask s1:book s2:rent s3:pack"),
        ([change("insert", after="s3", do="go")], "s1:book s2:rent s3:pack new1:go"),
        ([change("move", step="s3", after="start")], "s3:pack s1:book s2:rent"),
        ([change("move", step="s1", after="s3")], "s2:rent s3:pack s1:book"),
        ([change("keep", step="s1"), change("move", step="s1", after="s2")], "s2:rent s1:book s3:pack"),
        (
            [change("insert", after="s1", do="a"), change("insert", after="s1", do="b")],
            "s1:book new2:b new1:a s2:rent s3:pack",
        ),
    ],
)
def test_a_possible_change_is_made(changes: list[dict[str, str]], plan: str) -> None:
    assert after(*changes) == (plan, [])


@pytest.mark.parametrize(
    ("changes", "plan", "reason"),
    [
        ([change("remove", step="s1"), change("replace", step="s1", do="x")], "s2:rent s3:pack", "no step 's1'"),
        ([change("remove", step="s1"), change("insert", after="s1", do="x")], "s2:rent s3:pack", "no step 's1'"),
        ([change("move", step="s1", after="s1")], "s1:book s2:rent s3:pack", "behind itself"),
        ([change("keep", step="s1"), change("remove", step="s1")], "s1:book s2:rent s3:pack", "to be kept"),
        ([change("remove", step="s1"), change("keep", step="s1")], "s1:book s2:rent s3:pack", "to be kept"),
        (
            [change("replace", step="s1", do="x"), change("replace", step="s1", do="y")],
            "s1:x s2:rent s3:pack",
            "already",
        ),
        ([change("remove", step=f"s{n}") for n in (1, 2, 3)], "s3:pack", "last step"),
    ],
)
def test_an_impossible_change_is_refused_with_the_reason(changes: list[dict[str, str]], plan: str, reason: str) -> None:
    left, reasons = after(*changes)
    assert left == plan
    assert any(reason in told for told in reasons), reasons


def test_a_plan_does_not_grow_beyond_its_most_steps() -> None:
    full = tuple(Step(f"s{n}", "x") for n in range(STEPS_MAX))
    _, reasons = after(change("insert", after="start", do="y"), plan=full)
    assert reasons == [f"a plan has at most {STEPS_MAX} steps"]


@pytest.mark.parametrize(
    "plan", [(), (Step("a", "x"), Step("a", "y")), (Step("start", "x"),), tuple(Step(str(n), "x") for n in range(13))]
)
def test_a_plan_that_cannot_be_spoken_of_is_refused(plan: tuple[Step, ...]) -> None:
    with pytest.raises(InvalidField):
        adaptation_of(plan)


STEP = st.sampled_from([step.id for step in PLAN])
AFTER = st.sampled_from(["start", *(step.id for step in PLAN)])
ANY = st.one_of(
    st.builds(lambda step: change("keep", step=step), STEP),
    st.builds(lambda step: change("remove", step=step), STEP),
    st.builds(lambda step: change("replace", step=step, do="other"), STEP),
    st.builds(lambda place: change("insert", after=place, do="more"), AFTER),
    st.builds(lambda step, place: change("move", step=step, after=place), STEP, AFTER),
)


@given(st.lists(ANY, max_size=CHANGES_MAX))
def test_whatever_is_proposed_leaves_a_plan_with_each_step_once(changes: list[dict[str, Any]]) -> None:
    result = adapted(PLAN, adaptation_of(PLAN).model_validate({"changes": changes}))
    ids = [step.id for step in result.plan]
    assert ids and len(ids) == len(set(ids))
    kept = {entry["step"] for entry in changes if entry["op"] == "keep"}
    assert {(step.id, step.do) for step in PLAN if step.id in kept} <= {(step.id, step.do) for step in result.plan}
