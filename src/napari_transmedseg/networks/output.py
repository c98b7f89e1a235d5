"""What every network returns.

Shape suffixes: B batch, C classes, A features of the last 1×1 convolution, … space.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn


class NetworkOutput(NamedTuple):
    """One forward pass."""

    logits: Tensor
    """(B, C, …space): `classifier(features)`."""
    features: Tensor
    """(B, A, …space): input of the last 1×1 convolution."""
    encoder: tuple[Tensor, ...]
    """(B, A', …space) maps of the encoder, finest first."""


class SegmentationNetwork(nn.Module, ABC):
    """Base of networks whose last layer is a 1×1 convolution, the *classifier*."""

    classifier: nn.Module
    downsampling: int
    """Image sides must be multiples of this."""

    @abstractmethod
    def forward(self, image: Tensor) -> NetworkOutput:
        """Segment a batch (B, channels, …space)."""

    def classifier_weight(self) -> Tensor:
        """Weights of the 1×1 convolution as a (C, A) matrix, with gradient."""
        weight: Tensor = self.classifier.weight  # type: ignore[assignment]
        return weight.flatten(1)

    def classifier_bias(self) -> Tensor | None:
        """Bias of the 1×1 convolution, (C,), with gradient; None where it has none."""
        bias: Tensor | None = self.classifier.bias  # type: ignore[assignment]
        return bias
