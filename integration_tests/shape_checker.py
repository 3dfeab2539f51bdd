"""The type checker of ``nox -s shapes``: holds every call to the shapes in its annotations.

``Self`` is let through, since functions are decorated one by one, where it has no meaning; an int passes for a float.
"""

from typing import Any, Self

from beartype import BeartypeConf, FrozenDict, beartype

check = beartype(conf=BeartypeConf(hint_overrides=FrozenDict({Self: Any}), is_pep484_tower=True))
