"""The console script ``zoo``: commands of the platform and of its tenants, each imported only when it is invoked.

**How a tenant adds a command.** An entry point of the group ``zoo.commands`` names a mapping in a light module::

    # pyproject.toml
    [project.entry-points."zoo.commands"]
    autots = "autots.cli:COMMANDS"

    # autots/cli.py: texts only, no heavy import at the top
    COMMANDS = {"fit": ("autots.commands:fit", "Fit a forecaster on a table.", "Longer help, in paragraphs.")}

    # autots/commands.py: a function whose parameters are declared as Typer wants them; zoo.commands has Outcome
    def fit(data: Annotated[str, typer.Argument(help="CSV or Parquet")]) -> Outcome:
        ...
        return Outcome({"score": 0.5}, text="score 0.5")

``--json`` is added to every command. The function returns an ``Outcome`` and prints nothing on stdout itself; progress
goes to stderr. What ``main`` guarantees:

- with ``--json`` stdout holds one JSON object (strict: null for NaN) and nothing else, whatever libraries print (they
  are sent to stderr); an error is ``{"error": {"message": ..., "hint": ...}}``;
- a ``ZooError`` or a wrong command line ends with 2 and exactly two lines on stderr, ``error: ...`` and ``hint: ...``;
- Ctrl-C that the command did not handle ends with 130; a bug with 1, its traceback and where to report it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from zoo.clock import process_age
from zoo.commands import COMMANDS, GROUP, Command, Outcome, begin, strict
from zoo.errors import ConfigError, ZooError

__all__ = ["main"]

#: Where the packages lie: the root of the project, unless they are installed.
_CHECKOUT = Path(__file__).resolve().parents[1]
_REPORT = "this is a bug, please report this with the traceback and the output of `zoo doctor`"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    begin(process_age() if argv is None else 0.0)
    as_json = "--json" in arguments
    with _stdout(as_json) as out:
        try:
            outcome = _dispatch(arguments)
            if as_json:
                print(json.dumps(strict(outcome.data), allow_nan=False), file=out)
            elif outcome.text:
                print(outcome.text, file=out)
            out.flush()
            return outcome.code
        except ZooError as error:
            return _fail(out, as_json, error.message, error.hint or "see `zoo --help`", 2)
        except KeyboardInterrupt:
            return _fail(out, as_json, "interrupted", "run the command again", 130)
        except BrokenPipeError:
            # The reader (`| head`) has gone: nothing is wrong, but Python's own flush at exit would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 0
        except Exception as error:
            traceback.print_exc()
            return _fail(out, as_json, f"{type(error).__name__}: {error}", _REPORT, 1)


def _fail(out: TextIO, as_json: bool, message: str, hint: str, code: int) -> int:
    print(f"error: {_one_line(message)}\nhint: {_one_line(hint)}", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps({"error": {"message": message, "hint": hint}}), file=out, flush=True)
    return code


def _one_line(text: str) -> str:
    return " ".join(text.split())


@contextmanager
def _stdout(as_json: bool) -> Iterator[TextIO]:
    """Yield where the answer goes; with JSON everything else that is written to stdout goes to stderr.

    This happens at the level of file descriptors: C++ libraries and child processes do not know ``sys.stdout``.
    """
    if not as_json:
        yield sys.stdout
        return
    sys.stdout.flush()
    saved = os.dup(1)
    python_stdout = sys.stdout
    try:
        with os.fdopen(os.dup(saved), "w", encoding="utf-8") as out:
            os.dup2(2, 1)
            sys.stdout = sys.stderr
            yield out
    finally:
        sys.stdout = python_stdout
        os.dup2(saved, 1)
        os.close(saved)


def _dispatch(arguments: list[str]) -> Outcome:
    commands = _commands()
    name = next((word for word in arguments if not word.startswith("-")), None)
    first = arguments[0] if arguments else "--help"
    if first == "--version":
        from importlib.metadata import PackageNotFoundError, version

        try:
            text = version("zoo-autots")
        except PackageNotFoundError:
            text = "unknown (not installed)"
        return Outcome({"version": text}, text)
    if first in ("--help", "-h") or (first == "--json" and name is None):
        return _help(commands)
    if name is None or (first.startswith("-") and first != "--json"):
        raise ConfigError(f"a command must come first, but got the option {first!r}", "see `zoo --help`")
    at = arguments.index(name)
    both = " ".join(arguments[at : at + 2])
    if both in commands:  # "bench search" beside "bench"
        return _invoke(both, commands[both], arguments[:at] + arguments[at + 2 :])
    group = {full: command for full, command in commands.items() if full.startswith(f"{name} ")}
    if name not in commands and group:
        wrong = [word for word in arguments[at + 1 :] if not word.startswith("-")]
        if not wrong:
            return _help(group, name)
        raise ConfigError(f"no such command: {name + ' ' + wrong[0]!r}", f"commands: {', '.join(sorted(group))}")
    if name == "bench" and name not in commands:
        raise ConfigError(
            "the benchmarks must be run from a checkout of the project, but this zoo is an installed package",
            "clone the project, `pip install -e '.[bench]'` in it, and run the command again",
        )
    if name not in commands:
        raise ConfigError(f"no such command: {name!r}", f"commands: {', '.join(sorted(commands))}; see `zoo --help`")
    rest = list(arguments)
    rest.remove(name)
    return _invoke(name, commands[name], rest)


def _commands() -> dict[str, Command]:
    """Return the commands by name; a tenant that cannot be loaded is named on stderr and left out."""
    from importlib.metadata import entry_points

    found = {**COMMANDS, **_benchmarks()}
    for entry in entry_points(group=GROUP):
        try:
            tenant = {name: Command(*texts) for name, texts in entry.load().items()}
        except Exception as error:
            # The others must go on: above all `zoo doctor`.
            print(f"warning: the commands of {entry.name!r} cannot be loaded: {error}", file=sys.stderr)
            continue
        for name, command in tenant.items():
            if name in found:
                print(f"warning: {entry.name!r} offers {name!r} again; it is ignored", file=sys.stderr)
            found.setdefault(name, command)
    return found


def _benchmarks() -> dict[str, Command]:
    """Return the commands of ``benchmarks/``, which lies beside the packages in a checkout and is never installed."""
    listed = _CHECKOUT / "benchmarks" / "cli.py"
    if not ((_CHECKOUT / "pyproject.toml").is_file() and listed.is_file()):
        return {}
    import runpy

    return {name: Command(*texts) for name, texts in runpy.run_path(str(listed))["COMMANDS"].items()}


def _help(commands: Mapping[str, Command], group: str = "") -> Outcome:
    """Return the list of commands, of all or of one group."""
    width = max(len(name) for name in commands)
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in sorted(commands.items())]
    text = "\n".join(
        [
            f"Usage: zoo {group + ' ' if group else ''}COMMAND [OPTIONS] [ARGUMENTS]",
            "",
            *([] if group else ["From raw tables to a live, calibrated forecast endpoint inside one Ray cluster.", ""]),
            "Commands:",
            *lines,
            "",
            "Options:",
            "  --help     Show this text; `zoo COMMAND --help` tells more.",
            "  --version  Show the version.",
            "  --json     With any command: print one JSON object and nothing else.",
        ]
    )
    return Outcome({"commands": {name: command.summary for name, command in commands.items()}}, text)


def _invoke(name: str, command: Command, arguments: list[str]) -> Outcome:
    """Let Typer parse the arguments and call the function."""
    import typer

    function = _load(name, command)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    description = f"{command.summary}\n\n{command.description}".strip()
    app.command(name, help=description, epilog="--json prints one JSON object and nothing else.")(function)
    parser = typer.main.get_command(app)
    # Before the `--` that ends the options, --json belongs to main.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    rest = [word for word in arguments[:end] if word != "--json"] + arguments[end:]
    try:
        outcome = parser.main(rest, prog_name=f"zoo {name}", standalone_mode=False)
    except typer.Exit as stop:
        return Outcome(code=stop.exit_code)
    except typer.Abort as stop:
        raise KeyboardInterrupt from stop
    except Exception as error:
        # Typer's own errors about the command line all know how to be shown; nothing else does.
        if isinstance(error, ZooError) or not hasattr(error, "format_message"):
            raise
        raise ConfigError(error.format_message(), f"see `zoo {name} --help`") from error
    if isinstance(outcome, Outcome):
        return outcome
    if isinstance(outcome, int):
        return Outcome(code=outcome)  # typer.Exit, which Typer turns into its status; --help for one
    raise TypeError(f"a command must return an Outcome, but {command.target} returned {type(outcome).__name__}")


def _load(name: str, command: Command) -> Callable[..., Outcome]:
    import importlib

    module, _, attribute = command.target.partition(":")
    if module.startswith("benchmarks."):
        # An editable installation shows its packages alone; the processes that a benchmark starts must see more, too.
        sys.path.insert(0, str(_CHECKOUT))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_CHECKOUT), os.environ.get("PYTHONPATH")]))
    function: Callable[..., Outcome] = getattr(importlib.import_module(module), attribute)
    return function


if __name__ == "__main__":
    sys.exit(main())
