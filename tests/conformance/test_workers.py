"""Both kinds of workers obey the same laws."""

from __future__ import annotations

import pytest

from zoo.cluster import Session
from zoo.testing.workers import SETUP, WorkersConformance
from zoo.workers import Inline, Pool, Workers


class TestInline(WorkersConformance):
    def make(self, setup: str = SETUP, **payload: object) -> Workers:
        return Inline(setup, payload=payload)


@pytest.mark.ray
class TestPool(WorkersConformance):
    @pytest.fixture(autouse=True)
    def cluster(self, session: Session) -> None:
        self.session = session

    def make(self, setup: str = SETUP, **payload: object) -> Workers:
        return Pool(self.session, setup, workers=2, payload=payload)
