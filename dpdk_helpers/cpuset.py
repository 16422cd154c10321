"""Sets of logical CPUs in the notations that Linux, DPDK and Open vSwitch read and write.

* lists: `0-3,8,10-12` (cpuset(7) "List format"), with Linux' strides `0-31:2/8` when reading;
* masks: `ff` or `00000000,000000ff` in hexadecimal words of 32 bits (cpuset(7) "Mask format"), `0xff` for DPDK;
* integers with bit n set for CPU n, on which set algebra is a single instruction per 30 CPUs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_CPUS = 65_536
"""CPU numbers stay below this: eight times the most that Linux can be built for."""

_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6})(?::(\d{1,6})/(\d{1,6}))?)?", re.ASCII)


class CpusetError(ValueError):
    """Text that denotes no set of CPUs; the message quotes the part that is wrong."""


def parse_list(text: str) -> tuple[int, ...]:
    """The CPUs of a list such as `0-3,8`, ascending, each once; blank text is the empty set.

    Raises CpusetError for anything else, for descending ranges and for numbers of 65536 or more.
    """
    stripped = text.strip()
    if not stripped:
        return ()
    cpus: set[int] = set()
    for part in stripped.split(","):
        cpus.update(_range_of(part.strip()))
    return tuple(sorted(cpus))


def _range_of(part: str) -> Iterable[int]:
    match = _RANGE.fullmatch(part)
    if match is None:
        raise CpusetError(f"expected a CPU number or a range such as 0-3, found {part[:40]!r}")
    first = int(match[1])
    last = int(match[2]) if match[2] is not None else first
    if last < first or last >= MAX_CPUS:
        raise CpusetError(f"expected an ascending range below {MAX_CPUS}, found {part[:40]!r}")
    if match[3] is None:
        return range(first, last + 1)
    used, group = int(match[3]), int(match[4])
    if not 0 < used <= group:
        raise CpusetError(f"expected a stride used/group with 0 < used <= group, found {part[:40]!r}")
    return (cpu for cpu in range(first, last + 1) if (cpu - first) % group < used)


def format_list(cpus: Iterable[int]) -> str:
    """`0-3,8`: ascending, ranges of three or more joined, pairs too, as the kernel prints them."""
    parts: list[str] = []
    ordered = sorted(set(cpus))
    index = 0
    while index < len(ordered):
        end = index
        while end + 1 < len(ordered) and ordered[end + 1] == ordered[end] + 1:
            end += 1
        parts.append(str(ordered[index]) if end == index else f"{ordered[index]}-{ordered[end]}")
        index = end + 1
    return ",".join(parts)


def mask_of(cpus: Iterable[int]) -> int:
    """The integer with the bits of `cpus` set. Raises CpusetError for a number outside 0..65535."""
    mask = 0
    for cpu in cpus:
        if not 0 <= cpu < MAX_CPUS:
            raise CpusetError(f"expected a CPU number below {MAX_CPUS}, found {cpu}")
        mask |= 1 << cpu
    return mask


def cpus_of(mask: int) -> tuple[int, ...]:
    """The CPUs whose bits are set, ascending. Raises CpusetError for a negative number."""
    if mask < 0:
        raise CpusetError("expected a mask of 0 or more")
    cpus = []
    while mask:
        lowest = mask & -mask
        cpus.append(lowest.bit_length() - 1)
        mask ^= lowest
    return tuple(cpus)


def parse_mask(text: str) -> tuple[int, ...]:
    """The CPUs of a hexadecimal mask, with or without `0x`, in one piece or in the kernel's words of 32 bits.

    Raises CpusetError for other text and for CPUs of 65536 or more.
    """
    stripped = text.strip()
    words = stripped.removeprefix("0x").removeprefix("0X").split(",")
    if any(re.fullmatch(r"[0-9a-fA-F]+", word) is None for word in words) or any(len(word) > 8 for word in words[1:]):
        raise CpusetError(f"expected a hexadecimal mask such as ff or 0x3,00000000, found {stripped[:40]!r}")
    digits = words[0] + "".join(word.rjust(8, "0") for word in words[1:])
    if len(digits.lstrip("0")) > MAX_CPUS // 4:
        raise CpusetError(f"expected a mask of at most {MAX_CPUS} CPUs")
    return cpus_of(int(digits, 16))


def format_mask(cpus: Iterable[int]) -> str:
    """`0xff`, as `dpdk-lcore-mask`, `pmd-cpu-mask` and EAL's `-c` read it."""
    return hex(mask_of(cpus))


def format_kernel_mask(cpus: Iterable[int]) -> str:
    """`00000001,000000ff`: words of 32 bits, as files below /sys and /proc read and write masks."""
    digits = f"{mask_of(cpus):x}"
    digits = digits.rjust(-(-len(digits) // 8) * 8, "0")
    return ",".join(digits[at : at + 8] for at in range(0, len(digits), 8))
