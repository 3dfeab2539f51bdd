"""Validators of settings beside those of attrs: records, which a manifest holds as data. Light.

With ``gt``, ``ge``, ``lt``, ``le``, ``in_``, ``min_len``, ``and_``, ``optional`` and ``deep_iterable`` of ``attrs.validators`` they are the
closed set of declared rules. Such a rule is checked without an import of the part; a function is imported to be called.
"""

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from types import CodeType
from typing import Any

import attrs

_GRAMMAR = (
    *(ast.Expression, ast.Name, ast.Constant, ast.Tuple, ast.Load, ast.Compare, ast.BinOp, ast.UnaryOp, ast.BoolOp),
    *(ast.boolop, ast.cmpop, ast.Not, ast.USub, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod),
)


@attrs.frozen
class MultipleOf:
    """Validator of a multiple of ``step``.

    >>> import attrs
    >>> MultipleOf(8)(None, attrs.fields(MultipleOf).step, 12)
    Traceback (most recent call last):
    ValueError: step must be a multiple of 8, not 12
    """

    step: int

    def __call__(self, instance: Any, attribute: Any, value: int) -> None:
        """Raise ValueError for another number."""
        if value % self.step:
            raise ValueError(f"{attribute.name} must be a multiple of {self.step}, not {value}")


@attrs.frozen
class AtLeast:
    """Validator of a list with a smallest value for each item."""

    least: tuple[float, ...]

    def __call__(self, instance: Any, attribute: Any, value: Sequence[float]) -> None:
        """Raise ValueError if an item is below its smallest value."""
        if any(one < least for one, least in zip(value, self.least, strict=True)):
            raise ValueError(f"{attribute.name} must be at least {list(self.least)}, item by item, not {list(value)}")


@attrs.frozen
class Rising:
    """Validator of a list in which no item is below the one before it."""

    def __call__(self, instance: Any, attribute: Any, value: Sequence[float]) -> None:
        """Raise ValueError for a list in another order."""
        if list(value) != sorted(value):
            raise ValueError(f"{attribute.name} must rise from item to item, not {list(value)}")


@attrs.frozen
class Distinct:
    """Validator of a list without repetitions."""

    def __call__(self, instance: Any, attribute: Any, value: Sequence[Any]) -> None:
        """Raise ValueError if two items are equal."""
        if len(set(value)) != len(value):
            raise ValueError(f"{attribute.name} must not repeat an item: {', '.join(map(str, value))}")


@attrs.frozen
class ValuesIn:
    """Validator of a table whose values are all among ``options``."""

    options: tuple[str, ...]

    def __call__(self, instance: Any, attribute: Any, value: Mapping[str, str]) -> None:
        """Raise ValueError for another value."""
        for key, one in value.items():
            if one not in self.options:
                raise ValueError(f"{attribute.name}.{key} needs one of {', '.join(self.options)}, got {one!r}")


@attrs.frozen
class Holds:
    """Validator of several settings together, on one of them: an expression of their names that must be true.

    It has names, numbers, texts and tuples, arithmetic, comparisons, ``and``, ``or`` and ``not``; no calls.

    >>> Holds("val + test < 1", "a part is left for train")
    Holds(rule='val + test < 1', why='a part is left for train')

    Args:
        rule: the expression.
        why: reason, for the message.

    Raises:
        ValueError: the rule is no such expression.
    """

    rule: str = attrs.field()
    why: str = ""

    @rule.validator  # pyright: ignore[reportAttributeAccessIssue]
    def _readable(self, attribute: Any, value: str) -> None:
        _compiled(value)

    def __call__(self, instance: Any, attribute: Any, value: Any) -> None:
        """Raise ValueError if it does not hold; without an instance the other settings are unknown, and nothing is checked."""
        if instance is None:
            return
        code = _compiled(self.rule)
        values = {name: getattr(instance, name) for name in code.co_names}
        if not eval(code, {"__builtins__": {}}, values):
            got = ", ".join(f"{name} {value!r}" for name, value in values.items())
            raise ValueError(f"needs {self.rule}{self.why and f' ({self.why})'}, got {got}")


@cache
def _compiled(rule: str) -> CodeType:
    try:
        tree = ast.parse(rule, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"the rule {rule!r} is no expression: {error.msg}") from error
    for node in ast.walk(tree):
        if not isinstance(node, _GRAMMAR):
            raise ValueError(
                f"the rule {rule!r} has a {type(node).__name__}: only names, constants and operators may be used"
            )
    return compile(tree, "<rule>", "eval")
