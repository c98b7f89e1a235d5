"""The papers' V-Net: stages of 3×3×3 convolutions, strided steps, skips that are added.

Milletari et al. (3DV 2016) as semi-supervised work on the left atrium uses it (Yu et al., UA-MT,
MICCAI 2019; Bai et al., BCP, CVPR 2023): 16 filters, BatchNorm, ReLU, 3×3×3 kernels, no residual
connection inside a stage. They also drop features right before the classifier; we do not, because
the class statistics are those of the classifier's input.
"""

from torch import Tensor, nn

from napari_transmedseg.networks.output import NetworkOutput, SegmentationNetwork

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_DROPOUT = {2: nn.Dropout2d, 3: nn.Dropout3d}
_MOST_CONVOLUTIONS = 3


class VNet(SegmentationNetwork):
    """Encoder and decoder that learn how to halve and double, in 2-D or 3-D.

    Level i has min(i + 1, 3) convolutions, in the decoder as in the encoder.

    Parameters
    ----------
    in_channels, num_classes
        Image channels and classes with the background.
    dims
        Space axes of the input, 2 or 3.
    channels
        Feature channels per level, finest first; the first is A. Papers: 16, 32, 64, 128, 256.
    dropout
        Dropout rate at the end of each encoder level; levels without one have none. Papers: 0.5
        at the coarsest of five.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        dims: int = 3,
        channels: tuple[int, ...],
        dropout: tuple[float, ...] = (),
    ) -> None:
        super().__init__()
        self.downsampling = 2 ** (len(channels) - 1)
        steps = range(len(channels) - 1)
        rates = (*dropout, *(0.0,) * len(channels))
        self.encoder = nn.ModuleList(
            _stage(channels[i] if i else in_channels, channels[i], dims, i, rates[i])
            for i in range(len(channels))
        )
        self.shrink = nn.ModuleList(
            _unit(_CONV[dims](channels[i], channels[i + 1], 2, 2, bias=False), dims) for i in steps
        )
        self.enlarge = nn.ModuleList(
            _unit(_TRANSPOSED[dims](channels[i + 1], channels[i], 2, 2, bias=False), dims)
            for i in steps
        )
        self.decoder = nn.ModuleList(_stage(channels[i], channels[i], dims, i) for i in steps)
        self.classifier = _CONV[dims](channels[0], num_classes, 1)

    def forward(self, image: Tensor) -> NetworkOutput:
        """Segment a batch (B, channels, …space) whose sides divide by `downsampling`."""
        encoder = [self.encoder[0](image)]
        for shrink, stage in zip(self.shrink, list(self.encoder)[1:], strict=True):
            encoder.append(stage(shrink(encoder[-1])))
        features = encoder[-1]
        for level in reversed(range(len(self.decoder))):
            features = self.decoder[level](self.enlarge[level](features) + encoder[level])
        return NetworkOutput(self.classifier(features), features, tuple(encoder))


def _stage(
    in_channels: int, out_channels: int, dims: int, level: int, dropout: float = 0.0
) -> nn.Sequential:
    sizes = (in_channels, *(out_channels,) * min(level + 1, _MOST_CONVOLUTIONS))
    layers: list[nn.Module] = [
        _unit(_CONV[dims](sizes[i], sizes[i + 1], 3, padding=1, bias=False), dims)
        for i in range(len(sizes) - 1)
    ]
    if dropout > 0:
        layers.append(_DROPOUT[dims](dropout))
    return nn.Sequential(*layers)


def _unit(convolution: nn.Module, dims: int) -> nn.Sequential:
    channels: int = convolution.out_channels  # type: ignore[assignment]
    return nn.Sequential(convolution, _NORM[dims](channels), nn.ReLU(inplace=True))
