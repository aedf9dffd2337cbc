"""What the doctor says about machines that are not this one."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from zoo.cluster import doctor


def test_the_foreign_distribution_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.6.1" if name == "autots" else real(name))
    messages = [finding.message for finding in doctor.examine().warnings]
    assert any("autots 0.6.1, a different project" in message for message in messages)


def test_without_the_foreign_distribution_nothing_is_said_about_it() -> None:
    assert not any("different project" in finding.message for finding in doctor.examine().warnings)


def test_missing_packages_and_java_are_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    report = doctor.examine()
    text = " ".join(finding.message for finding in report.warnings)
    assert report.java is None and report.compiler is None
    assert "not installed: zoo-autots, ray" in text and "C++ compiler" in text and "no Java" in text
    assert all(finding.hint for finding in report.warnings)


def test_java_home_is_preferred_to_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert doctor.examine().java == {
        "source": "JAVA_HOME",
        "path": str(tmp_path / "bin" / "java"),
        "version": "unknown",
    }
