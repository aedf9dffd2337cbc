"""Whatever fits our own ``/openapi.json``, and much that does not, is answered without a 500."""

from __future__ import annotations

from typing import Any

import pytest

from serve.app import ServingApp
from serve.runtime.config import ServingConfig


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of schemathesis and its dependencies
def test_no_request_that_the_schema_allows_or_forbids_is_a_bug(pipeline, tmp_path):
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings
    from hypothesis.errors import Unsatisfiable

    path = str(pipeline.save(tmp_path / "hours"))
    config = {"models": [{"name": "hours", "path": path}], "state": str(tmp_path / "state")}
    app = ServingApp(ServingConfig.model_validate(config))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app.asgi)
    asked: dict[str, int] = {}

    def ask(case: Any) -> None:
        response = case.call(app=app.asgi)
        asked[case.operation.label] = asked.get(case.operation.label, 0) + 1
        if response.status_code >= 500 and response.status_code not in (503, 504):
            raise AssertionError(f"{case.as_curl_command()} -> {response.status_code}: {response.text[:500]}")

    some = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    for found in schema.get_all_operations():
        for mode in schemathesis.GenerationMode:
            try:
                given(case=found.ok().as_strategy(generation_mode=mode))(some(lambda case: ask(case)))()
            except Unsatisfiable:
                continue  # there is no way to do a request without parameters wrong
    assert sum(asked.values()) > 300, asked
