"""Take the README's pictures out of the committed lessons: `make pictures`.

Each one in .github/ is the picture of a cell, byte for byte. The README shows it at the width that
the lesson gives it, half of its pixels, with the lesson's words as the text alternative.
"""

import base64
import functools
import re
from html import escape

import links
import nbformat
from links import ROOT

FOLDER = ROOT / ".github"
CELLS = {  # file: lesson, cell
    "four_steps.png": ("08", "ec280837"),
    "attention.png": ("03", "l03over"),
    "beliefs.png": ("08", "d7732e75"),
    "leaderboard.png": ("08", "32789587"),
    "memory.png": ("07", "l07c105"),
}


@functools.cache
def picture(file: str) -> tuple[bytes, dict]:
    """A picture of the README as its lesson has it: (PNG, its alt, width and height in pixels)."""
    lesson, cell_id = CELLS[file]
    [path] = links.NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    [cell] = [c for c in nbformat.read(path, as_version=4).cells if c.id == cell_id]
    [output] = [o for o in cell.outputs if "image/png" in o.get("data", {})]
    return base64.b64decode(output.data["image/png"]), output.metadata["image/png"]


def in_html(file: str) -> str:
    """What the README has in place of a picture's file."""
    _, shown = picture(file)
    return f'<img src=".github/{file}" width="{shown["width"]}" alt="{escape(shown["alt"])}">'


def main() -> None:
    """Write the files, and their width and words into the README."""
    text = links.README.read_text(encoding="utf-8")
    for file in CELLS:
        (FOLDER / file).write_bytes(picture(file)[0])
        shown = in_html(file)
        text = re.sub(rf'<img src="\.github/{file}"[^>]*>', shown.replace("\\", r"\\"), text)
    links.README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
