"""Settings of a training as a form, made from `TrainingConfig` with magicgui."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, LineEdit
from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.engine.config import (
    DEFAULT_GRAPH_WEIGHT,
    DEFAULT_TSA_WEIGHT,
    METHODS_WITH_GRAPH,
    METHODS_WITH_TSA,
    NETWORKS,
    TrainingConfig,
)
from napari_transmedseg.engine.config_fields import ConfigField, config_fields
from napari_transmedseg.widgets.one_piece_editor import OnePieceEditor

GROUPS: dict[str, dict[str, str]] = {
    "Method": {
        "method": "Method",
        "preset": "Preset",
        "dimensions": "Dimensions",
        "network": "Network",
        "seed": "Seed",
    },
    "Semantic augmentation (TSA)": {
        "tsa_weight": "Weight β",
        "tsa_strength": "Strength α",
        "tsa_samples": "Samples per voxel",
        "tsa_direction": "Direction",
        "tsa_per_domain": "Each scanner apart",
    },
    "Graph clustering": {
        "graph_weight": "Weight γ",
        "graph_alpha": "Repulsion α_cc",
        "graph_clusters": "Most clusters",
        "graph_nodes": "Most nodes",
    },
    "Teacher and pseudo-labels": {
        "ema_decay": "Decay λ",
        "largest_component": "One piece",
    },
    "Images": {
        "clip_low": "Clip below",
        "clip_high": "Clip above",
        "clip_channels": "Clip channels",
    },
    "Measuring": {"validation_share": "Held out", "early_stop": "End early"},
    "Machine": {
        "device": "Device",
        "mixed_precision": "Half precision",
        "compile": "Compile",
        "checkpoint_interval_s": "Save every",
    },
}
"""Labels of the fields, by group."""
LEFT_OUT = {
    "minutes": "the budget above the form",
    "steps": "the budget above the form",
    "threads": "a matter of the machine: napari's Preferences",
    "overlay_interval_s": "a matter of the machine: napari's Preferences",
    "event_interval_s": "how often a program hears of a run; the window keeps its default",
}
"""Fields that the form has not, and where they are or why nobody needs them here."""
UNITS = {
    "checkpoint_interval_s": " s", "clip_low": " (image units)", "clip_high": " (image units)"
}  # fmt: skip
AUTO_WORDS = {
    "tsa_weight": f"auto ({DEFAULT_TSA_WEIGHT:g})",
    "graph_weight": f"auto ({DEFAULT_GRAPH_WEIGHT:g})",
    "clip_low": "not clipped",
    "clip_high": "not clipped",
}
"""What None is called; `auto` elsewhere."""
_FREE = 100_000.0
"""Limit of numbers that have none."""
_LARGEST_INT = 2**31 - 1


class ConfigForm(QWidget):
    """Edits the fields of `TrainingConfig` that are in `GROUPS`."""

    valueChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        known = config_fields()

        # WIDGETS
        self.editors: dict[str, Any] = {}
        """magicgui's widgets by field; `native` is Qt's."""
        for labels in GROUPS.values():
            for name, label in labels.items():
                self.editors[name] = _editor(known[name], label)

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for title, labels in GROUPS.items():
            layout.addWidget(self._group(title, labels))

        # CONNECTIONS
        for editor in self.editors.values():
            editor.changed.connect(self._on_changed)
            editor.native.installEventFilter(self)
        self._enable_weights()

    def value(self) -> dict[str, Any]:
        """Fields of `TrainingConfig`; a weight that the method lacks is None."""
        known = config_fields()
        found = {name: _value_of(known[name], one) for name, one in self.editors.items()}
        for name in ("tsa_weight", "graph_weight"):
            if not self.editors[name].native.isEnabled():
                found[name] = None
        return found

    def setValue(self, config: TrainingConfig) -> None:
        """Show a config, without a signal."""
        with QSignalBlocker(self):
            for field in config_fields().values():
                if field.name in self.editors:
                    _set(field, self.editors[field.name], getattr(config, field.name))
            self._enable_weights()

    def set_classes(self, names: Sequence[str]) -> None:
        """Offer a switch for each class of the project; none while another one opens."""
        self.editors["largest_component"].set_classes(names)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Let the wheel scroll the page, not change a setting that it happens to pass."""
        is_wheel = a1 is not None and a1.type() == QEvent.Type.Wheel
        if is_wheel and isinstance(a0, QWidget) and not a0.hasFocus() and a1 is not None:
            a1.ignore()
            return True
        return super().eventFilter(a0, a1)

    def _group(self, title: str, labels: Mapping[str, str]) -> QGroupBox:
        box = QGroupBox(title)
        form = QFormLayout(box)
        form.setContentsMargins(6, 4, 0, 4)
        for name, label in labels.items():
            native = self.editors[name].native
            if isinstance(self.editors[name], CheckBox):
                form.addRow(native)
            else:
                form.addRow(label, native)
        return box

    def _enable_weights(self) -> None:
        method = self.editors["method"].value
        for name, editor in self.editors.items():
            if name.startswith("tsa_"):
                editor.native.setEnabled(method in METHODS_WITH_TSA)
            elif name.startswith("graph_"):
                editor.native.setEnabled(method in METHODS_WITH_GRAPH)

    def _on_changed(self, *_: object) -> None:
        self._enable_weights()
        self.valueChanged.emit(self.value())


def default_config(device: str = "auto") -> TrainingConfig:
    """Settings that a reset goes back to: the defaults, on the device of the Preferences."""
    return replace(TrainingConfig(), device=device)  # type: ignore[arg-type]


def in_words_of_form(sentence: str) -> str:
    """Sentence about settings, with their labels in place of their names."""
    for labels in GROUPS.values():
        for name, label in labels.items():
            sentence = sentence.replace(f"'{name}'", f"'{label}'")
    return sentence.replace("None", "none")


def tooltip_of(field: ConfigField) -> str:
    """What a setting is, with its default and its limits."""
    default = "on" if field.default is True else "off" if field.default is False else field.default
    if default is None:
        default = AUTO_WORDS.get(field.name, "auto")
    limits = ""
    if field.least is not None and field.most is not None:
        limits = f" Limits: {field.least:g} to {field.most:g}."
    elif field.least is not None:
        limits = f" At least {field.least:g}."
    doc = field.doc.replace("None:", "auto:")
    return f"{doc} Default: {default}.{limits}"


def _editor(field: ConfigField, label: str) -> Any:
    editor = _bare_editor(field, label)
    native = editor.native
    native.setToolTip(f"<qt>{tooltip_of(field)}</qt>")
    native.setAccessibleName(label)
    native.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    if isinstance(native, QAbstractSpinBox) and field.is_optional:
        native.setSpecialValueText(AUTO_WORDS.get(field.name, "auto"))
    if field.name in UNITS:
        native.setSuffix(UNITS[field.name])
    if isinstance(native, QComboBox):
        native.setMinimumContentsLength(8)
    _set(field, editor, field.default)
    return editor


def _bare_editor(field: ConfigField, label: str) -> Any:
    if field.kind is bool:
        return CheckBox(name=field.name, text=label)
    if field.name == "largest_component":
        return OnePieceEditor()
    if field.name == "network":
        return ComboBox(name=field.name, choices=("auto", *NETWORKS))
    if field.kind is str:
        return ComboBox(name=field.name, choices=field.choices) if field.choices else _line(field)
    least, most = _bounds(field)
    # Whole numbers, too: magicgui's box for them knows neither units nor a word for None.
    editor = FloatSpinBox(name=field.name, min=least, max=most, step=_step(field))
    editor.native.setDecimals(_decimals(field))
    return editor


def _line(field: ConfigField) -> Any:
    editor = LineEdit(name=field.name)
    editor.native.setPlaceholderText("none")
    return editor


def _step(field: ConfigField) -> float:
    if field.kind is int:
        return 1
    if field.most is None:
        return 10
    return 0.01 if field.most <= 1 else 0.05


def _decimals(field: ConfigField) -> int:
    if field.kind is int:
        return 0
    if field.most is None:
        return 1
    return 4 if field.most <= 1 else 3


def _bounds(field: ConfigField) -> tuple[float, float]:
    """Range of a spin box; where None is a value, the lowest number stands for it."""
    free = _LARGEST_INT if field.kind is int else _FREE
    least = -_FREE if field.least is None else field.least
    most = free if field.most is None else field.most
    return (_below(field, least) if field.is_optional else least), most


def _below(field: ConfigField, least: float) -> float:
    return least - _step(field)


def _value_of(field: ConfigField, editor: Any) -> Any:
    value = editor.value
    if field.is_optional and value <= _bounds(field)[0] + 1e-9:
        return None
    return round(value, 4) if field.kind is float else field.kind(value)


def _set(field: ConfigField, editor: Any, value: Any) -> None:
    if value is None:
        value = _bounds(field)[0]
    if field.name == "network" and value not in editor.choices:
        editor.choices = (*editor.choices, value)  # registered by the person's own code
    editor.value = value
