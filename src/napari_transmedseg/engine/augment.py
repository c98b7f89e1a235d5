"""Augmentation as batched tensor operations: parameters are drawn apart from being applied.

Geometry (flip, rotation, scaling, shear-free elastic deformation) is one resampling grid for
image, label and known mask; intensity (contrast, brightness, gamma, blur, noise, low resolution)
touches the image only. Ranges follow nnU-Net (Isensee et al., Nature Methods 2021); the `weak`
ones are those of BCP (Bai et al., CVPR 2023): quarter turns and flips, or a rotation within 20°.

Shape suffixes: B batch, D space axes, … space.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentationRanges:
    """How far each transform goes and how often; probabilities in [0, 1]."""

    rotation_deg: float = 30.0
    scaling: tuple[float, float] = (0.75, 1.33)
    shift: float = 0.08
    """Largest shift as a share of the image side."""
    geometry_probability: float = 0.8
    elastic: float = 0.05
    """Largest displacement of an elastic control point, as a share of the image side."""
    elastic_points: int = 4
    elastic_probability: float = 0.4
    mirror: bool = False
    quarter_turns: bool = False
    intensity: bool = True
    contrast: tuple[float, float] = (0.7, 1.4)
    brightness: float = 0.4
    gamma: tuple[float, float] = (0.65, 1.6)
    blur_sigma: tuple[float, float] = (0.4, 1.0)
    """In voxels."""
    noise_std: float = 0.25
    low_resolution: tuple[float, float] = (1.0, 2.0)
    """Largest loss of resolution, as a factor."""
    probability: float = 0.35
    """Of each intensity transform."""


STRONG = AugmentationRanges()
WEAK = AugmentationRanges(
    rotation_deg=20.0,
    scaling=(1.0, 1.0),
    shift=0.0,
    geometry_probability=0.5,
    elastic_probability=0.0,
    mirror=True,
    quarter_turns=True,
    intensity=False,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class GeometryParams:
    """A sampling grid per image: `grid` (B, …space, D) in `grid_sample` coordinates."""

    grid: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class IntensityParams:
    """One value per image (B,); neutral where a transform was not drawn."""

    contrast: Tensor
    brightness: Tensor
    gamma: Tensor
    """Negative: the image is inverted while gamma is applied."""
    blur_sigma: Tensor
    noise_std: Tensor
    low_resolution: Tensor
    noise_seed: int


def sample_geometry(
    ranges: AugmentationRanges,
    batch: int,
    shape: tuple[int, ...],
    generator: torch.Generator,
    device: torch.device,
) -> GeometryParams:
    """Draw a resampling grid for images of `shape` (…space); the generator lives on the CPU."""
    dims = len(shape)
    chosen = _draw(generator, batch) < ranges.geometry_probability
    angle = _uniform(generator, batch, -ranges.rotation_deg, ranges.rotation_deg)
    angle = torch.where(chosen, angle, torch.zeros(())) * math.pi / 180
    if ranges.quarter_turns:
        angle = angle + torch.randint(4, (batch,), generator=generator) * math.pi / 2
    log_low, log_high = (math.log(bound) for bound in ranges.scaling)
    scale = torch.where(chosen, _uniform(generator, batch, log_low, log_high), torch.zeros(()))
    linear = _rotation(angle, dims, shape) * torch.exp(scale)[:, None, None]
    if ranges.mirror:
        flips = torch.where(_draw(generator, batch, dims) < 0.5, -1.0, 1.0)
        linear = linear * flips[:, None, :]
    shift = _uniform(generator, (batch, dims), -2 * ranges.shift, 2 * ranges.shift)
    shift = torch.where(chosen[:, None], shift, torch.zeros(()))
    theta = torch.cat((linear, shift[:, :, None]), dim=2).to(device)
    grid = F.affine_grid(theta, [batch, 1, *shape], align_corners=False)
    if ranges.elastic_probability > 0:
        grid = grid + _elastic_field(ranges, batch, shape, generator).to(device)
    return GeometryParams(grid=grid)


def apply_geometry(image: Tensor, params: GeometryParams, *, nearest: bool = False) -> Tensor:
    """Resample (B, channels, …space); outside the image stands 0.

    `nearest` keeps labels and masks whole numbers.
    """
    mode = "nearest" if nearest else "bilinear"
    return F.grid_sample(
        image, params.grid.to(image.dtype), mode=mode, padding_mode="zeros", align_corners=False
    )


def sample_intensity(
    ranges: AugmentationRanges, batch: int, generator: torch.Generator
) -> IntensityParams:
    """Draw intensity changes for a batch."""

    def maybe(low: float, high: float, neutral: float) -> Tensor:
        drawn = _uniform(generator, batch, low, high)
        chosen = _draw(generator, batch) < ranges.probability
        return torch.where(chosen, drawn, torch.full((), neutral))

    gamma = torch.exp(maybe(math.log(ranges.gamma[0]), math.log(ranges.gamma[1]), 0.0))
    inverted = _draw(generator, batch) < 0.15
    return IntensityParams(
        contrast=maybe(*ranges.contrast, 1.0),
        brightness=maybe(-ranges.brightness, ranges.brightness, 0.0),
        gamma=torch.where(inverted, -gamma, gamma),
        blur_sigma=maybe(*ranges.blur_sigma, 0.0),
        noise_std=maybe(0.0, ranges.noise_std, 0.0),
        low_resolution=maybe(*ranges.low_resolution, 1.0),
        noise_seed=int(torch.randint(2**31, (1,), generator=generator)),
    )


def apply_intensity(image: Tensor, params: IntensityParams) -> Tensor:
    """Change (B, channels, …space) intensities of about zero mean and unit deviation."""
    image = _blur(image, params.blur_sigma)
    image = _lower_resolution(image, params.low_resolution)
    image = _gamma(image, params.gamma)
    mean = image.mean(dim=tuple(range(1, image.ndim)), keepdim=True)
    image = (image - mean) * _per_image(params.contrast, image) + mean
    image = image + _per_image(params.brightness, image)
    generator = torch.Generator(device=image.device).manual_seed(params.noise_seed)
    noise = torch.randn(image.shape, generator=generator, device=image.device, dtype=image.dtype)
    return image + noise * _per_image(params.noise_std, image)


def _draw(generator: torch.Generator, *size: int) -> Tensor:
    return torch.rand(size, generator=generator)


def _uniform(
    generator: torch.Generator, size: int | tuple[int, ...], low: float, high: float
) -> Tensor:
    return torch.empty(size).uniform_(low, high, generator=generator)


def _per_image(values: Tensor, image: Tensor) -> Tensor:
    return values.to(image.device, image.dtype).reshape(-1, *(1,) * (image.ndim - 1))


def _rotation(angle: Tensor, dims: int, shape: tuple[int, ...]) -> Tensor:
    """(B, D, D) rotation of the last two space axes, in `grid_sample`'s x, y[, z] order."""
    height, width = shape[-2:]
    cos, sin = torch.cos(angle), torch.sin(angle)
    matrix = torch.eye(dims).repeat(len(angle), 1, 1)
    matrix[:, 0, 0] = cos
    matrix[:, 1, 1] = cos
    matrix[:, 0, 1] = -sin * height / width
    matrix[:, 1, 0] = sin * width / height
    return matrix


def _elastic_field(
    ranges: AugmentationRanges, batch: int, shape: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    """Smooth displacements (B, …space, D) from a coarse grid of control points."""
    dims = len(shape)
    points = (ranges.elastic_points,) * dims
    control = _uniform(generator, (batch, dims, *points), -2 * ranges.elastic, 2 * ranges.elastic)
    chosen = _draw(generator, batch) < ranges.elastic_probability
    control = control * chosen.reshape(-1, *(1,) * (dims + 1))
    mode = "bicubic" if dims == 2 else "trilinear"
    field = F.interpolate(control, size=shape, mode=mode, align_corners=True)
    return field.movedim(1, -1)


def _blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur, separable, one sigma (voxels) per image; 0 leaves an image as it is."""
    chosen = torch.nonzero(sigma > 0).flatten()
    if len(chosen) == 0:
        return image
    radius = max(1, math.ceil(2.5 * float(sigma.max())))
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (offsets / sigma[chosen, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(image.device, image.dtype)
    part = image[chosen.to(image.device)]
    batch, channels = part.shape[:2]
    kernel = kernel.repeat_interleave(channels, dim=0)
    dims = part.ndim - 2
    conv = F.conv2d if dims == 2 else F.conv3d
    blurred = part.reshape(1, batch * channels, *part.shape[2:])
    for axis in range(dims):
        size = [1] * dims
        size[axis] = 2 * radius + 1
        pad = [0] * (2 * dims)
        pad[2 * (dims - 1 - axis)] = pad[2 * (dims - 1 - axis) + 1] = radius
        padded = F.pad(blurred, pad, mode="replicate")
        weight = kernel.reshape(batch * channels, 1, *size)
        blurred = conv(padded, weight, groups=batch * channels)
    return image.index_copy(0, chosen.to(image.device), blurred.reshape(part.shape))


def _lower_resolution(image: Tensor, factor: Tensor) -> Tensor:
    """Resample to a coarser grid and back; one common factor for the images that were drawn."""
    chosen = torch.nonzero(factor > 1).flatten()
    if len(chosen) == 0:
        return image
    where = chosen.to(image.device)
    largest = float(factor[chosen].mean())
    size = [max(2, round(side / largest)) for side in image.shape[2:]]
    mode = "bilinear" if image.ndim == 4 else "trilinear"
    coarse = F.interpolate(image[where], size=size, mode="nearest-exact")
    back = F.interpolate(coarse, size=image.shape[2:], mode=mode, align_corners=False)
    return image.index_copy(0, where, back)


def _gamma(image: Tensor, gamma: Tensor) -> Tensor:
    """Power law on intensities brought to [0, 1] per image, then back to mean and deviation."""
    axes = tuple(range(1, image.ndim))
    sign = _per_image(torch.sign(gamma), image)
    power = _per_image(gamma.abs(), image)
    signed = image * sign
    low = signed.amin(axes, keepdim=True)
    span = (signed.amax(axes, keepdim=True) - low).clamp_min(1e-6)
    bent = ((signed - low) / span).clamp(0, 1) ** power
    mean, std = image.mean(axes, keepdim=True), image.std(axes, keepdim=True)
    bent = bent * sign
    bent = (bent - bent.mean(axes, keepdim=True)) / bent.std(axes, keepdim=True).clamp_min(1e-6)
    changed = (gamma != 1).to(image.device).reshape(-1, *(1,) * (image.ndim - 1))
    return torch.where(changed, bent * std + mean, image)
