"""A line that loses packets, between two network namespaces of this machine, by a forwarder between two TUN devices.

The process that opens it moves into the first namespace for good; nothing outside of the two sees a packet.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import multiprocessing
import os
import random
import select
import struct
import subprocess
from collections.abc import Iterator

__all__ = ["FAR", "LineUnavailableError", "lossy_line"]

#: The addresses of the two ends.
NEAR, FAR = "10.77.0.1", "10.77.0.2"
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
#: An IP device (IFF_TUN) whose packets have no header of their own (IFF_NO_PI).
_TUN = 0x0001 | 0x1000
_MOST_BYTES = 2048


class LineUnavailableError(Exception):
    """The system gives no namespace or no TUN device."""


@contextlib.contextmanager
def lossy_line(loss: float, seed: int = 1) -> Iterator[tuple[str, ...]]:
    """Gives the command that runs a program at the far end, whose address is `FAR`; this process is at the near one.

    Args:
        loss: The share of packets that are lost, either way.
        seed: Of the draw.

    Raises:
        LineUnavailableError: There is no such line on this system.
    """
    try:
        far = _namespace()
        near = _namespace()
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        _enter(far)
        there = _device("far0", FAR, NEAR)
        _enter(near)
        ours = _device("near0", NEAR, FAR)
        os.close(here)
    except OSError as error:
        raise LineUnavailableError(str(error)) from error
    forwarder = multiprocessing.get_context("fork").Process(
        target=_forward, args=(ours, there, loss, seed), daemon=True
    )
    forwarder.start()
    try:
        yield ("nsenter", f"--net=/proc/{os.getpid()}/fd/{far}")
    finally:
        forwarder.kill()
        forwarder.join()
        for descriptor in (ours, there, far, near):
            os.close(descriptor)


def _namespace() -> int:
    """Returns a new network namespace, in which this process is then."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no way into the namespace")


def _device(name: str, address: str, peer: str) -> int:
    """Returns a TUN device of the namespace, up."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH14x", name.encode(), _TUN))
    subprocess.run(["ip", "address", "add", address, "peer", peer, "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return device


def _forward(one: int, other: int, loss: float, seed: int) -> None:
    draw = random.Random(seed).random
    towards = {one: other, other: one}
    ready = select.poll()
    for device in towards:
        ready.register(device, select.POLLIN)
    while True:
        for device, _ in ready.poll():
            packet = os.read(device, _MOST_BYTES)
            if draw() >= loss:
                os.write(towards[device], packet)
