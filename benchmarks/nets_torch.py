"""The networks of the speed cases in PyTorch: as a person writes them, and as dualnet compiles them."""

from typing import Any

import nets
import torch.nn.functional as F
from torch import nn

import dualnet


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def cnn() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.around: nn.Module | None = None
        if stride != 1:
            self.around = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Any) -> Any:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.around is None else self.around(x)))


def resnet18() -> nn.Module:
    blocks = [
        Block(inputs if first else outputs, outputs, stride if first else 1)
        for inputs, outputs, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
        for first in (True, False)
    ]
    stem = (nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class Encoder(nn.Module):
    """Two of torch's own layers, under the names of the spec: packed projections are matched by name alone."""

    def __init__(self) -> None:
        super().__init__()
        sizes = nets.FEATURES, nets.HEADS, nets.WIDE
        self.layer0 = nn.TransformerEncoderLayer(*sizes, dropout=0.0, batch_first=True)
        self.layer1 = nn.TransformerEncoderLayer(*sizes, dropout=0.0, batch_first=True)
        self.head = nn.Linear(nets.LENGTH * nets.FEATURES, 10)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer1(self.layer0(x)).flatten(1))


def transformer() -> nn.Module:
    return Encoder()


def compiled_mlp() -> Any:
    return dualnet.build(nets.MLP, "torch")


def compiled_cnn() -> Any:
    return dualnet.build(nets.CNN, "torch")


def compiled_resnet18() -> Any:
    return dualnet.build(nets.resnet18("unbiased"), "torch")


def compiled_transformer() -> Any:
    return dualnet.build(nets.TRANSFORMER, "torch")
