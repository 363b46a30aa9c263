"""Parts: what a ported model needs that torch has no word for. Each stands in the ported file as it stands here."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"
# Written as a ported file is: without hints.

import json

import torch
from torch import nn


class BiasedBatchNorm(nn.Module):
    """Keras's batch normalisation: the running variance takes in the batch's own, without n / (n - 1)."""

    def __init__(self, channels, eps=1e-3, momentum=0.01, weight=True, bias=True):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels)) if weight else None
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None
        self.running_mean = nn.Buffer(torch.zeros(channels))
        self.running_var = nn.Buffer(torch.ones(channels))

    def forward(self, x):
        mean, variance = self.running_mean, self.running_var
        if self.training:
            axes = [axis for axis in range(x.dim()) if axis != 1]
            batch_variance, batch_mean = torch.var_mean(x.detach(), axes, correction=0)
            mean.lerp_(batch_mean, self.momentum)
            variance.lerp_(batch_variance, self.momentum)
            mean = variance = None
        return nn.functional.batch_norm(x, mean, variance, self.weight, self.bias, self.training, eps=self.eps)


def spectral_step(x, weight, vector, power_iterations, dim, training):
    """Keras's spectral normalisation: training divides the weight itself by its largest singular value; x passes."""
    if training and weight.any():
        with torch.no_grad():
            rows, u = weight.transpose(0, dim).flatten(1), vector
            for _ in range(power_iterations):
                v = nn.functional.normalize(u @ rows, eps=1e-7)
                u = nn.functional.normalize(v @ rows.T, eps=1e-7)
            weight.div_(v @ rows.T @ u.T)
            vector.copy_(u)
    return x


def load_weights(model, path):
    """Put the arrays of a .safetensors file, by name, into a model."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = bytearray(file.read())
    types = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "I64": torch.int64}
    types |= {"I32": torch.int32, "U8": torch.uint8, "BOOL": torch.bool}
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            flat = torch.frombuffer(data[first:last], dtype=types[entry["dtype"]])
            arrays[name] = flat.reshape(entry["shape"])
    found = model.load_state_dict(arrays, strict=False)
    left = [name for name in found.missing_keys if not name.endswith("num_batches_tracked")]
    if left or found.unexpected_keys:
        raise ValueError(f"{path} lacks {left} and has {found.unexpected_keys}, which the model has not")
