"""python -m scripts.launcher run|test|lint|bench|drill [arguments]"""

from __future__ import annotations

import os
import sys

from scripts.launcher.bootstrap import BootstrapError
from scripts.launcher.say import StepError


def main() -> int:
    name, arguments = sys.argv[1], sys.argv[2:]
    try:
        match name:
            case "run":
                from scripts.launcher import run

                return run.main(arguments)
            case "test":
                from scripts.launcher import tests

                return tests.main(arguments)
            case "lint":
                from scripts.launcher import lint

                return lint.main(arguments)
            case "bench":
                from scripts.launcher import bench

                return bench.main(arguments)
            case "drill":
                from scripts.launcher import drill

                return drill.main(arguments)
    except (StepError, BootstrapError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        owner = "root" if os.geteuid() == 0 else "you"
        print(f"✗ {error.filename} is not writable for {owner}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(f"✗ unknown: {name}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
