"""Run from the command line: see ``tests.seeded.run``, which spawned processes must be able to import by name."""

from tests.seeded.run import main

if __name__ == "__main__":
    raise SystemExit(main())
