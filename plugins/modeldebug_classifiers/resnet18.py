"""ResNet18 (He et al. 2016), which Defuse debugs on SVHN and German traffic signs (AAAI section 4).

torchvision's where it is installed (extra `vision`), else the same network from here, with the same names of weights:
a file of weights fits both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modeldebug import ClassifierSource, Context, Splits

from .plugin import ResNet18Config
from .training import train_classifier


class ResNet18(ClassifierSource[ResNet18Config]):
    """Finetuned, or trained from random weights, with Adam (AAAI appendix B.3). Weights from ImageNet come in a file
    (`classifier.weights`), downloaded by whoever may use them; a last layer for other classes is left out.

    Raises:
        PluginError: training diverged.

    >>> from modeldebug import DataSpec
    >>> ResNet18(ResNet18Config(), DataSpec((3, 32, 32), ("a", "b")))._make()(torch.zeros(3, 3, 32, 32)).shape
    torch.Size([3, 2])
    """

    head = "fc."

    def _make(self) -> nn.Module:
        network = _torchvision(self.spec.num_classes) or _Network(self.spec.num_classes)
        channels = self.spec.shape[0]
        if channels != 3:
            network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        # the channels of a pixel side by side in memory, as examples-cnn has them
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def _train(self, module: nn.Module, data: Splits, context: Context) -> None:
        optimizer = torch.optim.Adam(module.parameters(), lr=self.config.learning_rate, fused=True)
        train_classifier(module, data, context, config=self.config, optimizer=optimizer, name=self.name)


def _torchvision(num_classes: int) -> nn.Module | None:
    """torchvision's network, or None where it is not installed or does not fit the installed torch."""
    try:
        from torchvision.models import resnet18
    except (ImportError, RuntimeError):  # a build for another torch raises RuntimeError at import
        return None
    network: nn.Module = resnet18(num_classes=num_classes)
    return network


class _Network(nn.Module):
    """Layers and names as torchvision has them."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(_Block(64, 64, 1), _Block(64, 64, 1))
        self.layer2 = nn.Sequential(_Block(64, 128, 2), _Block(128, 128, 1))
        self.layer3 = nn.Sequential(_Block(128, 256, 2), _Block(256, 256, 1))
        self.layer4 = nn.Sequential(_Block(256, 512, 2), _Block(512, 512, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, k) of images (n, c, h, w)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


class _Block(nn.Module):
    """Two convolutions of 3 x 3, and the way past them."""

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        if stride != 1 or before != channels:
            self.downsample: nn.Module = nn.Sequential(
                nn.Conv2d(before, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
            )
        else:
            self.downsample = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        answer: Tensor = self.relu(y + self.downsample(x))
        return answer
