"""Pictures on a terminal: two pixels a character, one above the other."""

from __future__ import annotations

import io

from PIL import Image
from rich.color import Color
from rich.style import Style
from rich.text import Text

SHADES = " .:-=+*#%@"  # from dark to light, for terminals without colours


def drawn(png: bytes, columns: int, rows: int, colours: str | None) -> Text:
    """A picture as text of at most so many columns and rows: enlarged by a whole factor, or reduced.

    Args:
        colours: rich's name of the terminal's colours; None for none.

    >>> file = io.BytesIO()
    >>> Image.new("L", (2, 2), 255).save(file, "PNG")
    >>> print(drawn(file.getvalue(), 8, 2, None))
    @@@@
    @@@@
    """
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    width, height = columns, 2 * rows
    times = min(width // picture.width, height // picture.height)
    if times:
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    else:
        picture.thumbnail((width, height), Image.Resampling.BOX)
    if picture.height % 2:
        higher = Image.new("RGB", (picture.width, picture.height + 1))
        higher.paste(picture)
        picture = higher
    return _in_colours(picture) if colours else _in_shades(picture)


def _in_colours(picture: Image.Image) -> Text:
    text, pixels = Text(no_wrap=True), picture.tobytes()
    for y in range(0, picture.height, 2):
        for x in range(picture.width):
            upper, lower = (_pixel(pixels, (y + d) * picture.width + x) for d in (0, 1))
            text.append("▀", Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))
        text.append("\n" * (y + 2 < picture.height))
    return text


def _pixel(pixels: bytes, i: int) -> tuple[int, int, int]:
    red, green, blue = pixels[3 * i : 3 * i + 3]
    return red, green, blue


def _in_shades(picture: Image.Image) -> Text:
    grey = picture.convert("L").resize((picture.width, picture.height // 2), Image.Resampling.BOX)
    values = grey.tobytes()
    rows = [values[i : i + grey.width] for i in range(0, len(values), grey.width)]
    return Text("\n".join("".join(SHADES[v * len(SHADES) // 256] for v in row) for row in rows), no_wrap=True)
