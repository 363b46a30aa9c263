"""Translation equivariance: does a layer's output move along with its input? Measured, layer kind by layer kind.

The image lies on a black frame wide enough that nothing leaves it; f(shifted x) is compared with shifted f(x).
"""

from typing import Any

import numpy as np

from dualnet.backends.protocol import Array
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.forecast import announcement
from dualnet.experiments.topics.pictures import images
from dualnet.report.exhibits import Table
from dualnet.report.result import Result
from dualnet.specs import layers as L
from dualnet.specs.spec import Spec

# A frame of 10 pixels: shifts of up to 4 and the reach of two 3x3 kernels stay inside.
FRAME, SHIFTS = 10, (1, 2, 4)
# Pixels at the border that are left out: there zeros are padded to what is no zero any more.
BORDER = 2
NETS: dict[str, tuple[int, L.Block]] = {
    "convolution": (1, L.Sequential(L.Conv2d(4, 3, padding=1))),
    "convolution, stride 2": (2, L.Sequential(L.Conv2d(4, 3, stride=2, padding=1))),
    "max pooling 2": (2, L.Sequential(L.MaxPool2d(2))),
    "convolution, ReLU, max pooling": (2, L.Sequential(L.Conv2d(4, 3, padding=1), L.ReLU(), L.MaxPool2d(2))),
    "two of these": (4, L.Sequential(*[L.Conv2d(4, 3, padding=1), L.ReLU(), L.MaxPool2d(2)] * 2)),
    "… and global average pooling": (0, L.Sequential(L.Conv2d(4, 3, padding=1), L.ReLU(), L.AdaptiveAvgPool2d(1))),
    "Linear": (1, L.Sequential(L.Flatten(), L.Linear(48 * 48), L.Reshape((1, 48, 48)))),
}


def equivariance(*, bench: Bench = HERE, **_: Any) -> Result:
    """Measure how far f(shift(x)) is from shift(f(x)), relative to the largest output, on every backend in float64."""
    bench.say(announcement(f"{len(NETS)} kinds of layers under {len(SHIFTS)} shifts", 8.0))
    image, source = images(1)
    framed = np.pad(image, ((0, 0), (0, 0), (FRAME, FRAME), (FRAME, FRAME)))
    batch = np.concatenate([framed, *(np.roll(framed, shift, axis=3) for shift in SHIFTS)])
    rows, data = [], {}
    for name, (stride, model) in NETS.items():
        spec = Spec("net", model, framed.shape[1:])
        made = bench.each(lambda side, spec=spec: _outputs(bench, side, spec, batch))  # type: ignore[misc]
        gaps = {
            side: [_gap(each, at, shift, stride) for at, shift in enumerate(SHIFTS, 1)] for side, each in made.items()
        }
        rows += [(name, side, *(_told(gap) for gap in found)) for side, found in gaps.items()]
        data[name] = gaps
    heads = ("layers", "side", *(f"shift by {shift}" for shift in SHIFTS))
    note = "gap between f(shift x) and shift f(x), of the largest output; - where the shift is no whole pixel of it"
    says = [
        "convolutions move with the image; a stride of s only with shifts that s divides; global pooling makes it all "
        "invariant; a Linear layer knows nothing of neighbours"
    ]
    return Result(
        "blocks_equivariance",
        "Translation equivariance, measured",
        says,
        [Table("Gaps", heads, tuple(rows), note)],
        data,
        "",
        source,
    )


def _outputs(bench: Bench, side: str, spec: Spec, batch: Array) -> Array:
    return bench.open(side, spec, dtype="float64").forward({"input": batch})["outputs"][0]


def _gap(made: Array, at: int, shift: int, stride: int) -> float:
    """Return the gap for one shift; a stride of 0 stands for an output without places. NaN where it cannot be told."""
    if stride and shift % stride:
        return float("nan")
    moved = np.roll(made[0], shift // stride, axis=2) if stride else made[0]
    gap = np.abs(made[at] - moved)
    inner = gap[:, BORDER:-BORDER, BORDER:-BORDER] if stride else gap
    return float(inner.max() / np.abs(made[0]).max())


def _told(gap: float) -> str:
    return "-" if np.isnan(gap) else "exact" if gap == 0 else f"{gap:.1e}"
