"""Signal: what activations and gradients look like through depth, and a verdict in words by a stated rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dualnet.backends.protocol import Array
from dualnet.specs import layers as L
from dualnet.specs.graph import Step

# A layer whose gradient is a thousand times smaller than the top hidden layer's learns a thousand times slower: by the
# time that the top has converged it has not moved. The mirror image above overshoots.
FADED, BURST = 1e-3, 1e3
# A unit that is flat for 95 % of the examples hardly learns; a layer of which half is so, or dead, is in trouble.
FLAT, HALF = 0.95, 0.5
# Outputs within this of an asymptote count as saturated: there the slope of sigmoid and tanh is under a tenth.
NEAR = {"Sigmoid": 0.05, "Tanh": 0.1}


@dataclass(frozen=True)
class LayerSignal:
    """One activation layer on a batch.

    ``saturated``: fraction of outputs in the flat part of a sigmoid or tanh. ``dead``: fraction of units that are flat
    on (nearly) every example. ``gradient``: root mean square over units and examples of ∂(loss·N)/∂output.
    """

    path: str
    mean: float
    std: float
    saturated: float
    dead: float
    gradient: float


def measure(step: Step, output: Array, gradient: Array) -> LayerSignal:
    """Return the figures of a layer's outputs (N, …) and of the loss's gradient by them, of the same shape."""
    values = output.reshape(len(output), -1).astype(np.float64)
    flat = _flat(step.layer, values)
    slope = np.sqrt(np.mean((gradient.astype(np.float64) * len(output)) ** 2))
    asymptotes = type(step.layer).__name__ in NEAR
    return LayerSignal(
        step.path,
        float(values.mean()),
        float(values.std()),
        float(flat.mean()) if asymptotes else 0.0,
        float((flat.mean(axis=0) >= FLAT).mean()),
        float(slope),
    )


def _flat(layer: L.Layer, values: Array) -> Array:
    """Return which outputs lie where the activation is (nearly) flat."""
    if isinstance(layer, L.Sigmoid):
        return np.minimum(values, 1.0 - values) < NEAR["Sigmoid"]
    if isinstance(layer, L.Tanh):
        return 1.0 - np.abs(values) < NEAR["Tanh"]
    if isinstance(layer, L.ReLU):
        return values <= -layer.shift
    if isinstance(layer, L.ELU):
        return values < -0.95 * layer.alpha
    return np.zeros_like(values, dtype=bool)


def verdict(layers: Sequence[LayerSignal]) -> str:
    """Return one line: healthy, vanishing, exploding, dying or not finite, from which layer on, and by which rule."""
    for layer in layers:
        if not np.isfinite([layer.mean, layer.std, layer.gradient]).all():
            return f"not finite from {layer.path} on: its activations or gradients are NaN or infinite"
    top = layers[-1].gradient
    if top == 0.0:
        return "no gradient at all reaches even the top hidden layer"
    shares = [layer.gradient / top for layer in layers]
    faded = [(layer.path, share) for layer, share in zip(layers, shares, strict=True) if share < FADED]
    if faded:
        path, share = faded[-1]
        rule = f"its gradient is {share:.0e} of the top hidden layer's; the rule is under {FADED:g}"
        return f"vanishing from {path} down: {rule}"
    burst = [(layer.path, share) for layer, share in zip(layers, shares, strict=True) if share > BURST]
    if burst:
        path, share = burst[-1]
        rule = f"its gradient is {share:.0e} times the top hidden layer's; the rule is over {BURST:g}"
        return f"exploding from {path} down: {rule}"
    dead = next((layer for layer in layers if layer.dead > HALF), None)
    if dead:
        return f"dying at {dead.path}: {dead.dead:.0%} of its units are flat on {FLAT:.0%} of the examples or more"
    low, high = min(shares), max(shares)
    return f"healthy: gradients lie between {low:.2g} and {high:.2g} of the top hidden layer's ({FADED:g} to {BURST:g})"


def first_not_finite(outputs: Mapping[str, Array], order: Sequence[str]) -> str:
    """Return the first layer in graph order whose output is NaN or infinite, or an empty string."""
    return next((path for path in order if path in outputs and not np.isfinite(outputs[path]).all()), "")
