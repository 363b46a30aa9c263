"""Every experiment on real data, and docs/experiments.md as they came out.

    python benchmarks/experiments.py [NAME …]

runs the named ones (all by default: about half an hour on two cores), keeps what each printed in runs/docs, and writes
the page from what is there. Commands, words and pictures stand in the table below.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "runs" / "docs"
PAGE = ROOT / "docs" / "experiments.md"


@dataclass(frozen=True)
class Section:
    """One command, the words above its output, and the plot that the page shows, if any."""

    name: str
    title: str
    words: str
    command: str
    plot: str = ""


SECTIONS = (
    Section(
        "init",
        "How weights start",
        "Theory beside what each framework's own initializers draw. `--initializers` takes the names of both "
        "(`he_normal` is cut at two standard deviations, as Keras cuts it; `kaiming_normal` is not) and `normal:0.01`.",
        "init fashion_mlp --seeds 50",
    ),
    Section(
        "starts",
        "Where a start leads",
        "The course's comparison on MNIST, 784-200-10, ten epochs: zeros, too small, too large, Xavier, He, and LSUV.",
        "init mnist_mlp --train",
        "starts.png",
    ),
    Section(
        "signal",
        "Signal through depth",
        "Thirty layers at their start, in float64. The theory is that of wide random networks, its band two standard "
        "deviations of a layer a hundred wide.",
        "signal deep_mlp --activation sigmoid,tanh,relu --depth 30",
        "signal.png",
    ),
    Section(
        "clip",
        "Explosions, and their cure",
        "Twelve ReLU layers that start too large: each learning rate without clipping, clipped by norm and by value.",
        "clip deep_mlp --depth 12 --activation relu --initializer normal:0.2",
    ),
    Section(
        "train",
        "Training",
        "Clipped, augmented, with TensorBoard's logs of both backends in one folder.",
        "train fashion_cnn --clip-norm 1.0 --augment flip,crop --tensorboard {kept}/tensorboard",
        "train.png",
    ),
    Section(
        "distill",
        "Distillation",
        "One teacher on each side, five students in each cell, all from the same five starts.",
        "distill fashion_teacher fashion_student --method response --temperature 1,2,5,10 --alpha 0.1,0.5 --seeds 5",
        "distill.png",
    ),
    Section(
        "hints",
        "Distillation with hints",
        "The student's hidden layer first learns to foretell the teacher's; here torch's teacher teaches both sides.",
        "distill fashion_teacher fashion_student --method hints --temperature 2 --alpha 0.5 --seeds 5 "
        "--teacher-backend torch",
    ),
    Section(
        "explain",
        "Explanation",
        "The net that was trained above. `fashion_cnn` has no global average pooling, so CAM is not for it; "
        "`fashion_mobile` below has.",
        "explain fashion_cnn --sample 0..9 --method saliency,smoothgrad,cam,gradcam --weights {kept}/train",
        "explain.png",
    ),
    Section("cam", "Class activation maps", "", "explain fashion_mobile --sample 0..4 --method cam,gradcam --epochs 1"),
    Section("predict", "Soft and hard decisions", "", "predict fashion_mlp --sample 0"),
    Section("fit", "Function approximation", "", "fit nielsen --hidden 64,64,64", "fit.png"),
    Section("dropout", "The same with dropout", "", "fit nielsen --hidden 64,64,64 --dropout"),
    Section("shapes", "Building blocks: stride and padding", "", "blocks shapes"),
    Section("block", "Building blocks: convolution, BatchNorm, activation, pooling", "", "blocks block"),
    Section("kernels", "Building blocks: fixed kernels", "", "blocks kernels", "blocks_kernels.png"),
    Section("equivariance", "Building blocks: translation equivariance", "", "blocks equivariance"),
    Section("augment", "Building blocks: augmentation", "", "blocks augment", "blocks_augment.png"),
    Section("separable", "Building blocks: standard, bottleneck, separable", "", "blocks separable"),
    Section("norm", "Building blocks: BatchNorm and GroupNorm by batch size", "", "blocks norm"),
)

HEAD = """# The experiments

Every command below was run as it stands, and its output is what it printed, on two cores, torch 2.13 and Keras 3.15 on
TensorFlow 2.21. `python benchmarks/experiments.py` runs them again and writes this page. Each takes `--out DIR`, which
keeps its numbers, its plots and a page to open in a browser, and `--json FILE`. From Python, each is a function that
returns a `Result`: `.data`, `.table()`, `.plot()`, `.to_json()`; in a notebook it shows itself.

```python
import dualnet

result = dualnet.experiments.signal("deep_mlp", ("sigmoid", "tanh"), depth=10)
figure = result.plot()
print(result.verdict, len(result.data["tanh"]["keras"]))
```

```text
equal 10
```
"""


def run(section: Section) -> None:
    """Run one command and keep what it printed."""
    folder = KEPT / section.name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    words = section.command.format(kept=KEPT).split()
    start = time.monotonic()
    made = subprocess.run(
        [sys.executable, "-m", "dualnet", *words, "--out", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        sys.exit(f"{section.name}: exit code {made.returncode}\n{made.stdout}\n{made.stderr}")
    printed = [line for line in made.stdout.splitlines() if not line.startswith("written: ")]
    (folder / "printed.txt").write_text(
        "\n".join(printed).strip().replace(os.environ.get("DUALNET_DATA", "\0"), "/data")
    )
    (folder / "seconds.txt").write_text(f"{time.monotonic() - start:.0f}")
    print(f"{section.name}: {time.monotonic() - start:.0f} s", flush=True)


def write() -> None:
    """Write the page from what is kept."""
    parts = [HEAD]
    for section in SECTIONS:
        folder = KEPT / section.name
        if not (folder / "printed.txt").exists():
            print(f"{section.name}: not run yet, left out")
            continue
        command = section.command.format(kept="runs")
        told = f"    $ dualnet {command}"
        text = f"{section.words}\n\n" if section.words else ""
        printed = (folder / "printed.txt").read_text()
        seconds = (folder / "seconds.txt").read_text()
        parts.append(f"## {section.title}\n\n{text}{told}\n\n```\n{printed}\n```\n\nIt took {seconds} seconds.\n")
        if section.plot:
            PAGE.parent.mkdir(exist_ok=True)
            picture = PAGE.parent / f"{section.name}.png"
            # 128 colours are enough for charts, and a third of the bytes
            Image.open(folder / section.plot).convert("RGB").quantize(128).save(picture, optimize=True)
            parts.append(f"![{section.title}]({picture.name})\n")
    PAGE.write_text("\n".join(parts))
    print(f"written: {PAGE}")


if __name__ == "__main__":
    for each in SECTIONS:
        if not sys.argv[1:] or each.name in sys.argv[1:]:
            run(each)
    write()
