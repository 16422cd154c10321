"""The process that runs tosca-parser, fenced: limits on memory, time and files, no network, no programs.

It reads jobs from standard input and writes results to standard output: four octets of length, then
marshalled values. A job is a list of templates; a result is one list of messages for each, or a text that
says how the parser gave up. The process ends when its input does.
"""

from __future__ import annotations

import contextlib
import io
import marshal
import os
import resource
import signal
import struct
import sys
import types
from typing import Any, BinaryIO

#: Most address space, in octets.
MAX_ADDRESS_SPACE = 512 * 1024 * 1024
#: CPU seconds that one job may take.
CPU_SECONDS = 1.5
#: Largest job or result, in octets.
MAX_MESSAGE = 64 * 1024 * 1024

_FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.spawn", "os.posix_spawn", "os.system", "shutil.")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def read_message(stream: BinaryIO) -> Any:
    """The next value, or None at the end of the stream."""
    header = stream.read(4)
    if len(header) < 4:
        return None
    (length,) = struct.unpack("<I", header)
    if length > MAX_MESSAGE:
        raise ValueError(f"a message of {length} octets is too long")
    data = stream.read(length)
    return marshal.loads(data) if len(data) == length else None


def write_message(stream: BinaryIO, value: Any) -> None:
    """Write a value that `marshal` knows."""
    data = marshal.dumps(value)
    stream.write(struct.pack("<I", len(data)) + data)
    stream.flush()


def main() -> None:
    """Serve jobs until the input ends."""
    jobs, results = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    sys.stdout = sys.stderr = io.StringIO()
    _load_parser()
    _fence()
    while (job := read_message(jobs)) is not None:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        answer = [_parse(template) for template in job]
        signal.setitimer(signal.ITIMER_PROF, 0)
        write_message(results, answer)


def _load_parser() -> None:
    """Import everything that parsing needs, before opening files is no longer possible."""
    import logging

    logging.disable(logging.CRITICAL)
    # The parser imports an HTTP client for imports by address, which never happen here.
    sys.modules["requests"] = types.ModuleType("requests")
    warm_up = {"tosca_definitions_version": "tosca_simple_yaml_1_3", "topology_template": {"node_templates": {}}}
    _parse(warm_up)


def _fence() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE, MAX_ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(_deny)


def _deny(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse whatever a parser of text has no business with."""
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"{event} is not allowed here")
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
        raise PermissionError("writing files is not allowed here")
    if event == "open" and not str(arguments[0]).startswith((sys.prefix, sys.base_prefix)):
        raise PermissionError("opening files is not allowed here")


def _parse(template: dict[str, Any]) -> list[str] | str:
    from toscaparser.common.exception import ExceptionCollector, ValidationError
    from toscaparser.tosca_template import ToscaTemplate

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            ToscaTemplate(yaml_dict_tpl=template)
        except ValidationError:
            return [str(each) for each in ExceptionCollector.getExceptions()]
        except (Exception, RecursionError, MemoryError) as error:
            ExceptionCollector.stop()
            return f"{type(error).__name__}: {error}"
    return []


if __name__ == "__main__":
    main()
