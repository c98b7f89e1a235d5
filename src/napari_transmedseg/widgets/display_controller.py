"""How the case is looked at: from the Display part and its keys to the viewer, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QMainWindow

from napari_transmedseg.imaging.orientation import orientation_in_words
from napari_transmedseg.imaging.windows import Window, overlap, windows_for
from napari_transmedseg.layer_data import METADATA_KEY
from napari_transmedseg.layer_view import CaseView
from napari_transmedseg.widgets.annotator import class_colors
from napari_transmedseg.widgets.canvas_focus import CanvasFocus
from napari_transmedseg.widgets.canvas_words import EDGES, CanvasWords, canvas_around
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.display_box import PLANE_KEYS, Display, DisplayBox
from napari_transmedseg.widgets.linked_views import LinkedViews
from napari_transmedseg.widgets.resting_thumbnails import RestingThumbnails

DOCK_NAME = "TransMedSeg linked views"
_LETTER_POINTS = 14


class DisplayController(QObject):
    """Keeps the Display part, the viewer and the linked views of one mind."""

    def __init__(self, desk: Desk, box: DisplayBox) -> None:
        super().__init__(desk)
        self._desk = desk
        self._box = box
        self._windows: tuple[Window, ...] = ()
        self._is_setting = False
        self._limits_by_hand: tuple[float, float] | None = None
        self.view = CaseView(desk.viewer, desk.annotator.layers)
        self._letters: CanvasWords | None = None
        self._focus: CanvasFocus | None = None
        self.linked: LinkedViews | None = None
        """The dock of the two other planes, while it is open."""
        box.valueChanged.connect(self._on_chosen)
        self.thumbnails = RestingThumbnails(desk.annotator.layers, self)
        desk.session.case_changed.connect(self._on_case)
        desk.session.project_changed.connect(self._on_project)
        desk.annotator.layers.redrawn.connect(self._on_redrawn)
        self.view.moved.connect(self._on_moved)
        self.view.plane_changed.connect(self._on_plane)
        self.view.letters_changed.connect(self._on_letters)
        self.view.window_changed.connect(self._on_window)

    def keys(self) -> dict[str, Callable[[], None]]:
        """Keys over the canvas and what they do."""
        planes = {key: partial(self.set_plane, axis) for axis, key in enumerate(PLANE_KEYS)}
        return planes | {"I": self._box.next_window, "O": self._box.linked.toggle}

    def set_plane(self, axis: int) -> None:
        """Show a plane through the crosshair."""
        if self._desk.annotator.layers.is_open:
            self.view.plane = axis

    def shut_down(self) -> None:
        """Let go of the viewer, and close the linked views."""
        self._desk.annotator.layers.redrawn.disconnect(self._on_redrawn)
        self.thumbnails.shut_down()
        self.view.close()
        if self._letters is not None:
            self._letters.close()
        if self._focus is not None:
            self._focus.shut_down()
        self._close_linked()

    def _on_chosen(self, display: Display) -> None:
        self.view.set_letters(display.letters)
        self.view.set_smooth(display.smooth)
        if self._desk.annotator.layers.is_open:
            if display.plane != self.view.plane:
                self.view.plane = display.plane
            self._apply_window(display.window)
        self._show_linked(display.linked)

    def _on_case(self, case_id: str) -> None:
        project, layers = self._desk.session.project, self._desk.annotator.layers
        if project is None or not case_id or not layers.is_open:
            return
        previous, display = {window.name for window in self._windows}, self._box.value()
        image = layers.image_layer
        self._windows = windows_for(project.case(case_id).modality, image.data)
        names = {window.name for window in self._windows}
        self._box.set_windows([(window.name, window.label) for window in self._windows])
        self.view.refresh()
        self._box.set_note(orientation_in_words(image.metadata[METADATA_KEY]["geometry"]))
        name = display.window
        if names != previous or (name and name not in names):
            name = self._windows[0].name
        self._apply_window(name)
        self.view.set_smooth(display.smooth)
        self._show(window=name)
        self._fill_linked()

    def _on_project(self) -> None:
        self._windows = ()
        if self._desk.session.project is not None:
            self._desk.session.project.classes_changed.connect(self._on_classes)

    def _apply_window(self, name: str) -> None:
        """Set the limits of a window; those set by hand stay where they show anything."""
        for window in self._windows:
            if window.name == name:
                self._set_limits(window.limits(self._desk.annotator.layers.image_layer.data))
                return
        if self._limits_by_hand is not None and overlap(self._limits_by_hand, self.view.limits):
            self._set_limits(self._limits_by_hand)

    def _set_limits(self, limits: tuple[float, float]) -> None:
        self._is_setting = True
        try:
            self.view.limits = limits
        finally:
            self._is_setting = False
        if self.linked is not None:
            self.linked.set_window(self.view.limits)

    def _on_window(self) -> None:
        """Contrast limits changed: by us, or by a person with napari's slider."""
        if self._is_setting or not self._desk.annotator.layers.is_open:
            return
        self._limits_by_hand = self.view.limits
        self._show(window="")
        if self.linked is not None:
            self.linked.set_window(self.view.limits)

    def _on_plane(self) -> None:
        self._show()
        if self.linked is not None:
            self.linked.set_plane(self.view.plane)

    def _on_letters(self) -> None:
        canvas = canvas_around(self._desk.window) if self._letters is None else None
        if canvas is not None:
            self._letters = CanvasWords(canvas, EDGES, points=_LETTER_POINTS)
            self._focus = CanvasFocus(canvas, self)
        if self._letters is not None:
            self._letters.setValue(self.view.letters)

    def _on_moved(self) -> None:
        if self.linked is not None:
            self.linked.setValue(self.view.index)

    def _on_redrawn(self) -> None:
        if self.linked is not None:
            self.linked.refresh()

    def _on_classes(self) -> None:
        project = self._desk.session.project
        if self.linked is not None and project is not None:
            self.linked.set_colors(class_colors(project))

    def _show(self, *, window: str | None = None) -> None:
        shown = self._box.value()
        self._box.setValue(
            Display(
                plane=self.view.plane,
                window=shown.window if window is None else window,
                letters=shown.letters,
                linked=shown.linked,
                smooth=self.view.is_smooth,
            )
        )

    def _show_linked(self, wanted: bool) -> None:
        if wanted and self.linked is None:
            self.linked = LinkedViews()
            self.linked.valueChanged.connect(self._on_picked)
            self.linked.closed.connect(self._on_linked_closed)
            window = getattr(self._desk.viewer, "window", None)
            if window is not None:
                self._keep_sides_whole()
                window.add_dock_widget(self.linked, name=DOCK_NAME, area="bottom")
            self._fill_linked()
        elif not wanted:
            self._close_linked()

    def _fill_linked(self) -> None:
        layers, project = self._desk.annotator.layers, self._desk.session.project
        if self.linked is None or project is None or not layers.is_open:
            return
        geometry = layers.image_layer.metadata[METADATA_KEY]["geometry"]
        self.linked.set_case(layers.image_layer.data, layers.labels, geometry.display_spacing)
        self.linked.set_plane(self.view.plane)
        self.linked.set_colors(class_colors(project))
        self.linked.set_window(self.view.limits)
        self.linked.setValue(self.view.index)

    def _on_picked(self, index: tuple[int, int, int]) -> None:
        self.view.index = index

    def _close_linked(self) -> None:
        views, self.linked = self.linked, None
        window = getattr(self._desk.viewer, "window", None)
        if views is not None:
            if window is not None and DOCK_NAME in window.dock_widgets:
                window.remove_dock_widget(views)
            self._throw_away(views)

    def _on_linked_closed(self) -> None:
        """The X of the dock was pressed: the widget goes, and so does the check mark."""
        if self.linked is not None:
            self._throw_away(self.linked)
            self.linked = None
            self._box.linked.setChecked(False)

    def _throw_away(self, views: LinkedViews) -> None:
        views.setParent(self._desk.window)  # no window of its own until it is gone
        views.deleteLater()

    def _keep_sides_whole(self) -> None:
        """Let the docks left and right reach the bottom, so that the views lie under the canvas."""
        window = self._desk.window.window()
        if isinstance(window, QMainWindow):
            corners, areas = Qt.Corner, Qt.DockWidgetArea
            window.setCorner(corners.BottomLeftCorner, areas.LeftDockWidgetArea)
            window.setCorner(corners.BottomRightCorner, areas.RightDockWidgetArea)
