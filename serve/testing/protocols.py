"""The laws of a protocol shape, as tests for anyone's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serve.testing.caller import Caller

__all__ = ["HourlySeries", "ProtocolConformance"]


@dataclass(frozen=True)
class HourlySeries:
    """A series of a request: an hourly one, whose first value is of ``start``.

    Args:
        id: The name of the series.
        y: The values, None where missing.
        start: The time of the first value, ISO 8601.
    """

    id: str
    y: Sequence[float | None]
    start: str = "2024-01-01T00:00:00"


def _two(missing: float | None = 21.5) -> list[HourlySeries]:
    y = [20.0 + 5.0 * ((7 * i) % 24) / 24.0 + 0.125 * (i % 5) for i in range(120)]
    other = [value * 1.25 for value in y[:96]]
    return [HourlySeries("H0", y), HourlySeries("somebody new", [*other[:40], missing, *other[41:]])]


class ProtocolConformance(ABC):
    """Tests of what every shape promises; every method is one law.

    Derive a test class, and say how a request is written and an answer is read. A fixture ``call`` gives the
    application (``serve.testing.caller.served``) with ``serve.testing.pipelines.hourly`` behind it::

        @pytest.fixture(scope="session")
        def call(tmp_path_factory):
            return served(tmp_path_factory.mktemp("serve"), {"hours": fitted(hourly(), families=("seasonal_naive",))})


        class TestMyShape(ProtocolConformance):
            path = "/my/path"

            def written(self, series, horizon):
                return my_bytes(series, horizon), {"content-type": "application/json"}

            def means(self, response):
                return [each["mean"] for each in response.json()["mine"]]
    """

    path: str

    @abstractmethod
    def written(self, series: Sequence[HourlySeries], horizon: int) -> tuple[bytes, Mapping[str, str]]:
        """Return the body and the headers of a request."""

    @abstractmethod
    def means(self, response: Any) -> list[list[float]]:
        """Return the point forecasts of an answer, a list per series."""

    def ask(self, call: Caller, body: bytes, headers: Mapping[str, str]) -> Any:
        """Return what the application answers."""
        return call("POST", self.path, content=body, headers=dict(headers))

    def forecasts(self, call: Caller, series: Sequence[HourlySeries], horizon: int = 5) -> list[list[float]]:
        """Return the point forecasts of an answer that must be a good one."""
        response = self.ask(call, *self.written(series, horizon))
        assert response.status_code == 200, response.text
        return self.means(response)

    def test_the_numbers_are_those_of_the_native_form_to_the_last_bit(self, call: Caller) -> None:
        """One series and several, in the order of the request."""
        for series in (_two()[:1], _two(), _two()[::-1]):
            body = [{"id": one.id, "y": list(one.y), "start": one.start} for one in series]
            native = call.forecast(series=body, horizon=5)["forecasts"]
            assert self.forecasts(call, series) == [one["mean"] for one in native]

    def test_a_missing_value_is_missing(self, call: Caller) -> None:
        """It is neither zero nor an error."""
        series = _two(None)
        body = [{"id": one.id, "y": list(one.y), "start": one.start} for one in series]
        assert self.forecasts(call, series) == [
            one["mean"] for one in call.forecast(series=body, horizon=5)["forecasts"]
        ]

    def test_the_horizon_is_the_one_that_was_asked_for(self, call: Caller) -> None:
        """A shorter one is the beginning of a longer one."""
        long, short = self.forecasts(call, _two(), 7), self.forecasts(call, _two(), 2)
        assert [one[:2] for one in long] == short
        assert {len(one) for one in long} == {7}

    def test_what_is_none_of_this_shape_is_the_clients_mistake(self, call: Caller) -> None:
        """Never a 5xx, always with a reason."""
        good, headers = self.written(_two(), 5)
        for body in (b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe\x00", b"[" * 10_000, good[: len(good) // 2]):
            response = self.ask(call, body, headers)
            assert 400 <= response.status_code < 500, (body[:20], response.text)
            assert response.json()["error"]

    def test_no_series_and_no_values_are_refused(self, call: Caller) -> None:
        """An empty request is a mistake, too."""
        for series in ([], [HourlySeries("H0", [])], [HourlySeries("H0", [None, None])]):
            response = self.ask(call, *self.written(series, 5))
            assert 400 <= response.status_code < 500, response.text

    def test_more_steps_than_the_model_has_are_refused(self, call: Caller) -> None:
        """The horizon of the fit is the most."""
        response = self.ask(call, *self.written(_two(), 1000))
        assert response.status_code in (413, 422)
        assert "horizon" in response.json()["error"] or "steps" in response.json()["error"]
