"""LSUV: a start from data. Weights begin orthonormal, and each layer is scaled until its outputs have variance 1.

Mishkin & Matas, "All you need is a good init" (2016).
"""

from collections.abc import Mapping

import numpy as np

from dualnet.backends.protocol import Array, Arrays, Session
from dualnet.specs import convs as V
from dualnet.specs import layers as L
from dualnet.specs import vary
from dualnet.specs.spec import Spec

NAME = "lsuv"
# The paper's own: a tenth off variance 1, ten times at most.
TOLERANCE, TIMES = 0.1, 10


def prepared(spec: Spec) -> Spec:
    """Return a spec whose weights start orthonormal, as LSUV wants them."""
    return vary.started(spec, "orthogonal")


def scale(session: Session, spec: Spec, inputs: Mapping[str, Array]) -> Arrays:
    """Scale each Linear and convolution of a prepared spec in order, load the weights, and return them."""
    for step in spec.graph.leaves():
        if not isinstance(step.layer, (L.Linear, L._Conv, V._ConvTranspose)) or step.shared:
            continue
        for _ in range(TIMES):
            variance = float(session.forward(inputs)["layers"][step.path].var(dtype=np.float64))
            if abs(variance - 1.0) < TOLERANCE or variance == 0.0:
                break
            weights = session.weights()
            weights[f"{step.path}.weight"] = weights[f"{step.path}.weight"] / np.sqrt(variance)
            session.load(weights)
    return session.weights()
