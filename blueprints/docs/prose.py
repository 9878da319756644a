"""The little Markdown that the document's descriptions use, as HTML: paragraphs, `##` headings, code."""

from __future__ import annotations

import re
from html import escape

_CODE = re.compile(r"`([^`]+)`")


def inline(text: str) -> str:
    """HTML of one line of text, its code marked."""
    return _CODE.sub(r"<code>\1</code>", escape(str(text)))


def blocks(text: str) -> str:
    """HTML of paragraphs and headings."""
    return "\n".join(_block(block) for block in re.split(r"\n\s*\n", text.strip()))


def _block(block: str) -> str:
    if block.startswith("## "):
        return f"<h3>{inline(block[3:])}</h3>"
    return f"<p>{inline(block)}</p>"
