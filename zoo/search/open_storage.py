"""How a study's journal is created, or found to belong to the same study."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import StudyError
from zoo.search.journal import StudyJournal, json_of, read_journal
from zoo.search.locks import StudyLock
from zoo.search.operations import STUDY_ID
from zoo.search.storage import StudyStorage
from zoo.search.study_attributes import StudyAttributes, metric_names
from zoo.search.study_settings import StudySettings

__all__ = ["STUDY_NAME", "open_storage", "read_storage"]

STUDY_NAME = "study"


def open_storage(path: Path | None, settings: StudySettings) -> tuple[StudyStorage, StudyLock | None]:
    """Return the trials in ``path``, and the right to add to them; None keeps them in memory.

    Raises:
        StudyError: Another process has it open, the file is no study, or it belongs to something else.
    """
    if path is None:
        storage = StudyStorage()
        _create(storage, settings)
        return storage, None
    if path.is_dir():
        raise StudyError(f"a study must be a file, but {path} is a folder", "name a file in it, such as study.journal")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = StudyLock(path)
    journal: StudyJournal | None = None
    try:
        journal = StudyJournal(path, lock)
        storage = StudyStorage(journal)
        journal.open(storage.apply)
        if storage.empty:
            _create(storage, settings)
        else:
            _check(storage, settings, path)
        _note_sampling(storage, settings)
        return storage, lock
    except BaseException:
        if journal is not None:
            journal.close()
        lock.release()
        raise


def read_storage(path: Path) -> StudyStorage:
    """Return the trials in a journal that another process may have open; nothing can be added.

    Raises:
        StudyError: There is no study.
    """
    storage = StudyStorage()
    read_journal(path, storage.apply)
    if storage.empty:
        raise StudyError(f"there must be a study to read, but {path} has none", "check the path")
    return storage


def _create(storage: StudyStorage, settings: StudySettings) -> None:
    from optuna.study import StudyDirection

    directions = [StudyDirection[str(metric.direction).upper()] for metric in settings.metrics.objectives]
    identity = json_of(settings.identity(), "the space")
    with storage.transaction():
        storage.create_new_study(directions, STUDY_NAME)
        for key, names in metric_names([metric.name for metric in settings.metrics.objectives]).items():
            storage.set_study_system_attr(STUDY_ID, key, names)
        storage.set_study(StudyAttributes.of_identity(identity))
        storage.set_study(StudyAttributes.of_limits(settings.metrics.limits))


def _check(storage: StudyStorage, settings: StudySettings, path: Path) -> None:
    """Compare what the journal says about itself."""
    found = storage.attributes.identity
    for key, wanted in json_of(settings.identity(), "the space").items():
        if found.get(key) != wanted:
            raise StudyError(
                f"an existing study must have the same {key}, but {path} has {found.get(key)!r}, not {wanted!r}",
                "continue it with the same data and options, or choose another path",
            )


def _note_sampling(storage: StudyStorage, settings: StudySettings) -> None:
    """Write down by what the next suggestions are made, where that is new."""
    sampling = json_of(settings.sampling(), "the sampler")
    if storage.attributes.sampling != sampling:
        with storage.transaction():
            storage.set_study(StudyAttributes.of_sampling(sampling))
