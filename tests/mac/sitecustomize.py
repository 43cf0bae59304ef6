"""Takes from Python on Linux what Python on macOS has not; Python reads it at its start where PYTHONPATH names it.

Only for programs that a test starts, with all that they start: `tests/unit/test_mac.py`. FSEvents is the module
`_watchdog_fsevents` beside this file.
"""

from __future__ import annotations

import errno
import os
import select
import selectors
import signal
import socket
import sys
import sysconfig
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

SOCKET_PATH = 104  # bytes of a socket's path there, with the zero that ends it; Linux has 108
ABSENT = ("/proc", "/sys")

MISSING: dict[ModuleType, tuple[str, ...]] = {
    os: [
        "O_PATH",
        "O_TMPFILE",
        "O_DIRECT",
        "O_NOATIME",
        "O_RSYNC",
        "O_LARGEFILE",
        "pidfd_open",
        "sched_getaffinity",
        "sched_setaffinity",
        "sched_getscheduler",
        "memfd_create",
        "eventfd",
        "eventfd_read",
        "eventfd_write",
        "splice",
        "copy_file_range",
        "posix_fadvise",
        "posix_fallocate",
        "getrandom",
        "GRND_NONBLOCK",
        "setresuid",
        "setresgid",
        "getresuid",
        "getresgid",
        "getxattr",
        "setxattr",
        "listxattr",
        "removexattr",
        "fdatasync",
        "pipe2",
        "unshare",
        "setns",
        "timerfd_create",
    ],
    time: ("CLOCK_BOOTTIME", "CLOCK_TAI", "pthread_getcpuclockid", "clock_settime"),
    signal: [
        "sigtimedwait",
        "sigwaitinfo",
        "SIGRTMIN",
        "SIGRTMAX",
        "SIGPWR",
        "SIGSTKFLT",
        "SIGPOLL",
        "SIGCLD",
    ],
    select: [name for name in dir(select) if name.upper().startswith("EPOLL")],
    socket: [
        "SOCK_CLOEXEC",
        "SOCK_NONBLOCK",
        "TCP_KEEPIDLE",
        "TCP_USER_TIMEOUT",
        "TCP_QUICKACK",
        "SO_PEERCRED",
        "SO_PASSCRED",
        "SO_BINDTODEVICE",
        "SO_MARK",
        "SO_DOMAIN",
        "SO_PROTOCOL",
        "AF_NETLINK",
        "AF_PACKET",
        "AF_VSOCK",
        "MSG_NOSIGNAL",
    ],
}  # type: ignore[assignment]


def become() -> None:
    """Make this process believe that it runs on macOS."""
    os.environ.setdefault("_PYTHON_SYSCONFIGDATA_NAME", sysconfig._get_sysconfigdata_name())  # type: ignore[attr-defined]
    sys.platform = "darwin"
    kernel = os.uname()
    mac = os.uname_result(("Darwin", kernel.nodename, "24.6.0", "Darwin Kernel Version 24.6.0", "arm64"))
    os.uname = lambda: mac
    for module, names in MISSING.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    selectors.DefaultSelector = selectors.PollSelector  # for a queue of the kernel that only BSD has
    sys.modules["_scproxy"] = _proxies()
    sys.addaudithook(_refuse_opening)
    for name in ("stat", "lstat", "readlink", "access"):
        setattr(os, name, _without_proc(getattr(os, name)))
    socket.socket = _Socket  # type: ignore[misc]


def _proxies() -> ModuleType:
    module: Any = ModuleType("_scproxy")
    module._get_proxy_settings = module._get_proxies = dict
    return module


def _is_absent(path: object) -> bool:
    if isinstance(path, bytes | os.PathLike):
        path = os.fsdecode(path)
    return isinstance(path, str) and path.startswith(ABSENT) and path.split("/")[1] in ("proc", "sys")


def _refuse_opening(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("open", "os.listdir", "os.scandir") and arguments and _is_absent(arguments[0]):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), arguments[0])


def _without_proc(call: Callable[..., Any]) -> Callable[..., Any]:
    def instead(path: Any, *arguments: Any, **named: Any) -> Any:
        if _is_absent(path):
            if call.__name__ == "access":
                return False
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return call(path, *arguments, **named)

    return instead


class _Socket(socket.socket):
    def connect(self, address: Any, /) -> None:
        super().connect(_short(address))

    def bind(self, address: Any, /) -> None:
        super().bind(_short(address))


def _short(address: Any) -> Any:
    if isinstance(address, str | bytes) and len(os.fsencode(address)) >= SOCKET_PATH:
        raise OSError("AF_UNIX path too long")
    return address


become()
