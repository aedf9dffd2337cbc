"""A pipeline in a folder: what it does, what it learnt, the tables that it joins; JSON and Parquet with checksums."""

from __future__ import annotations

import hashlib
import json
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

__all__ = ["load", "save"]

_FORMAT = "zoo-features-1"
_HINT = "write it again with zoo.features.artifact.save"


def save(pipeline: FeaturePipeline, folder: str | Path) -> None:
    """Write a pipeline; joined tables are copied, so that the folder needs nothing else.

    Args:
        pipeline: Fitted or not.
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
        "files": {name: _digest(at / name) for name in files},
    }
    part = at / "pipeline.json.part"
    part.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    part.replace(at / "pipeline.json")


def load(folder: str | Path) -> FeaturePipeline:
    """Return a saved pipeline.

    Raises:
        ArtifactError: It is missing, foreign, or a byte of it has changed.
    """
    import pyarrow.parquet as pq

    at = Path(folder)
    try:
        manifest = json.loads((at / "pipeline.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"a saved pipeline must have pipeline.json, but {at}: {error}", _HINT) from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise ArtifactError(f"a saved pipeline must be of format {_FORMAT}, but {at} is not", _HINT)
    for name, digest in manifest["files"].items():
        if Path(name).name != name or not (at / name).is_file() or _digest(at / name) != digest:
            raise ArtifactError(f"files of a saved pipeline must be as they were written, but {name} is not", _HINT)
    steps = [make_step(*next(iter(item.items())), folder=at) for item in manifest["steps"]]
    roles = manifest["roles"]
    out = FeaturePipeline(steps, id=roles["id"], time=roles["time"], target=roles["target"], zone=roles["zone"])
    if pipeline_hash(out.spec.source, out.steps) != manifest["hash"]:
        raise ArtifactError(f"the steps of a saved pipeline must fit its hash, but those of {at} do not", _HINT)
    if "state.parquet" in manifest["files"]:
        out.restore(_fitted(pq.read_table(at / "state.parquet")))
    return out


def _digest(file: Path) -> str:
    with file.open("rb") as stream:  # a copied table may be larger than the memory
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
