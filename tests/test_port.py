"""Port: torch code of many kinds becomes Keras code and back: the same function, in source that reads as written."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import dualnet
from dualnet import store
from dualnet.backends.live import flattened
from dualnet.backends.source.load import module_of
from dualnet.compare.alone import alone
from dualnet.compare.certificate import certificate_of
from dualnet.errors import SpecError, TraceError, UnsupportedError
from dualnet.run.port import Ported
from dualnet.specs.program import ByMode, Op
from tests.originals import ORIGINALS

STAGES = ["structure", "weights", "forward", "train mode", "gradients", "step", "state"]
PLAIN = {
    "vgg",
    "unet",
    "dcgan",
    "shufflenet",
    "mobilenet",
    "densenet",
    "tcn",
    "vit",
    "gpt",
    "bert",
    "seq2seq",
    "droppath",
}
QUICK = ("vgg", "gpt", "unet", "lstm_lm", "vae", "shufflenet", "bert", "droppath")


def ported(name: str, **options: Any) -> tuple[nn.Module, tuple[Any, ...], Ported]:
    torch.manual_seed(0)
    module, example = ORIGINALS[name]()
    return module, example, dualnet.port(module, example, to="keras", **options)


def lint(source: str, tmp_path: Path) -> str:
    page = tmp_path / "page.py"
    page.write_text(source)
    words = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", str(page)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode else ""


EACH = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ORIGINALS]


@pytest.mark.parametrize("name", EACH)
def test_a_port_is_the_same_function_in_both_modes(name: str, tmp_path: Path) -> None:
    _, _, made = ported(name)
    assert made.report.agrees, str(made.report)
    assert [stage.name for stage in made.report.stages if stage.verdict != "not checked"] == STAGES
    assert made.report.stage("gradients").gap64 < 1e-9
    assert name not in PLAIN or not made.moves
    assert lint(made.source, tmp_path) == ""
    assert "dualnet" not in made.source
    assert set(re.findall(r"^(?:import|from) (\w+)", made.source, re.MULTILINE)) <= {"json", "math", "keras", "numpy"}


@pytest.mark.parametrize("name", EACH)
def test_torch_to_torch_is_bit_identical(name: str) -> None:
    torch.manual_seed(0)
    module, example = ORIGINALS[name]()
    again = dualnet.build(dualnet.from_torch(module, example), "torch")
    module.eval(), again.eval()
    for one, other in zip(leaves(module(*example)), leaves(again(*example)), strict=True):
        assert torch.equal(one, other) or (
            name == "glow" and torch.allclose(one, other, rtol=1e-6)
        )  # a kernel's choice


def leaves(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in flattened(value) if isinstance(leaf, torch.Tensor)]


def test_the_original_is_left_as_it_was() -> None:
    module, example = ORIGINALS["vgg"]()
    module.classifier[2].eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    dualnet.port(module, example)
    assert module.training
    assert not module.classifier[2].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_blocks_become_one_class_and_lists_become_loops() -> None:
    source = dualnet.emit(dualnet.from_torch(*ORIGINALS["gpt"]()), "keras")
    assert source.count("class Block(") == source.count("class CausalSelfAttention(") == 1
    assert "[Block() for _ in range(3)]" in source
    assert "for block in self.transformer_h:" in source


def test_sizes_that_differ_become_parameters() -> None:
    source = dualnet.emit(dualnet.from_torch(*ORIGINALS["unet"]()), "keras")
    assert source.count("class DoubleConv(") == 1
    assert "def __init__(self, filters, **options):" in source
    assert "DoubleConv(16)" in source or "DoubleConv(8)" in source


def test_names_survive() -> None:
    program = dualnet.from_torch(*ORIGINALS["vit"]())
    made = dualnet.port(*ORIGINALS["vit"](), to="keras", certificate=False)
    assert "blocks.1.attn.qkv.weight" in program.weights
    targets = {carry.source: carry.target for carry in made.document.carries}
    assert targets["blocks.1.attn.qkv.weight"] == "blocks.1.attn.qkv.kernel"
    assert targets["cls_token"] == "cls_token"
    assert {"ViT", "Block", "Attention"} <= set(re.findall(r"class (\w+)\(", made.source))


def test_tied_weights_stay_one() -> None:
    _, _, made = ported("gpt", certificate=False)
    tied = [weight for weight in made.spec.weights.values() if weight.also]
    assert [(weight.name, weight.also) for weight in tied] == [("transformer.wte.weight", ("lm_head.weight",))]
    assert sum("lm_head" in name for name in made.weights) == 0


class Kept(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(4), requires_grad=False)
        self.register_buffer("shift", torch.randn(4))
        self.captured = torch.randn(4)
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return self.linear(x * self.scale + self.shift) + self.captured


def test_what_does_not_train_in_torch_does_not_train_in_keras() -> None:
    made = dualnet.port(Kept(), torch.randn(3, 4), to="keras")
    assert made.report.agrees
    assert sorted(variable.name for variable in made.model.trainable_variables) == ["bias", "kernel"]
    assert made.spec.weights["captured"].kind == "constant"
    assert not made.spec.weights["captured"].trainable


def test_the_batch_axis_is_free() -> None:
    module, _, made = ported("vit", certificate=False)
    other = np.random.default_rng(1).normal(size=(5, 3, 32, 32)).astype("float32")
    expected = module.eval()(torch.from_numpy(other)).detach().numpy()
    assert np.abs(made(other) - expected).max() < 1e-5 * np.abs(expected).max()


def test_one_sample_is_seen_as_a_batch() -> None:
    program = dualnet.from_torch(nn.Linear(3, 2), torch.randn(1, 3))
    assert [str(size) for size in program.inputs["input"].shape] == ["N", "3"]


class Several(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 4), nn.Linear(5, 4)

    def forward(self, x: Any, y: Any, scale: float = 2.0) -> Any:
        total = self.left(x) + scale * self.right(y)
        return {"total": total, "mean": total.mean(1)}


def test_several_inputs_by_place_and_by_keyword_and_named_outputs() -> None:
    x, y = torch.randn(3, 3), torch.randn(3, 5)
    for inputs in ((x, y), {"y": y, "x": x}):
        program = dualnet.from_torch(Several(), inputs)
        assert list(program.inputs) == (list(inputs) if isinstance(inputs, dict) else ["x", "y"])
        assert sorted(program.keys) == ["mean", "total"]
    made = dualnet.port(Several(), {"x": x, "y": y})
    assert made.report.agrees


def test_dropout_and_batch_norm_depend_on_the_mode() -> None:
    module, example = ORIGINALS["tcn"]()
    modes = {
        op.op: op.arguments["train"] for op in dualnet.from_torch(module, example).root.ops() if op.op == "dropout"
    }
    assert modes == {"dropout": ByMode(True, False)}


def test_what_happens_in_training_only_stands_under_an_if() -> None:
    source = dualnet.emit(dualnet.from_torch(*ORIGINALS["vae"]()), "keras")
    assert re.search(r"if training:\n(?: {12}.*\n)*? {12}.*keras\.random\.normal", source)


class Writes(nn.Module):
    def forward(self, x: Any) -> Any:
        y = x.clone()
        y[:, 0] = 1.0
        y[:, 1:] *= 2.0
        y += x
        return y.view(-1, 2, 3).transpose(1, 2).relu_()


def test_writing_in_place_is_written_out() -> None:
    made = dualnet.port(Writes(), torch.randn(4, 6))
    assert made.report.agrees
    assert not any(op.op.endswith("_") for op in made.spec.root.ops())


class Chooses(nn.Module):
    def forward(self, x: Any) -> Any:
        return x if x.sum() > 0 else -x


def test_control_flow_that_depends_on_values_is_refused_with_its_line() -> None:
    with pytest.raises(TraceError, match=r"test_port\.py:\d+"):
        dualnet.from_torch(Chooses(), torch.randn(4, 6))


class Holed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Any) -> Any:
        x = torch.linalg.lu_factor(self.linear(x).reshape(-1, 6, 6)).LU
        return torch.special.zeta(x.abs() + 1.5, torch.tensor(2.0)).sum(1)


def test_what_cannot_be_written_is_refused_as_a_list() -> None:
    program = dualnet.from_torch(Holed(), torch.randn(12, 6))
    with pytest.raises(UnsupportedError) as refusal:
        dualnet.emit(program, "keras")
    text = str(refusal.value)
    assert re.search(r"linalg_lu_factor.* at test_port\.py:\d+", text)
    assert re.search(r"special_zeta.* at test_port\.py:\d+", text)


def test_a_partial_port_leaves_named_holes(tmp_path: Path) -> None:
    made = dualnet.port(Holed(), torch.randn(12, 6), partial=True)
    assert made.model is None
    assert made.report is None
    assert len(made.document.gaps) == 2
    assert "def hole_1(*tensors):" in made.source
    assert "self.linear = layers.Dense(6)" in made.source
    assert lint(made.source, tmp_path) == ""
    scope: dict[str, Any] = {}
    exec(compile(made.source, "<partial>", "exec"), scope)
    with pytest.raises(NotImplementedError, match="linalg_lu_factor"):
        scope["hole_1"]()


@pytest.mark.parametrize(
    ("right", "wrong", "stage"),
    [
        ("layers.ReLU()", 'layers.Activation("silu")', "forward"),
        ("layers.Dropout(0.5)", "layers.Dropout(0.4)", "train mode"),
        ('padding="same"', 'padding="same", dilation_rate=2', "forward"),
        ("layers.Dense(10)", "layers.Dense(10, trainable=False)", "structure"),
    ],
)
def test_the_certificate_notices_other_source(right: str, wrong: str, stage: str) -> None:
    module, example, made = ported("vgg", certificate=False)
    assert right in made.source
    made.document.source = made.source.replace(right, wrong, 1)
    made.model = module_of(made.document).build()
    report = certificate_of(module, made, example)
    assert report.stage(stage).verdict == "divergent", str(report)


def test_saving_writes_three_files_and_the_file_stands_alone(tmp_path: Path) -> None:
    _, example, made = ported("vae", certificate=False)
    source, weights, report = made.save(tmp_path / "vae_keras.py")
    assert [path.name for path in (source, weights, report)] == [
        "vae_keras.py",
        "vae_keras.safetensors",
        "vae_keras.report.json",
    ]
    found = json.loads(report.read_text())
    assert [row["target"] for row in found["weights"]] == list(made.weights)
    assert found["weights"][0]["source"] == "fc1.weight"
    stage = alone(made, [example[0].numpy()], source, weights)
    assert stage.verdict in ("equal", "rounding"), stage


def test_a_file_that_needs_dualnet_does_not_stand_alone(tmp_path: Path) -> None:
    _, example, made = ported("vae", certificate=False)
    made.source = "import dualnet\n" + made.source
    source, weights, _ = made.save(tmp_path / "vae_keras.py")
    stage = alone(made, [example[0].numpy()], source, weights)
    assert stage.verdict == "divergent"
    assert "dualnet" in stage.where


def test_a_kept_weight_that_nothing_reads_is_listed() -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            return self.used(x)

    made = dualnet.port(Unused(), torch.randn(2, 3), certificate=False)
    assert made.document.unused == ["unused.weight", "unused.bias"]
    assert any("unused.weight" in note for note in made.notes)


@pytest.mark.parametrize("framework", ["torch", "keras"])
@pytest.mark.parametrize("name", ["fashion_mlp", "fashion_cnn"])
def test_a_spec_has_source_on_both_sides(name: str, framework: str, tmp_path: Path) -> None:
    source = dualnet.emit(name, framework)
    assert lint(source, tmp_path) == ""
    scope: dict[str, Any] = {}
    exec(compile(source, "<emitted>", "exec"), scope)
    model = scope["build"]()
    own = [np.asarray(v) for v in model.weights] if framework == "keras" else list(model.parameters())
    wanted = sum(
        int(np.prod(p.shape)) for p in dualnet.load(name).parameters.values() if p.trainable or framework == "keras"
    )
    assert sum(int(np.prod(v.shape)) for v in own if not str(v.dtype).startswith("int")) == wanted


def test_every_op_names_the_line_it_came_from() -> None:
    program = dualnet.from_torch(*ORIGINALS["vae"]())
    places = [op.place for op in program.root.ops() if isinstance(op, Op) and not op.results[0].startswith("by_mode")]
    assert sum(bool(re.match(r"originals\.py:\d+", place)) for place in places) > len(places) / 2


class Auxiliary(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.aux, self.head = nn.Linear(4, 5), nn.Linear(5, 2), nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.stem(x))
        return (self.head(x), self.aux(x)) if self.training else self.head(x)


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x: Any) -> Any:
        y = self.linear(x)
        if self.training:
            self.seen.mul_(0.9).add_(0.1 * y.detach().mean(0))
        return y - self.seen


def spectral() -> nn.Module:
    return nn.Sequential(torch.nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)), nn.ReLU(), nn.Linear(3, 2))


@pytest.mark.parametrize("make", [Auxiliary, Counts, spectral])
def test_what_training_does_otherwise_is_ported_too(make: Any) -> None:
    torch.manual_seed(0)
    made = dualnet.port(make(), torch.randn(6, 4))
    assert made.report.agrees, str(made.report)
    assert [stage.name for stage in made.report.stages if stage.verdict != "not checked"] == STAGES
    assert not made.notes
    assert "training" in made.source


def test_a_buffer_that_forward_writes_is_written_in_keras_too() -> None:
    made = dualnet.port(Counts(), torch.randn(6, 4), certificate=False)
    before = made.model.seen.numpy()
    made.model(np.ones((2, 4), "float32"), training=False)
    assert np.array_equal(before, made.model.seen.numpy())
    made.model(np.ones((2, 4), "float32"), training=True)
    assert not np.array_equal(before, made.model.seen.numpy())


def test_inputs_by_place_and_by_keyword_at_once() -> None:
    x, y = torch.randn(3, 3), torch.randn(3, 5)
    made = dualnet.port(Several(), x, example_kwargs={"y": y})
    assert made.report.agrees
    assert list(made.spec.inputs) == ["x", "y"]
    assert "def call(self, inputs):\n        x, y = inputs" in made.source


def test_a_sequential_stays_a_sequential_flatten_included() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))

        def forward(self, x: Any) -> Any:
            return self.body(x)

    made = dualnet.port(Net(), torch.randn(2, 3, 8, 8), certificate=False)
    assert "[layers.Conv2D(4, 3), layers.ReLU(), layers.Flatten(), layers.Dense(2)]" in made.source
    assert set(made.weights) == {"body.0.kernel", "body.0.bias", "body.3.kernel", "body.3.bias"}


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own saving, on a NumPy newer than it
@pytest.mark.parametrize("name", ["unet", "lstm_lm"])
def test_a_ported_model_is_saved_and_loaded_by_keras(name: str, tmp_path: Path) -> None:
    _, example, made = ported(name, certificate=False)
    path = tmp_path / "model.keras"
    made.model.save(path)
    again = type(made.model)
    import keras

    loaded = keras.saving.load_model(path)
    assert type(loaded) is again
    x = made.document.in_orders[0]
    given = np.transpose(example[0].numpy(), x)
    for one, other in zip(keras.tree.flatten(made.model(given)), keras.tree.flatten(loaded(given)), strict=True):
        assert np.array_equal(one.numpy(), other.numpy())


def test_a_model_of_two_inputs_can_be_fitted() -> None:
    made = dualnet.port(Several(), (torch.randn(3, 3), torch.randn(3, 5)), certificate=False)
    x, y = np.ones((8, 3), "float32"), np.ones((8, 5), "float32")
    made.model.compile("sgd", {"total": "mse", "mean": "mse"})
    made.model.fit([x, y], {"total": np.ones((8, 4)), "mean": np.ones(8)}, shuffle=False, verbose=0)


def test_the_loader_of_a_port_refuses_other_weights(tmp_path: Path) -> None:
    _, _, made = ported("vae", certificate=False)
    source, weights, _ = made.save(str(tmp_path / "vae.py"))
    scope: dict[str, Any] = {}
    exec(compile(source.read_text(), "vae.py", "exec"), scope)
    scope["build"](weights)
    few = dict(list(made.weights.items())[:3])
    store.save(weights, few)
    with pytest.raises(ValueError, match="has no values for"):
        scope["build"](weights)
    store.save(weights, {**made.weights, "nonsense": np.ones(3)})
    with pytest.raises(ValueError, match="has nonsense, and the model has no such weight"):
        scope["build"](weights)


def test_live_pairs_that_cannot_run_are_refused() -> None:
    module, example, made = ported("vgg", certificate=False)
    assert dualnet.check(module, made.model, example[0]).verdict != "not checked"
    with pytest.raises(SpecError, match="needs inputs"):
        dualnet.check(module, made.model)
    with pytest.raises(SpecError, match="cannot be run on these inputs"):
        dualnet.check(module, made.model, example[0][:, :2])


class Drops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 6)

    def forward(self, x: Any) -> Any:
        x = self.linear(x)
        if self.training:
            x = torch.dropout(x, 0.5, True)
        return x * 2.0


def test_dropout_that_only_training_has_is_a_layer_that_only_acts_there() -> None:
    made = dualnet.port(Drops(), torch.randn(8, 4))
    assert made.report.agrees, str(made.report)
    assert "layers.Dropout(0.5)" in made.source
    assert "if training" not in made.source
