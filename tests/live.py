"""Live: a case of the table on both frameworks, with equal weights and inputs."""

from functools import cached_property
from typing import Any

import numpy as np

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Forward, Gradients, Session
from tests.cases import arrays, inputs, weights

STEP = 5  # of the dropout masks; not 0, where a forgotten step would go unseen


class Live:
    """One case as a session of each framework, in float64, with equal random weights and inputs."""

    def __init__(self, both: tuple[Backend, Backend], spec: S.Spec) -> None:
        self.both, self.spec, self.inputs = both, spec, inputs(spec, 1)
        self.weights = weights(spec, 2)
        self.sessions: list[Session] = [backend.session(spec, dtype="float64", seed=3) for backend in both]
        for session in self.sessions:
            session.load(self.weights)
        self.forwards: dict[bool, list[Forward]] = {}

    def forward(self, training: bool) -> list[Forward]:
        """Return both forward passes."""
        if training not in self.forwards:
            passes = (session.forward(self.inputs, training=training, step=STEP) for session in self.sessions)
            self.forwards[training] = list(passes)
        return self.forwards[training]

    def gradients(self, training: bool) -> list[Gradients]:
        """Return both vector-Jacobian products, with random vectors."""
        shapes = {str(index): out.shape for index, out in enumerate(self.forward(training)[0]["outputs"])}
        vectors = list(arrays(shapes, 4, None).values())
        options: Any = {"training": training, "step": STEP}
        return [session.gradients(self.inputs, None, vectors, **options) for session in self.sessions]

    @cached_property
    def stock(self) -> list[Any]:
        """Return both stock models, with the weights of the sessions."""
        torch, keras = (backend.build(self.spec, dtype="float64") for backend in self.both)
        torch.load_state_dict(self.sessions[0].model.state_dict())
        keras.set_weights(self.sessions[1].model.get_weights())
        return [torch.eval(), keras]

    def learn(self, session: Session, rate: float) -> None:
        """Take one training step; at rate 0 only statistics move."""
        session.hold("train", self.inputs, targets=self.forward(False)[0]["outputs"][0] + 1.0)
        session.prepare(S.MeanSquaredError(), S.SGD())
        session.steps("train", np.arange(3)[None], np.full(1, rate))
