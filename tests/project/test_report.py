"""The report is one file that shows the table, the curves and the slices."""

import re
import struct
import zlib
from base64 import b64decode
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from cohorts import add_made_up_run, disc_classes, make_project

from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.evaluation import evaluate
from napari_transmedseg.project.export import export
from napari_transmedseg.project.report import write_report
from napari_transmedseg.project.report_cards import choose_slices, slice_dice
from napari_transmedseg.project.report_charts import Line, Span, line_chart
from napari_transmedseg.project.report_overlays import (
    FILL_ALPHA,
    LINE_ALPHA,
    ZOOM,
    encode_png,
    paint_overlay,
    window_slice,
)


@pytest.fixture
def report(tmp_path):
    """Report of a run that was made up, two of four cases annotated on three slices."""
    project, labels = make_project(tmp_path)
    annotate_from_labels(project, labels, case_ids=["case_1", "case_2"], slices_per_case=3)
    project.set_domain("case_1", "site <A>")
    add_made_up_run(project)
    export(project, tmp_path / "masks")
    table = evaluate(tmp_path / "masks", labels, only_unannotated=project)
    path = write_report(
        tmp_path / "report.html",
        project,
        table,
        predictions=tmp_path / "masks",
        references=labels,
    )
    return path.read_text(encoding="utf-8"), table


class Checker(HTMLParser):
    """Fails where tags are not closed in order."""

    VOID = frozenset({"meta", "img", "input"})

    def __init__(self):
        super().__init__()
        self.open_tags = []
        self.text = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_report_is_well_formed_and_stands_alone(report):
    html, _ = report
    checker = Checker()
    checker.feed(html)
    assert checker.open_tags == []
    assert not re.search(r"(src|href)='(?!data:)", html)
    assert "http" not in html


def test_report_shows_the_table_that_it_was_given(report):
    html, table = report
    for case in table.cases:
        assert case.case_id in html
        assert all(f"{value:.3f}" in html for value in case.dice.values())
    assert f"<b>{table.mean(True):.3f}</b>" in html
    assert f"<b>{table.mean(False):.3f}</b>" in html


def test_report_shows_slices_curves_and_what_the_run_said(report):
    html, _ = report
    assert html.count("<svg") == 2
    assert html.count("<figure>") == 4 * 2 * 3
    assert html.count("class='overlay'") == 4 * 2 * 2
    assert "training time (min)" in html
    assert "Annotate 2 more slices that show core &lt;here&gt;." in html
    assert "site &lt;A&gt;" in html


def test_png_holds_the_pixels():
    pixels = np.arange(60, dtype=np.uint8).reshape(3, 5, 4)
    png = encode_png(pixels)
    width, height, depth, color = struct.unpack(">IIBB", png[16:26])
    assert (width, height, depth, color) == (5, 3, 8, 6)
    start = png.index(b"IDAT") + 4
    (size,) = struct.unpack(">I", png[start - 8 : start - 4])
    rows = np.frombuffer(zlib.decompress(png[start : start + size]), np.uint8).reshape(3, 21)
    assert np.array_equal(rows[:, 1:].reshape(3, 5, 4), pixels)


def test_inline_pictures_are_png(report):
    html, _ = report
    pictures = re.findall(r"base64,([^']+)'", html)
    assert len(pictures) == 4 * 2 * 5
    assert all(b64decode(data).startswith(b"\x89PNG") for data in pictures)


def test_overlay_outlines_each_class_in_its_colour():
    labels = np.zeros((6, 6), np.uint8)
    labels[1:5, 1:5] = 2
    rgba = paint_overlay(labels, {1: "#ff0000", 2: "#00ff80"})
    assert rgba.shape == (6 * ZOOM, 6 * ZOOM, 4)
    assert not rgba[: ZOOM - 1].any()
    assert tuple(rgba[3 * ZOOM, 3 * ZOOM]) == (0, 255, 128, FILL_ALPHA)
    assert tuple(rgba[3 * ZOOM, ZOOM]) == (0, 255, 128, LINE_ALPHA)


def test_window_maps_the_volumes_percentiles_to_the_whole_range():
    volume = np.linspace(0, 1000, 2000).reshape(2, 20, 50)
    shown = window_slice(volume[0], volume)
    assert shown.dtype == np.uint8
    assert shown.min() == 0
    assert window_slice(volume[1], volume).max() == 255


def test_slices_are_chosen_among_candidates_only():
    reference = disc_classes()
    prediction = reference.copy()
    prediction[2] = 0
    candidates = np.array([True, False, True, True, True, False, False, True])
    assert choose_slices(reference, prediction, candidates) == {"largest": 2, "agrees least": 3}
    assert choose_slices(reference * 0, prediction * 0, candidates) == {}


def test_dice_of_a_slice_counts_the_classes_that_either_holds():
    reference = np.array([[1, 1, 0, 0]], np.uint8)
    assert slice_dice(reference, np.array([[1, 1, 2, 0]], np.uint8)) == 0.5
    assert slice_dice(reference * 0, reference * 0) == 1.0


def test_chart_is_svg_with_labels_units_and_phases():
    chart = line_chart(
        [Line(name="a < b", color="#123456", points=[(x / 10, x**0.5) for x in range(1000)])],
        x_label="time (min)",
        y_label="loss",
        spans=[Span(name="warm-up", start=0, end=50)],
    )
    svg = ElementTree.fromstring(chart[chart.index("<svg") :])
    texts = [element.text for element in svg.iter("text")]
    assert {"time (min)", "loss", "warm-up", "40"} <= set(texts)
    (line,) = svg.iter("polyline")
    assert len(line.attrib["points"].split()) <= 240
    assert "a &lt; b" in chart


def test_chart_without_points_says_so():
    assert "No values" in line_chart([], x_label="x", y_label="y")
    one = line_chart([Line(name="a", color="#000000", points=[(0, 1)])], x_label="x", y_label="y")
    assert "<polyline" in one
