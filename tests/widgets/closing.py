"""What closes a window from outside it: the window manager's X, and a person's answers."""

import ctypes
from ctypes import byref, c_char_p, c_int, c_long, c_ulong, c_void_p

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialog, QPushButton, QWidget

ANSWER_INTERVAL_MS = 50
CLIENT_MESSAGE = 33


class _ClientMessage(ctypes.Structure):
    """Xlib's XClientMessageEvent, as long as its XEvent."""

    _fields_ = (
        ("type", c_int), ("serial", c_ulong), ("send_event", c_int), ("display", c_void_p),
        ("window", c_ulong), ("message_type", c_ulong), ("format", c_int), ("data", c_long * 5),
        ("rest", c_long * 12),
    )  # fmt: skip


def ask_to_close(window: QWidget) -> None:
    """Send a window what the X of its frame sends; Qt itself has no such close."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype, x11.XOpenDisplay.argtypes = c_void_p, [c_char_p]
    x11.XInternAtom.restype, x11.XInternAtom.argtypes = c_ulong, [c_void_p, c_char_p, c_int]
    x11.XSendEvent.argtypes = [c_void_p, c_ulong, c_int, c_long, c_void_p]
    x11.XCloseDisplay.argtypes = [c_void_p]
    display = x11.XOpenDisplay(None)
    assert display, "no X display"
    message = _ClientMessage(type=CLIENT_MESSAGE, window=int(window.winId()), format=32)
    message.message_type = x11.XInternAtom(display, b"WM_PROTOCOLS", 0)
    message.data[0] = x11.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
    assert x11.XSendEvent(display, message.window, 0, 0, byref(message))
    x11.XCloseDisplay(display)


class Answers(QObject):
    """Presses the button of a name in every dialog that comes up, and keeps what was asked."""

    def __init__(self, button: str) -> None:
        super().__init__()
        self.button = button
        self.asked: list[str] = []
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_timeout)
        self._timer.start(ANSWER_INTERVAL_MS)

    def stop(self) -> None:
        """Answer no more."""
        self._timer.stop()

    def _on_timeout(self) -> None:
        for dialog in QApplication.topLevelWidgets():
            if isinstance(dialog, QDialog) and dialog.isVisible():
                self.asked.append(dialog.windowTitle())
                buttons = [b for b in dialog.findChildren(QPushButton) if b.text() == self.button]
                QTest.mouseClick(buttons[0], Qt.MouseButton.LeftButton)
