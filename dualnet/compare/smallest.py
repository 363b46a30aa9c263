"""Smallest: the one pair of layers at which two models part, as a script that stands by itself, and its arrays."""

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dualnet import store
from dualnet.backends.draws import Arrays
from dualnet.compare.couple import Couple
from dualnet.compare.origin import Scene
from dualnet.compare.tolerance import SAME
from dualnet.errors import UnsupportedError

HEAD = '''"""{title}

{cause}
Run it: python {file}.py. Weights and inputs, float64, are in {file}.npz beside it.
"""

from pathlib import Path

{imports}

held = np.load(Path(__file__).with_suffix(".npz"))
'''

# How each framework makes a layer, gives it its weights and runs it; ``{side}`` is left or right.
WAYS = {
    "torch": """
{side} = {made}.double().train({training})
{side}.load_state_dict({{name.removeprefix("{side} weight "): torch.from_numpy(held[name])
                        for name in held.files if name.startswith("{side} weight ")}})
with torch.no_grad():
    {side}_gives = {side}(*[torch.from_numpy(each) for each in {side}_reads])
""",
    "keras": """
{side} = {made}
{side}.build({side}_reads[0].shape)
{side}.set_weights([held[name] for name in held.files if name.startswith("{side} weight ")])
{side}_gives = {side}(*{side}_reads{mode})
""",
}
TAIL = """
ours, theirs = (np.asarray(each[0] if isinstance(each, (tuple, list)) else each)
                for each in (left_gives, right_gives))
theirs = theirs.reshape({split}).transpose({order}).reshape(ours.shape)  # in the left one's order of axes
print(f"largest difference {{np.abs(ours - theirs).max():.3g}}, of {{np.abs(ours).max():.3g}}")
"""


@dataclass
class Smallest:
    """A script, and the arrays that it reads."""

    text: str
    arrays: Arrays = field(default_factory=dict)

    def save(self, folder: Path, name: str = "smallest") -> list[Path]:
        """Write both into a folder; return what was written."""
        store.save_npz(folder / f"{name}.npz", self.arrays)
        store.write_text(folder / f"{name}.py", self.text.replace("{file}", name))
        return [folder / f"{name}.py", folder / f"{name}.npz"]


def smallest(couple: Couple, scene: Scene, cause: str) -> Smallest | None:
    """Return the pair of layers of a scene, None where they do not differ by themselves or no line of code makes them.

    They differ by themselves if the right one, run on what the left one read, gives something else.
    """
    twin = scene.twin
    if twin is None or scene.backward or scene.forced is None or scene.forced <= SAME:
        return None
    way = couple.layouts.way(twin.left.outputs[0], twin.right.outputs[0])
    if way is None:
        return None
    pairs = zip(twin.left.inputs, twin.right.inputs, strict=True)
    reads = twin.left.inputs, [couple.layouts.laid(a, b) for a, b in pairs]
    arrays: Arrays = {}
    parts = []
    paths = (twin.left.path, twin.right.path)
    frameworks = [label.partition(" ")[0] for label in couple.sides]
    sides = zip(("left", "right"), couple.sides, paths, frameworks, reads, strict=True)
    for side, label, path, framework, given in sides:
        try:
            made, weights, told = couple.fresh((label, "float64")).alone(path)
        except UnsupportedError:
            return None
        arrays |= {f"{side} weight {name}": array for name, array in weights.items()}
        arrays |= {f"{side} input {index}": np.asarray(array) for index, array in enumerate(given)}
        names = ", ".join(f'held["{side} input {index}"]' for index in range(len(given)))
        mode = f", training={scene.training}" if told else ""
        body = WAYS[framework].format(side=side, made=made, training=scene.training, mode=mode)
        parts.append(f"{side}_reads = [{names}]{body}")
    imports = "\n".join(sorted({"import numpy as np", *(f"import {each}" for each in frameworks)}))
    title = f"{twin.name} ({'train' if scene.training else 'eval'} mode): the smallest pair of layers that differs."
    head = HEAD.format(title=title, cause=_wrapped(cause), file="{file}", imports=imports)
    split, order = way
    return Smallest("\n".join([head, *parts]) + TAIL.format(split=split, order=order), arrays)


def _wrapped(cause: str) -> str:
    said = cause.replace("\\", "").replace('"', "'") or "unknown"  # it stands in the script's own text
    return textwrap.fill(f"Likely cause: {said}", 110)
