"""A pipeline in a folder: what it does, what it learnt, the tables that it joins; JSON and Parquet with checksums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ArtifactError
from zoo.features.arrow import arrow_of
from zoo.features.engines.joining import copied
from zoo.features.pipeline import FeaturePipeline
from zoo.features.spec import make_step, pipeline_hash
from zoo.features.steps import FittedSteps, Join, Scales
from zoo.features.steps.scale import pool
from zoo.files import checksums, read_manifest, verify, write_manifest

__all__ = ["load", "save"]

_FORMAT = "zoo-features-1"
_MANIFEST = "pipeline.json"
_HINT = "write it again with zoo.features.artifact.save"


def save(pipeline: FeaturePipeline, folder: str | Path) -> None:
    """Write a pipeline; joined tables are copied, so that the folder needs nothing else.

    Args:
        pipeline: The pipeline, fitted or not.
        folder: Is made; files of an older pipeline in it are replaced.
    """
    import pyarrow.parquet as pq

    at = Path(folder)
    at.mkdir(parents=True, exist_ok=True)
    items: list[dict[str, Any]] = []
    files: list[str] = []
    for place, step in enumerate(pipeline.steps):
        (said,) = pipeline.items()[place].values()
        if isinstance(step, Join):
            name = f"join_{place}.parquet"
            if not copied(step, at / name):
                known = step.known().batch
                pq.write_table(arrow_of(known, [c for c in known.columns if c]), at / name)
            said = said | {"table": name}
            files.append(name)
        items.append({step.kind: said})
    state = _state(pipeline.fitted)
    if state is not None:
        pq.write_table(state, at / "state.parquet")
        files.append("state.parquet")
    source = pipeline.spec.source
    manifest = {
        "format": _FORMAT,
        "hash": pipeline.hash,
        "roles": {"id": source.id, "time": source.time, "target": source.target, "zone": source.zone},
        "steps": items,
        "files": checksums(at, files),
    }
    write_manifest(at / _MANIFEST, manifest, signed=False)


def load(folder: str | Path) -> FeaturePipeline:
    """Return a saved pipeline.

    Raises:
        ArtifactError: It is missing, foreign, or a byte of it has changed.
    """
    import pyarrow.parquet as pq

    at = Path(folder)
    manifest = read_manifest(at / _MANIFEST, "a saved pipeline", _FORMAT, hint=_HINT, signed=False)
    verify(at, manifest["files"], hint=_HINT)
    steps = [make_step(*next(iter(item.items())), folder=at) for item in manifest["steps"]]
    roles = manifest["roles"]
    out = FeaturePipeline(steps, id=roles["id"], time=roles["time"], target=roles["target"], zone=roles["zone"])
    if pipeline_hash(out.spec.source, out.steps) != manifest["hash"]:
        raise ArtifactError(f"the steps of a saved pipeline must fit its hash, but those of {at} do not", _HINT)
    if "state.parquet" in manifest["files"]:
        out.fitted = _fitted(pq.read_table(at / "state.parquet"))
    return out


def _state(fitted: FittedSteps | None) -> Any:
    import pyarrow as pa

    if fitted is None or not fitted.scales:
        return None
    rows = []
    for place, scales in fitted.scales.items():
        ids = list(scales.index)
        for name, stats in scales.table.items():
            rows.append(
                pa.table(
                    {
                        "step": pa.array([place] * len(ids), pa.int64()),
                        "column": pa.array([name] * len(ids), pa.string()),
                        "id": pa.array(ids),
                        "centre": stats[:, 0],
                        "spread": stats[:, 1],
                    }
                )
            )
    return pa.concat_tables(rows)


def _fitted(state: Any) -> FittedSteps:
    frame = state.to_pandas()
    out = {}
    for place, part in frame.groupby("step"):
        tables = {str(name): rows for name, rows in part.groupby("column", sort=False)}
        first = next(iter(tables.values()))
        index = {key: row for row, key in enumerate(first["id"].tolist())}
        table = {name: rows[["centre", "spread"]].to_numpy(np.float64) for name, rows in tables.items()}
        out[int(place)] = Scales(index, table, pool(table))
    return FittedSteps(out)
