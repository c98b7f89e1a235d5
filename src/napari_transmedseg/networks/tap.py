"""Make a segmentation network of any module that ends in a 1×1 convolution.

Forward hooks take the classifier's input (the features) and the encoder maps on their way. Hooks
and their common `_Tap` are objects that are copied with the modules: a deep copy has its own.
"""

from collections import Counter
from typing import Any

from torch import Tensor, nn

from napari_transmedseg.networks.dry_run import examine
from napari_transmedseg.networks.output import NetworkOutput, SegmentationNetwork


class TappedNetwork(SegmentationNetwork):
    """A network that returns logits only, with its features and encoder maps.

    `logits` are the classifier's output. What else the network does with them while training
    (dropout, heads for deep supervision) is left out.

    Parameters
    ----------
    network
        Takes (B, in_channels, …space) and returns logits (B, num_classes, …space); its last layer
        is a 1×1 convolution. It is examined once, by a run on a small image.
    in_channels, num_classes, dims
        As in `build_network`.
    downsampling
        What image sides must be multiples of. None: the network's attribute of this name, or
        found by trying.

    Raises
    ------
    ConfigError
        See `examine`.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        in_channels: int,
        num_classes: int,
        dims: int,
        downsampling: int | None = None,
    ) -> None:
        super().__init__()
        found = examine(
            network,
            in_channels=in_channels,
            num_classes=num_classes,
            dims=dims,
            downsampling=downsampling or getattr(network, "downsampling", None),
        )
        self.network = network
        self.downsampling = found.downsampling
        self._classifier_name = found.classifier
        self._tap = _Tap(found.encoder)
        self.classifier.register_forward_hook(_OnClassifier(self._tap), with_kwargs=True)
        for name in {name for name, _ in found.encoder}:
            network.get_submodule(name).register_forward_hook(_OnEncoder(self._tap, name))

    @property
    def classifier(self) -> nn.Module:  # type: ignore[override]
        """The network's own last layer: no second name for it in the state dict."""
        return self.network.get_submodule(self._classifier_name)

    def forward(self, image: Tensor) -> NetworkOutput:
        """Segment a batch (B, channels, …space) whose sides divide by `downsampling`."""
        self._tap.open()
        try:
            self.network(image)
            return self._tap.output()
        finally:
            self._tap.close()


class _Tap:
    """What the hooks took during one forward pass; empty and closed between passes."""

    def __init__(self, encoder: tuple[tuple[str, int], ...]) -> None:
        self.encoder = encoder
        self.close()

    def open(self) -> None:
        self.close()
        self.is_open = True

    def close(self) -> None:
        self.is_open = False
        self.taken: dict[str, Tensor] = {}
        self.maps: dict[tuple[str, int], Tensor] = {}
        self.calls: Counter[str] = Counter()

    def output(self) -> NetworkOutput:
        features = self.taken["features"]
        encoder = tuple(self.maps[call] for call in self.encoder)
        return NetworkOutput(self.taken["logits"], features, encoder or (features,))


class _OnClassifier:
    def __init__(self, tap: _Tap) -> None:
        self.tap = tap

    def __call__(
        self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], logits: Tensor
    ) -> None:
        if self.tap.is_open:
            self.tap.taken = {"features": args[0] if args else kwargs["input"], "logits": logits}


class _OnEncoder:
    def __init__(self, tap: _Tap, name: str) -> None:
        self.tap = tap
        self.name = name

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        if not self.tap.is_open:
            return
        call = (self.name, self.tap.calls[self.name])
        self.tap.calls[self.name] += 1
        if call in self.tap.encoder:
            self.tap.maps[call] = output
