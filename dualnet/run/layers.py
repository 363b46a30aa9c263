"""Layers of the user's own in every process: the files that ``DUALNET_LAYERS`` names are run, and nothing else is."""

import os
from pathlib import Path

from dualnet.errors import TraceError


def registered() -> None:
    """Run the Python files of ``DUALNET_LAYERS``, which call ``dualnet.register``. Raises ``TraceError`` if one fails.

    Several are separated as in PATH. The user names them; a spec cannot.
    """
    for path in filter(None, os.environ.get("DUALNET_LAYERS", "").split(os.pathsep)):
        if not path.endswith(".py"):
            msg = f"DUALNET_LAYERS names Python files, {os.pathsep!r} between them. Received: {path!r}. Name a .py."
            raise TraceError(msg)
        from dualnet.run.source import module  # not before there is a file: every process passes here

        module(Path(path))
