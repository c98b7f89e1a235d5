"""Before and after on one slice: from the swipe's choices to the canvas, kept up to date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from qtpy.QtCore import QObject

from napari_transmedseg.layer_swipe import SwipeLayer, SwipeLook
from napari_transmedseg.layer_view import CaseView
from napari_transmedseg.project.comparing import BEFORE, LABELS, predicting_runs
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.annotator import class_colors
from napari_transmedseg.widgets.canvas_words import CORNERS, CanvasWords, canvas_around
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.swipe_edit import Swipe
from napari_transmedseg.widgets.swipe_sides import SwipeSides

_WORD_POINTS = 11


class SwipeController(QObject):
    """Shows two sides of the slice on screen while the swipe is on."""

    def __init__(self, desk: Desk, view: CaseView) -> None:
        super().__init__(desk)
        self._desk = desk
        self._view = view
        self._edit = desk.loop.overlay.swipe
        self.sides = SwipeSides(desk)
        self._num_classes = 0
        self._place: tuple[int, int] | None = None
        self._default = self._edit.value().left
        self._stands_in = self._hides_labels = False
        self._words: CanvasWords | None = None
        self.layer = SwipeLayer(desk.viewer, desk.annotator.layers)
        session, annotator, tasks = desk.session, desk.annotator, desk.tasks
        self._edit.valueChanged.connect(self._on_chosen)
        desk.loop.overlay.valueChanged.connect(self._show)
        session.project_changed.connect(self._on_project)
        session.case_changed.connect(self._on_case)
        session.activity_changed.connect(self._on_activity)
        session.slice_predicted.connect(self._redraw)
        tasks.case_predicted.connect(self._on_case)
        tasks.ended.connect(self._on_case)
        annotator.caseClosing.connect(self.layer.close)
        annotator.layers.replacing.connect(self.sides.keep)
        annotator.layers.redrawn.connect(self._on_redrawn)
        view.moved.connect(self._on_moved)
        view.plane_changed.connect(self._show)
        self.layer.dragged.connect(self._on_dragged)
        self.layer.removed.connect(self._on_removed)
        self.layer.words_changed.connect(self._on_words)

    def keys(self) -> dict[str, Callable[[], None]]:
        """Keys over the canvas and what they do."""
        return {"H": self._edit.on.toggle}

    def shut_down(self) -> None:
        """Take the swipe off the canvas, and let go of the viewer."""
        layers = self._desk.annotator.layers
        layers.replacing.disconnect(self.sides.keep)
        layers.redrawn.disconnect(self._on_redrawn)
        self._edit.setValue(replace(self._edit.value(), is_on=False))
        self._show()
        if self._words is not None:
            self._words.close()

    # --- what happened

    def _on_project(self) -> None:
        project = self._desk.session.project
        self.sides.forget()
        self._edit.setValue(Swipe())
        if project is not None:
            self._num_classes = len(project.classes)
            project.classes_changed.connect(self._on_classes)
            project.runs_changed.connect(self._on_case)

    def _on_classes(self) -> None:
        project = self._desk.session.project
        if project is None:
            return
        if len(project.classes) < self._num_classes:  # values mean other classes now
            self.sides.forget()
        self._num_classes = len(project.classes)
        self.layer.set_colors(class_colors(project))

    def _on_activity(self, activity: Activity) -> None:
        if activity is Activity.PREPARING:
            self.sides.begin_training()
        if activity in (Activity.PREPARING, Activity.TRAINING):
            self._on_case()

    def _on_case(self, *_: object) -> None:
        """Another case is on screen, or there are other predictions of it."""
        self.sides.let_go()
        self._find_sources()
        self._show()

    def _on_chosen(self, swipe: Swipe) -> None:
        self.layer.share = swipe.share
        if swipe.is_on and not self.layer.is_open:
            self._find_sources()
        self._show()

    def _on_redrawn(self) -> None:
        swipe = self._edit.value()
        if LABELS in (swipe.left, swipe.right):
            self._redraw()

    def _on_moved(self) -> None:
        if self._place != self._place_on_screen():
            self._redraw()

    def _on_dragged(self, share: float) -> None:
        self._edit.setValue(replace(self._edit.value(), share=share))

    def _on_removed(self) -> None:
        self._edit.on.setChecked(False)

    def _on_words(self) -> None:
        canvas = canvas_around(self._desk.window) if self._words is None else None
        if canvas is not None:
            self._words = CanvasWords(canvas, CORNERS, points=_WORD_POINTS)
        if self._words is not None:
            self._words.setValue(dict(zip(CORNERS, self.layer.words, strict=True)))

    # --- what is shown

    def _show(self, *_: object) -> None:
        """Open, close or restyle the swipe; what it stands in for is hidden meanwhile."""
        swipe, layers = self._edit.value(), self._desk.annotator.layers
        is_shown = (
            swipe.is_on
            and layers.is_open
            and bool(self._desk.session.case_id)
            and self._desk.viewer.dims.ndisplay == 2
        )
        if is_shown:
            self._draw(swipe)
        else:
            self.layer.close()
        if not swipe.is_on:
            self.sides.let_go()
        if is_shown or self._stands_in:
            overlay = self._desk.loop.overlay.value()
            layers.set_overlay(
                "pseudo-label",
                visible=overlay.pseudo_label and not is_shown,
                opacity=overlay.pseudo_label_opacity,
            )
        self._stands_in = is_shown
        self._hide_labels(is_shown and LABELS in (swipe.left, swipe.right))

    def _redraw(self, *_: object) -> None:
        if self.layer.is_open:
            self._draw(self._edit.value())

    def _draw(self, swipe: Swipe) -> None:
        overlay = self._desk.loop.overlay.value()
        self._place = self._place_on_screen()
        self.layer.show(
            self.sides.side(swipe.left, *self._place),
            self.sides.side(swipe.right, *self._place),
            plane=self._view.plane,
            look=SwipeLook(
                visible=overlay.pseudo_label,
                opacity=overlay.pseudo_label_opacity,
                is_filled=overlay.is_filled,
            ),
        )

    def _hide_labels(self, is_hidden: bool) -> None:
        """Labels that one side shows would lie over the other one too."""
        labels = self._desk.annotator.layers.labels_layer
        if labels is None:
            return
        if is_hidden and labels.visible and not self._hides_labels:
            labels.visible, self._hides_labels = False, True
        elif self._hides_labels and not is_hidden:
            self._hides_labels = False
            if not labels.visible:  # else somebody brought them back, and paints
                labels.visible = True

    def _place_on_screen(self) -> tuple[int, int]:
        plane = self._view.plane
        return plane, self._view.index[plane]

    def _find_sources(self) -> None:
        """Look which runs there are to choose from, and which sides say most by themselves."""
        session, project = self._desk.session, self._desk.session.project
        if project is None or not session.case_id or not self._edit.on.isChecked():
            return
        self.sides.look_again()
        self._edit.set_runs(predicting_runs(project))
        swipe = self._edit.value()
        if swipe.left == self._default:  # nobody chose another one
            self._default = BEFORE if self.sides.has_before else LABELS
            self._edit.setValue(replace(swipe, left=self._default))
