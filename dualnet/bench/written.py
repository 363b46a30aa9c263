"""The source that dualnet emits for a spec, as a person would have written it, ready to be called."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from dualnet.bench.job import Job, refuse
from dualnet.run.port import porter, program_of


def builder(job: Job, backend: str) -> Callable[[], Any]:
    """Return ``build`` of the emitted source. Raises ``UnsupportedError`` in another precision than float32."""
    refuse("emitted source builds in float32" if job.dtype != "float32" else "")
    source = porter(backend).write(program_of(job.net)).source
    made = ModuleType(f"emitted_{backend}")
    exec(compile(source, f"<{job.net.name} for {backend}>", "exec"), made.__dict__)  # what dualnet itself wrote
    found: Callable[[], Any] = made.build
    return found
