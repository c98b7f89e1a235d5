"""The whole way by command line on the sample cohort, with very few training steps."""

import json
import os
import signal
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from napari_transmedseg.cli.main import main

FEW_STEPS = "3"


@pytest.fixture(scope="module")
def worked(tmp_path_factory, sample_folder):
    """A folder in which the loop was gone through once: new, annotate, train, predict, export."""
    folder = tmp_path_factory.mktemp("loop")
    project = str(folder / "hearts")
    for arguments in (
        ["new", project, "--images", str(sample_folder / "images"), "--classes", "RV,Myo,LV"],
        ["annotate", project, "--from-labels", str(sample_folder / "labels"), "--cases", "3",
         "--slices-per-case", "3"],
        ["train", project, "--steps", FEW_STEPS, "--seed", "1"],
        ["predict", project],
        ["export", project, str(folder / "masks")],
    ):  # fmt: skip
        assert main(arguments) == 0, arguments
    return folder


def test_every_mask_lies_exactly_on_its_image(worked, sample_folder):
    import SimpleITK as sitk

    masks = sorted((worked / "masks").glob("*.nii.gz"))
    assert len(masks) == 8
    for path in masks:
        image, mask = nib.load(sample_folder / "images" / path.name), nib.load(path)
        assert mask.shape == image.shape
        assert np.array_equal(mask.affine, image.affine)
        assert mask.header["qform_code"] == image.header["qform_code"]
        assert mask.header["sform_code"] == image.header["sform_code"]
        first = sitk.ReadImage(str(sample_folder / "images" / path.name))
        second = sitk.ReadImage(str(path))
        assert first.GetOrigin() == pytest.approx(second.GetOrigin())
        assert first.GetDirection() == pytest.approx(second.GetDirection())
        assert first.GetSpacing() == pytest.approx(second.GetSpacing())


def test_annotated_slices_are_exported_as_they_were_annotated(worked, sample_folder):
    from napari_transmedseg import Project, read_labels

    with Project.open(worked / "hearts", read_only=True) as project:
        annotated = 0
        for case in project.cases:
            known = project.annotation(case.case_id).known
            mask = read_labels(worked / "masks" / f"{case.case_id}.nii.gz").array
            truth = read_labels(sample_folder / "labels" / f"{case.case_id}.nii.gz").array
            assert np.array_equal(mask[known], truth[known])
            annotated += bool(known.any())
    assert annotated == 3


def test_evaluation_leaves_the_annotation_out(worked, sample_folder, capsys):
    arguments = ["evaluate", str(worked / "masks"), str(sample_folder / "labels")]
    assert main([*arguments, "--only-unannotated", str(worked / "hearts"), "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["classes"] == ["RV", "Myo", "LV"]
    assert [case["annotated"] for case in table["cases"]].count(True) == 3
    assert table["means"]["annotated"]["cases"] == 3
    assert table["means"]["unannotated"]["cases"] == 5
    assert main(arguments) == 0
    assert "mean, all cases" in capsys.readouterr().out


def test_status_knows_what_happened(worked, capsys):
    assert main(["status", str(worked / "hearts"), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["runs"][0]["steps"] == int(FEW_STEPS)
    assert {case["prediction"] for case in status["cases"]} == {"run-001"}
    assert main(["status", str(worked / "hearts")]) == 0
    assert "run-001" in capsys.readouterr().out


def test_reviewed_only_exports_what_a_person_vouches_for(worked, tmp_path, capsys):
    out = tmp_path / "reviewed"
    assert main(["export", str(worked / "hearts"), str(out), "--reviewed-only", "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert len(exported) == 3
    assert all((out / f"{case['case_id']}.known.nii.gz").is_file() for case in exported)


def test_training_goes_on_and_starts_warm_with_json_events(worked, capsys):
    project = str(worked / "hearts")
    assert main(["train", project, "--resume", "run-001", "--steps", "4", "--json"]) == 0
    assert main(["train", project, "--warm-start", "run-001", "--steps", "1", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ends = [event for event in events if event["event"] == "TrainingFinished"]
    assert [end["reason"] for end in ends] == ["budget", "budget"]
    assert ends[0]["step"] == 4
    assert main(["predict", project, "--run", "run-002", "--json"]) == 0
    predicted = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["index"] for event in predicted] == list(range(1, 9))


def test_one_case_is_predicted_as_asked(worked, capsys):
    command = ["predict", str(worked / "hearts"), "--cases", "heart_02_siteA"]
    assert main([*command, "--device", "cpu", "--threads", "1"]) == 0
    assert "1 label map in" in capsys.readouterr().out
    assert main([*command, "--threads", "-1"]) != 0
    assert "threads" in capsys.readouterr().err
    assert main([*command[:2], "--cases", "nobody"]) != 0
    assert "'nobody'" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_interrupt_saves_and_stops(worked, tmp_path, sample_folder):
    project = str(tmp_path / "hearts")
    main(["new", project, "--images", str(sample_folder / "images"), "--classes", "RV,Myo,LV"])
    main(["annotate", project, "--from-labels", str(sample_folder / "labels"), "--cases", "2",
          "--slices-per-case", "2"])  # fmt: skip
    command = [sys.executable, "-m", "napari_transmedseg.cli.main", "train", project]
    with subprocess.Popen(
        [*command, "--minutes", "20", "--json", "--event-interval-s", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "StepReport":
                process.send_signal(signal.SIGINT)
                break
        rest, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    events = [json.loads(line) for line in rest.splitlines()]
    assert events[-1]["event"] == "TrainingFinished"
    assert events[-1]["reason"] == "stopped"
    assert "--resume run-001" in errors
    assert (tmp_path / "hearts/runs/run-001/checkpoints/last.pt").is_file()


def test_demo_goes_the_whole_way(tmp_path, capsys):
    folder = tmp_path / "demo"
    assert main(["demo", "--out", str(folder), "--steps", FEW_STEPS]) == 0
    printed = capsys.readouterr().out
    assert "mean, cases without annotation" in printed
    assert str(folder / "report.html") in printed
    assert len(list((folder / "masks").glob("*.nii.gz"))) == 8
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert report.count("<figure>") >= 8 * 3
    assert "training time (min)" in report


def test_python_goes_the_same_way(worked, sample_folder):
    from napari_transmedseg import Project, TrainingConfig, evaluate, predict, train

    with Project.open(worked / "hearts") as project:
        events = list(train(project, TrainingConfig(steps=1, method="supervised")))
        assert type(events[-1]).__name__ == "TrainingFinished"
        (done,) = predict(project, case_ids=["heart_01_siteA"])
        table = evaluate(done.path, sample_folder / "labels" / "heart_01_siteA.nii.gz")
    assert len(table.cases) == 1
