"""Who hears and says what: complete, and as the README has it."""

from collections import Counter
from pathlib import Path

import pytest

from pipeline import topology
from schemas import catalogue
from schemas.errors import InvalidField

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- topology -->", "<!-- /topology -->"
BY_ANY_WORKER = {"StageFailed"}
ANNOUNCED = {"ReminderDue"}  # by the router, about no event that it hears
REPLAYED = {"TurnReplayed"}  # goes from `parley replay` into the log, and over no bus


def test_the_table_in_the_readme_is_the_topology() -> None:
    readme = README.read_text(encoding="utf-8")

    assert BEGIN in readme
    table = readme.partition(BEGIN)[2].partition(END)[0].strip()
    assert table == topology.markdown()


def test_every_event_is_said_by_exactly_one() -> None:
    said = Counter(name for part in topology.parts() for name in part.says)

    assert set(said.values()) == {1}
    assert set(said) | BY_ANY_WORKER | ANNOUNCED | REPLAYED == set(catalogue.BY_NAME)


def test_every_event_is_heard_by_somebody_unless_it_is_for_the_log_alone() -> None:
    heard = {name for part in topology.parts() if part.name != topology.LOGGER for name in part.hears}

    for_the_log = {"TaskCompleted", "FeedbackRecorded", "PersonaUpdated", "ReplyCutShort", "HistoryForgotten"}
    assert set(catalogue.BY_NAME) - heard == for_the_log | REPLAYED


def test_nobody_hears_what_nobody_says() -> None:
    for part in topology.parts():
        assert set(part.hears) <= set(catalogue.BY_NAME) | {"every event"}


def test_the_log_hears_every_fact() -> None:
    from stages.training_logger import TRAINING_LOGGER

    assert set(TRAINING_LOGGER.hears) == set(catalogue.FACTS)


def test_a_process_is_started_for_everybody_but_front_ends() -> None:
    assert {part.name for part in topology.parts()} == {*topology.PROCESSES, topology.FRONT_ENDS}


@pytest.mark.parametrize("name", topology.STAGE_NAMES)
def test_a_stage_goes_by_the_name_under_which_it_is_listed(name: str) -> None:
    assert topology.stage(name).name == name


def test_an_unknown_stage_is_refused_by_name() -> None:
    with pytest.raises(InvalidField, match="stage: 'sst' is not allowed; expected one of stt, intent"):
        topology.stage("sst")
