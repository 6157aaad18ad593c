"""What the eye would measure: boxes, contrast, what lies on top. All of it by the browser's own computed values."""

from __future__ import annotations

import re
from typing import TypedDict

from playwright.sync_api import Locator, Page

Colour = tuple[float, float, float, float]


class Look(TypedDict):
    """How a control looks; sizes in CSS pixels."""

    x: float
    y: float
    width: float
    height: float
    font: str
    text: str
    background: str
    border: str
    behind: str


LOOK = """node => {
  const box = node.getBoundingClientRect(), style = getComputedStyle(node);
  const opaque = element => {
    for (let up = element; up; up = up.parentElement) {
      const colour = getComputedStyle(up).backgroundColor;
      if (!/^rgba.*, 0\\)$|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return {
    x: box.x, y: box.y, width: box.width, height: box.height,
    font: [style.fontSize, style.fontWeight, style.fontFamily, style.fontStyle, style.textDecorationLine,
      style.textTransform, style.paddingTop, style.paddingRight, style.paddingBottom, style.paddingLeft, style.opacity,
      style.borderTopWidth, style.borderRadius].join(" | "),
    text: style.color, background: opaque(node), border: style.borderTopColor, behind: opaque(node.parentElement),
  };
}"""

# Some part of the focused element can be seen: not wholly under a banner (N3, WCAG 2.4.11).
SEEN = """node => {
  const box = node.getBoundingClientRect();
  const xs = [box.left + 1, (box.left + box.right) / 2, box.right - 1];
  const ys = [box.top + 1, (box.top + box.bottom) / 2, box.bottom - 1];
  return xs.some(x => ys.some(y => {
    const top = document.elementFromPoint(x, y);
    return top && (top === node || node.contains(top) || top.contains(node));
  }));
}"""


def look(control: Locator) -> Look:
    found: Look = control.evaluate(LOOK)
    return found


def colour(text: str) -> Colour:
    numbers = [float(number) for number in re.findall(r"[\d.]+", text)]
    red, green, blue = numbers[:3]
    return red, green, blue, numbers[3] if len(numbers) > 3 else 1.0


def luminance(text: str) -> float:
    """WCAG's relative luminance."""
    channels = [part / 255 for part in colour(text)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def overflow(page: Page) -> int:
    """How many pixels the page is wider than its window: what a reader would have to scroll sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def in_window(page: Page, control: Locator) -> bool:
    box = look(control)
    size = page.viewport_size
    assert size
    return (
        box["x"] >= 0
        and box["y"] >= 0
        and box["x"] + box["width"] <= size["width"] + 0.5
        and box["y"] + box["height"] <= size["height"] + 0.5
    )


def reachable(control: Locator) -> bool:
    """The control can be scrolled to and nothing lies over its middle."""
    control.scroll_into_view_if_needed()
    return bool(
        control.evaluate(
            """node => { const box = node.getBoundingClientRect();
            const top = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
            return !!top && (top === node || node.contains(top) || !!top.closest("label")?.contains(node)); }"""
        )
    )
