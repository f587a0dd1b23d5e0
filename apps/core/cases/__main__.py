"""`python -m apps.core.cases FILE`: exit status 0 only when every case of the file agrees."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from apps.core.cases.compare import display
from apps.core.cases.runner import evaluate


def main(arguments: list[str]) -> int:
    """Evaluate the file named; 2 when it cannot be read."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m apps.core.cases FILE\n")
        return 2
    try:
        cases = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{arguments[0]}: not a file of cases: {error!r}\n")
        return 2
    failed = 0
    for case in cases:
        problems = evaluate(case)
        failed += bool(problems)
        for problem in problems:
            sys.stdout.write(
                f"{case.get('id', '?')} {case.get('op', '?')} {problem.path}: "
                f"expected {display(problem.expected)}, found {display(problem.found)}\n"
            )
    sys.stdout.write(f"{len(cases) - failed} passed, {failed} failed\n")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
