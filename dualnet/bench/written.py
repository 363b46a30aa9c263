"""The source that dualnet emits for a spec, as a person would have written it, ready to be called."""

from collections.abc import Callable
from typing import Any

from dualnet.backends.source.load import module_of
from dualnet.bench.job import Job, refuse
from dualnet.run.port import porter, program_of


def builder(job: Job, backend: str) -> Callable[[], Any]:
    """Return ``build`` of the emitted source. Raises ``UnsupportedError`` in another precision than float32."""
    refuse("emitted source builds in float32" if job.dtype != "float32" else "")
    found: Callable[[], Any] = module_of(porter(backend).write(program_of(job.net))).build
    return found
