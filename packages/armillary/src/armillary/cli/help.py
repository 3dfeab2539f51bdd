"""Layout of help: two columns of plain text, without colour or boxes, so that it is quick and can be copied."""

import shutil
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_WIDEST = 100
_LABEL = 28


class HelpFormatter:
    """Formatter of a verb's help."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Draw a panel: flags, arguments or verbs."""
        del options
        if not panel.entries:
            return
        pairs = [(_label(entry, panel.format), _description(entry)) for entry in panel.entries]
        column = min(_LABEL, max(len(label) for label, _ in pairs) + 4)
        lines = [f"{panel.title}:"]
        for label, text in pairs:
            lines += _entry(label, text, column=column)
        _write(console, "\n".join(lines))

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: Any) -> None:
        """Draw the usage line of a verb."""
        del options
        if usage:
            _write(console, _plain(usage))

    def render_description(self, console: "Console", options: "ConsoleOptions", description: Any) -> None:
        """Draw the description of a verb."""
        del options
        paragraphs = [_wrapped(paragraph) for paragraph in _plain(description).split("\n\n")]
        if any(paragraphs):
            _write(console, "\n\n".join(paragraphs))


def _wrapped(paragraph: str) -> str:
    if paragraph.startswith("    "):  # an example, to be copied as it is
        return paragraph
    return textwrap.fill(" ".join(paragraph.split()), _width(), break_long_words=False, break_on_hyphens=False)


def _label(entry: "HelpEntry", format: str) -> str:
    if format == "command":
        return ", ".join((*entry.positive_shorts, *entry.positive_names))
    if entry.positional_label:
        return entry.positional_label
    return ", ".join(entry.display_labels_with_metavar)


def _description(entry: "HelpEntry") -> str:
    words = [" ".join(_plain(entry.description).split())]
    if entry.choices:
        words.append(f"({', '.join(entry.choices)})")
    if entry.default not in (None, "", '""', "()", "None", "False"):
        words.append(f"[{entry.default}]")
    if entry.required:
        words.append("(required)")
    return " ".join(word for word in words if word)


def _entry(label: str, text: str, *, column: int) -> list[str]:
    body = textwrap.wrap(text, max(20, _width() - column), break_long_words=False, break_on_hyphens=False)
    head = f"  {label}"
    if not body:
        return [head]
    if len(head) + 2 > column:
        return [head, *(" " * column + line for line in body)]
    return [head.ljust(column) + body[0], *(" " * column + line for line in body[1:])]


def _plain(text: Any) -> str:
    if text is None:
        return ""
    if hasattr(text, "plain"):
        return text.plain.rstrip()
    if hasattr(text, "primary_renderable"):  # what cyclopts wraps words in
        return _plain(text.primary_renderable)
    if hasattr(text, "renderables"):
        return "\n\n".join(_plain(each) for each in text.renderables)
    return str(text).rstrip()


def _width() -> int:
    return min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)


def _write(console: "Console", text: str) -> None:
    console.file.write(f"{text}\n\n")
