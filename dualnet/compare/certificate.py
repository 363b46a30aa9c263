"""Certificate: the ladder on a port: the original model against what was written from it."""

from typing import Any

import numpy as np

from dualnet.backends.live import framework
from dualnet.compare.certify import certify, given
from dualnet.compare.report import Report
from dualnet.run.port import Ported, examples, porter

STEPS = 3  # enough for momentum and for running statistics to be used once they have moved


def certificate_of(model: Any, made: Ported, inputs: Any, *, training: bool = True) -> Report:
    """Return the report on a port, drawn on example inputs."""
    here = framework(model)
    arrays = lively(dict(given(porter(here).arrays(inputs)))) if inputs is not None else {}
    arrays = arrays or dict(enumerate(examples(made.spec)))
    right = porter(made.to)
    report = certify(
        porter(here).original(model, arrays),
        lambda dtype: right.ported(made.document, made.model, dtype, made.document.carries),
        arrays,
        made.spec.name,
        (here, made.to),
        training=training and not made.spec.clash,
        steps=STEPS,
        strict=made.spec.origin == "torch",
        note="; ".join(made.notes),
    )
    for stage in report.stages:
        if stage.skipped == "not asked for" and made.spec.clash:
            stage.skipped = "the port is of evaluation mode alone"
    return report


def lively(inputs: dict[int | str, Any]) -> dict[int | str, Any]:
    """Return inputs in which floats that are all the same are normal numbers: zeros and ones hide differences."""
    generator = np.random.default_rng(0)

    def change(array: Any) -> Any:
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.size < 2 or np.ptp(array) > 0:
            return array
        return np.asarray(generator.standard_normal(array.shape), array.dtype)

    return {name: change(value) for name, value in inputs.items()}
