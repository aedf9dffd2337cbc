"""``zoo study run`` and ``zoo study resume``: a study from its file, and from its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.commands import Outcome
from zoo.errors import ConfigError, StudyError
from zoo.places import local_path
from zoo.search.commands.show import state_data, state_text
from zoo.search.commands.study_file import StudyPlan, read_spec, spec_of
from zoo.search.insight.view import View
from zoo.search.run import RUNNERS, run
from zoo.search.study import Study
from zoo.spec.lines import Lines

__all__ = ["resume_study", "run_study"]

_Budget = Annotated[str | None, typer.Option(help="Trials (200) or a duration (2h), instead of the file's.")]
_Workers = Annotated[int | None, typer.Option(help="Trainings at a time; as many as the cluster has room for.")]
_Driver = Annotated[str | None, typer.Option(help=f"{', '.join(RUNNERS)}.")]


def run_study(
    spec: Annotated[Path, typer.Argument(help="The study file, YAML.")],
    out: Annotated[Path | None, typer.Option(help="The journal; SPEC.journal here by default.")] = None,
    budget: _Budget = None,
    workers: _Workers = None,
    driver: _Driver = None,
    sampler: Annotated[str | None, typer.Option(help="Instead of the file's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the file's.")] = None,
) -> Outcome:
    """Begin a study and run it to its end."""
    given = {"budget": budget, "workers": workers, "driver": driver, "sampler": sampler, "seed": seed}
    plan = read_spec(spec, _changes(given))
    journal = local_path(out or f"{spec.stem}.journal", "a study")
    if journal.exists() and journal.stat().st_size:
        raise ConfigError(
            f"a new study must have a new file, but {journal} exists",
            f"go on with it: `zoo study resume {journal}`, or choose another --out",
        )
    return _go(plan, journal)


def resume_study(
    study: Annotated[Path, typer.Argument(help="The journal.")],
    budget: _Budget = None,
    workers: _Workers = None,
    driver: _Driver = None,
) -> Outcome:
    """Go on with a study; what is given here holds from now on."""
    notes = View.read(study).notes
    if "spec" not in notes:
        raise StudyError(
            f"a study must have been begun by `zoo study run` to be resumed here, but {study} was not",
            "go on with it in Python: Study.open with the same space and metrics, then run(study, train)",
        )
    kept = Path(notes["folder"])
    changes = _changes({"budget": budget, "workers": workers, "driver": driver})
    plan = spec_of({**notes["spec"], **changes}, kept if kept.is_dir() else Path.cwd(), Lines(study.name, {}))
    return _go(plan, study)


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    changed = {name: value for name, value in given.items() if value is not None}
    if "budget" in changed and changed["budget"].isdigit():
        changed["budget"] = int(changed["budget"])
    return changed


def _go(plan: StudyPlan, journal: Path) -> Outcome:
    spec = plan.spec
    with Study.open(
        journal,
        plan.space,
        metrics=plan.metrics,
        seed=spec.seed,
        sampler=spec.sampler,
        stopper=plan.stopper,
        parallel=spec.parallel,
        budget=plan.budget,
        options=plan.options,
    ) as study:
        study.note("spec", spec.model_dump(exclude_none=True, exclude_defaults=True) | {"driver": spec.driver})
        study.note("folder", str(plan.folder))
        for other in spec.warm_start:
            study.warm_start(plan.folder / other)
        for point in spec.enqueue:
            study.enqueue(point)
        ending = run(
            study, plan.train, spec.driver, workers=spec.workers, resources=plan.resources, time_limit=spec.time_limit
        )
        view = study.view()
    text = state_text(view, str(journal))
    if ending == "interrupted":
        text += f"\n\nInterrupted. Go on with it: zoo study resume {journal}"
    else:
        text += f"\n\nSee it: zoo study report {journal}"
    return Outcome({"ending": ending, **state_data(view, str(journal))}, text, 130 if ending == "interrupted" else 0)
