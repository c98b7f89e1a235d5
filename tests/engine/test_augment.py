"""Augmentation: parameters apart from applying, one grid for image, label and known mask."""

from dataclasses import replace

import pytest
import torch

from napari_transmedseg.engine.augment import (
    STRONG,
    WEAK,
    AugmentationRanges,
    IntensityParams,
    apply_geometry,
    apply_intensity,
    sample_geometry,
    sample_intensity,
)

CPU = torch.device("cpu")
SPACES = [pytest.param((24, 20), id="2-D"), pytest.param((20, 24, 28), id="3-D")]
ALWAYS = AugmentationRanges(geometry_probability=1, elastic_probability=1, probability=1)
STILL = AugmentationRanges(
    geometry_probability=0, elastic_probability=0, mirror=False, quarter_turns=False
)


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _blobs(space, batch=3):
    """Smooth bright blobs; brightness above 0.5 is the label."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in space), indexing="ij")
    squares = [(axis - 0.1 * (i + 1)) ** 2 for i, axis in enumerate(axes)]
    return torch.exp(-3 * sum(squares)).expand(batch, 1, *space).contiguous()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("ranges", [ALWAYS, STRONG, WEAK], ids=["always", "strong", "weak"])
def test_the_same_generator_draws_the_same_augmentation(space, ranges):
    image = _blobs(space)

    def augmented(seed):
        generator = _generator(seed)
        moved = apply_geometry(image, sample_geometry(ranges, 3, space, generator, CPU))
        return apply_intensity(moved, sample_intensity(ranges, 3, generator))

    assert torch.equal(augmented(1), augmented(1))
    assert not torch.equal(augmented(1), augmented(2))


@pytest.mark.parametrize("space", SPACES)
def test_applying_the_same_parameters_twice_gives_the_same_images(space):
    image = _blobs(space)
    geometry = sample_geometry(ALWAYS, 3, space, _generator(), CPU)
    intensity = sample_intensity(ALWAYS, 3, _generator())
    assert torch.equal(apply_geometry(image, geometry), apply_geometry(image, geometry))
    assert torch.equal(apply_intensity(image, intensity), apply_intensity(image, intensity))


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("ranges", [ALWAYS, WEAK], ids=["always", "weak"])
def test_labels_stay_on_their_image(space, ranges):
    image = _blobs(space, batch=8)
    label = (image > 0.5).float()
    params = sample_geometry(ranges, 8, space, _generator(), CPU)
    moved_label = apply_geometry(label, params, nearest=True)
    expected = (apply_geometry(image, params) > 0.5).float()
    assert set(moved_label.unique().tolist()) == {0.0, 1.0}
    overlap = 2 * (moved_label * expected).sum() / (moved_label + expected).sum()
    assert overlap > 0.92  # nearest against linear: they differ along the border only
    assert not torch.equal(moved_label, label)


@pytest.mark.parametrize("space", SPACES)
def test_what_comes_from_outside_the_image_is_neither_known_nor_inside(space):
    everything = torch.ones(6, 1, *space)
    shifted = replace(STILL, geometry_probability=1, scaling=(1, 1), rotation_deg=0, shift=0.3)
    params = sample_geometry(shifted, 6, space, _generator(), CPU)
    moved = apply_geometry(everything, params, nearest=True)
    assert 0 < moved.sum() < everything.sum()


@pytest.mark.parametrize("space", SPACES)
def test_without_a_draw_geometry_is_the_identity(space):
    image = torch.randn(2, 1, *space, generator=_generator())
    params = sample_geometry(STILL, 2, space, _generator(), CPU)
    torch.testing.assert_close(apply_geometry(image, params), image, atol=1e-4, rtol=0)
    assert torch.equal(apply_geometry(image, params, nearest=True), image)


@pytest.mark.parametrize("space", SPACES)
def test_neutral_intensity_is_the_identity(space):
    image = torch.randn(2, 1, *space, generator=_generator())
    neutral = sample_intensity(replace(STRONG, probability=0), 2, _generator())
    neutral = replace(neutral, gamma=torch.ones(2))
    torch.testing.assert_close(apply_intensity(image, neutral), image)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"contrast": 1.4}, id="contrast"),
        pytest.param({"brightness": 0.4}, id="brightness"),
        pytest.param({"gamma": 0.6}, id="gamma"),
        pytest.param({"gamma": -1.5}, id="inverted gamma"),
        pytest.param({"blur_sigma": 0.8}, id="blur"),
        pytest.param({"low_resolution": 1.5}, id="low resolution"),
        pytest.param({"noise_std": 0.05}, id="noise"),
    ],
)
@pytest.mark.parametrize("space", SPACES)
def test_intensity_moves_nothing(space, change):
    image = _blobs(space, batch=2)
    neutral = {
        "contrast": 1.0, "brightness": 0.0, "gamma": 1.0, "blur_sigma": 0.0, "noise_std": 0.0,
        "low_resolution": 1.0,
    }  # fmt: skip
    values = {name: torch.full((2,), value) for name, value in (neutral | change).items()}
    changed = apply_intensity(image, IntensityParams(**values, noise_seed=0))
    assert changed.shape == image.shape and not torch.equal(changed, image)

    def centre(values):
        weight = (values > values.amax() * 0.5 + values.amin() * 0.5).flatten(1)[0].float()
        places = torch.stack([axis.flatten() for axis in torch.meshgrid(
            *(torch.arange(n).float() for n in space), indexing="ij")])  # fmt: skip
        return (places * weight).sum(1) / weight.sum()

    torch.testing.assert_close(centre(changed), centre(image), atol=0.6, rtol=0)


def test_each_image_has_its_own_intensity_and_neighbours_do_not_leak():
    image = torch.randn(4, 1, 16, 16, generator=_generator())
    values = {
        "contrast": torch.tensor([1.0, 1.4, 1.0, 1.0]),
        "brightness": torch.zeros(4),
        "gamma": torch.tensor([1.0, 1.0, 0.7, 1.0]),
        "blur_sigma": torch.tensor([0.0, 0.5, 0.0, 1.0]),
        "noise_std": torch.zeros(4),
        "low_resolution": torch.tensor([1.0, 1.0, 1.5, 1.5]),
    }
    together = apply_intensity(image, IntensityParams(**values, noise_seed=0))
    torch.testing.assert_close(together[0], image[0])
    alone = {name: value[1:2] for name, value in values.items()}
    second = apply_intensity(image[1:2], IntensityParams(**alone, noise_seed=0))
    torch.testing.assert_close(together[1:2], second)


def test_weak_geometry_is_quarter_turns_flips_and_a_small_rotation():
    image = _blobs((20, 20), batch=1)
    only_turns = replace(WEAK, rotation_deg=0)
    params = sample_geometry(only_turns, 40, (20, 20), _generator(), CPU)
    moved = apply_geometry(image.expand(40, -1, -1, -1), params)
    turns = [image[0].rot90(k, (1, 2)) for k in range(4)]
    turns += [turn.flip(2) for turn in turns]
    seen = set()
    for one in moved:
        distance = torch.stack([(one - turn).abs().amax() for turn in turns])
        assert distance.min() < 1e-4
        seen.add(int(distance.argmin()))
    assert len(seen) == 8
    assert sample_intensity(WEAK, 2, _generator()) is not None and not WEAK.intensity


def test_draws_stay_in_their_ranges():
    params = sample_intensity(ALWAYS, 500, _generator())
    assert params.contrast.min() >= 0.7 and params.contrast.max() <= 1.4
    assert params.gamma.abs().min() >= 0.65 - 1e-6 and params.gamma.abs().max() <= 1.6 + 1e-6
    assert (params.gamma < 0).any() and (params.gamma > 0).any()
    assert params.noise_std.min() >= 0 and params.noise_std.max() <= 0.25
