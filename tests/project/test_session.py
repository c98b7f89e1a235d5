"""The session says what the program is busy with, and refuses what does not go with it."""

import pytest

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.session import Activity, Session

from .conftest import assert_is_one_sentence


def test_what_does_not_go_with_a_running_task_is_refused_in_a_sentence():
    session = Session()
    session.require_idle("while a class is removed")
    session.activity = Activity.TRAINING
    with pytest.raises(ProjectError) as error:
        session.require_idle("while a class is removed")
    assert_is_one_sentence(error.value)
    assert str(error.value).startswith(
        "Expected no running task while a class is removed, found the program training;"
    )
    with pytest.raises(ProjectError, match="no running task, found the program training"):
        session.require_idle()


@pytest.mark.parametrize(
    ("activity", "way_out"),
    [
        pytest.param(Activity.TRAINING, "'Stop and keep'", id="training"),
        pytest.param(Activity.STOPPING, "wait until it has saved", id="stopping"),
        pytest.param(Activity.CHECKING, "wait for its end.", id="checking"),
        pytest.param(Activity.PREDICTING, "'Cancel' under 'Review'", id="predicting"),
        pytest.param(Activity.EXPORTING, "'Cancel' under 'Export'", id="exporting"),
    ],
)
def test_the_way_out_is_that_of_the_task_that_runs(activity, way_out):
    session = Session()
    session.activity = activity
    with pytest.raises(ProjectError) as error:
        session.require_idle()
    assert_is_one_sentence(error.value)
    assert way_out in str(error.value)
    assert ("Stop and keep" in str(error.value)) == (activity is Activity.TRAINING)


def test_nothing_is_open_at_first():
    session = Session()
    with pytest.raises(ProjectError) as error:
        session.require_project()
    assert_is_one_sentence(error.value)
