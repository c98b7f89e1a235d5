"""Cases of several images: found by names, on the same voxels, the same for the whole cohort."""

import json
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from channel_files import make_channel_cohort, moved, save_image
from cohorts import GEOMETRY, SHAPE_IPL, disc_classes, make_project, save_classes
from dicom_files import write_series
from numpy.testing import assert_array_equal

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import (
    ConfigError,
    GeometryError,
    ImageReadError,
    PlanError,
    ProjectError,
    TransMedSegError,
)
from napari_transmedseg.imaging.dicom import find_series
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import read_labels
from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.channel_groups import channel_case, channels_left_out
from napari_transmedseg.project.export import ExportOptions, export
from napari_transmedseg.project.image_sources import ImageSource
from napari_transmedseg.project.import_options import ImportOptions
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.schema import SCHEMA_VERSION
from napari_transmedseg.project.status import project_status
from napari_transmedseg.project.training import predict, train

from .conftest import assert_is_one_sentence

T1_T2 = ImportOptions(channels=("t1", "t2"))
ELSEWHERE = Geometry.from_spacing(
    (24, 20, 8), (1.5, 1.5, 6.0), orientation="LPS", origin=(900,) * 3
)
COARSE = Geometry.from_spacing(
    (12, 10, 4), (3.0, 3.0, 12.0), orientation="LPS", origin=(-0.75, -0.75, 3.0)
)
_ANGLE = np.deg2rad(10)
TURNED = Geometry(  # finer, oblique, larger than GEOMETRY all around
    shape=(40, 40, 32),
    affine=np.array(
        [
            [-1.5 * np.cos(_ANGLE), 1.5 * np.sin(_ANGLE), 0.0, 10.0],
            [-1.5 * np.sin(_ANGLE), -1.5 * np.cos(_ANGLE), 0.0, 15.0],
            [0.0, 0.0, 2.0, -10.0],
            [0.0, 0.0, 0.0, 1.0],
        ]
    ),
)


def make(folder: Path, *images: Path | ImageSource, **options: object) -> Project:
    return Project.create(
        folder / "project", images=images, classes=["organ"], options=ImportOptions(**options)
    )


def stored(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


# --- which images belong together


@pytest.mark.parametrize(
    ("names", "typed", "channels"),
    [
        pytest.param("{case}_{channel}", ("t1", "t2"), ("t1", "t2"), id="ends of names"),
        pytest.param("{case}-{CHANNEL}", ("t1", "t2"), ("t1", "t2"), id="upper case"),
        pytest.param("{case}/{channel}", ("t2", "t1"), ("t2", "t1"), id="a folder per case"),
        pytest.param("{channel}/{case}", ("t1", "t2"), ("t1", "t2"), id="a folder per channel"),
        pytest.param("{case}_000{number}", ("auto",), ("0000", "0001"), id="nnU-Net"),
        pytest.param(
            "{case}_000{number}", ("flair=_0001", "t1=_0000"), ("flair", "t1"), id="ends by hand"
        ),
    ],
)
def test_images_are_grouped_by_their_names(
    tmp_path: Path, names: str, typed: tuple[str, ...], channels: tuple[str, ...]
) -> None:
    number = {"t1": 0, "t2": 1, "0000": 0, "0001": 1, "flair": 1}
    for case in ("anna", "bert"):
        for place, channel in enumerate(("t1", "t2")):
            name = names.format(case=case, channel=channel, CHANNEL=channel.upper(), number=place)
            save_image(tmp_path / "in" / f"{name}.nii.gz", seed=10 * ord(case[0]) + place)
    save_image(tmp_path / "in" / "scout.nii.gz")

    with make(tmp_path, tmp_path / "in", channels=typed) as project:
        assert [case.case_id for case in project.cases] == ["anna", "bert"]
        assert project.channel_names == channels
        volume = project.volume("bert")
    assert volume.channel_names == channels
    for name, array in zip(channels, volume.channels, strict=True):
        seed = 10 * ord("b") + number[name]
        expected = np.random.default_rng(seed).normal(0, 10, SHAPE_IPL).astype(np.float32)
        assert_array_equal(array, expected)
    (left,) = channels_left_out([tmp_path / "in"], ImportOptions(channels=typed))
    assert left.name == "scout.nii.gz"


def test_the_longer_end_of_a_name_decides(tmp_path: Path) -> None:
    for name in ("p_t1", "p_c_t1"):
        save_image(tmp_path / "in" / f"{name}.nii.gz")
    options = ImportOptions(channels=("t1", "gd=_c_t1"))
    with Project.create(
        tmp_path / "project", images=[tmp_path / "in"], classes=["organ"], options=options
    ) as project:
        assert [path.name for path in project.image_paths("p")] == ["p_t1.nii.gz", "p_c_t1.nii.gz"]


def test_channels_of_a_4d_image_become_one_case(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(*GEOMETRY.shape, 3)).astype(np.float32)
    path = tmp_path / "brain.nii.gz"
    nib.save(nib.Nifti1Image(array, GEOMETRY.affine), path)
    with make(tmp_path / "a", path, frame="channels") as project:
        assert project.channel_names == ("0", "1", "2")
        volume = project.volume("brain")
        for place, channel in enumerate(volume.channels):
            assert_array_equal(volume.geometry.to_source(channel), array[..., place])
        assert project.add_images([path], ImportOptions(frame="channels")) == []
    named = ("t1", "t2", "flair")
    with make(tmp_path / "b", path, frame="channels", channels=named) as project:
        assert project.channel_names == named
    with pytest.raises(ImageReadError, match="each of the 3 channels.*found t1, t2;"):
        make(tmp_path / "c", path, frame="channels", channels=("t1", "t2"))


@pytest.mark.parametrize("layout", ["one folder", "a folder each"])
def test_dicom_series_are_channels_by_their_description_or_folder(
    tmp_path: Path, layout: str
) -> None:
    heights = (0.0, 2.0, 4.0, 6.0)
    for patient in ("anna", "bert"):
        for place, name in enumerate(("t1", "t2")):
            folder = tmp_path / "in" / patient
            if layout == "one folder":
                facts = {"SeriesDescription": name.upper()}
            else:
                folder, facts = folder / name, {"SeriesDescription": "MR"}
            uid = f"1.2.{ord(patient[0])}.{place}"
            write_series(folder, heights, prefix=name, SeriesInstanceUID=uid, **facts)
    with make(tmp_path, tmp_path / "in", series=("all",), channels=("t2", "t1")) as project:
        assert [case.case_id for case in project.cases] == ["anna", "bert"]
        assert project.channel_names == ("t2", "t1")
        assert len(project.volume("anna").channels) == 2
        keys = {project.case("anna").series, project.case("anna").further[0].series}
        assert keys == {one.key for one in find_series(tmp_path / "in" / "anna")}


def test_cases_are_named_one_by_one_in_python(tmp_path: Path) -> None:
    a, b = save_image(tmp_path / "x.nii.gz", seed=1), save_image(tmp_path / "y.nii.gz", seed=2)
    cine = tmp_path / "cine.nii.gz"
    nib.save(
        nib.Nifti1Image(np.arange(3840 * 2.0).reshape(*GEOMETRY.shape, 2), GEOMETRY.affine), cine
    )
    frame = ImageSource(path=cine, case_id="", frame=1)
    with make(tmp_path, channel_case("one", {"pd": a, "adc": b})) as project:
        added = project.add_case("two", {"pd": b, "adc": frame})
        assert [(added.case_id, added.channel_names)] == [("two", ("pd", "adc"))]
        assert_array_equal(
            project.geometry("two").to_source(project.volume("two").further[0]),
            stored(cine)[..., 1],
        )
        with pytest.raises(ProjectError, match="not in the project yet for three"):
            project.add_case("three", {"pd": a, "adc": b})
    with Project.open(tmp_path / "project") as project:
        assert project.channel_names == ("pd", "adc")
        assert project.volume("one").channel_names == ("pd", "adc")
    with make(tmp_path / "single", channel_case("one", {"pd": a})) as project:
        assert (project.channel_names, project.cases[0].channel) == ((), "")


@pytest.mark.parametrize(
    ("files", "options", "error", "words"),
    [
        pytest.param(
            ["a_t1", "a_t2", "b_t1"], T1_T2, ImageReadError, "Expected b in .*none for t2",
            id="a channel is missing",
        ),
        pytest.param(
            ["a_t1", "a-t1", "a_t2"], T1_T2, ImageReadError, "one image for the channel t1 of a",
            id="two for one",
        ),
        pytest.param(["a", "b"], T1_T2, ImageReadError, "found none among 2", id="none"),
        pytest.param(
            ["a_0000", "a_0001", "b_0000"], ImportOptions(channels=("auto",)), ImageReadError,
            "Expected b in .*none for 0001", id="a number is missing",
        ),
        pytest.param(
            ["a"], ImportOptions(channels=("auto",)), ImageReadError, "_0000, _0001", id="no number"
        ),
        pytest.param(
            ["a_t1"], ImportOptions(channels=("t1", "T1")), ProjectError, "once, found 't1' 2",
            id="one name twice",
        ),
        pytest.param(
            ["a_t1"], ImportOptions(channels=("t1", "=_t2")), ProjectError, "a name for each",
            id="no name",
        ),
        pytest.param(
            ["a_t1", "a_t2"], ImportOptions(channels=("t1", "t2"), frame="all"), ConfigError,
            "one frame of each image", id="channels and all frames",
        ),
    ],
)  # fmt: skip
def test_what_is_no_set_of_channels_is_refused(
    tmp_path: Path,
    files: list[str],
    options: ImportOptions,
    error: type[TransMedSegError],
    words: str,
) -> None:
    for name in files:
        save_image(tmp_path / "in" / f"{name}.nii.gz")
    with pytest.raises(error, match=words) as caught:
        Project.create(
            tmp_path / "project", images=[tmp_path / "in"], classes=["organ"], options=options
        )
    assert_is_one_sentence(caught.value)
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize(
    ("channels", "error", "words"),
    [
        pytest.param({}, ConfigError, "found none", id="no image"),
        pytest.param({"a=b": "x", "c": "x"}, ProjectError, "without '='", id="odd name"),
        pytest.param({"a": "x", "A ": "x"}, ProjectError, "once", id="twice"),
        pytest.param({"a": "x", " ": "x"}, ProjectError, "a name for each", id="blank"),
    ],
)
def test_a_case_of_channels_needs_images_and_plain_names(
    channels: Mapping[str, str], error: type[TransMedSegError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        channel_case("case", channels)
    assert_is_one_sentence(caught.value)


# --- on the same voxels


@pytest.mark.parametrize(
    ("other", "words"),
    [
        pytest.param(
            Geometry.from_spacing((24, 20, 7), (1.5, 1.5, 6.0), orientation="LPS"),
            "7×20×24 voxels instead of 8×20×24", id="fewer slices",
        ),
        pytest.param(
            Geometry.from_spacing((24, 20, 8), (1.5, 1.5, 5.0), orientation="LPS"),
            "voxels of 5×1.5×1.5 mm instead of 6×1.5×1.5 mm", id="other spacing",
        ),
        pytest.param(moved(GEOMETRY, (0, 0, 2.5)), "voxels up to 2.5 mm away", id="elsewhere"),
    ],
)  # fmt: skip
def test_channels_on_another_grid_are_refused_with_the_difference(
    tmp_path: Path, other: Geometry, words: str
) -> None:
    images = {"t1": save_image(tmp_path / "a.nii.gz"),
              "t2": save_image(tmp_path / "b.nii.gz", geometry=other)}  # fmt: skip
    with pytest.raises(
        GeometryError, match=f"t2 of p on the voxels of t1, found {words}"
    ) as caught:
        make(tmp_path, channel_case("p", images))
    assert_is_one_sentence(caught.value)


def test_the_order_in_which_files_store_their_voxels_does_not_matter(tmp_path: Path) -> None:
    array = np.random.default_rng(5).normal(size=SHAPE_IPL)
    first = save_image(tmp_path / "a.nii.gz", array)
    turned = nib.load(first).as_reoriented(np.array([[2, 1], [0, -1], [1, 1]]))
    nib.save(turned, tmp_path / "b.nii.gz")
    assert nib.load(tmp_path / "b.nii.gz").shape != GEOMETRY.shape
    with make(tmp_path, channel_case("p", {"t1": first, "t2": tmp_path / "b.nii.gz"})) as project:
        volume = project.volume("p")
        assert_array_equal(volume.further[0], volume.array)
        assert project.cases[0].notes == ()


def ramp(geometry: Geometry) -> np.ndarray:
    """(I, P, L): a function of the place alone, which linear interpolation keeps."""
    index = np.indices(geometry.display_shape)
    affine = geometry.display_affine
    world = np.einsum("wi,i...->w...", affine[:3, :3], index) + affine[:3, 3].reshape(3, 1, 1, 1)
    return np.tensordot([2.0, 1.0, -0.5], world, 1)


def test_a_channel_is_resampled_when_asked_and_the_case_says_so(tmp_path: Path) -> None:
    images = {
        "t1": save_image(tmp_path / "a.nii.gz", ramp(GEOMETRY)),
        "t2": save_image(tmp_path / "b.nii.gz", ramp(COARSE), COARSE),
        "t3": save_image(tmp_path / "c.nii.gz", ramp(TURNED), TURNED),
    }
    with make(tmp_path, channel_case("p", images), resample_channels=True) as project:
        notes = project.cases[0].notes
        assert notes[0] == (
            "t2 has 4×10×12 voxels instead of 8×20×24 and is resampled onto those of t1."
        )
        assert notes[1].startswith("t3 has 32×40×40 voxels instead of 8×20×24 and is resampled")
    with Project.open(tmp_path / "project") as project:
        volume = project.volume("p")
    for array in volume.further:
        assert array.shape == SHAPE_IPL
        inner = (slice(1, -1),) * 3  # beyond the outermost centres nothing is interpolated
        np.testing.assert_allclose(array[inner], volume.array[inner], atol=1e-3)


def test_beyond_a_resampled_channel_stands_its_lowest_intensity(tmp_path: Path) -> None:
    lower_half = Geometry(shape=(24, 20, 5), affine=GEOMETRY.affine)
    images = {"t1": save_image(tmp_path / "a.nii.gz"),
              "t2": save_image(tmp_path / "b.nii.gz", ramp(lower_half), lower_half)}  # fmt: skip
    with make(tmp_path, channel_case("p", images), resample_channels=True) as project:
        assert "; it covers 62 % of them." in project.cases[0].notes[0]
        channel = project.volume("p").further[0]
    assert (channel[:3] == channel.min()).all()
    np.testing.assert_allclose(channel[3:], ramp(lower_half), atol=1e-3)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        pytest.param(ELSEWHERE, "in the space of t1.*covers 0 %.*register", id="other space"),
        pytest.param(None, "to say where its voxels lie", id="unknown place"),
    ],
)
def test_what_cannot_lie_there_is_not_resampled(
    tmp_path: Path, other: Geometry | None, words: str
) -> None:
    second = tmp_path / "b.nii.gz"
    if other is not None:
        save_image(second, geometry=other)
    else:
        image = nib.Nifti1Image(np.random.default_rng(0).normal(size=GEOMETRY.shape), None)
        image.header.set_sform(None, code=0)
        nib.save(image, second)
    images = {"t1": save_image(tmp_path / "a.nii.gz"), "t2": second}
    with pytest.raises(GeometryError, match=words) as caught:
        make(tmp_path, channel_case("p", images), resample_channels=True, confirm_spacing=True)
    assert_is_one_sentence(caught.value)


# --- the same for every case


@pytest.mark.parametrize(
    "channels",
    [
        pytest.param(("t2", "t1"), id="other order"),
        pytest.param(("t1", "flair"), id="other name"),
        pytest.param(("t1",), id="single image"),
    ],
)
def test_a_case_with_other_channels_is_not_added(tmp_path: Path, channels: tuple[str, ...]) -> None:
    paths = [save_image(tmp_path / f"{n}.nii.gz", seed=n) for n in range(4)]
    with make(
        tmp_path, channel_case("one", dict(zip(("t1", "t2"), paths, strict=False)))
    ) as project:
        before = (project.folder / "project.json").read_bytes()
        with pytest.raises(ProjectError, match="channels t1, t2 in every case.*in two;") as caught:
            project.add_case("two", dict(zip(channels, paths[2:], strict=False)))
        assert_is_one_sentence(caught.value)
        assert (project.folder / "project.json").read_bytes() == before


def test_training_names_the_case_whose_order_differs(tmp_path: Path) -> None:
    images, labels = make_channel_cohort(tmp_path, 2)
    with Project.create(
        tmp_path / "project", images=[images], classes=["ring", "core"], options=T1_T2
    ) as project:
        annotate_from_labels(project, labels)
        file = project.folder / "project.json"
    content = json.loads(file.read_text())
    second = content["cases"][1]
    second["channel"], second["further"][0]["name"] = "t2", "t1"
    file.write_text(json.dumps(content))
    with (
        Project.open(tmp_path / "project") as project,
        pytest.raises(PlanError, match="t1, t2 in every.*found the channels t2, t1 in case_2;"),
    ):
        list(train(project, TrainingConfig(steps=2, device="cpu")))


# --- nothing is lost


def test_a_project_of_the_second_version_opens(tmp_path: Path) -> None:
    save_image(tmp_path / "images" / "a.nii.gz")
    (tmp_path / "project").mkdir()
    case = {
        "case_id": "a", "image": "../images/a.nii.gz", "image_absolute": "", "series": "",
        "frame": None, "spacing_confirmed": False, "modality": "", "description": "", "notes": [],
        "domain": "site", "shape": [8, 20, 24], "spacing": [6.0, 1.5, 1.5],
    }  # fmt: skip
    content = {
        "schema_version": 2, "name": "old", "slice_axis": 0,
        "classes": [{"value": 1, "name": "organ", "color": "#e6194b"}], "cases": [case],
        "config": {"seed": 3},
    }  # fmt: skip
    file = tmp_path / "project" / "project.json"
    file.write_text(json.dumps(content))
    with Project.open(tmp_path / "project", trust_links=True) as project:
        assert (project.channel_names, project.config.seed) == ((), 3)
        assert project.volume("a").channels[0].shape == SHAPE_IPL
        project.set_domain("a", "other")
    assert json.loads(file.read_text())["schema_version"] == SCHEMA_VERSION


@pytest.fixture
def pair(tmp_path: Path) -> Project:
    images = {"t1": save_image(tmp_path / "in" / "a.nii.gz"),
              "t2": save_image(tmp_path / "in" / "b.nii.gz", seed=1)}  # fmt: skip
    return make(tmp_path, channel_case("p", images))


def test_a_missing_channel_is_named(pair: Project) -> None:
    pair.image_paths("p")[1].unlink()
    with pytest.raises(ProjectError, match="the image t2 of case p at .*b.nii.gz") as caught:
        pair.volume("p")
    assert_is_one_sentence(caught.value)
    status = project_status(pair)
    assert not status["cases"][0]["image_found"]
    assert "b.nii.gz; put it back" in status["advice"][0]


def test_a_channel_whose_grid_has_changed_is_refused(pair: Project) -> None:
    save_image(pair.image_paths("p")[1], geometry=COARSE)
    with pytest.raises(ProjectError, match="t2 of case p on the voxels of t1") as caught:
        pair.volume("p")
    assert_is_one_sentence(caught.value)


def test_a_channel_is_linked_to_its_new_place(tmp_path: Path, pair: Project) -> None:
    before = pair.volume("p").further[0].copy()
    new = pair.image_paths("p")[1].rename(tmp_path / "new.nii.gz")
    pair.relink_image("p", new, channel="t2")
    assert_array_equal(pair.volume("p").further[0], before)
    with pytest.raises(GeometryError, match="on the voxels of t1"):
        pair.relink_image("p", save_image(tmp_path / "c.nii.gz", geometry=COARSE), channel="t2")
    with pytest.raises(ProjectError, match="channel of p"):
        pair.relink_image("p", new, channel="t3")
    first = pair.image_paths("p")[0].rename(tmp_path / "first.nii.gz")
    pair.relink_image("p", first)
    assert pair.volume("p").channel_names == ("t1", "t2")


def test_an_export_never_replaces_the_image_of_a_channel(tmp_path: Path) -> None:
    out = tmp_path / "out"
    images = {"t1": save_image(tmp_path / "a.nii.gz"), "t2": save_image(out / "p_organ.nii.gz")}
    before = images["t2"].read_bytes()
    with make(tmp_path, channel_case("p", images)) as project:
        truth = save_classes(tmp_path / "labels" / "p.nii.gz", np.minimum(disc_classes(), 1))
        annotate_from_labels(project, truth)
        (out / "export.json").write_text("{}")  # as if it were an earlier export
        with pytest.raises(ProjectError, match="overwritten"):
            export(project, out, ExportOptions(per_class=True))
    assert images["t2"].read_bytes() == before


# --- from images to masks


def test_a_structure_that_shows_in_the_second_channel_is_learned_and_lies_on_the_first(
    tmp_path: Path,
) -> None:
    images, labels = make_channel_cohort(tmp_path, 4)
    with Project.create(
        tmp_path / "project", images=[images], classes=["ring", "core"], options=T1_T2
    ) as project:
        annotate_from_labels(project, labels, case_ids=["case_1", "case_2", "case_3"])
        config = TrainingConfig(
            steps=40, device="cpu", threads=1, method="supervised", validation_share=0.0
        )
        events = list(train(project, config))
        assert "channels t1, t2 of every case" in events[0].notes[1]
        list(predict(project))
        done = export(project, tmp_path / "masks")
    assert [case.case_id for case in done] == [f"case_{n}" for n in range(1, 5)]
    for case in done:
        mask, image = nib.load(case.path), nib.load(images / f"{case.case_id}_t1.nii.gz")
        assert mask.shape == image.shape
        assert_array_equal(mask.affine, image.affine)
        for code in ("qform_code", "sform_code"):
            assert mask.header[code] == image.header[code]
    found, truth = (read_labels(folder / "case_4.nii.gz").array > 0
                    for folder in (tmp_path / "masks", labels))  # fmt: skip
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.6


def test_single_images_stay_single(tmp_path: Path) -> None:
    project, _ = make_project(tmp_path, 2)
    assert project.channel_names == ()
    assert project.volume("case_1").channels[0] is project.volume("case_1").array
    assert project_status(project)["channels"] == []
