"""Children that touch what a stranger made: less memory and time, no network unless they are to call, no other program.

On Linux (x86-64 and arm64) a seccomp filter refuses, from then on and for good, whatever opens a socket, starts or
looks into another process, or raises a limit; a machine that has no such filter does not do the work. Elsewhere
(macOS) the limits hold and nothing else does.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import EngineError

GIB = 1 << 30
_GRACE_S = 5
"""Between the signal that says that the time is up and the one that nobody survives."""


class NotConfined(EngineError):
    """This machine cannot keep a child in; the message says what its operator can do."""


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """What a child may take that opens the file of a model, or asks one elsewhere."""

    memory_bytes: int = 4 * GIB
    """Of address space, libraries included."""
    cpu_s: int = 900
    """On all its processors together."""
    seconds: float = 900.0
    """By the clock."""
    files: int = 256
    """Open at once."""
    through: Collection[str] = ()
    """System calls that it may make although they are in the table below."""


CALLS = ("socket", "connect")
"""What calling another server takes, the resolver included; waiting to be called is another thing (`bind`, `listen`)."""

_REFUSED: Mapping[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "accept4": (288, 242),
    "bind": (49, 200),
    "listen": (50, 201),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setrlimit": (160, 164),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "userfaultfd": (323, 282),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "open_by_handle_at": (304, 265),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
}
"""System calls that fail, and their numbers on x86-64 and arm64."""


@dataclass(frozen=True, kw_only=True)
class _Machine:
    """A kind of processor, as the filter needs to know it: numbers of calls that are looked at more closely."""

    column: int
    """In the table above."""
    audit: int
    seccomp: int
    clone: int
    kill: int
    tgkill: int
    prlimit: int
    fcntl: int
    ioctl: int
    capset: int


_MACHINES: Mapping[str, _Machine] = {
    "x86_64": _Machine(
        column=0,
        audit=0xC000003E,
        seccomp=317,
        clone=56,
        kill=62,
        tgkill=234,
        prlimit=302,
        fcntl=72,
        ioctl=16,
        capset=126,
    ),
    "aarch64": _Machine(
        column=1,
        audit=0xC00000B7,
        seccomp=277,
        clone=220,
        kill=129,
        tgkill=131,
        prlimit=261,
        fcntl=25,
        ioctl=29,
        capset=91,
    ),
}
_CLONE3 = 435
_X32 = 0x4000_0000
"""Numbers from here on are a second set of calls on x86-64."""
_CLONE_THREAD = 0x1_0000
_SIGNAL_BY_FCNTL = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: whom a descriptor that is ready signals, and how."""
_SIGNAL_BY_IOCTL = (0x5452, 0x8901, 0x8902)
"""FIOASYNC, FIOSETOWN, SIOCSPGRP: the same."""
_INTERNET = (2, 10)
"""AF_INET, AF_INET6."""
_STREAM_OR_DATAGRAM = (1, 2)
_KIND = 0xF
"""Of what kind a socket is, without the flags beside it."""
_OWN_CAPABILITIES, _NO_CAPABILITIES = struct.pack("Ii", 0x2008_0522, 0), bytes(24)
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _SET_MODE_FILTER, _TSYNC = 4, 38, 1, 1
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _AUDIT, _ARGUMENTS = 0, 4, 16


def confine(confinement: Confinement) -> None:
    """Bind this process, with all its threads, for the rest of its life.

    Raises:
        NotConfined: the machine has no filter for system calls.
    """
    _limit(resource.RLIMIT_AS, confinement.memory_bytes)
    _limit(resource.RLIMIT_NOFILE, confinement.files)
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime)
    _limit(resource.RLIMIT_CPU, spent + confinement.cpu_s, _GRACE_S)
    if sys.platform == "linux":
        _filter(confinement.through)


def hide() -> None:
    """Let other processes of the same user neither read nor write this one's memory and environment (on Linux).

    Children that are forked from it are hidden alike, programs that it starts are not. Root sees all, but a root kept in.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _limit(what: int, value: int, grace: int = 0) -> None:
    _, most = resource.getrlimit(what)
    hard = value + grace if most == resource.RLIM_INFINITY else min(value + grace, most)
    resource.setrlimit(what, (min(value, hard), hard))


def _filter(through: Collection[str] = ()) -> None:
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise NotConfined(
            f"models cannot be opened on this machine ({platform.machine()}): no filter of system calls is known for it"
        )
    program = b"".join(_program(machine, os.getpid(), through))
    content = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(content))
    system = ctypes.CDLL(None, use_errno=True)
    system.syscall(
        machine.capset, _OWN_CAPABILITIES, _NO_CAPABILITIES
    )  # root's: with them, nothing is hidden
    if system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or system.syscall(
        machine.seccomp, _SET_MODE_FILTER, _TSYNC, header
    ):
        raise NotConfined(
            "models cannot be opened on this server: its system refuses seccomp filters"
            f" ({errno.errorcode.get(ctypes.get_errno(), 'unknown')}); its operator should allow them"
        )


def _program(machine: _Machine, pid: int, through: Collection[str]) -> Iterator[bytes]:
    """The filter in the kernel's own language: each check is followed by what is returned when it holds."""
    yield _step(_LOAD, _AUDIT)
    yield _step(_EQUAL, machine.audit, skip=1)
    yield _step(_RETURN, _KILL)
    yield _step(_LOAD, _NUMBER)
    yield from _refuse(_AT_LEAST, _X32, errno.ENOSYS)
    yield from _refuse(_EQUAL, _CLONE3, errno.ENOSYS)  # its flags cannot be read: libraries then take clone
    for name, numbers in _REFUSED.items():
        number = numbers[machine.column]
        if number is not None and name not in through:
            yield from _refuse(_EQUAL, number, errno.EPERM)
    yield from _only(machine.clone, 0, _ANY_BIT, _CLONE_THREAD)
    yield from _only(machine.kill, 0, _EQUAL, pid)
    yield from _only(machine.tgkill, 0, _EQUAL, pid)
    yield from _only(machine.prlimit, 2, _EQUAL, 0)  # to look, not to set
    yield from _without(machine.fcntl, 1, _SIGNAL_BY_FCNTL)
    yield from _without(machine.ioctl, 1, _SIGNAL_BY_IOCTL)
    if "socket" in through:
        yield from _sockets(_REFUSED["socket"][machine.column] or 0)
    yield _step(_RETURN, _ALLOW)


def _refuse(test: int, value: int, error: int) -> Iterator[bytes]:
    yield _step(test, value, otherwise=1)
    yield _step(_RETURN, _ERRNO | error)


def _only(number: int, argument: int, test: int, value: int) -> Iterator[bytes]:
    """Allow a call only if the lower half of an argument passes a test (and of a pointer also the upper one is 0)."""
    low = _ARGUMENTS + 8 * argument
    pointer = test == _EQUAL and value == 0
    yield _step(_EQUAL, number, otherwise=6 if pointer else 4)
    yield _step(_LOAD, low)
    yield _step(test, value, skip=0, otherwise=3 if pointer else 1)
    if pointer:
        yield _step(_LOAD, low + 4)
        yield _step(_EQUAL, 0, otherwise=1)
    yield _step(_RETURN, _ALLOW)
    yield _step(_RETURN, _ERRNO | errno.EPERM)


def _without(number: int, argument: int, values: Sequence[int]) -> Iterator[bytes]:
    """Allow a call unless the lower half of an argument is one of these."""
    yield _step(_EQUAL, number, otherwise=len(values) + 3)
    yield _step(_LOAD, _ARGUMENTS + 8 * argument)
    for i, value in enumerate(values):
        yield _step(_EQUAL, value, skip=len(values) - i)
    yield _step(_RETURN, _ALLOW)
    yield _step(_RETURN, _ERRNO | errno.EPERM)


def _sockets(number: int) -> Iterator[bytes]:
    """Allow streams and datagrams of the internet: no raw packets, and no local sockets, behind which servers trust."""
    yield _step(_EQUAL, number, otherwise=9)
    yield _step(_LOAD, _ARGUMENTS)
    yield _step(_EQUAL, _INTERNET[0], skip=1)
    yield _step(_EQUAL, _INTERNET[1], otherwise=5)
    yield _step(_LOAD, _ARGUMENTS + 8)
    yield _step(_AND, _KIND)
    yield _step(_EQUAL, _STREAM_OR_DATAGRAM[0], skip=1)
    yield _step(_EQUAL, _STREAM_OR_DATAGRAM[1], otherwise=1)
    yield _step(_RETURN, _ALLOW)
    yield _step(_RETURN, _ERRNO | errno.EPERM)


def _step(code: int, value: int, *, skip: int = 0, otherwise: int = 0) -> bytes:
    """One instruction; a test goes on `skip` instructions further where it holds, else `otherwise`."""
    return struct.pack("HBBI", code, skip, otherwise, value)
