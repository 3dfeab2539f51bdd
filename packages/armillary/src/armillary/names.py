"""Rules for the names of components, of their classes, and of everything that may become part of a path. Light."""

import re

_COMPONENT = re.compile(r"[a-z0-9][a-z0-9-]*(?:/[0-9]+)?")
_TARGET = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_NAME = re.compile(r"(?!\.)[^\x00-\x1f\x7f/\\:]+(?<!\s)")

NAME_RULE = "a name has no / \\ : or control character, begins with no dot and ends with no space"
"""The rule of :func:`is_name` in words, for messages."""


def is_component_name(text: object) -> bool:
    """Return whether ``text`` is lower-case words joined by ``-``, with ``/version`` of an evaluator.

    >>> is_component_name("chamfer/2"), is_component_name("Chamfer")
    (True, False)
    """
    return isinstance(text, str) and bool(_COMPONENT.fullmatch(text))


def is_target(text: object) -> bool:
    """Return whether ``text`` is written ``package.module:Class``; the class may be inside another.

    >>> is_target("package.module:Outer.Inner"), is_target("package.module")
    (True, False)
    """
    return isinstance(text, str) and bool(_TARGET.fullmatch(text))


def is_name(text: object, *, folders: bool = False) -> bool:
    """Return whether ``text`` can name a stage, slot, loss, evaluator, other run, picture, point or category.

    Such a name can be one part of a path and never leaves its folder.

    Args:
        text: the name.
        folders: names of folders may precede it, as those of pictures do: ``left/0001``.

    >>> is_name("depth.encoder"), is_name("left/0001"), is_name("left/0001", folders=True), is_name("../0001", folders=True)
    (True, False, True, False)
    """
    return isinstance(text, str) and all(_NAME.fullmatch(part) for part in (text.split("/") if folders else [text]))
