"""What every network returns.

Shape suffixes: B batch, C classes, A features of the last 1×1 convolution, … space.
"""

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


class SegmentationNetwork(nn.Module):
    """Base of networks whose last layer is a 1×1 convolution, the *classifier*."""

    classifier: nn.Module
    downsampling: int
    """Image sides must be multiples of this."""

    def forward(self, image: Tensor) -> NetworkOutput:
        """Segment a batch (B, channels, …space)."""
        raise NotImplementedError

    def classifier_weight(self) -> Tensor:
        """Weights of the 1×1 convolution as a (C, A) matrix, with gradient."""
        weight: Tensor = self.classifier.weight  # type: ignore[assignment]
        return weight.flatten(1)
