"""Kernels: fixed convolution kernels, the vertical line among them, on an image, with their feature maps."""

from typing import Any

import numpy as np

from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.forecast import announcement
from dualnet.experiments.topics.pictures import agreement, images
from dualnet.report.exhibits import Pictures, Table, picture
from dualnet.report.result import Result
from dualnet.specs.layers import Conv2d, Sequential
from dualnet.specs.spec import Spec

KERNELS: dict[str, list[list[float]]] = {
    "vertical line": [[-1, 2, -1]] * 3,
    "horizontal line": [[-1, -1, -1], [2, 2, 2], [-1, -1, -1]],
    "Sobel, left to right": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "Laplace": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "mean": [[1 / 9] * 3] * 3,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
}


def kernels(*, bench: Bench = HERE, **_: Any) -> Result:
    """Put fixed kernels into one convolution on every backend, and show what each makes of an image, in float64."""
    bench.say(announcement(f"{len(KERNELS)} fixed kernels on one image", 3.0))
    image, source = images(1)
    spec = Spec("kernels", Sequential(Conv2d(len(KERNELS), 3, padding=1, bias=False, name="conv")), (1, 28, 28))
    weight = np.array(list(KERNELS.values()), dtype=np.float64)[:, None]

    def side(name: str) -> Any:
        session = bench.open(name, spec, dtype="float64")
        session.load({"conv.weight": weight})
        return session.forward({"input": image})["outputs"][0][0]

    maps = bench.each(side)
    gap, verdict = agreement(maps)
    cells, rows = [], []
    for at, (name, kernel) in enumerate(KERNELS.items()):
        found = [each[at] for each in maps.values()]
        shown = [
            picture(image[0, 0]),
            picture(np.array(kernel), "signed"),
            *(picture(each, "signed") for each in found),
        ]
        shown += [picture(found[0] - found[1], "signed")] if len(found) == 2 else []
        cells.append(tuple(shown))
        rows.append((name, f"{kernel}", *(f"{np.abs(each).mean():.6f}" for each in found)))
    columns = ("image", "kernel", *maps, *(["difference"] if len(maps) == 2 else []))
    says = [f"the two sides' feature maps differ by {gap:.1e} of the largest value"] if verdict else []
    return Result(
        "blocks_kernels",
        "Fixed kernels and their feature maps",
        says,
        [
            Table("Fixed kernels", ("kernel", "weights", *(f"{n} mean |map|" for n in maps)), tuple(rows)),
            Pictures("Feature maps", tuple(KERNELS), columns, tuple(cells)),
        ],
        {name: {n: each[at].tolist() for n, each in maps.items()} for at, name in enumerate(KERNELS)},
        verdict,
        source,
    )
