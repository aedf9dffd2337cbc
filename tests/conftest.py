"""What all tests share: one small Ray cluster for those that need it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zoo.cluster import Session, connect


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    with connect(workers=2) as session:
        yield session
