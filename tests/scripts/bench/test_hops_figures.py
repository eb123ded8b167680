"""What the hops' benchmark concludes from made-up figures: each promise that is broken shows, and only that one."""

import pytest

from scripts.bench.carriers import figures
from scripts.bench.carriers.figures import Figures, exit_status, judged, table, verdicts

GOOD = {
    figures.RAW: 3.0,
    figures.RAW_WRITES: 4.0,
    figures.BARE: 4.0,
    figures.SHIPPED: 4.2,
    figures.EXPORTED: 4.6,
    figures.INBOX: 5.5,
    figures.SEPARATE: 6.0,
    figures.OVOS: 60.0,
    figures.OVOS_RELEASE: 100.0,
    figures.OVOS_NODELAY: 8.0,
}


def test_what_is_promised_and_kept_passes() -> None:
    assert exit_status(judged(GOOD)) == 0


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({figures.RAW: 2.7}, "with traces and metrics, by raw nats-py"),
        ({figures.RAW_WRITES: 3.6}, "with the inbox too, by raw nats-py with the same transaction"),
        ({figures.BARE: 3.45, figures.EXPORTED: 4.1}, "what traces and metrics cost"),
        ({figures.EXPORTED: 4.9}, "what they cost when spans are sent"),
        ({figures.OVOS: 54.0}, "OVOS by Parley with the inbox too"),
        ({figures.OVOS_RELEASE: 41.0}, "OVOS's last release by Parley"),
    ],
)
def test_a_broken_promise_is_named_and_fails_the_run(changed: dict[str, float], broken: str) -> None:
    found = judged({**GOOD, **changed})

    assert [one.promise.text for one in found if not one.kept] == [broken]
    assert exit_status(found) == 1
    assert [line for line in verdicts(found).splitlines() if "BROKEN" in line] == [
        line for line in verdicts(found).splitlines() if line.startswith(f"{broken}  ")
    ]


def test_when_ovos_is_not_ten_times_slower_both_of_its_promises_are_broken() -> None:
    found = judged({**GOOD, figures.OVOS: 41.0})

    assert {one.promise.text: round(one.ratio, 2) for one in found if not one.kept} == {
        "OVOS by Parley": 9.76,
        "OVOS by Parley with the inbox too": 7.45,
    }


def test_a_ratio_that_only_informs_breaks_nothing() -> None:
    assert exit_status(judged({**GOOD, figures.OVOS_NODELAY: 1.0, figures.SEPARATE: 100.0})) == 0


def test_what_was_not_measured_is_not_judged() -> None:
    without = {name: value for name, value in GOOD.items() if not name.startswith("OVOS")}

    assert [one.promise.text for one in judged(without) if "OVOS" in one.promise.text] == []
    assert len(judged(without)) == 5


def test_the_table_has_the_middle_of_all_rounds_beside_the_raw_one() -> None:
    measured = {
        figures.RAW: Figures([2.0, 1.0, 3.0], [100.0], [300.0]),
        figures.OVOS: Figures([50.0, 30.0, 40.0], [20.0]),
    }

    _, raw, ovos = table(measured).splitlines()

    assert raw.removeprefix(figures.RAW).split() == ["2.00", "2.90", "1.00", "100", "300"]
    assert ovos.removeprefix(figures.OVOS).split()[0::2] == ["40.00", "20.00"]
