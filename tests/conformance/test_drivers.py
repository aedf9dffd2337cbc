"""Both drivers obey the same laws."""

from __future__ import annotations

import pytest

from zoo.cluster import Session
from zoo.search.drivers import Driver, Inline, Pool
from zoo.testing.drivers import SETUP, DriverConformance


class TestInline(DriverConformance):
    def make(self, setup: str = SETUP, **payload: object) -> Driver:
        return Inline(setup, payload=payload)


@pytest.mark.ray
class TestPool(DriverConformance):
    @pytest.fixture(autouse=True)
    def cluster(self, session: Session) -> None:
        self.session = session

    def make(self, setup: str = SETUP, **payload: object) -> Driver:
        return Pool(self.session, setup, workers=2, payload=payload)
