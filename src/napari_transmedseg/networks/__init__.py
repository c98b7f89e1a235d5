"""Segmentation networks by name; each returns logits, features and encoder maps."""

from napari_transmedseg.networks.output import NetworkOutput, SegmentationNetwork
from napari_transmedseg.networks.registry import (
    build_network,
    network_names,
    register_network,
    required_multiple,
)
from napari_transmedseg.networks.tap import TappedNetwork

__all__ = [
    "NetworkOutput",
    "SegmentationNetwork",
    "TappedNetwork",
    "build_network",
    "network_names",
    "register_network",
    "required_multiple",
]
