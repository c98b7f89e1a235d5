"""Volumes and label maps become layers in mm and come back; edits are undoable."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("napari")

from napari.components import ViewerModel
from napari.layers import Labels

from napari_transmedseg.errors import GeometryError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap, Volume
from napari_transmedseg.layer_data import (
    METADATA_KEY,
    class_colormap,
    contrast_limits,
    default_color,
    differing_slices,
    edited_along,
    holds_classes,
    image_layer_data,
    label_map_of_layer_data,
    labels_layer_data,
    slice_view,
)
from napari_transmedseg.layers import CaseLayers

COLORS = {1: "#e69f00", 2: "#56b4e9"}


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def shown(viewer, tiny_volume, tiny_labels):
    layers = CaseLayers(viewer)
    layers.show(tiny_volume, tiny_labels, case_id="tiny", slice_axis=0, colors=COLORS)
    return layers


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "ASL", "IPL"])
def test_image_layer_stands_in_mm_in_display_order(viewer, orientation):
    geometry = Geometry.from_spacing((5, 6, 7), (1.0, 2.0, 3.0), orientation=orientation)
    array = np.arange(geometry.shape[0] * 42, dtype=np.int16).reshape(geometry.shape)
    data, options, kind = image_layer_data(
        Volume(array=geometry.to_display(array), geometry=geometry, name="case")
    )
    assert kind == "image"
    assert np.shares_memory(data, array)
    layer = viewer.add_image(data, **options)
    assert layer.axis_labels == ("I", "P", "L")
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    np.testing.assert_allclose(layer.scale, geometry.display_spacing)
    np.testing.assert_allclose(layer.translate, geometry.display_translate)


def test_labels_layer_round_trips_to_a_label_map(viewer, tiny_labels):
    data, options, _ = labels_layer_data(tiny_labels, name="tiny labels")
    layer = viewer.add_labels(data, **options)
    assert layer.data.dtype == np.uint8
    back = label_map_of_layer_data(*layer.as_layer_data_tuple()[:2])
    np.testing.assert_array_equal(back.array, tiny_labels.array)
    assert back.geometry is tiny_labels.geometry
    assert back.names == {1: "ring", 2: "core"}


def test_labels_without_geometry_are_refused():
    layer = Labels(np.zeros((3, 4, 5), np.uint8), name="loose")
    with pytest.raises(GeometryError, match="known geometry, found none"):
        label_map_of_layer_data(*layer.as_layer_data_tuple()[:2])


def test_labels_of_another_shape_are_refused(tiny_labels):
    attributes = {"name": "cut", "metadata": {METADATA_KEY: {"geometry": tiny_labels.geometry}}}
    with pytest.raises(GeometryError, match="its image's shape"):
        label_map_of_layer_data(tiny_labels.array[:3], attributes)


def test_class_colormap_gives_each_class_its_colour():
    colormap = class_colormap(COLORS)
    np.testing.assert_allclose(colormap.map(np.array([0]))[0, 3], 0)
    np.testing.assert_allclose(colormap.map(np.array([1]))[0, :3], [0.902, 0.624, 0], atol=0.01)
    assert len({default_color(value) for value in range(1, 8)}) == 7


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        pytest.param(np.array([0, 1, 2], np.uint8), True, id="classes"),
        pytest.param(np.array([0.0, 1.0, 4.0]), True, id="classes stored as floats"),
        pytest.param(np.arange(256, dtype=np.uint8), False, id="grey values"),
        pytest.param(np.array([0.0, 0.5]), False, id="probabilities"),
        pytest.param(np.array([-1, 1], np.int16), False, id="negative"),
        pytest.param(np.array([0, 1000], np.int16), False, id="CT numbers"),
    ],
)
def test_label_maps_are_told_from_images(array, expected):
    assert holds_classes(array.reshape(1, 1, -1)) is expected


def test_case_opens_with_image_and_labels_on_the_slice_axis(viewer, shown):
    assert [layer.name for layer in viewer.layers] == ["tiny", "tiny labels"]
    assert list(shown.by_role) == ["image", "labels"]
    assert viewer.dims.order == (0, 1, 2)
    assert shown.slice_index == 4


def test_layers_of_predictions_come_with_the_first_below_the_labels(viewer, shown):
    shown.paint_with(1)
    shown.show_prediction(4, np.ones((24, 20), np.uint8), np.full((24, 20), 0.5, np.float32))
    assert [layer.name for layer in viewer.layers] == ["tiny", "tiny pseudo-label", "tiny labels"]
    assert not viewer.layers["tiny pseudo-label"].editable
    assert viewer.layers.selection.active is shown.labels_layer
    assert shown.labels_layer.mode == "paint"
    shown.set_overlay("uncertainty", visible=True, opacity=0.3)
    names = [layer.name for layer in viewer.layers]
    assert names == ["tiny", "tiny uncertainty", "tiny pseudo-label", "tiny labels"]
    assert viewer.layers["tiny uncertainty"].opacity == 0.3
    assert (viewer.layers["tiny uncertainty"].data[4] == 0.5).all()


def test_layers_of_predictions_are_ready_when_they_are_expected(viewer, shown):
    shown.predictions.set_filled(True)
    shown.set_overlay("pseudo-label", visible=True, opacity=0.4)
    assert len(viewer.layers) == 2
    shown.expect_predictions()
    assert viewer.layers["tiny pseudo-label"].contour == 0
    assert viewer.layers["tiny pseudo-label"].opacity == 0.4
    assert shown.num_predicted == 0


def test_hidden_pseudo_label_is_no_layer_until_it_is_wanted(viewer, shown):
    shown.set_overlay("pseudo-label", visible=False, opacity=0.9)
    shown.show_prediction(4, np.ones((24, 20), np.uint8), np.zeros((24, 20), np.float32))
    assert len(viewer.layers) == 2
    shown.set_overlay("pseudo-label", visible=True, opacity=0.9)
    assert (viewer.layers["tiny pseudo-label"].data[4] == 1).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slice_index_follows_the_slider_on_every_axis(viewer, tiny_volume, tiny_labels, axis):
    layers = CaseLayers(viewer)
    seen = []
    layers.slice_changed.connect(seen.append)
    layers.show(tiny_volume, tiny_labels, case_id="tiny", slice_axis=axis, colors=COLORS)
    assert viewer.dims.order[0] == axis
    layers.slice_index = 2
    assert layers.slice_index == 2
    assert seen[-1] == 2


def test_program_edit_of_a_slice_is_one_undo_step(viewer, shown):
    edits = []
    shown.edited.connect(edits.append)
    before = shown.labels.copy()
    shown.set_slices({4: np.full((24, 20), 2, np.uint8)})
    assert (shown.labels[4] == 2).all()
    viewer.layers["tiny labels"].undo()
    np.testing.assert_array_equal(shown.labels, before)
    viewer.layers["tiny labels"].redo()
    assert (shown.labels[4] == 2).all()
    assert edits == [4, 4, 4]


def test_undo_on_a_slice_off_screen_is_found_later(viewer, shown):
    shown.set_slices({2: np.ones((24, 20), np.uint8)})
    shown.slice_index = 6
    viewer.layers["tiny labels"].undo()
    assert shown.find_edits() == [2]
    assert shown.find_edits() == []


def test_program_edit_of_many_slices_is_one_undo_step(viewer, shown):
    before = shown.labels.copy()
    shown.set_slices({index: np.full((24, 20), 2, np.uint8) for index in (1, 2, 6)})
    edits = []
    shown.edited.connect(edits.append)
    viewer.layers["tiny labels"].undo()
    np.testing.assert_array_equal(shown.labels, before)
    assert edits == [1, 2, 6]
    viewer.layers["tiny labels"].redo()
    assert all((shown.labels[index] == 2).all() for index in (1, 2, 6))
    assert edits == [1, 2, 6] * 2


def test_paint_in_another_plane_is_found_on_every_slice_it_cuts(viewer, shown):
    edits = []
    shown.edited.connect(edits.append)
    viewer.dims.order = (1, 0, 2)
    layer = viewer.layers["tiny labels"]
    row = shown._position(1)
    with layer.block_history():
        layer.data_setitem((np.array([2, 3, 5]), np.full(3, row), np.full(3, 1)), 2)
    assert edits == [2, 3, 5]
    layer.undo()
    assert edits == [2, 3, 5] * 2


def test_mouse_is_found_on_the_slice_under_it(viewer, shown, tiny_volume):
    place = np.array(tiny_volume.geometry.display_translate)
    spacing = np.array(tiny_volume.geometry.display_spacing)
    viewer.cursor.position = tuple(place + spacing * (5.2, 10.4, 2.6))
    assert shown.place_under_mouse == (5, (10, 3))


def test_prediction_changes_only_the_overlay_layers(viewer, shown):
    before = shown.labels.copy()
    assert shown.predicted_slice(4) is None
    shown.show_prediction(4, np.ones((24, 20), np.uint8), np.full((24, 20), 0.5, np.float32))
    assert (shown.predicted_slice(4) == 1).all()
    assert shown.num_predicted == 1
    assert (shown.prediction[4] == 1).all()
    np.testing.assert_array_equal(shown.labels, before)


def test_what_a_prediction_replaces_can_be_seen_before_it_goes(shown):
    seen = []
    shown.replacing.connect(lambda index: seen.append((index, shown.prediction[index].max())))
    nothing = np.zeros((24, 20), np.float32)
    for value in (1, 2):
        shown.show_prediction(4, np.full((24, 20), value, np.uint8), nothing)
    assert seen == [(4, 0), (4, 1)]


def test_choosing_a_class_brings_hidden_labels_back(viewer, shown):
    layer = viewer.layers["tiny labels"]
    shown.paint_with(1)
    layer.visible = False
    shown.paint_with(2)
    assert layer.visible and layer.selected_label == 2 and str(layer.mode) == "paint"


def test_removed_layer_is_announced_and_comes_back_with_its_voxels(viewer, shown):
    gone = []
    shown.removed.connect(lambda: gone.append(True))
    shown.set_slices({3: np.ones((24, 20), np.uint8)})
    viewer.layers.remove("tiny labels")
    assert gone
    shown.restore()
    assert (viewer.layers["tiny labels"].data[3] == 1).all()


def test_removed_image_comes_back_below_the_labels(viewer, shown):
    before = [layer.name for layer in viewer.layers]
    viewer.layers.remove(viewer.layers[0])
    shown.restore()
    assert [layer.name for layer in viewer.layers] == before


@pytest.fixture
def other_volume():
    """Of another shape, spacing, place and kind of numbers than the tiny one."""
    geometry = Geometry.from_spacing((9, 11, 6), (3.0, 2.0, 5.0), orientation="RAS")
    array = np.linspace(0, 7, num=594, dtype=np.float32).reshape(geometry.display_shape)
    return Volume(array=array, geometry=geometry, name="next")


def test_next_case_goes_on_with_the_layers_of_the_last(viewer, shown, other_volume):
    shown.show_prediction(4, np.ones((24, 20), np.uint8), np.zeros((24, 20), np.float32))
    before, labels = list(viewer.layers), shown.labels
    shown.paint_with(2)
    painted = LabelMap.empty(other_volume.geometry)
    painted.array[1] = 2
    shown.show(other_volume, painted, case_id="next", slice_axis=0, colors=COLORS)
    assert list(viewer.layers) == before
    assert [layer.name for layer in before] == ["next", "next pseudo-label", "next labels"]
    for layer in before:
        assert layer.data.shape == other_volume.geometry.display_shape
        np.testing.assert_allclose(layer.scale, other_volume.geometry.display_spacing)
        np.testing.assert_allclose(layer.translate, other_volume.geometry.display_translate)
        assert layer.metadata[METADATA_KEY]["geometry"] is other_volume.geometry
    np.testing.assert_array_equal(shown.labels, painted.array)
    assert not np.shares_memory(shown.labels, labels)
    assert tuple(before[0].contrast_limits) == image_layer_data(other_volume)[1]["contrast_limits"]
    assert shown.num_predicted == 0 and not shown.prediction.any()
    assert shown.slice_index == other_volume.geometry.display_shape[0] // 2
    assert shown.labels_layer.mode == "paint"


def test_viewer_hears_of_the_next_case_once_and_when_all_layers_have_it(
    viewer, shown, other_volume
):
    shown.show_prediction(4, np.ones((24, 20), np.uint8), np.zeros((24, 20), np.float32))
    ranges, shapes = [], []
    viewer.dims.events.range.connect(lambda event: ranges.append(event.value))
    for layer in viewer.layers:
        layer.events.data.connect(lambda: shapes.append({one.data.shape for one in viewer.layers}))
    empty = LabelMap.empty(other_volume.geometry)
    shown.show(other_volume, empty, case_id="next", slice_axis=0, colors=COLORS)
    assert len(ranges) == 1
    assert shapes == [{other_volume.geometry.display_shape}] * 3


def test_look_that_a_prediction_has_already_is_not_drawn_again(viewer, shown):
    shown.show_prediction(4, np.ones((24, 20), np.uint8), np.zeros((24, 20), np.float32))
    drawn = []
    viewer.layers["tiny pseudo-label"].events.set_data.connect(drawn.append)
    shown.set_overlay("pseudo-label", visible=True, opacity=0.9)
    shown.predictions.set_filled(False)
    assert drawn == []
    shown.predictions.set_filled(True)
    assert drawn


def test_undo_does_not_reach_back_into_the_last_case(shown, other_volume):
    shown.set_slices({3: np.ones((24, 20), np.uint8)})
    empty = LabelMap.empty(other_volume.geometry)
    shown.show(other_volume, empty, case_id="next", slice_axis=0, colors=COLORS)
    shown.labels_layer.undo()
    assert not shown.labels.any()
    assert shown.find_edits() == []


def test_next_case_reports_neither_edits_nor_slices_of_the_last(shown, other_volume):
    edits, slices = [], []
    shown.edited.connect(edits.append)
    shown.slice_changed.connect(slices.append)
    empty = LabelMap.empty(other_volume.geometry)
    shown.show(other_volume, empty, case_id="next", slice_axis=0, colors=COLORS)
    assert edits == []
    assert slices == [shown.slice_index]


def test_case_that_cannot_be_shown_leaves_no_half_case(shown, other_volume, tiny_labels):
    with pytest.raises(AttributeError):
        shown.show(other_volume, None, case_id="next", slice_axis=0, colors=COLORS)
    assert not shown.is_open
    assert shown.find_edits() == []
    shown.show(other_volume, LabelMap.empty(other_volume.geometry), case_id="next", slice_axis=0,
               colors=COLORS)  # fmt: skip
    assert shown.is_open


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_voxels_that_somebody_else_wrote_are_found_part_by_part(
    viewer, shown, tiny_volume, tiny_labels, axis, monkeypatch
):
    shown.show(tiny_volume, tiny_labels, case_id="tiny", slice_axis=axis, colors=COLORS)
    planes = len(shown.labels)
    monkeypatch.setattr("napari_transmedseg.layers._BYTES_AT_ONCE", shown.labels.nbytes // planes)
    shown.labels[6, 5, 5] += 1
    found = [shown.find_some_edits() for _ in range(planes)]
    where = [6, 5, 5][axis]
    assert [one for one in found if one] == [[where]]
    assert not any(shown.find_some_edits() for _ in range(planes))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_each_way_of_napari_to_edit_tells_the_slices_that_it_touched(viewer, shown, axis, order):
    layer, told = shown.labels_layer, []
    layer.events.paint.connect(lambda event: told.append(edited_along(event.value, axis)))
    viewer.dims.order = order
    edits = [
        lambda: layer.paint((4, 12, 10), 7),
        lambda: layer.fill((4, 12, 10), 6),
        lambda: layer.data_setitem((np.array([2, 5]), np.array([3, 3]), np.array([1, 7])), 5),
    ]
    for edit in edits:
        before = shown.labels.copy()
        edit()
        changed = differing_slices(shown.labels, before, axis)
        assert changed and set(changed) <= set(told[-1])


@pytest.mark.parametrize("item", [None, [()], [("mask",)], 3])
def test_edits_told_in_another_way_may_have_touched_anything(item):
    assert edited_along(item, 0) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_that_differ_are_found_along_each_axis(axis):
    before = np.zeros((4, 5, 6), np.uint8)
    after = before.copy()
    for index in (1, 3):
        slice_view(after, axis, index)[2, 2] = 1
    assert differing_slices(after, before, axis) == [1, 3]
    assert differing_slices(before, before, axis) == []


def test_case_that_was_predicted_before_opens_with_predicted_slices(
    viewer, tiny_volume, tiny_labels
):
    layers = CaseLayers(viewer)
    layers.show(
        tiny_volume, tiny_labels, case_id="tiny", slice_axis=0, colors=COLORS,
        prediction=tiny_labels,
    )  # fmt: skip
    for index in range(layers.num_slices):
        np.testing.assert_array_equal(layers.predicted_slice(index), tiny_labels.array[index])


def test_further_channels_are_hidden_layers_that_come_and_go_with_their_case(
    viewer, tiny_volume, tiny_labels
):
    both = replace(tiny_volume, further=(tiny_volume.array * 9,), channel_names=("t1", "flair"))
    layers = CaseLayers(viewer)
    layers.show(both, tiny_labels, case_id="tiny", slice_axis=0, colors=COLORS)
    names = [layer.name for layer in viewer.layers]
    assert names == ["tiny", "tiny flair", "tiny labels"]
    flair = viewer.layers["tiny flair"]
    assert not flair.visible and viewer.layers["tiny"].visible
    np.testing.assert_array_equal(flair.data, both.further[0])
    np.testing.assert_allclose(flair.translate, viewer.layers["tiny"].translate)
    viewer.layers.remove(flair)
    layers.restore()
    assert flair in viewer.layers
    layers.show(tiny_volume, tiny_labels, case_id="next", slice_axis=0, colors=COLORS)
    assert not any("tiny" in layer.name for layer in viewer.layers)


@pytest.mark.parametrize(
    ("by_hand", "factor", "is_kept"),
    [
        pytest.param(True, 9, True, id="kept"),
        pytest.param(False, 5, False, id="never touched"),
        pytest.param(True, 9000, False, id="would show nothing"),
    ],
)
def test_limits_of_a_further_channel_set_by_hand_stay_with_the_next_case(
    viewer, tiny_volume, tiny_labels, by_hand, factor, is_kept
):
    def show(case_id: str, times: int):
        further = (tiny_volume.array * times,)
        volume = replace(tiny_volume, further=further, channel_names=("t1", "flair"))
        layers.show(volume, tiny_labels, case_id=case_id, slice_axis=0, colors=COLORS)
        return viewer.layers[f"{case_id} flair"]

    layers = CaseLayers(viewer)
    low, high = first = tuple(show("one", 9).contrast_limits)
    chosen = (low + (high - low) / 4, low + (high - low) / 2) if by_hand else first
    viewer.layers["one flair"].contrast_limits = chosen
    second = show("two", factor)
    expected = chosen if is_kept else contrast_limits(second.data)
    assert second.contrast_limits == pytest.approx(expected)


def test_looks_chosen_in_the_viewer_are_told_and_ours_are_not(viewer, shown):
    shown.expect_predictions()
    told = []
    shown.predictions.look_changed.connect(lambda *values: told.append(values))
    shown.set_overlay("pseudo-label", visible=True, opacity=0.4)
    assert told == []
    layer = viewer.layers["tiny pseudo-label"]
    layer.opacity = 0.25
    layer.visible = False
    assert told == [("pseudo-label", "opacity", 0.25), ("pseudo-label", "visible", False)]


def test_a_map_of_the_case_takes_the_uncertainty_of_other_predictions_away(
    viewer, shown, tiny_labels
):
    shown.set_overlay("uncertainty", visible=True, opacity=0.6)
    shown.show_prediction(4, np.ones((24, 20), np.uint8), np.full((24, 20), 0.5, np.float32))
    assert shown.predictions.knows_uncertainty(4)
    assert not shown.predictions.knows_uncertainty(3)
    shown.show_prediction_map(tiny_labels)
    assert not shown.predictions.knows_uncertainty(4)
    assert not viewer.layers["tiny uncertainty"].data.any()
