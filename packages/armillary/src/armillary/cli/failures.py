"""Failures on the screen: one line for a user's error, a traceback and an address for a bug."""

import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from armillary.errors import ArmillaryError

if TYPE_CHECKING:
    from armillary.plugins.discovery import PluginRecord

OK, FAILED, USAGE = 0, 1, 2

_SYSTEM = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EMFILE,
    errno.EIO,
    errno.ENAMETOOLONG,
}
_MEMORY = ("OutOfMemoryError", "can't allocate memory", "not enough memory")


class UsageError(ArmillaryError):
    """Command with wrong arguments: status 2."""


def after_signal(number: int) -> int:
    """Return the status of a process that a signal ended."""
    return 128 + number


def reported(run: Callable[[], int], *, typed: Sequence[str]) -> int:
    """Return the status of ``run``, after printing its error, if any, on standard error.

    With ``--json`` among the arguments, the error is also the last JSON object on standard output.

    Args:
        run: the command.
        typed: its arguments.
    """

    def machine_readable() -> int:
        try:
            return run()
        except BrokenPipeError:
            raise
        except Exception as error:
            if "--json" in typed:
                text = str(error) if isinstance(error, ArmillaryError) else f"{type(error).__name__}: {error}"
                print(json.dumps({"error": text}), flush=True)
            raise

    return _reported(machine_readable, typed=typed)


def _reported(run: Callable[[], int], *, typed: Sequence[str]) -> int:
    from cyclopts import CycloptsError

    try:
        return run()
    except UsageError as error:
        return _say(str(error), USAGE)
    except CycloptsError as error:
        return _say(_usage(error, typed), USAGE)
    except ArmillaryError as error:
        return _say(str(error), FAILED)
    except KeyboardInterrupt as error:
        number = error.args[0] if error.args and isinstance(error.args[0], int) else signal.SIGINT
        return _say("interrupted", after_signal(number))
    except BrokenPipeError:  # ``armillary recipes list | head``: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return after_signal(signal.SIGPIPE) if hasattr(signal, "SIGPIPE") else FAILED
    except OSError as error:
        if error.errno in _SYSTEM:
            where = f"{error.filename}: " if error.filename else ""
            return _say(f"{where}{_system(error)}", FAILED)
        return _bug(error)
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        if isinstance(error, MemoryError) or any(mark in words for mark in _MEMORY):
            line = words.partition("\n")[0]
            return _say(f"out of memory ({line}); a smaller batch needs less: --set batch_size=8", FAILED)
        return _bug(error)


def _say(text: str, status: int) -> int:
    lines = text.strip().splitlines() or ["failed without a word"]
    print("\n".join([f"error: {lines[0]}", *(f"       {line}" for line in lines[1:])]), file=sys.stderr)
    return status


def _system(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space left on the disk; free some, then type the same command again (a training: train --resume RUN)"
    return (error.strerror or str(error)).lower()


def _usage(error: Any, typed: Sequence[str]) -> str:
    """Return cyclopts' message, reworded where it is hard to read."""
    kind = type(error).__name__
    text = str(error)
    text = f"{text[:1].lower()}{text[1:]}"
    if kind == "MissingArgumentError" and error.argument is not None:
        name = error.argument.name
        given = any(word == name or word.startswith(f"{name}=") for word in typed)
        what = error.argument.parameter.help or ""
        text = f"{name} needs a value" if given else f"{name} is missing: {what[:1].lower()}{what[1:]}".rstrip(": .")
    if kind == "UnusedCliTokensError":
        text = f"too many arguments: {' '.join(error.unused_tokens)}"
    chain = " ".join(("armillary", *(getattr(error, "command_chain", None) or ())))
    return f"{text}\ntype {chain} --help for its arguments"


# --- bugs ------------------------------------------------------------------------------------------------------------


def _bug(error: BaseException) -> int:
    import traceback

    from armillary.version import __version__

    traceback.print_exception(error)
    plugin = _plugin_of(error.__traceback__)
    name = f"{plugin}" if plugin else f"armillary {__version__}"
    distribution = plugin.distribution if plugin else "armillary"
    where = _tracker(distribution) or f"to the maintainers of {distribution}"
    return _say(
        f"this is a bug in {name}, not in what you typed.\nPlease report it with all of the above {where}", FAILED
    )


def _plugin_of(trace: TracebackType | None) -> "PluginRecord | None":
    """Return the plugin, other than the core's own, whose code contains the innermost such frame."""
    from armillary.plugins.discovery import STD, discover

    owners = {record.module.partition(".")[0]: record for record in discover() if record.id != STD}
    found = [owners[name] for name in _packages(trace) if name in owners]
    return found[-1] if found else None


def _packages(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        yield str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        trace = trace.tb_next


def _tracker(distribution: str) -> str:
    """Return the issue tracker of a distribution, by its own metadata; empty if missing."""
    from importlib import metadata

    try:
        urls = metadata.metadata(distribution).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    pairs = [tuple(part.strip() for part in str(url).split(",", 1)) for url in urls]
    wanted = ("issue", "bug", "tracker", "source", "repository", "homepage")
    for word in wanted:
        for pair in pairs:
            if len(pair) == 2 and word in pair[0].lower():
                return f"at {pair[1]}"
    return ""
