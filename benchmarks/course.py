"""The course's Fashion-MNIST table against both backends: running training accuracy by epoch, mean over seeds.

Run it with ``python benchmarks/course.py [SEEDS]``; it prints Markdown, machine and versions beside the numbers.
"""

import os
import platform
import sys
from datetime import date

import numpy as np
from tabulate import tabulate

from dualnet.run.feed import feed
from dualnet.run.hosts import Workers
from dualnet.run.plan import Settings
from dualnet.run.train import final_gap, train
from dualnet.specs import zoo

COURSE = (69.47, 80.11, 82.47, 83.62)
BACKENDS = ["torch", "keras"]


def main(seeds: int) -> None:
    spec = zoo.load("fashion_mlp")
    fed = feed(spec)
    accuracies: dict[str, list[list[float]]] = {name: [] for name in BACKENDS}
    seconds: dict[str, list[float]] = {name: [] for name in BACKENDS}
    gaps = []
    with Workers() as workers:
        versions = {name: workers.facts(name)["version"] for name in BACKENDS}
        for seed in range(seeds):
            results = train(workers, BACKENDS, spec, fed, Settings(seed))
            gaps.append(100 * (final_gap(results) or 0.0))
            for name, result in results.items():
                accuracies[name].append([100 * (epoch.train_accuracy or 0.0) for epoch in result.history])
                seconds[name] += [epoch.seconds for epoch in result.history[1:]]
    print(f"# The course's table, {date.today()}\n\n{fed.source}\n")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, one thread a backend; "
        + ", ".join(f"{n} {v}" for n, v in versions.items())
    )
    rows = [["course", *(f"{value:.2f}" for value in COURSE), ""]]
    for name in BACKENDS:
        found = np.array(accuracies[name])
        cells = (f"{m:.2f} ± {s:.2f}" for m, s in zip(found.mean(axis=0), found.std(axis=0, ddof=1), strict=True))
        rows.append([f"{name}, mean ± std of {seeds} seeds", *cells, f"{np.median(seconds[name]):.2f}"])
        rows += [[f"{name}, seed {seed}", *(f"{value:.2f}" for value in each), ""] for seed, each in enumerate(found)]
    print(
        "\n"
        + tabulate(
            rows,
            ["training accuracy, %", *(f"epoch {e}" for e in range(1, 5)), "s / epoch"],
            tablefmt="github",
            disable_numparse=True,
        )
    )
    print(f"\nLargest gap between the backends at the same seed: {max(gaps):.3f} points.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
