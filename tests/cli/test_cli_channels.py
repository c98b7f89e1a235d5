"""`new --channels` groups images, `status` shows it, and what does not fit is one sentence."""

import json

import pytest
from channel_files import make_channel_cohort, save_image
from cohorts import GEOMETRY

from napari_transmedseg.cli.main import main
from napari_transmedseg.imaging.geometry import Geometry


def new(folder, *options):
    project = str(folder / "project")
    images = str(folder / "images")
    return main(["new", project, "--images", images, "--classes", "ring,core", *options])


def test_channels_are_grouped_and_shown(tmp_path, capsys):
    images, _ = make_channel_cohort(tmp_path, 2)
    save_image(images / "scout.nii.gz")
    assert new(tmp_path, "--channels", "t2", "t1") == 0
    captured = capsys.readouterr()
    assert "2 cases, classes 1 ring, 2 core, channels t2, t1." in captured.out
    assert "1 files are none of the channels and were left out, such as scout" in captured.err
    assert main(["status", str(tmp_path / "project")]) == 0
    assert "channels t2, t1" in capsys.readouterr().out
    assert main(["status", str(tmp_path / "project"), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["channels"] == ["t2", "t1"]
    (first, second) = status["cases"][0]["channels"]
    assert (first["name"], second["name"]) == ("t2", "t1")
    assert first["image"].endswith("case_1_t2.nii.gz")


def test_channels_are_resampled_when_asked_and_it_is_said(tmp_path, capsys):
    save_image(tmp_path / "images" / "a_t1.nii.gz")
    shape, spacing = GEOMETRY.shape, GEOMETRY.spacing
    half = Geometry.from_spacing(
        (shape[0] // 2, *shape[1:]), (2 * spacing[0], *spacing[1:]), orientation="LPS"
    )
    save_image(tmp_path / "images" / "a_t2.nii.gz", geometry=half)
    assert new(tmp_path, "--channels", "t1", "t2") == 2
    assert "--resample-channels" in capsys.readouterr().err
    assert new(tmp_path, "--channels", "t1", "t2", "--resample-channels") == 0
    assert "a: t2 has 8×20×12 voxels instead of 8×20×24" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param(["--channels", "t1", "flair"], "none for flair", id="missing channel"),
        pytest.param(["--channels", "auto"], "found none among", id="no numbers"),
        pytest.param(["--channels", "t1", "t2", "--frame", "all"], "one frame", id="all frames"),
        pytest.param(["--frame", "some"], "'all' or 'channels', found 'some'", id="odd frame"),
    ],
)
def test_channels_that_do_not_fit_are_refused(tmp_path, options, sentence, capsys):
    make_channel_cohort(tmp_path, 2)
    assert new(tmp_path, *options) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("transmedseg new: Expected ")
    assert sentence in line
    assert not (tmp_path / "project").exists()
