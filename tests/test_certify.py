"""The certificate: live models that nobody described agree, and every planted fault is found in a stage that fits."""

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from dualnet.backends.keras.bridges import GELU, LeakyReLU, UnbiasedBatchNormalization  # noqa: E402
from dualnet.backends.keras.live import KerasLive, made  # noqa: E402
from dualnet.backends.torch.live import TorchLive  # noqa: E402
from dualnet.compare.certify import certify  # noqa: E402
from dualnet.compare.match import check  # noqa: E402
from dualnet.errors import UnsupportedError, WeightsError  # noqa: E402
from dualnet.specs.carry import Carry  # noqa: E402
from dualnet.specs.draw import uniform  # noqa: E402

LAST = (0, 2, 3, 1)
K = keras.layers


def array(*shape: int, key: str = "x"):
    return (2 * uniform(int(np.prod(shape)), key).reshape(shape) - 1).astype("float32")


IMAGES = array(6, 3, 8, 8)


class Net(nn.Module):
    """A CNN with batch norm, a square kernel, a strided branch, dropout and two heads, one of them whole numbers."""

    def __init__(self, **options) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.options = {"slope": 0.1, "rate": 0.5, "gelu": True, **options}
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, stride=2)
        self.fc1 = nn.Linear(8 * 3 * 3, 16)
        self.mid = nn.Linear(16, 16)
        self.fc2 = nn.Linear(16, 5)

    def forward(self, x):
        x = F.leaky_relu(self.bn1(self.conv1(x)), self.options["slope"])
        x = F.dropout(F.gelu(self.conv2(x)), self.options["rate"], self.training)
        x = self.fc2(torch.tanh(self.mid(F.gelu(self.fc1(x.flatten(1))))))
        return {"logits": x, "label": x.argmax(1)}


class KerasNet(keras.Model):
    """The same by hand; options plant the faults."""

    def __init__(self, **options) -> None:
        super().__init__()
        o = {"slope": 0.1, "rate": 0.5, "eps": 1e-5, "momentum": 0.9, "biased": False, "bias": True, **options}
        norm = K.BatchNormalization if o["biased"] else UnbiasedBatchNormalization
        self.conv1 = K.Conv2D(8, 3, padding="same")
        self.bn1 = norm(epsilon=o["eps"], momentum=o["momentum"])
        self.lrelu = LeakyReLU(o["slope"])
        self.conv2 = K.Conv2D(8, 3, strides=2, use_bias=o["bias"])
        self.act = K.ReLU() if o.get("relu") else GELU(approximate=o.get("tanh", False))
        self.drop = K.Dropout(o["rate"])
        self.flat = K.Flatten()
        self.fc = [K.Dense(16), K.Dense(16), K.Dense(5)]
        self.o = o

    def call(self, x, training=False):
        norm = False if self.o.get("norm_in_eval") else training
        x = self.lrelu(self.bn1(self.conv1(x), training=norm))
        x = self.drop(self.act(self.conv2(x)), training=training or bool(self.o.get("always")))
        x = self.fc[0](self.flat(x))
        x = self.fc[2](keras.ops.tanh(self.fc[1](self.act(x))))
        x = keras.ops.stop_gradient(x) if self.o.get("stopped") else x
        return {"label": keras.ops.argmax(x, 1), "logits": x}


def same(name, target, shape, trainable=True):
    return Carry(name, target, shape, shape, tuple(range(len(shape))), shape, trainable)


def conv(name, target, o, i, k=3):
    order, into = (2, 3, 1, 0), (k, k, i, o)
    return [Carry(f"{name}.weight", f"{target}.kernel", (o, i, k, k), (o, i, k, k), order, into),
            same(f"{name}.bias", f"{target}.bias", (o,))]  # fmt: skip


def dense(name, target, o, i, turned=True):
    order = (1, 0) if turned else (0, 1)
    return [Carry(f"{name}.weight", f"{target}.kernel", (o, i), (o, i), order, (i, o)),
            same(f"{name}.bias", f"{target}.bias", (o,))]  # fmt: skip


def carries(bias=True, turned=True):
    norm = [("weight", "gamma", True), ("bias", "beta", True)]
    norm += [("running_mean", "moving_mean", False), ("running_var", "moving_variance", False)]
    image = Carry("fc1.weight", "fc.0.kernel", (16, 72), (16, 8, 3, 3), (2, 3, 1, 0), (72, 16))
    return [
        *conv("conv1", "conv1", 8, 3),
        *(same(f"bn1.{a}", f"bn1.{b}", (8,), t) for a, b, t in norm),
        *conv("conv2", "conv2", 8, 8)[: 2 if bias else 1],
        *(image, same("fc1.bias", "fc.0.bias", (16,))),
        *dense("mid", "fc.1", 16, 16, turned),
        *dense("fc2", "fc.2", 5, 16),
    ]


def keras_net(**options):
    def make(dtype):
        net = KerasNet(**options)
        net(np.zeros((2, 8, 8, 3), dtype))
        net.bn1.gamma.trainable = not options.get("frozen")
        return net

    return make


def cnn(table=None, module=None, **options):
    make = partial(made, keras_net(**options))
    table = table or carries()
    return certify(
        partial(TorchLive, module or Net()),
        lambda dtype: KerasLive(make(dtype), dtype, table, in_orders=[LAST]),
        IMAGES,
    )


def verdicts(report):
    return {stage.name: stage.verdict for stage in report.stages}


def test_a_sound_port_is_certified() -> None:
    report = cnn()
    assert report.agrees, report
    assert report.not_checked == {}
    assert set(verdicts(report)) == {"structure", "weights", "forward", "train mode", "gradients", "step", "state"}
    assert report.stage("train mode").note == "2 outputs in training mode, 1 random draws shared"
    assert {f.name for f in report.stage("gradients").floors()} >= {"train: parameter conv1.bias"}
    assert max(stage.gap64 for stage in report.stages if stage.findings and stage.gap64 == stage.gap64) < 1e-11


FAULTS = {
    "epsilon": ({"eps": 1e-3}, "forward"),
    "slope": ({"slope": 0.2}, "forward"),
    "relu for gelu": ({"relu": True}, "forward"),
    "the tanh form of gelu": ({"tanh": True}, "forward"),
    "dropout in evaluation": ({"always": True}, "forward"),
    "rate of dropout": ({"rate": 0.4}, "train mode"),
    "no dropout": ({"rate": 0.0}, "train mode"),
    "batch norm always in evaluation": ({"norm_in_eval": True}, "train mode"),
    "a gradient that is stopped": ({"stopped": True}, "gradients"),
    "biased variance": ({"biased": True}, "step"),
    "momentum of batch norm": ({"momentum": 0.99}, "step"),
    "buffers that never move": ({"momentum": 1.0}, "step"),
    "frozen parameter": ({"frozen": True}, "structure"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault) -> None:
    options, first = FAULTS[fault]
    report = cnn(**options)
    assert report.verdict == "divergent"
    assert next(stage.name for stage in report.stages if stage.verdict == "divergent") == first, report


def test_a_dropped_bias_is_found() -> None:
    report = cnn(carries(bias=False), bias=False)
    stage = report.stage("structure")
    assert (stage.where, stage.cause.partition(";")[0]) == ("conv2.bias", "bias dropped: only torch has conv2.bias")


def test_a_square_kernel_carried_untransposed_is_found() -> None:
    report = cnn(carries(turned=False))
    assert verdicts(report)["forward"] == "divergent"


def test_the_cause_of_a_wrong_rate_is_named() -> None:
    stage = cnn(rate=0.4).stage("train mode")
    assert stage.where.startswith("between conv2 (conv2d")
    assert stage.cause.startswith("dropout rate: rates 0.5 and 0.4; ")


def test_the_users_module_is_left_as_it_was() -> None:
    module = Net().eval()
    module.bn1.train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = torch.random.get_rng_state()
    cnn(module=module)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert (module.training, module.bn1.training, torch.get_default_dtype()) == (False, True, torch.float32)
    assert torch.equal(state, torch.random.get_rng_state())
    assert keras.config.floatx() == "float32"


class Deep(nn.Module):
    """Batch norms over three numbers each, one after the other: every one of them amplifies rounding."""

    def __init__(self, eps=1e-5, momentum=0.1) -> None:
        super().__init__()
        torch.manual_seed(3)
        pairs = [(nn.Linear(4, 4), nn.BatchNorm1d(4, eps, momentum)) for _ in range(40)]
        self.layers = nn.Sequential(*(layer for pair in pairs for layer in pair))

    def forward(self, x):
        for layer in self.layers:
            x = torch.sin(3 * layer(x)) if isinstance(layer, nn.Linear) else layer(x)
        return x


class Turned(Deep):
    """The same sums in another order."""

    def forward(self, x):
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                x = torch.sin(3 * (sum(x[:, i, None] * layer.weight[:, i] for i in range(4)) + layer.bias))
            else:
                x = layer(x)
        return x


def test_what_one_ulp_does_to_one_side_alone_is_unstable() -> None:
    report = check(Deep(), Turned(), array(3, 4))
    assert verdicts(report)["forward"] in ("equal", "rounding"), report
    assert report.stage("state").verdict == "unstable", report
    assert "one ulp in the weights moves torch (left) alone by" in report.stage("state").cause


@pytest.mark.parametrize(("fault", "stage"), [({"momentum": 0.2}, "step"), ({"eps": 1e-3}, "forward")])
def test_a_wrong_pair_is_divergent_however_chaotic(fault, stage) -> None:
    report = check(Deep(), Turned(**fault), array(3, 4))
    assert verdicts(report)[stage] == "divergent", report


class Words(nn.Module):
    """Embedding, attention with dropout on its weights, layer norm; a mask by keyword."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embed = nn.Embedding(11, 8, padding_idx=0)
        self.position = nn.Parameter(0.1 * torch.randn(1, 5, 8))
        self.attend = nn.MultiheadAttention(8, 2, dropout=0.2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.noise = nn.Parameter(torch.zeros(1))

    def forward(self, ids, *, hidden):
        x = self.embed(ids) + self.position
        x = x + torch.sin(torch.arange(5).float())[None, :, None]
        y, _ = self.attend(x, x, x, key_padding_mask=hidden)
        y = y + self.noise * torch.randn_like(y) if self.training else y
        return self.norm(x + y), x.mean(1)


class KerasWords(keras.Model):
    """The same by hand."""

    def __init__(self, scale=0.5) -> None:
        super().__init__()
        self.embed = K.Embedding(11, 8)
        self.position = self.add_weight(shape=(1, 5, 8))
        self.noise = self.add_weight(shape=(1,))
        self.inside, self.outside = K.Dense(24), K.Dense(8)
        self.drop, self.norm, self.scale = K.Dropout(0.2), K.LayerNormalization(epsilon=1e-5), scale

    def call(self, ids, hidden, training=False):
        ops = keras.ops
        x = self.embed(ids) + self.position
        x = x + ops.sin(ops.cast(ops.arange(5), "float32"))[None, :, None]
        q, k, v = ops.split(self.inside(x), 3, axis=-1)
        q, k, v = (ops.transpose(ops.reshape(each, (-1, 5, 2, 4)), (0, 2, 1, 3)) for each in (q, k, v))
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * self.scale
        scores = ops.where(hidden[:, None, None], -np.inf, scores)
        y = ops.matmul(self.drop(ops.softmax(scores), training=training), v)
        y = self.outside(ops.reshape(ops.transpose(y, (0, 2, 1, 3)), (-1, 5, 8)))
        if training:
            y = y + self.noise * keras.random.normal(ops.shape(y), dtype=y.dtype)
        return self.norm(x + y), ops.mean(x, 1)


WORDS = [
    same("embed.weight", "embed.embeddings", (11, 8)),
    same("position", "position", (1, 5, 8)),
    Carry("attend.in_proj_weight", "inside.kernel", (24, 8), (24, 8), (1, 0), (8, 24)),
    same("attend.in_proj_bias", "inside.bias", (24,)),
    *dense("attend.out_proj", "outside", 8, 8),
    same("norm.weight", "norm.gamma", (8,)),
    same("norm.bias", "norm.beta", (8,)),
    same("noise", "noise", (1,)),
]
IDS = {0: (uniform(15, "ids") * 11).astype("int64").reshape(3, 5), "hidden": np.arange(5)[None] >= [[5], [3], [4]]}


def words(module=None, **options):
    def make(dtype):
        net = KerasWords(**options)
        net(IDS[0], IDS["hidden"])
        return net

    def right(dtype):
        return KerasLive(made(make, dtype), dtype, WORDS)

    return certify(partial(TorchLive, module or Words()), right, IDS)


def test_attention_is_certified() -> None:
    module = Words()
    module.embed.padding_idx = None  # of which Keras knows nothing
    report = words(module)
    assert report.agrees, report
    assert "2 random draws shared" in report.stage("train mode").note


def test_attention_with_another_scale_is_found() -> None:
    assert verdicts(words(scale=0.4))["forward"] == "divergent"


def test_the_gradient_of_a_padding_row_is_found() -> None:
    report = words()
    assert verdicts(report)["forward"] == "equal" or verdicts(report)["forward"] == "rounding"
    assert report.stage("gradients").where == "eval: parameter embed.weight"


class Own(K.Layer):
    """Noise that Keras's generators know nothing of."""

    def call(self, x, training=False):
        return x + keras.ops.convert_to_tensor(np.random.default_rng().normal(size=x.shape), x.dtype) if training else x


def test_draws_that_cannot_be_shared_are_not_called_divergent() -> None:
    model = keras.Sequential([K.Input((4,)), K.Dense(3), Own()])
    report = check(nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.0)), model, array(5, 4), weights_from="left")
    assert report.agrees
    assert report.not_checked["train mode"] == "keras: gives other numbers when run twice in training mode"


def test_what_one_side_cannot_run_is_not_checked() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    model = keras.Sequential([K.Input((4,)), K.Dense(3), UnbiasedBatchNormalization(epsilon=1e-5, momentum=0.9)])
    report = check(module, model, array(1, 4), weights_from="left")
    assert "Expected more than 1 value per channel" in report.not_checked["train mode"]
    assert verdicts(report)["forward"] in ("equal", "rounding")


def keras_pair():
    left, right = K.Input((6,)), K.Input((4,))
    both = K.Concatenate()([K.Dense(5, activation="tanh", name="a")(left), K.Dense(3, name="b")(right)])
    return keras.Model([left, right], K.Dense(2, name="c")(K.Dropout(0.3)(both)))


class TorchPair(nn.Module):
    """Two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 5), nn.Linear(4, 3), nn.Linear(8, 2)

    def forward(self, x, y):
        return self.c(F.dropout(torch.cat([torch.tanh(self.a(x)), self.b(y)], 1), 0.3, self.training))


TWO = (array(7, 6, key="a"), array(7, 4, key="b"))


@pytest.mark.parametrize("swap", [False, True], ids=["torch first", "keras first"])
@pytest.mark.parametrize("source", ["left", "right"])
def test_two_inputs_either_way_round(swap, source) -> None:
    models = [TorchPair(), keras_pair()]
    before = [v.numpy().copy() for v in models[1].weights]
    report = check(*(reversed(models) if swap else models), TWO, weights_from=source)
    assert report.agrees, report
    assert len(report.stage("structure").figures["matching"]) == 6
    assert all(np.array_equal(a, v.numpy()) for a, v in zip(before, models[1].weights, strict=True))
    assert {v.dtype for v in models[1].weights} == {"float32"}


def test_models_are_compared_as_they_are() -> None:
    report = check(TorchPair(), keras_pair(), TWO)
    assert report.verdict == "divergent"
    assert report.stage("weights").where == "a.weight"
    assert report.stage("forward").cause.endswith("as weights says")


def test_a_model_against_itself_in_one_framework() -> None:
    module = Net()
    assert check(module, module, IMAGES).verdict in ("equal", "rounding")
    other = Net(slope=0.2)
    report = check(module, other, IMAGES)
    assert (report.sides, verdicts(report)["forward"]) == (["torch (left)", "torch (right)"], "divergent")
    model = keras_pair()
    assert check(model, model, TWO).agrees


def images():
    return keras.Sequential([K.Input((5, 4, 2)), K.Conv2D(3, 2), K.Flatten(), K.Dense(4)])


def test_a_flattened_image_is_matched_by_value() -> None:
    torch.manual_seed(2)
    module, model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(), nn.Linear(36, 4)), images()
    conv, lin = module[0], module[2]
    kernel = lin.weight.detach().numpy().reshape(4, 3, 4, 3).transpose(2, 3, 1, 0).reshape(36, 4)
    conv_kernel = conv.weight.detach().numpy().transpose(2, 3, 1, 0)
    model.set_weights([conv_kernel, conv.bias.detach().numpy(), kernel, lin.bias.detach().numpy()])
    report = check(module, model, array(3, 2, 5, 4))
    assert report.agrees, report
    assert "1 by value" in report.stage("structure").note
    assert check(model, module, array(3, 5, 4, 2)).agrees


def test_a_table_pairs_what_names_and_kinds_do_not() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(4, 4))

        def forward(self, x):
            return x @ self.w

    model = keras.Sequential([K.Input((4,)), K.Dense(4, use_bias=False)])
    with pytest.raises(WeightsError, match=r"no pairs of them were found: w \(torch\)"):
        check(Odd(), model, array(5, 4), weights_from="left")
    assert check(Odd(), model, array(5, 4), table={"w": "layers.0.kernel"}, weights_from="left").agrees
    with pytest.raises(WeightsError, match="The table names 'v', which is not there"):
        check(Odd(), model, array(5, 4), table={"v": "layers.0.kernel"})


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"Expected a torch.nn.Module or a keras.Model. Received: str"):
        check("lenet5", keras_pair(), TWO)


class Random(nn.Module):
    """Draws of many kinds."""

    def forward(self, x):
        dropped = F.dropout1d(x, 0.25), F.alpha_dropout(x, 0.5, training=self.training), F.rrelu(x, training=True)
        query = x[:, None]
        return *dropped, F.scaled_dot_product_attention(query, query, query, dropout_p=0.5), torch.randint(3, (4,))


def test_every_random_op_is_shared_or_listed() -> None:
    first, again = (TorchLive(Random(), dtype).run({0: array(2, 3, 4)}, training=True) for dtype in ("float32",) * 2)
    assert [draw.rate for draw in first["draws"]] == [0.25, 0.5, 0.5, None]
    assert first["lost"] == ["torch.rrelu_with_noise"]
    shared = (0, 1, 3, 4)
    assert all(np.array_equal(first["outputs"][i], again["outputs"][i]) for i in shared)
    other = TorchLive(Random()).run({0: array(2, 3, 4)}, training=True, step=1)
    assert not np.array_equal(first["outputs"][1], other["outputs"][1])
