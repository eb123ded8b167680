"""Metrics of several workers become one exposition that Prometheus can read."""

from prometheus_client.parser import text_string_to_metric_families

from pipeline.metrics import Metrics, merged


def samples(exposition: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("worker", "")): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if "le" not in sample.labels
    }


def test_two_workers_of_a_stage_stand_side_by_side_in_one_family() -> None:
    counts = {"handled": 3, "dead": 1, "in_flight": 2}
    one, two = Metrics("intent", "1", lambda: counts), Metrics("intent", "2", lambda: counts)
    one.handled(queue_ms=5.0, work_ms=20.0)
    one.handled(queue_ms=5.0, work_ms=2_000.0)

    exposition = merged([one.exposition().decode(), two.exposition().decode()])

    found = samples(exposition)
    assert found["parley_stage_handled_total", "1"] == found["parley_stage_handled_total", "2"] == 3
    assert found["parley_stage_in_flight", "2"] == 2
    assert found["parley_stage_work_seconds_count", "1"] == 2
    assert found["parley_stage_work_seconds_sum", "1"] == 2.02
    assert found["parley_stage_work_seconds_count", "2"] == 0
    assert exposition.count("# TYPE parley_stage_handled_total") == 1
