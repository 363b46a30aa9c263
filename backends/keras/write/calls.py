"""Calls: functions of tensors that lie in the program's own order."""

import ast
from typing import Any

from dualnet.backends.source.code import Lit, code
from dualnet.backends.source.rules import Rule, fresh, several
from dualnet.backends.source.writer import Frame
from dualnet.specs.program import Op


def logical_call(template: str, *names: str, parts: tuple[str, ...] = (), kinds: tuple[str, ...] = ()) -> Rule:
    """Return the rule of a function of tensors that lie in the program's own order; other names are literals."""

    def rule(frame: Frame, op: Op) -> Any:
        frame.writer.parts.update(parts)
        codes = []
        for name in names:
            key, _, default = name.partition("=")
            found = op.arguments.get(key, _default(default))
            codes.append(
                frame.logical(frame.value(found)) if type(found).__name__ in ("Ref", "Held") else Lit(found, key)
            )
        made = code(template, *codes)
        if len(op.results) == 1:
            return fresh(frame, made)
        return several(frame, op, made, op.op)

    return rule


def _default(text: str) -> Any:
    return ast.literal_eval(text) if text else None


CALLS: dict[str, Rule] = {
    "linalg_eigvalsh": logical_call("ops.eigh({})[0]", "input"),
    "linalg_svdvals": logical_call("ops.svd({}, compute_uv=False)", "A"),
    "linalg_slogdet": logical_call("ops.slogdet({})", "A"),
    "slogdet": logical_call("ops.slogdet({})", "input"),
    "logdet": logical_call("ops.slogdet({})[1]", "input"),
    "linalg_pinv": logical_call("ops.pinv({})", "input"),
    "linalg_inv": logical_call("ops.inv({})", "A"),
    "inverse": logical_call("ops.inv({})", "input"),
    "linalg_det": logical_call("ops.det({})", "A"),
    "det": logical_call("ops.det({})", "input"),
    "linalg_cholesky": logical_call("ops.cholesky({})", "input"),
    "cholesky": logical_call("ops.cholesky({})", "input"),
    "linalg_solve": logical_call("ops.solve({}, {})", "A", "B"),
    "bilinear": logical_call("bilinear({}, {}, {}, {})", "input1", "input2", "weight", "bias", parts=("bilinear",)),
    "cdist": logical_call("cdist({}, {}, {})", "x1", "x2", "p=2.0", parts=("cdist",)),
    "cosine_similarity": logical_call(
        "cosine_similarity({}, {}, {}, {})", "x1", "x2", "dim=1", "eps=1e-8", parts=("cosine_similarity",)
    ),
    "pairwise_distance": logical_call(
        "pairwise_distance({}, {}, {}, {}, {})",
        "x1",
        "x2",
        "p=2.0",
        "eps=1e-6",
        "keepdim=False",
        parts=("pairwise_distance", "vector_norm"),
    ),
    "cross": logical_call("ops.cross({}, {}, axis={})", "input", "other", "dim=-1"),
    "linalg_cross": logical_call("ops.cross({}, {}, axis={})", "input", "other", "dim=-1"),
    "diff": logical_call("ops.diff({}, n={}, axis={})", "input", "n=1", "dim=-1"),
    "kron": logical_call("kron({}, {})", "input", "other", parts=("kron",)),
    "trace": logical_call("ops.trace({})", "input"),
}
