"""MONAI's networks, sized by the same arguments as the papers' ones.

MONAI takes seconds to import, so it is imported when one of its networks is built. Norms are group
norms with up to 8 groups (Wu and He, ECCV 2018; SegResNet's own) instead of instance norms: those
fail where the coarsest map has one position, as in patches of 32³.
"""

import math

from torch import nn

from napari_transmedseg.networks.output import SegmentationNetwork
from napari_transmedseg.networks.tap import TappedNetwork

_MOST_GROUPS = 8
_BASIC_UNET_LEVELS = 5
_DYN_UNET_LEAST_LEVELS = 3
_SWIN_STEP = 12
_SWIN_DOWNSAMPLING = 32


def basic_unet(
    *,
    in_channels: int,
    num_classes: int,
    dims: int,
    channels: tuple[int, ...],
    dropout: tuple[float, ...] = (),
) -> SegmentationNetwork:
    """BasicUNet (Falk et al., Nature Methods 2019): five levels, missing ones double the last."""
    from monai.networks.nets.basic_unet import BasicUNet

    levels = _at_least(channels, _BASIC_UNET_LEVELS)[:_BASIC_UNET_LEVELS]
    network = BasicUNet(
        spatial_dims=dims,
        in_channels=in_channels,
        out_channels=num_classes,
        features=(*levels, levels[0]),
        norm=_group_norm(levels),
        dropout=_one_rate(dropout, channels),
    )
    return _tap(network, in_channels, num_classes, dims, 2 ** (_BASIC_UNET_LEVELS - 1))


def seg_res_net(
    *,
    in_channels: int,
    num_classes: int,
    dims: int,
    channels: tuple[int, ...],
    dropout: tuple[float, ...] = (),
) -> SegmentationNetwork:
    """SegResNet (Myronenko, BrainLes 2018): `channels[0]` filters, twice as many at each level."""
    from monai.networks.nets.segresnet import SegResNet

    levels = len(channels)
    network = SegResNet(
        spatial_dims=dims,
        init_filters=channels[0],
        in_channels=in_channels,
        out_channels=num_classes,
        dropout_prob=_one_rate(dropout, channels) or None,
        norm=_group_norm(channels[:1]),
        blocks_down=(1, *(2,) * (levels - 2), 4)[:levels],
        blocks_up=(1,) * (levels - 1),
    )
    return _tap(network, in_channels, num_classes, dims, 2 ** (levels - 1))


def swin_unetr(
    *,
    in_channels: int,
    num_classes: int,
    dims: int,
    channels: tuple[int, ...],
    dropout: tuple[float, ...] = (),
) -> SegmentationNetwork:
    """SwinUNETR (Hatamizadeh et al., BrainLes 2021): `channels[0]`, rounded to a multiple of 12."""
    from monai.networks.nets.swin_unetr import SwinUNETR

    size = _SWIN_STEP * max(1, round(channels[0] / _SWIN_STEP))
    network = SwinUNETR(
        spatial_dims=dims,
        in_channels=in_channels,
        out_channels=num_classes,
        feature_size=size,
        norm_name=_group_norm((size,)),
        drop_rate=_one_rate(dropout, channels),
    )
    return _tap(network, in_channels, num_classes, dims, _SWIN_DOWNSAMPLING)


def dyn_unet(
    *,
    in_channels: int,
    num_classes: int,
    dims: int,
    channels: tuple[int, ...],
    dropout: tuple[float, ...] = (),
) -> SegmentationNetwork:
    """DynUNet (nnU-Net, Isensee et al., Nature Methods 2021), without deep supervision."""
    from monai.networks.nets.dynunet import DynUNet

    filters = _at_least(channels, _DYN_UNET_LEAST_LEVELS)
    halvings = (2,) * (len(filters) - 1)
    network = DynUNet(
        spatial_dims=dims,
        in_channels=in_channels,
        out_channels=num_classes,
        kernel_size=(3,) * len(filters),
        strides=(1, *halvings),
        upsample_kernel_size=halvings,
        filters=filters,
        norm_name=_group_norm(filters),
        dropout=_one_rate(dropout, channels) or None,
    )
    return _tap(network, in_channels, num_classes, dims, 2 ** len(halvings))


def _tap(
    network: nn.Module, in_channels: int, num_classes: int, dims: int, downsampling: int
) -> SegmentationNetwork:
    return TappedNetwork(
        network,
        in_channels=in_channels,
        num_classes=num_classes,
        dims=dims,
        downsampling=downsampling,
    )


def _at_least(channels: tuple[int, ...], levels: int) -> tuple[int, ...]:
    missing = range(1, levels - len(channels) + 1)
    return (*channels, *(channels[-1] * 2**i for i in missing))


def _group_norm(channels: tuple[int, ...]) -> tuple[str, dict[str, int]]:
    """As many groups as divide every level's channels, with two channels or more in each."""
    common = math.gcd(*channels)
    most = max(1, min(_MOST_GROUPS, min(channels) // 2))
    return "group", {"num_groups": max(n for n in range(1, most + 1) if common % n == 0)}


def _one_rate(dropout: tuple[float, ...], channels: tuple[int, ...]) -> float:
    """Mean over the levels: MONAI's networks have one dropout rate."""
    return sum(dropout[: len(channels)]) / len(channels)
