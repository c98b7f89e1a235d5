"""The papers' U-Net: two 3×3 convolutions per level, BatchNorm, LeakyReLU.

Channels 16-32-64-128-256 in the papers (Bai et al., BCP, CVPR 2023); its 3×3 output layer is
replaced by a 1×1 convolution, because semantic augmentation needs a linear classifier.
"""

import torch
from torch import Tensor, nn

from napari_transmedseg.networks.output import NetworkOutput, SegmentationNetwork

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_DROPOUT = {2: nn.Dropout2d, 3: nn.Dropout3d}
_UPSAMPLING = {2: "bilinear", 3: "trilinear"}


class UNet(SegmentationNetwork):
    """Encoder and decoder with skip connections, in 2-D or 3-D.

    Parameters
    ----------
    in_channels, num_classes
        Image channels and classes with the background.
    dims
        Space axes of the input, 2 or 3.
    channels
        Feature channels per level, finest first; the first is A.
    dropout
        Dropout rate of each encoder level; levels without one have none.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        dims: int = 2,
        channels: tuple[int, ...],
        dropout: tuple[float, ...] = (),
    ) -> None:
        super().__init__()
        self.downsampling = 2 ** (len(channels) - 1)
        sizes = (in_channels, *channels)
        rates = (*dropout, *(0.0,) * len(channels))
        self.down = nn.ModuleList(
            _block(sizes[i], sizes[i + 1], dims, rates[i]) for i in range(len(channels))
        )
        self.pool = _POOL[dims](2)
        self.reduce = nn.ModuleList(
            _CONV[dims](channels[i + 1], channels[i], 1) for i in range(len(channels) - 1)
        )
        self.up = nn.ModuleList(
            _block(2 * channels[i], channels[i], dims) for i in range(len(channels) - 1)
        )
        self.upsample = nn.Upsample(scale_factor=2, mode=_UPSAMPLING[dims], align_corners=False)
        self.classifier = _CONV[dims](channels[0], num_classes, 1)

    def forward(self, image: Tensor) -> NetworkOutput:
        """Segment a batch (B, channels, …space) whose sides divide by `downsampling`."""
        encoder = [self.down[0](image)]
        for block in list(self.down)[1:]:
            encoder.append(block(self.pool(encoder[-1])))
        features = encoder[-1]
        for level in reversed(range(len(self.up))):
            # The 1×1 convolution runs before upsampling: it commutes with it and costs a quarter.
            coarse = self.upsample(self.reduce[level](features))
            features = self.up[level](torch.cat((encoder[level], coarse), dim=1))
        return NetworkOutput(self.classifier(features), features, tuple(encoder))


def _block(in_channels: int, out_channels: int, dims: int, dropout: float = 0.0) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            _CONV[dims](channels, out_channels, 3, padding=1, bias=False),
            _NORM[dims](out_channels),
            nn.LeakyReLU(0.01, inplace=True),
        ]
    if dropout > 0:
        layers.insert(3, _DROPOUT[dims](dropout))
    return nn.Sequential(*layers)
