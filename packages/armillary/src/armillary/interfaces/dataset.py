"""Readers of data."""

import abc
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import attrs

from armillary import specs
from armillary.errors import DataError
from armillary.interfaces.part import Part, given
from armillary.interfaces.signature import gives
from armillary.ports import Shape


@attrs.frozen
class Fingerprint:
    """Record of the data of a run; never their path.

    Args:
        name: of the folder.
        count: items in all its splits.
        digest: hash over names and contents.
    """

    name: str
    count: int
    digest: str


@attrs.frozen(order=True)
class Finding:
    """One error or warning.

    Args:
        path: the file, relative to the data folder.
        text: what it is.
        severity: ``error``: the file or row cannot be used; ``warning``: it can.
    """

    path: str
    text: str
    severity: Literal["error", "warning"] = "error"


@attrs.frozen(kw_only=True)
class Examination:
    """Facts and findings about a folder.

    Args:
        name: of the folder.
        facts: what is there, for a person: ``{"meshes": "9 of 10 can be read"}``; plain values.
        findings: everything that is wrong, by file.
    """

    name: str
    facts: Mapping[str, Any]
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing keeps the folder from being used whole; warnings do not count."""
        return not any(finding.severity == "error" for finding in self.findings)

    def plain(self) -> dict[str, Any]:
        """Return the same as plain values, for JSON."""
        return {**attrs.asdict(self), "ok": self.ok}


class Dataset(Part):
    """A reader of one split of some data; items are dicts of tensors by port name, and ``id``.

    ``__getitem__`` returns a ``TypedDict`` of all that it can give; ports that depend on the data are ``NotRequired``. ``setup``
    reads what is there, and raises :class:`~armillary.errors.DataError` when nothing is usable; the message names the path and
    what to type.
    """

    SPEC, FACTS = specs.DatasetSpec, ("endings",)
    endings: ClassVar[tuple[str, ...]] = ()
    """Of the files that :meth:`examine` knows, in lower case, with their dot."""
    root: Path = given()
    """Folder that the user named."""
    split: str = given()
    """``train``, ``val``, ``test`` or ``all``."""

    @classmethod
    def declared(cls) -> dict[str, Any]:
        """Return the ports of ``__getitem__``."""
        return {"produces": gives(cls.__getitem__)}

    @classmethod
    def read_file(cls, config: Any, path: Path) -> dict[str, Any]:
        """Return one item made from a file that the user names, for ``predict``.

        Raises:
            DataError: this data set cannot read single files, or not this one.
        """
        del config
        raise DataError(f"{path}: {cls.__name__} reads folders only, not single files")

    @classmethod
    def examine(cls, config: Any, *, root: Path, progress: Callable[[int, int], None] | None = None) -> Examination:
        """Return what is in a folder and what is wrong with it, every file read and none changed.

        Args:
            config: an instance of ``Config``.
            root: the folder.
            progress: called with files done and files to do.

        Raises:
            DataError: there is nothing of its kind, or this data set cannot say.
        """
        del config, progress
        raise DataError(f"{root}: {cls.__name__} does not say what is wrong with a folder")

    @property
    @abc.abstractmethod
    def ids(self) -> Sequence[str]:
        """Return the items' names, in order; unique and stable."""

    @property
    @abc.abstractmethod
    def provides(self) -> Mapping[str, Shape]:
        """Return the ports that this data really offers, with shapes of one item."""

    @property
    @abc.abstractmethod
    def problems(self) -> Sequence[str]:
        """Return one line for each file that was passed over."""

    @property
    @abc.abstractmethod
    def fixed_split(self) -> bool:
        """Return whether the data itself says what is train and test (folders, a list), rather than a hash."""

    @abc.abstractmethod
    def fingerprint(self) -> Fingerprint:
        """Return what a run remembers of this data."""

    def restrict(self, ports: Collection[str]) -> None:
        """Need nothing but these ports from now on; a data set may then read less."""
        del ports

    @abc.abstractmethod
    def __len__(self) -> int:
        """Return the number of items."""

    @abc.abstractmethod
    def __getitem__(self, index: int) -> Any:
        """Return one item."""
