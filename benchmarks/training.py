"""Training: dualnet's own steps against what people write, and against one fixed batch, which bounds them."""

from cases import Case, benched, between, main, pair
from nets import CNN, MLP

ITEMS, TENSORS, FIT = "DataLoader idiom", "TensorDataset + DataLoader", "model.fit on NumPy"
DENSE = (ITEMS, TENSORS, "fixed batch", FIT, "fixed batch, XLA", "dualnet")
CONV = (ITEMS, "resident", "fixed batch, channels_last", FIT, "fixed batch", "dualnet")
# Whole epochs of Fashion-MNIST's size, as fit waits at the end of each; of the slow net a third of it.
mlp, cnn = benched(MLP, DENSE, "train", samples=60_000), benched(CNN, CONV, "train", samples=20_000)
TORCH, KERAS = "torch: dualnet", "keras: dualnet"

NETS = (("mlp", "1x28x28", 100), ("cnn", "1x28x28", 100), ("resnet18", "3x64x64", 16), ("transformer", "32x64", 32))
STEPS = {"torch": "resident", "keras": "tf.function step"}


def shape_of(framework: str, shape: str) -> str:
    """Return a shape in a framework's own order of axes."""
    sizes = shape.split("x")
    return "x".join([*sizes[1:], sizes[0]]) if framework == "keras" and len(sizes) == 3 else shape


CASES = (
    Case(
        "torch MLP training",
        "per-item PIL transform + DataLoader",
        between(TORCH, f"torch: {ITEMS}", mlp, "train"),
        4,
        8,
    ),
    Case("torch MLP training", "TensorDataset + DataLoader", between(TORCH, f"torch: {TENSORS}", mlp, "train"), 1.5, 3),
    Case(
        "torch MLP training",
        "one fixed batch, fused optimizer",
        between(TORCH, "torch: fixed batch", mlp, "train"),
        0.75,
        0.95,
    ),
    Case(
        "torch CNN training",
        "one fixed batch, fused optimizer, channels_last",
        between(TORCH, "torch: fixed batch, channels_last", cnn, "train"),
        0.9,
        0.95,
    ),
    Case("torch CNN training", "resident NCHW loop", between(TORCH, "torch: resident", cnn, "train"), 1.2, 1.4),
    Case("Keras MLP training, whole epochs", "model.fit on NumPy", between(KERAS, f"keras: {FIT}", mlp, "train"), 4, 6),
    Case(
        "Keras MLP training",
        "in-graph loop on one fixed batch, XLA",
        between(KERAS, "keras: fixed batch, XLA", mlp, "train"),
        0.8,
        0.95,
    ),
    Case(
        "Keras CNN training",
        "in-graph loop on one fixed batch",
        between(KERAS, "keras: fixed batch", cnn, "train"),
        0.9,
        0.95,
    ),
    Case(
        "Keras CNN training, whole epochs",
        "model.fit on NumPy",
        between(KERAS, f"keras: {FIT}", cnn, "train"),
        1.4,
        1.8,
    ),
    *(
        Case(
            f"compiled spec, training step: {net}, {framework}",
            "the same net by hand",
            between(
                f"left: {STEPS[framework]}",
                f"right: {STEPS[framework]}",
                pair(framework, net, shape_of(framework, shape), batch),
                "train",
            ),
            0.95,
            1.0,
        )
        for framework in STEPS
        for net, shape, batch in NETS
    ),
)

if __name__ == "__main__":
    main(CASES)
