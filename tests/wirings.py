"""The table of wiring cases: flattening, joins, shared layers, nested blocks, several inputs and outputs."""

from dualnet import specs as S
from tests.cases import FEATURES, IMAGE, SEQUENCE, case


def flattened(name: str, *layers: S.Layer, outputs: tuple[str, ...] = ()) -> None:
    """Enter a row whose image is flattened before the given layers."""
    case(f"flatten_{name}", IMAGE, S.Flatten(name="flat"), *layers, outputs=outputs)


def block(*layers: S.Layer, name: str = "", reads: tuple[str, ...] = (), **more: tuple[str, ...]) -> S.Block:
    return S.Block(layers, name=name, inputs=reads, **more)


for kind, shape in (("image", IMAGE), ("features", FEATURES), ("sequence", SEQUENCE), ("grey", (1, 9, 6))):
    case(f"flatten-{kind}", shape, S.Flatten())
case("flatten-pixel", (4, 1, 1), S.Flatten(), S.Linear(3))
case("flatten-column", (4, 9, 1), S.Flatten(), S.Linear(3))
case("flatten_grey_linear", (1, 9, 6), S.Flatten(), S.Linear(3))
flattened("linear", S.Linear(3))
flattened("through", S.ReLU(), S.Dropout(0.3), S.GELU(), S.Linear(3))
flattened("dropout", S.Dropout(0.3))
flattened("softmax", S.Softmax())
flattened("batchnorm", S.BatchNorm1d(), S.Linear(3))
flattened("layernorm", S.LayerNorm())
flattened("groupnorm", S.GroupNorm(2))
flattened("reshape", S.ReLU(), S.Reshape((9, 4, 6)))
flattened("linears", S.Linear(3, name="a"), S.Linear(2, inputs=("flat",), name="b"), outputs=("b", "a"))
flattened("linear_and_add", S.Linear(216, name="a"), S.Add(inputs=("a", "flat")))
flattened("linear_and_output", S.ReLU(name="relu"), S.Linear(3, name="a"), outputs=("a", "relu"))
flattened("concat", S.Linear(3, name="a"), S.Concat(inputs=("flat", "a")))
flattened("shared_linear", S.Linear(216, name="a"), S.ReLU(), S.Shared("a"))
flattened("eye", S.Linear(5, weight_init=S.Eye()))
case("flatten_after_block", IMAGE, block(S.Conv2d(5, 3), S.Flatten()), block(S.ReLU(), block(S.Linear(3))))
case("flatten_shared", IMAGE, S.Flatten(name="flat"), S.Linear(3, name="a"), S.Shared("flat", inputs=("input",)))
case(
    "dropout_shared_between_orders",
    {"image": (4, 3, 2), "vector": (24,)},
    S.Flatten(inputs=("image",)),
    S.Dropout(0.4, name="drop"),
    S.Linear(3, name="a"),
    S.Shared("drop", name="again", inputs=("vector",)),
    outputs=("a", "again"),
)
case("dropout_then_flatten", IMAGE, S.Dropout(0.3), S.Flatten(), S.Linear(3))
case("same_wire_twice", FEATURES, S.Flatten(name="flat"), S.Multiply(inputs=("input", "flat")))
case("dropout_and_its_input", FEATURES, S.Tanh(name="a"), S.Dropout(0.3, name="b"), S.Multiply(inputs=("a", "b", "a")))

for name, before, after in (
    ("image-features", IMAGE, (216,)),
    ("image-image", IMAGE, (6, 4, 9)),
    ("image-sequence", IMAGE, (-1, 8)),
    ("features-image", (24,), (4, 3, -1)),
    ("sequence-image", SEQUENCE, (2, 5, 3)),
    ("sequence-features", SEQUENCE, (-1,)),
):
    case(f"reshape-{name}", before, S.Reshape(after))
case("reshape_then_conv", (24,), S.Reshape((4, 3, 2)), S.Conv2d(5, 2), S.Flatten(), S.Linear(3))

BROADCAST = {
    "image": {"a": IMAGE, "b": (4, 1, 6), "c": (1, 9, 1)},
    "features": {"a": FEATURES, "b": (1,), "c": FEATURES},
    "sequence": {"a": (6, 1), "b": SEQUENCE, "c": (1, 5)},
}
for kind, shapes in BROADCAST.items():
    case(f"add-{kind}", shapes, S.Add(inputs=("a", "b", "c")))
    case(f"multiply-{kind}", shapes, S.Multiply(inputs=("c", "a", "b")))
    case(f"subtract-{kind}", shapes, S.Subtract(inputs=("c", "a")))
    case(f"average-{kind}", shapes, S.Average(inputs=("c", "a", "b")))
    case(f"maximum-{kind}", shapes, S.Maximum(inputs=("c", "a", "b")))
    case(f"minimum-{kind}", shapes, S.Minimum(inputs=("b", "a")))
for kind in (S.Maximum, S.Minimum):  # level wherever the image is below 0
    flat = (S.ReLU(name="a"), S.Threshold(99.0, name="zero", inputs=("input",)))
    case(f"{kind.__name__.lower()}_level", IMAGE, *flat, kind(inputs=("a", "zero")), S.Conv2d(3, 2))
CONCAT = {
    1: ((4, 9, 6), (1, 9, 6), (2, 9, 6)),
    2: ((4, 9, 6), (4, 3, 6), (4, 1, 6)),
    3: ((4, 9, 6), (4, 9, 2), (4, 9, 3)),
    -3: ((4, 9, 6), (1, 9, 6), (2, 9, 6)),
    -1: ((4, 9, 6), (4, 9, 2), (4, 9, 3)),
}
for dim, shapes in CONCAT.items():
    case(f"concat_{dim}-image", dict(zip("abc", shapes, strict=True)), S.Concat(dim, inputs=("a", "b", "c")))
case("concat_1-features", {"a": (3,), "b": (5,)}, S.Concat(inputs=("b", "a", "b")))
case("concat_1-sequence", {"a": (3, 5), "b": (2, 5)}, S.Concat(inputs=("b", "a")))
case("concat_2-sequence", {"a": (3, 5), "b": (3, 2)}, S.Concat(2, inputs=("b", "a")))

case("shared_linear", FEATURES, S.Linear(10, name="a"), S.Tanh(), S.Shared("a"))
case("shared_conv", IMAGE, S.Conv2d(4, 3, padding=1, name="a"), S.ReLU(), S.Shared("a"))
case("shared_batchnorm", IMAGE, S.BatchNorm2d(name="a"), S.ReLU(), S.Shared("a"))
case("shared_batchnorm_biased", FEATURES, S.BatchNorm1d(name="a", running_variance="biased"), S.Tanh(), S.Shared("a"))
case("shared_layernorm", IMAGE, S.LayerNorm(3, name="a"), S.ELU(), S.Shared("a"))
case("shared_dropout", FEATURES, S.Dropout(0.3, name="a"), S.Tanh(), S.Shared("a"))
case("shared_conv_elsewhere", IMAGE, S.Conv2d(4, 3, padding="same", stride=2, dilation=2, name="a"), S.Shared("a"))
case("shared_pool_elsewhere", IMAGE, S.AvgPool2d(3, 2, 1, True, False, name="a"), S.Shared("a"), S.Shared("a"))
case("shared_dropout_elsewhere", IMAGE, S.Dropout(0.3, name="a"), S.MaxPool2d(2), S.Shared("a"))
case("shared_softmax_elsewhere", IMAGE, S.Softmax(1, name="a"), S.Flatten(), S.Shared("a"))
case("shared_reshape_elsewhere", IMAGE, S.Reshape((2, -1), name="a"), S.Linear(6), S.Shared("a"))
case(
    "shared_block",
    FEATURES,
    block(S.Linear(10, name="l"), S.Dropout(0.3), S.BatchNorm1d(), name="a"),
    S.Tanh(),
    S.Shared("a"),
    S.Shared("a.l"),
)
case("shared_block_elsewhere", IMAGE, block(S.Conv2d(4, 3, padding=1), S.MaxPool2d(2, ceil_mode=True), name="a"),
     S.ReLU(), S.Shared("a"), S.Shared("a"))  # fmt: skip
case(
    "shared_inside_shared",
    FEATURES,
    block(S.Linear(10, name="l"), S.Tanh(), S.Shared("l"), block(S.Linear(10), S.ReLU(), name="deep"), name="a"),
    S.Shared("a"),
    S.Shared("a.deep"),
)
case(
    "siamese",
    {"left": IMAGE, "right": IMAGE},
    block(S.Conv2d(5, (3, 2)), S.Flatten(), S.Linear(7), name="twin", reads=("left",)),
    S.Shared("twin", name="other", inputs=("right",)),
    S.Concat(inputs=("other", "twin")),
    S.Linear(2),
)
case(
    "nested",
    {"image": IMAGE, "vector": FEATURES},
    block(
        S.Conv2d(5, 3, inputs=("x",), name="conv"),
        block(S.BatchNorm2d(), S.ReLU(name="relu"), S.MaxPool2d(2, name="pool"), outputs=("pool", "relu"), name="in"),
        S.Linear(4, inputs=("y",), name="row"),
        ports=("y", "x"), outputs=("in.relu", "row", "in.pool"), name="out", reads=("vector", "image"),
    ),
    S.Flatten(inputs=("out.in.pool",), name="flat"),
    S.Linear(4, name="head"),
    S.Add(inputs=("head", "out.row"), name="sum"),
    outputs=("sum", "out.in.relu", "out.row"),
)  # fmt: skip
case("port_as_output", IMAGE, S.ReLU(name="a"), outputs=("a", "input"))
case("port_through_block", IMAGE, block(S.ReLU(name="a"), outputs=("a", "input"), name="b"), S.Add(), S.Conv2d(3, 2))
case("dead_end", FEATURES, S.Linear(4, name="a"), S.Linear(3, name="dead"), outputs=("a",))
case("block_named_like_modules", FEATURES, block(S.Linear(4, name="train"), name="type"), S.Linear(3, name="call"))
