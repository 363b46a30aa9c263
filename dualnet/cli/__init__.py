"""The command line. What a verb needs is imported when it runs: ``dualnet --help`` loads no framework, nor NumPy."""

import os
import sys
from collections.abc import Sequence

from dualnet.cli.parser import parser
from dualnet.errors import DualnetError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 fine, 1 a pair that does not agree, 2 bad input, 130 interrupted."""
    arguments = parser().parse_args(argv)
    if "run" not in arguments:
        parser().print_help()
        return 0
    try:
        from dualnet.cli.early import orders
        from dualnet.run.launch import ahead

        with ahead(orders(arguments)):  # before anything else is loaded
            from dualnet.cli import common, results
            from dualnet.run.layers import registered

            registered()
            results.places(arguments)
            code = common.call(arguments)
            sys.stdout.flush()
    except DualnetError as error:
        print(f"dualnet: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        hint = "; go on with --resume" if "resume" in arguments and arguments.out else ""
        print(f"dualnet: interrupted{hint}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read has seen enough, as in `dualnet list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code
