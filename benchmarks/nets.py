"""The networks of the speed cases, as specs; ``nets_torch`` and ``nets_keras`` hold them written by hand."""

from typing import Any

from dualnet import specs as S

IMAGE, LENGTH, FEATURES, HEADS, WIDE = 64, 32, 64, 4, 128


def _training(batch: int) -> S.Training:
    return S.Training(optimizer=S.Adam(1e-4), batch_size=batch)


MLP = S.Spec(
    "mlp",
    S.Sequential(S.Flatten(), S.Linear(128, name="hidden"), S.ReLU(), S.Linear(10, name="logits")),
    (1, 28, 28),
    training=_training(100),
)
CNN = S.Spec(
    "cnn",
    S.Sequential(
        S.Conv2d(32, 3, padding=1, name="conv1"),
        S.ReLU(),
        S.MaxPool2d(2),
        S.Conv2d(64, 3, padding=1, name="conv2"),
        S.ReLU(),
        S.MaxPool2d(2),
        S.Flatten(),
        S.Linear(128, name="hidden"),
        S.ReLU(),
        S.Linear(10, name="logits"),
    ),
    (1, 28, 28),
    training=_training(100),
)


def _normed(variance: Any, channels: int, kernel: int, stride: int, number: int, reads: str) -> tuple[S.Layer, S.Layer]:
    conv = S.Conv2d(
        channels, kernel, stride=stride, padding=kernel // 2, bias=False, name=f"conv{number}", inputs=(reads,)
    )
    return conv, S.BatchNorm2d(running_variance=variance, name=f"bn{number}")


def _block(variance: Any, channels: int, stride: int, widens: bool, name: str) -> S.Block:
    body = [
        *_normed(variance, channels, 3, stride, 1, "input"),
        S.ReLU(name="relu1"),
        *_normed(variance, channels, 3, 1, 2, "relu1"),
    ]
    around = _normed(variance, channels, 1, stride, 3, "input") if widens else ()
    last = S.Add(name="sum", inputs=("bn2", "bn3" if widens else "input"))
    return S.Block((*body, *around, last, S.ReLU(name="relu2")), name=name)


def resnet18(variance: Any) -> S.Spec:
    """Return ResNet-18, its running variance "unbiased" as torch's own, or "biased" as Keras's own."""
    return S.Spec(
        "resnet18",
        S.Sequential(
            S.Conv2d(64, 7, stride=2, padding=3, bias=False, name="conv1"),
            S.BatchNorm2d(running_variance=variance, name="bn1"),
            S.ReLU(),
            S.MaxPool2d(3, stride=2, padding=1),
            *(
                _block(
                    variance, channels, stride if first else 1, first and stride > 1, f"layer{stage}_{int(not first)}"
                )
                for stage, (channels, stride) in enumerate(((64, 1), (128, 2), (256, 2), (512, 2)), start=1)
                for first in (True, False)
            ),
            S.AdaptiveAvgPool2d(1),
            S.Flatten(),
            S.Linear(10, name="fc"),
        ),
        (3, IMAGE, IMAGE),
        training=_training(16),
    )


TRANSFORMER = S.Spec(
    "transformer",
    S.Sequential(
        *(S.TransformerEncoderLayer(FEATURES, HEADS, WIDE, dropout=0.0, name=f"layer{i}") for i in range(2)),
        S.Flatten(),
        S.Linear(10, name="head"),
    ),
    (LENGTH, FEATURES),
    training=_training(32),
)
