"""Line charts as SVG text, with axis labels and units, for the report."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 620, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 16, 46
"""Pixels around the plot area."""
MAX_POINTS = 240
"""Points drawn per line; more are averaged in bins."""

_CLIP = (
    f"<clipPath id='plot'><rect x='{LEFT}' y='{TOP}' width='{WIDTH - LEFT - RIGHT}' "
    f"height='{HEIGHT - TOP - BOTTOM}'/></clipPath>"
)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One curve: (x, y) points, in ascending x."""

    name: str
    color: str
    points: Points


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A stretch of the x axis with a name, such as a phase."""

    name: str
    start: float
    end: float


def line_chart(
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    spans: Sequence[Span] = (),
    y_top: float | None = None,
) -> str:
    """SVG of some curves over a common x axis; a sentence where there are no points.

    Parameters
    ----------
    x_label, y_label
        With their units.
    spans
        Drawn behind the curves, alternately shaded.
    y_top
        End of the y axis, which begins at 0; None: from the data.
    """
    drawn = [line for line in lines if line.points]
    if not drawn:
        return "<p class='quiet'>No values were recorded.</p>"
    x_end = max([line.points[-1][0] for line in drawn] + [span.end for span in spans])
    y_values = sorted(y for line in drawn for _, y in line.points)
    y_low = min(0.0, y_values[0])
    y_high = y_top if y_top is not None else _robust_top(y_values)
    frame = _Frame(x_end or 1.0, y_low, y_high if y_high > y_low else y_low + 1.0)
    body = [_span(span, frame, index) for index, span in enumerate(spans)]
    body += [*_axes(frame, x_label, y_label), *(_curve(line, frame) for line in drawn)]
    legend = "".join(
        f"<span class='key'><i style='background:{line.color}'></i>{escape(line.name)}</span>"
        for line in drawn
    )
    label = escape(f"{y_label} over {x_label}", quote=True)
    return (
        f"<div class='legend'>{legend}</div>"
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{label}'>{_CLIP}"
        f"{''.join(body)}</svg>"
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """Maps values to pixels."""

    x_end: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.x_end

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _robust_top(values: Sequence[float]) -> float:
    """End of the axis that the first, large losses of a run do not stretch."""
    return values[min(len(values) - 1, math.ceil(0.98 * len(values)))] * 1.08


def _curve(line: Line, frame: _Frame) -> str:
    points = _thinned(line.points)
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
    x, y = points[-1]
    return (
        f"<polyline clip-path='url(#plot)' points='{path}' fill='none' "
        f"stroke='{line.color}' stroke-width='2' stroke-linejoin='round'/>"
        f"<circle cx='{frame.x(x):.1f}' cy='{frame.y(y):.1f}' r='3' fill='{line.color}'/>"
    )


def _thinned(points: Points) -> Points:
    size = math.ceil(len(points) / MAX_POINTS)
    bins = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in b) / len(b), sum(y for _, y in b) / len(b)) for b in bins]


def _axes(frame: _Frame, x_label: str, y_label: str) -> list[str]:
    bottom, middle = HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
    parts = []
    for value in _ticks(frame.y_low, frame.y_high):
        y = frame.y(value)
        parts.append(f"<line class='grid' x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y}' y2='{y}'/>")
        parts.append(f"<text x='{LEFT - 8}' y='{y + 4}' text-anchor='end'>{value:g}</text>")
    for value in _ticks(0.0, frame.x_end):
        x = frame.x(value)
        parts.append(f"<line class='tick' x1='{x}' x2='{x}' y1='{bottom}' y2='{bottom + 5}'/>")
        parts.append(f"<text x='{x}' y='{bottom + 19}' text-anchor='middle'>{value:g}</text>")
    parts.append(
        f"<line class='axis' x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{bottom}' y2='{bottom}'/>"
    )
    parts.append(
        f"<text class='label' x='{(LEFT + WIDTH - RIGHT) / 2}' y='{HEIGHT - 6}' "
        f"text-anchor='middle'>{escape(x_label)}</text>"
    )
    parts.append(
        f"<text class='label' transform='translate(14 {middle}) rotate(-90)' "
        f"text-anchor='middle'>{escape(y_label)}</text>"
    )
    return parts


def _span(span: Span, frame: _Frame, index: int) -> str:
    x, width = frame.x(span.start), frame.x(span.end) - frame.x(span.start)
    fill = ("#f1f5f9", "#e8f1fb")[index % 2]
    name = escape(span.name) if width > 60 else ""
    return (
        f"<rect x='{x:.1f}' y='{TOP}' width='{width:.1f}' height='{HEIGHT - TOP - BOTTOM}' "
        f"fill='{fill}'/><text class='span' x='{x + 6:.1f}' y='{TOP + 15}'>{name}</text>"
    )


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values, about `count` of them, within [low, high]."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    first, last = math.ceil(low / step), math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]
