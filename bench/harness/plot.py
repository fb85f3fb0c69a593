"""Latency distributions as an SVG, written by hand.

One panel per measurement. Across: the share of connections that were at least
as fast, on a scale of nines (50 %, 90 %, 99 %, 99.9 %), so that the tail is as
wide as the middle. Up: latency of connect(), log scale, the same in all panels.
"""

import math
from xml.sax.saxutils import escape

WIDTH, PANEL_HEIGHT, COLUMNS = 980, 340, 2
HEADER, MARGIN_LEFT, MARGIN_TOP = 90, 66, 50
MARGIN_RIGHT, MARGIN_BOTTOM = 18, 46
TICKS = ((0, "0"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"),
         (0.999, "99.9 %"), (0.9999, "99.99 %"))
INK, FAINT, GRID = "#1b1f24", "#5b636d", "#e3e6ea"
# Colour and dash: told apart in grey too.
STYLES = {"none": ("#8a8f98", "2 4", 1.6),
          "conntrack": ("#3b82c4", "7 4", 1.6),
          "floor": ("#d98a00", "", 1.8),
          "sallyport": ("#00875a", "", 2.8),
          "opensnitch": ("#c0392b", "10 3 2 3", 1.8)}


def nines(quantile):
    return -math.log10(1 - quantile)


def duration(ns):
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if ns >= scale:
            value = ns / scale
            return f"{value:.1f} {unit}" if value < 100 and \
                not value.is_integer() else f"{value:.0f} {unit}"
    return f"{ns:.0f} ns"


class _Panel:
    def __init__(self, x, y, width, height, x_max, low, high):
        self.left, self.top = x + MARGIN_LEFT, y + MARGIN_TOP
        self.width = width - MARGIN_LEFT - MARGIN_RIGHT
        self.height = height - MARGIN_TOP - MARGIN_BOTTOM
        self._x_max = x_max
        self._low, self._span = math.log10(low), math.log10(high / low)

    def x(self, quantile):
        return self.left + self.width * nines(quantile) / self._x_max

    def y(self, ns):
        part = (math.log10(ns) - self._low) / self._span
        return self.top + self.height * (1 - part)


def _text(x, y, text, size=12, fill=FAINT, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" '
            f'fill="{fill}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(text)}</text>')


def _line(x1, y1, x2, y2, stroke=GRID, width=1.0, dash=""):
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{stroke}" stroke-width="{width}"{dashes}/>')


def _axes(panel, title, low, high, x_max):
    parts = [_text(panel.left, panel.top - 27, title, 14, INK,
                   weight="bold")]
    decade = low
    while decade <= high * 1.001:
        for step in (1, 2, 5):
            ns = decade * step
            if ns > high * 1.001:
                break
            y = panel.y(ns)
            parts.append(_line(panel.left, y, panel.left + panel.width, y))
            parts.append(_text(panel.left - 8, y + 4, duration(ns), 11,
                               anchor="end"))
        decade *= 10
    bottom = panel.top + panel.height
    for quantile, label in TICKS:
        if nines(quantile) > x_max + 1e-9:
            break
        x = panel.x(quantile)
        parts.append(_line(x, panel.top, x, bottom))
        parts.append(_text(x, bottom + 18, label, 11, anchor="middle"))
    parts.append(_text(panel.left + panel.width, bottom + 36,
                       "connections at least this fast", 11, anchor="end"))
    parts.append(_line(panel.left, bottom, panel.left + panel.width, bottom,
                       FAINT))
    return parts


def _curve(panel, name, points, high):
    color, dash, width = STYLES[name]
    path = " ".join(f"{panel.x(q):.1f},{panel.y(min(ns, high)):.1f}"
                    for q, ns in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<polyline points="{path}" fill="none" stroke="{color}" '
            f'stroke-width="{width}" stroke-linejoin="round"{dashes}/>')


def _medians(panel, curves):
    """The medians, in the order and the colours of the legend."""
    x, y = panel.left, panel.top - 9
    parts = [_text(x, y, "median", 11)]
    x += 50
    for name, points in curves.items():
        middle = min(points, key=lambda point: abs(point[0] - 0.5))[1]
        label = duration(middle)
        parts.append(_text(x, y, label, 12, STYLES[name][0], weight="bold"))
        x += 16 + 8 * len(label)
    return parts


def _legend(titles):
    parts, x = [], 20.0
    for name, title in titles.items():
        color, dash, width = STYLES[name]
        parts.append(_line(x, 66, x + 30, 66, color, width + 0.4, dash))
        parts.append(_text(x + 36, 70, title, 12, INK))
        x += 62 + 6.6 * len(title)
    return parts


def _bounds(panels):
    values = [ns for _, curves in panels for points in curves.values()
              for _, ns in points]
    low = 10 ** math.floor(math.log10(max(1, min(values))))
    for step in (5, 2):
        if low * step <= min(values):
            low *= step
            break
    return low, max(values) * 1.15


def svg(panels, titles, subtitle):
    """`panels` is a list of (title, {firewall: curve}); `titles` names the
    firewalls in the order of the legend. Empty text without any curve."""
    panels = [(title, curves) for title, curves in panels if curves]
    if not panels:
        return ""
    low, high = _bounds(panels)
    x_max = max(nines(points[-1][0]) for _, curves in panels
                for points in curves.values())
    width = WIDTH / COLUMNS
    height = HEADER + PANEL_HEIGHT * math.ceil(len(panels) / COLUMNS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
        f'height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(20, 26, "Latency of a TCP connect over veth", 17, INK,
              weight="bold"),
        _text(20, 46, subtitle, 12), *_legend(titles)]
    for index, (title, curves) in enumerate(panels):
        panel = _Panel(index % COLUMNS * width,
                       HEADER + index // COLUMNS * PANEL_HEIGHT, width,
                       PANEL_HEIGHT, x_max, low, high)
        decade = 10 ** math.floor(math.log10(low))
        parts += _axes(panel, title, decade if decade >= low else low, high,
                       x_max)
        parts += [_curve(panel, name, points, high)
                  for name, points in curves.items()]
        parts += _medians(panel, curves)
    return "\n".join([*parts, "</svg>", ""])
