"""Causes: the formulas are the frameworks' own, and each names the trap that it was changed by."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from dualnet.backends.watch import Seen  # noqa: E402
from dualnet.compare.formulas import Layer, forms, head  # noqa: E402
from dualnet.compare.traps import TRAPS, Claim, named_by_setting  # noqa: E402
from dualnet.compare.turns import turns  # noqa: E402
from dualnet.compare.twins import Layouts, Twin, gap, twins  # noqa: E402
from dualnet.compare.updates import clippings, rules  # noqa: E402
from dualnet.specs.draw import normal  # noqa: E402

CLOSE = 1e-12  # sums of float64 in another order


def drawn(*shape: int, key: str = "x") -> Any:
    return normal(int(np.prod(shape)), key).reshape(shape)


LAYERS: dict[str, tuple[str, nn.Module, tuple[int, ...]]] = {
    "dense": ("dense", nn.Linear(5, 4), (3, 5)),
    "conv": ("convolution", nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), groups=2), (3, 4, 7, 5)),
    "dilated": ("convolution", nn.Conv2d(2, 3, 3, dilation=2, padding=2), (2, 2, 7, 6)),
    "signal": ("convolution", nn.Conv1d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 2, 7)),
    "max": ("max pool", nn.MaxPool2d(3, 2, 1), (2, 3, 7, 6)),
    "mean": ("average pool", nn.AvgPool2d(3, 2, 1), (2, 3, 7, 6)),
    "mean of what is there": ("average pool", nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 7, 6)),
    "batch norm": ("batch norm", nn.BatchNorm2d(3), (4, 3, 5, 2)),
    "layer norm": ("layer norm", nn.LayerNorm(5), (4, 3, 5)),
    "group norm": ("group norm", nn.GroupNorm(2, 4), (3, 4, 5, 2)),
    "rms norm": ("rms norm", nn.RMSNorm(5, eps=1e-6), (4, 5)),
    "gelu": ("gelu", nn.GELU(approximate="tanh"), (4, 5)),
    "leaky": ("leaky relu", nn.LeakyReLU(0.2), (4, 5)),
    "softmax": ("softmax", nn.Softmax(1), (4, 5, 3)),
    "mish": ("mish", nn.Mish(), (4, 5)),
    "lstm": ("lstm", nn.LSTM(4, 3, batch_first=True), (2, 5, 4)),
    "gru": ("gru", nn.GRU(4, 3, batch_first=True), (2, 5, 4)),
}


def told(name: str, training: bool = False) -> Layer:
    """Return a layer of torch at work, its weights moved off what is constant."""
    from dualnet.backends.torch.kinds import settings_of

    kind, module, shape = LAYERS[name]
    torch.manual_seed(0)
    module = module.double().train(training)
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.add_(0.3 * torch.rand_like(tensor))
    x = drawn(*shape)
    weights = {key: tensor.detach().numpy().copy() for key, tensor in module.state_dict().items()}
    out = module(torch.from_numpy(x))
    out = out[0] if isinstance(out, tuple) else out
    settings = settings_of(module)
    return Layer(kind, x, out.detach().numpy(), weights, settings, (settings.get("epsilon") or 1e-5,))


def labels(layer: Layer, out: Any) -> list[dict[str, str]]:
    with np.errstate(all="ignore"):
        found = forms(Layer(layer.kind, layer.x, out, layer.weights, layer.settings, layer.epsilons))
        pairs = ((label, made, head(out, made)) for label, made in found)
        return [label for label, made, part in pairs if made.shape == part.shape and gap(made, part) < CLOSE]


@pytest.mark.parametrize("name", LAYERS)
def test_a_formula_gives_what_torch_gives(name: str) -> None:
    layer = told(name)
    assert labels(layer, layer.out)
    assert not labels(layer, layer.out * 1.001 + 0.01)


CHANGES: dict[str, tuple[str, str, Any]] = {
    "GELU form": ("gelu", "erf", nn.functional.gelu),
    "negative slope": ("leaky", "0.3", lambda x: nn.functional.leaky_relu(x, 0.3)),
    "softmax axis": ("softmax", "2", lambda x: x.softmax(2)),
    "activation": ("mish", "silu", nn.functional.silu),
    "normalised axes": ("layer norm", "[1, 2]", None),
}


@pytest.mark.parametrize("trap", CHANGES)
def test_another_formula_is_told_by_its_name(trap: str) -> None:
    name, value, change = CHANGES[trap]
    layer = told(name)
    if change is None:
        x = layer.x
        mean, var = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
        out = (x - mean) / np.sqrt(var + 1e-5) * layer.weights["weight"] + layer.weights["bias"]
    else:
        out = change(torch.from_numpy(layer.x)).numpy()
    assert value in {label.get(trap) for label in labels(layer, out)}
    assert value not in {label.get(trap) for label in labels(layer, layer.out)}


def test_batch_statistics_are_told_from_running_ones() -> None:
    modes = [
        {label["mode"] for label in labels(each, each.out)} for each in (told("batch norm"), told("batch norm", True))
    ]
    assert modes == [{"running statistics"}, {"batch statistics"}]


OPTIMIZERS = {
    "nesterov": (lambda p: torch.optim.SGD(p, 0.1, 0.9, nesterov=True), {"nesterov": True, "momentum": 0.9}),
    "coupled": (lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.2), {"decay coupling": "coupled", "amsgrad": False}),
    "decoupled": (lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.2, amsgrad=True),
                  {"decay coupling": "decoupled", "amsgrad": True, "Adam epsilon placement": "after the correction"}),
    "adagrad": (lambda p: torch.optim.Adagrad(p, 0.1, initial_accumulator_value=0.1), {"initial accumulator": 0.1}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_rule_is_torchs_own(name: str) -> None:
    from dualnet.backends.torch.kinds import settings_of_optimizer

    make, expected = OPTIMIZERS[name]
    weight = nn.Parameter(torch.from_numpy(drawn(4, 3)))
    optimizer, slopes, before = make([weight]), [], []
    for step in range(4):  # smaller and smaller, so that the largest square is not the last
        before.append(weight.detach().numpy().copy())
        slopes.append(drawn(4, 3, key=f"slope {step}") / (1 + step))
        weight.grad = torch.from_numpy(slopes[-1].copy())
        optimizer.step()
    change = weight.detach().numpy() - before[-1]
    found = [
        label for label, rule in rules([settings_of_optimizer(optimizer)]) if gap(change, rule(slopes, before)) < 1e-10
    ]
    assert found
    assert all(label[key] == value for label in found for key, value in expected.items())


def test_a_clipping_is_torchs_own() -> None:
    raw = {"a": drawn(4, 3), "b": 3 * drawn(5)}
    tensors = [nn.Parameter(torch.zeros(each.shape, dtype=torch.float64)) for each in raw.values()]
    for tensor, slope in zip(tensors, raw.values(), strict=True):
        tensor.grad = torch.from_numpy(slope.copy())
    whole = float(nn.utils.clip_grad_norm_(tensors, 0.5))
    clipped = [tensor.grad.numpy() for tensor in tensors]
    found = [
        label
        for label, made in clippings(raw, whole, [0.5])
        if all(gap(a, b) < CLOSE for a, b in zip(clipped, made.values(), strict=True))
    ]
    assert found == [{"clip kind": "the norm of all", "clip epsilon": "1e-06", "clip limit": "0.5"}]


def test_a_weight_carried_over_wrongly_is_told() -> None:
    kernel, dense = drawn(6, 6, 3, 3), drawn(4, 12)
    images = frozenset({(3, 2, 2)})
    wrong = {
        "kernel transposed": (kernel, kernel.swapaxes(0, 1)),
        "spatial kernel transposed": (kernel, kernel.swapaxes(2, 3)),
        "kernel flipped": (kernel, kernel[..., ::-1, ::-1]),
        "flatten order": (dense, np.moveaxis(dense.reshape(4, 3, 2, 2), 1, -1).reshape(4, 12)),
        "channels swapped": (dense, dense[[0, 3, 2, 1]]),
    }
    for trap, (right, made) in wrong.items():
        found = [
            name
            for name, _, turned in turns(right, made, images)
            if turned.shape == made.shape and np.array_equal(turned, made)
        ]
        assert found[:1] == [trap], trap
    assert not [name for name, _, turned in turns(kernel, kernel, images) if np.array_equal(turned, kernel)]


def seen(path: str, kind: str, shape: tuple[int, ...] = (2, 3), **more: Any) -> Seen:
    array = drawn(*shape, key=path)
    return Seen(path, kind, inputs=[array], outputs=[array], slopes=[None], **more)


def test_calls_are_paired_by_weights_kind_and_size() -> None:
    left = [
        seen("a", "dense", weights={"weight": "a.weight"}),
        seen("act", "relu"),
        seen("b", "dense", weights={"weight": "b.weight"}),
    ]
    right = [
        seen("one", "dense", weights={"kernel": "a.weight"}),
        seen("extra", "dropout"),
        seen("gelu", "gelu"),
        seen("two", "dense", weights={"kernel": "b.weight"}),
    ]
    assert [(twin.left.path, twin.right.path) for twin in twins(left, right)] == [
        ("a", "one"),
        ("act", "gelu"),
        ("b", "two"),
    ]
    assert Twin(left[0], right[0]).name == "a (one)"


def test_padding_without_a_twin_belongs_to_the_layer_after_it() -> None:
    x = drawn(2, 4, 4, 3)
    wide = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    zeros = {"padding": ((1, 1), (1, 1)), "padding mode": "zeros"}
    right = [
        Seen("pad", "pad", zeros, inputs=[x], outputs=[wide], slopes=[None]),
        Seen("conv", "convolution", {"padding": "valid"}, {"kernel": "c"}, [wide], [x], [None]),
    ]
    left = [Seen("conv", "convolution", {}, {"weight": "c"}, [x.transpose(0, 3, 1, 2)], [x], [None])]
    (twin,) = twins(left, right)
    assert twin.right.settings["padding"] == ((1, 1), (1, 1))
    assert twin.right.inputs[0] is x


def test_only_the_layouts_of_the_frameworks_are_tried() -> None:
    image = drawn(2, 3, 4, 5)
    layouts = Layouts(True, frozenset({(3, 4, 5)}))
    assert layouts.gap(image, image.transpose(0, 2, 3, 1)) == 0.0
    assert layouts.gap(image.reshape(2, 60), image.transpose(0, 2, 3, 1).reshape(2, 60)) == 0.0
    assert layouts.gap(image, image.transpose(0, 3, 2, 1)) == np.inf
    assert layouts.gap(image[:, :1, :, :1], image[:, :1, :, :1].reshape(2, 4)) == 0.0
    square = drawn(2, 4, 4, 4)
    assert layouts.gap(square, square.transpose(0, 1, 3, 2)) > 0.1
    assert np.array_equal(layouts.laid(image, image.transpose(0, 2, 3, 1)), image.transpose(0, 2, 3, 1))
    assert Layouts(False).gap(image, image.transpose(0, 2, 3, 1)) == np.inf


def test_there_are_forty_traps_and_each_says_what_mends_it() -> None:
    assert len(TRAPS) >= 40
    assert all(len(mend) > 15 for mend in TRAPS.values())
    assert str(Claim("epsilon", "1 here, 2 there")).startswith("epsilon: 1 here, 2 there; PyTorch's norms add 1e-5")
    assert named_by_setting("convolution", "padding", ((0, 1),), ((1, 0),)) == "padding side"
    assert named_by_setting("convolution", "padding", ((1, 1),), ((0, 1),)) == "padding amount"
    assert named_by_setting("max pool", "padding", ((0, 0),), ((0, 1),)) == "ceil mode"
