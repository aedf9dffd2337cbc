"""The bench of the registry asks what operators ask, of versions that each served in their turn."""

from benchmarks.registry import run


def test_every_question_is_answered_and_timed():
    records = list(run(200, seed=1))
    assert records[0]["versions"] == 200
    asked = {record["figure"]: record for record in records[1:]}
    assert {"what served at a moment", "what is live", "one version", "all versions of a model", "publish"} == set(
        asked
    )
    assert all(0 < record["median_ms"] <= record["p99_ms"] for record in asked.values())
