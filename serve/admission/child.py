"""The process of the checks: limits on itself first, then one check after the other, each announced."""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from serve.admission.policy import Check, Policy
from zoo.errors import ZooError

__all__ = ["main", "play"]


def main() -> None:
    """Read what to check on stdin, write verdicts on stdout; whatever else prints goes to stderr."""
    spec = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    policy = Policy(**(spec["policy"] | {"operators": frozenset(spec["policy"]["operators"])}))
    _confine(policy)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    path = Path(spec["path"])
    checks: Callable[[Path, Policy, Any], Iterator[Check]]
    if path.suffix == ".onnx":
        from serve.admission.onnx import checks
    elif (path / "model.onnx").exists() or (path / "model.safetensors").exists():
        from serve.admission.foreign import checks
    else:
        from serve.admission.pipelines import checks
    play(checks(path, policy, spec["golden"]), lambda told: print(json.dumps(told), file=out, flush=True))


def play(checks: Iterator[Check], tell: Callable[[dict[str, Any]], None]) -> None:
    """Run checks up to the first that fails."""
    for name, check in checks:
        tell({"begin": name})
        began = time.perf_counter()
        try:
            passed, detail = True, check()
        except ZooError as error:
            passed, detail = False, error.message
        except MemoryError:
            passed, detail = False, "it asked for more memory than there is"
        except Exception as error:
            passed, detail = False, f"{type(error).__name__}: {error}"
        tell({"check": name, "passed": passed, "detail": detail[:1000], "seconds": time.perf_counter() - began})
        if not passed:
            break
    tell({"end": True})


def _follow(parent: int) -> None:
    """End with the process that wanted to know: a start that is called off leaves nothing behind."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _confine(policy: Policy) -> None:
    """Bound what the kernel can bound; memory that is really used is watched from outside."""
    seconds = int(policy.seconds) + 5
    resource.setrlimit(resource.RLIMIT_CPU, (4 * seconds, 4 * seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024 * 1024, 64 * 1024 * 1024))
    # Libraries reserve far more addresses than they use: this only stops one absurd request between two looks.
    most = int(policy.memory_mb * 1024 * 1024) + 16 * 1024**3
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
