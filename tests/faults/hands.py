"""Hands on mouse and keys, for a person who works with the widget for hours."""

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QContextMenuEvent, QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDockWidget,
    QMenu,
    QPushButton,
    QToolButton,
    QWidget,
)
from widgets.conftest import Driver

from napari_transmedseg.project.session import Activity

LEFT = Qt.MouseButton.LeftButton


class Hands:
    """Open projects, cases, slices and menus, and the widget itself."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def drop(self, folder: Path) -> None:
        """Drop a project's folder on the widget."""
        target: QWidget = self.driver.widget
        window = target.window().windowHandle()
        place: QPoint = target.mapTo(target.window(), target.rect().center())
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(folder))])
        copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(window, QDragEnterEvent(place, copy, mime, LEFT, none))
        QApplication.sendEvent(window, QDropEvent(QPointF(place), copy, mime, LEFT, none))
        self._wait_open(folder)

    def reopen_widget(self, folder: Path) -> None:
        """Press the X of the dock, open the widget anew, and the project that was open last."""
        driver, old, window = self.driver, self.driver.widget, self.driver.viewer.window
        dock = next(one for one in old.window().findChildren(QDockWidget) if one.widget() is old)
        closing = next(
            button
            for kind in (QPushButton, QToolButton)
            for button in dock.titleBarWidget().findChildren(kind)
            if "close" in button.toolTip().lower() or "close" in button.objectName().lower()
        )
        left_behind = list(driver.viewer.layers)
        sample = old.projects.sample_folder
        with driver.qtbot.waitSignal(old.destroyed):
            QTest.mouseClick(closing, LEFT)
        _, driver.widget = window.add_plugin_dock_widget("napari-transmedseg", "TransMedSeg")
        driver.widget.projects.sample_folder = sample
        QApplication.processEvents()
        recent = driver.widget.start_page.recent
        place = recent.visualItemRect(recent.item(0)).center()
        QTest.mouseClick(recent.viewport(), LEFT, pos=place)
        self._wait_open(folder)
        for layer in left_behind:
            driver.viewer.layers.remove(layer)

    def open_case(self, case: str) -> None:
        table = self.driver.widget.loop.cases
        rows = [table.item(row, 0).text() for row in range(table.rowCount())]
        self.driver.choose_case(rows.index(case))
        assert self.driver.widget.session.case_id == case

    def other_case(self) -> str:
        """The case after the one on screen."""
        session = self.driver.widget.session
        ids = [case.case_id for case in session.project.cases]
        return ids[(ids.index(session.case_id) + 1) % len(ids)]

    def go_to(self, index: int) -> None:
        strip = self.driver.widget.loop.annotate.strip
        self.driver.widget.loop.scroll_area.ensureWidgetVisible(strip)
        pos = strip.rect().center()
        count = len(self.driver.widget.annotator.ledger.states)
        pos.setX(round((index + 0.5) * strip.width() / count))
        QTest.mouseClick(strip, LEFT, pos=pos)
        QApplication.processEvents()
        assert self.driver.widget.annotator.layers.slice_index == index

    def open_slices(self) -> list[int]:
        states = self.driver.widget.annotator.ledger.states
        return [index for index, state in enumerate(states) if not state.is_labeled]

    def shown(self, index: int) -> np.ndarray:
        return self.driver.widget.annotator.slice_labels(index).copy()

    def choose_in_menu(self, case: str, text: str) -> None:
        """Open the menu of a case with the right button, and choose by arrow keys."""
        table = self.driver.widget.loop.cases
        row = next(i for i in range(table.rowCount()) if table.item(i, 0).text() == case)
        table.scrollToItem(table.item(row, 0))
        pos = table.visualItemRect(table.item(row, 0)).center()
        reason = QContextMenuEvent.Reason.Mouse
        event = QContextMenuEvent(reason, pos, table.viewport().mapToGlobal(pos))
        QApplication.sendEvent(table.viewport(), event)
        menu = next(one for one in table.findChildren(QMenu) if one.isVisible())
        while menu.activeAction() is None or menu.activeAction().text() != text:
            QTest.keyClick(menu, Qt.Key.Key_Down)
        QTest.keyClick(menu, Qt.Key.Key_Return)
        QApplication.processEvents()

    def wait_idle(self) -> None:
        session = self.driver.widget.session
        self.driver.wait(lambda: session.activity is Activity.IDLE, 240)

    def _wait_open(self, folder: Path) -> None:
        widget = self.driver.widget
        self.driver.wait(lambda: bool(widget.session.case_id))
        assert widget.session.project.folder == folder
        assert widget.annotator.layers.is_open


def press(button: QAbstractButton | Any) -> None:
    assert button.isEnabled(), f"'{button.text()}' is greyed out"
    QTest.mouseClick(button, LEFT)
    QApplication.processEvents()
