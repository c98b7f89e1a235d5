"""Several co-registered images per case: the network takes them all, and no others."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from channels import NAMES, blind, two_channels
from tiny_cohort import CLASSES, Run, case, cohort, config, ellipses, geometry, same, small_plan
from volumes import ORGAN, ball, near_cubic, settings, volume_case, whole_cohort

from napari_transmedseg.engine.augment import AugmentationRanges, apply_intensity, sample_intensity
from napari_transmedseg.engine.channels import channel_clips
from napari_transmedseg.engine.checkpoint import load_checkpoint, plan_of, save_checkpoint
from napari_transmedseg.engine.images import build_store
from napari_transmedseg.engine.inference import Predictor, load_predictor
from napari_transmedseg.engine.metrics import dice
from napari_transmedseg.engine.plan import plan_training
from napari_transmedseg.engine.preprocess import image_to_network
from napari_transmedseg.engine.sampling import Sampler
from napari_transmedseg.engine.trainer import fit
from napari_transmedseg.errors import ConfigError, GeometryError, PlanError, TrainingError
from napari_transmedseg.imaging.volume import Volume

ONLY_INTENSITY = AugmentationRanges(geometry_probability=0, elastic_probability=0, probability=1.0)


def _both():
    return [two_channels(one) for one in cohort()]


# --- learning


def _slices():
    return cohort(), case("c", ellipses(shift=2), None), lambda cases: small_plan(cases=cases)


def _volumes():
    """Balls in another corner each, so that only the image tells where they are."""
    corners = {"a": (0.35, 0.35), "b": (0.65, 0.35), "c": (0.35, 0.65), "d": (0.65, 0.65)}
    cases = [case(name, ball(at=(0.5, *at)), None, place=near_cubic())
             for name, at in corners.items()]  # fmt: skip

    def plan(cases):
        return replace(plan_training(settings(), cases, ORGAN, 0), channels=(4, 8, 16, 32))

    return cases, case("e", ball(at=(0.5, 0.6, 0.4)), None, place=near_cubic()), plan


@pytest.mark.parametrize(
    ("make", "steps"),
    [
        pytest.param(_slices, 60, id="slices"),
        pytest.param(_volumes, 140, id="volumes", marks=pytest.mark.slow),
    ],
)
def test_the_network_learns_from_the_channel_that_shows_the_structure(make, steps):
    cases, unseen, plan_of_cases = make()
    scores = {}
    for of in (two_channels, blind):
        given = [of(one) for one in cases]
        run = Run(plan_of_cases(given), given, self_training=False)
        run.steps(steps, total=steps)
        found = Predictor(run.state.student, run.plan).predict_volume(of(unseen).load()).labels
        assert found.geometry is unseen.load().geometry
        scores[of] = dice(found.array, unseen.annotation.array, run.plan.num_classes)[1:].mean()
    assert scores[two_channels] > 0.55
    assert scores[two_channels] > scores[blind] + 0.25


@pytest.mark.parametrize("method", ["transmedseg", "mean-teacher"])
def test_student_teacher_bank_graph_and_statistics_take_all_channels(method):
    run = Run(small_plan(config(steps=40, method=method), _both(), confidence=0.0), _both())
    first = next(p for p in run.state.student.parameters() if p.ndim == 4)
    assert first.shape[1] == run.plan.in_channels == 2
    losses = run.steps(3)
    assert all(np.isfinite(value) for terms in losses for value in terms.values())
    assert run.state.bank is not None


def test_a_sliding_window_gives_every_patch_all_channels():
    cases = [two_channels(one) for one in whole_cohort()]
    plan = plan_training(settings(), cases, ORGAN, 0)
    small = replace(plan, space=replace(plan.space, patch=(16, 16, 16)), channels=(4, 8, 16, 32))
    predictor = Predictor(Run(small, cases).state.teacher, small)
    large = two_channels(volume_case("g")).load()
    tall = Volume(
        array=np.tile(large.array, (3, 1, 1)),
        further=(np.tile(large.further[0], (3, 1, 1)),),
        geometry=geometry((72, 16, 16), (1.0, 1.0, 1.0)),
        channel_names=NAMES,
    )
    whole = replace(small, space=replace(small.space, size=(80, 16, 16)))
    predictor.plan = whole
    assert predictor.predict_volume(tall).labels.array.shape == (72, 16, 16)


# --- intensities


def test_each_channel_has_its_own_scale():
    plan = small_plan(cases=_both())
    volume = two_channels(cohort()[0]).load()
    stack = image_to_network(volume, plan.space)
    assert stack.shape[1] == 2
    for place, array in enumerate(volume.channels):
        alone = Volume(array=array * 7 + 1000, geometry=volume.geometry)
        torch.testing.assert_close(
            stack[:, place], image_to_network(alone, plan.space)[:, 0], rtol=0, atol=1e-3
        )


def test_a_channel_may_have_bounds_of_its_own():
    chosen = config(clip_low=0.0, clip_high=100.0, clip_channels="t1=-3500:-2500")
    plan = plan_training(chosen, _both(), CLASSES, 0)
    assert plan.space.channel_clips == ((-3500.0, -2500.0), (0.0, 100.0))
    volume = two_channels(cohort()[0]).load()
    stack = image_to_network(volume, plan.space)
    for place, array in enumerate(volume.channels):
        clipped = np.clip(array, *plan.space.channel_clips[place])
        alone = Volume(array=clipped, geometry=volume.geometry)
        free = replace(plan.space, channel_clips=(), clip=None)
        assert torch.equal(stack[:, place], image_to_network(alone, free)[:, 0])


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        pytest.param("pet=0:1", "found some for 'pet'", id="no such channel"),
        pytest.param("t1=5", "found 't1=5'", id="one bound"),
        pytest.param("t1=2:1", "found 't1=2:1'", id="wrong way round"),
        pytest.param("t1=a:b", "found 't1=a:b'", id="no numbers"),
        pytest.param("0:1", "found '0:1'", id="no name"),
        pytest.param("t1=0:1,", "found ''", id="comma too many"),
        pytest.param("t1=0:nan", "found 't1=0:nan'", id="not a number"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(typed, sentence):
    with pytest.raises(ConfigError, match=sentence):
        channel_clips(config(clip_channels=typed), NAMES)


def test_channels_share_their_geometry_and_vary_in_intensity_by_themselves():
    twice = []
    for one in cohort():
        image = one.load()
        volume = Volume(
            array=image.array, further=(image.array,), geometry=image.geometry, channel_names=NAMES
        )
        twice.append(replace(one, load=lambda volume=volume: volume, channels=NAMES))
    run = Run(small_plan(cases=twice), twice)
    stream = run.sampler.labeled(16)
    assert torch.equal(stream.plain_B1HW[:, 0], stream.plain_B1HW[:, 1])
    differs = (stream.strong_B1HW[:, 0] != stream.strong_B1HW[:, 1]).flatten(1).any(1)
    assert differs.float().mean() > 0.9


def test_a_single_image_varies_as_a_whole():
    store = Run(small_plan()).store
    sampler = Sampler(store, ONLY_INTENSITY, torch.Generator().manual_seed(3), torch.device("cpu"))
    stream = sampler.labeled(8)
    again = torch.Generator().manual_seed(3)
    still = Sampler(store, replace(ONLY_INTENSITY, intensity=False), again, torch.device("cpu"))
    plain = still.labeled(8).plain_B1HW
    assert torch.equal(plain, stream.plain_B1HW)
    expected = apply_intensity(plain, sample_intensity(ONLY_INTENSITY, 8, again))
    assert torch.equal(stream.strong_B1HW, expected)


def test_images_on_disk_are_those_in_memory(tmp_path):
    plan = small_plan(cases=_both())
    given = {"validation_share": 0.0, "seed": 0}
    there = build_store(_both(), replace(plan, in_memory=False), cache=tmp_path / "x", **given)
    here = build_store(_both(), plan, cache=None, **given)
    assert torch.equal(there.image_N1HW, here.image_N1HW)


# --- the same channels everywhere


@pytest.mark.parametrize(
    ("other", "found"),
    [
        pytest.param(("flair", "t1"), "the channels flair, t1 in c", id="other order"),
        pytest.param(("t1", "t2"), "the channels t1, t2 in c", id="other channel"),
        pytest.param((), "a single image in c", id="single image"),
    ],
)
def test_cases_with_other_channels_are_not_trained_on(other, found):
    cases = _both()
    cases[2] = two_channels(cohort()[2], other) if other else cohort()[2]
    with pytest.raises(PlanError, match=f"channels t1, flair in every case as in a, found {found}"):
        plan_training(config(steps=5), cases, CLASSES, 0)


def test_an_image_that_is_not_what_its_case_said_is_refused():
    cases = _both()
    cases[1] = replace(cases[1], load=cohort()[1].load)
    with pytest.raises(TrainingError, match="image of b with the channels t1, flair.*a single"):
        Run(small_plan(cases=cases), cases)


@pytest.fixture
def checkpoint(tmp_path):
    run = Run(small_plan(cases=_both()), _both())
    path = tmp_path / "checkpoints" / "last.pt"
    save_checkpoint(path, run.state, run.plan)
    return path


def test_a_checkpoint_knows_its_channels(checkpoint):
    assert plan_of(load_checkpoint(checkpoint)).image_channels == NAMES


@pytest.mark.parametrize(
    ("names", "found"),
    [
        pytest.param(("flair", "t1"), "the channels flair, t1", id="other order"),
        pytest.param(None, "a single image", id="single image"),
    ],
)
def test_a_model_refuses_images_of_other_channels(checkpoint, names, found):
    predictor = load_predictor(checkpoint, device="cpu", threads=1)
    image = cohort()[0].load() if names is None else two_channels(cohort()[0], names).load()
    with pytest.raises(TrainingError, match=f"channels t1, flair, on which.*found {found};"):
        predictor.predict_volume(image)


@pytest.mark.parametrize("how", ["resume_from", "warm_start_from"])
def test_a_run_does_not_go_on_with_other_channels(checkpoint, how):
    with pytest.raises(TrainingError, match="a single image as the cases have.*t1, flair"):
        next(fit(cohort(), CLASSES, config(steps=5), slice_axis=0, **{how: checkpoint}))


def test_a_checkpoint_of_before_there_were_channels_opens(tmp_path):
    run = Run(small_plan())
    path = tmp_path / "last.pt"
    save_checkpoint(path, run.state, run.plan)
    content = load_checkpoint(path)
    del content["plan"]["image_channels"], content["plan"]["space"]["channel_clips"]
    torch.save(content, path)
    predictor = load_predictor(path, device="cpu", threads=1)
    assert predictor.plan.image_channels == ()
    assert same(predictor.network.state_dict(), run.state.teacher.state_dict())


@pytest.mark.parametrize(
    ("further", "names"),
    [
        pytest.param(1, (), id="no names"),
        pytest.param(1, ("t1",), id="one name too few"),
        pytest.param(0, ("t1",), id="a name for a single image"),
    ],
)
def test_a_volume_names_its_channels(further, names):
    image = cohort()[0].load()
    with pytest.raises(GeometryError, match="names of channels"):
        Volume(
            array=image.array, further=(image.array,) * further, geometry=image.geometry,
            channel_names=names,
        )  # fmt: skip
