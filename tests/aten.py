"""Runs a program on torch, one ATen op after another: what each op of a program means, without a writer between."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from dualnet.specs.program import ByMode, Held, Op, Program, Ref, Sym


def weights(program: Program, dtype: str | None = "float64") -> dict[str, torch.Tensor]:
    """The weights as leaves of autograd; floats in ``dtype``, or as they are."""
    made = {}
    for name, array in program.arrays.items():
        tensor = torch.from_numpy(np.array(array))
        tensor = tensor.to(getattr(torch, dtype)) if dtype and tensor.is_floating_point() else tensor
        made[name] = tensor.requires_grad_(tensor.is_floating_point() and program.weights[name].kind == "parameter")
    return made


def run(
    program: Program, inputs: Mapping[str, Any], held: Mapping[str, torch.Tensor] | None = None, training: bool = False
) -> list[torch.Tensor]:
    """The outputs of a program for named arrays or tensors."""
    held = weights(program) if held is None else held
    wires = {name: torch.as_tensor(value) for name, value in inputs.items()}
    sizes = _sizes(program, wires)
    for op in program.root.ops():
        made = _call(op, wires, held, sizes, training)
        several = made if isinstance(made, (tuple, list)) else (made,)
        wires.update(zip(op.results, several, strict=True))
    return [wires[name] for name in program.outputs]


def _sizes(program: Program, wires: Mapping[str, torch.Tensor]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for name, tensor in program.inputs.items():
        for size, real in zip(tensor.shape, wires[name].shape, strict=True):
            if isinstance(size, Sym) and len(size.symbols) == 1:
                sizes[size.symbols[0]] = real // size.factor
    return sizes


def _call(op: Op, wires: dict[str, Any], held: Mapping[str, Any], sizes: dict[str, int], training: bool) -> Any:
    def value(given: Any) -> Any:
        if isinstance(given, (tuple, list)):
            return [value(item) for item in given]
        if isinstance(given, ByMode):
            return value(given.training if training else given.inference)
        if isinstance(given, Ref):
            return wires[given.name]
        if isinstance(given, Held):
            return held[given.name]
        if isinstance(given, Sym):
            return given.factor * int(np.prod([sizes[name] for name in given.symbols]))
        return given

    arguments = {name: value(given) for name, given in op.arguments.items()}
    if op.op == "by_mode":
        return arguments["training" if training else "inference"]
    arguments.pop("running_variance", None)
    if isinstance(arguments.get("dtype"), str):
        arguments["dtype"] = getattr(torch, arguments["dtype"])
    return _aten(op.op, arguments)


def _aten(name: str, arguments: dict[str, Any]) -> Any:
    if name == "repeat_interleave":
        return torch.repeat_interleave(arguments["input"], arguments["repeats"], dim=arguments["dim"])
    if name == "rms_norm":
        return torch.rms_norm(**arguments)
    if "input" in arguments and name not in ("lstm", "gru", "rnn_tanh", "rnn_relu", *_NAMED):
        arguments["self"] = arguments.pop("input")
    return getattr(torch.ops.aten, name)(**arguments)


_NAMED = {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"}
_NAMED |= {"batch_norm", "layer_norm", "group_norm", "dropout", "feature_dropout"}
