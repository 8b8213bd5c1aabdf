"""Checks of the machine: Python, packages, folders, disk, Docker, GPU."""

from __future__ import annotations

import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from urllib.parse import urlsplit

from infra.doctor.finding import Finding

LEAST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 2 * 1024**3
_NOT_FOR_RUNNING = frozenset({"all", "dev"})
_OPTIONAL = frozenset({"presidio"})
"""Extras that no part needs, and that no other extra brings along."""
_REQUIREMENT = re.compile(r"^(?P<package>[A-Za-z0-9_.-]+)[^;]*(?:;.*extra == ['\"](?P<extra>[^'\"]+)['\"])?")
_DOCKER_ANSWERS_WITHIN_S = 2.0


def python_version() -> Finding:
    """Whether this Python is new enough."""
    here = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] >= LEAST_PYTHON:
        return Finding("python", "ok", here)
    least = ".".join(str(part) for part in LEAST_PYTHON)
    return Finding("python", "missing", f"{here}, older than {least}", f"Make the environment with Python {least}")


def packages() -> list[Finding]:
    """One finding an extra (and one for what is always needed): which of its packages are installed."""
    return [_extra_finding(extra, names) for extra, names in requirements_by_extra().items()]


def requirements_by_extra(requirements: list[str] | None = None) -> dict[str, list[str]]:
    """Package names by the extra that asks for them, "base" without one; by default of the installed fleetpulse."""
    found: dict[str, list[str]] = {}
    for line in requirements if requirements is not None else distribution("fleetpulse").requires or []:
        match = _REQUIREMENT.match(line)
        extra = (match["extra"] or "base") if match else "base"
        if match and extra not in _NOT_FOR_RUNNING:
            found.setdefault(extra, []).append(match["package"])
    return found


def _extra_finding(extra: str, names: list[str]) -> Finding:
    absent = [name for name in names if _installed(name) is None]
    name = f"packages:{extra}"
    if absent and extra in _OPTIONAL:
        return Finding(name, "ok", f"not installed: {', '.join(absent)} (optional)")
    if absent:
        wanted = "fleetpulse" if extra == "base" else f"fleetpulse[{extra}]"
        return Finding(name, "missing", f"not installed: {', '.join(absent)}", f"pip install '{wanted}'")
    return Finding(name, "ok", ", ".join(f"{n} {_installed(n)}" for n in names))


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def writable(name: str, folder: Path, setting: str) -> Finding:
    """Whether files can be written into `folder`, or it can be made; leaves nothing behind."""
    nearest = _nearest_existing(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=nearest, prefix=".fleetpulse-doctor-"):
            pass
    except OSError as error:
        mend = f"Give write access to {nearest}, or set {setting} to another folder"
        return Finding(name, "missing", f"{folder}: {error.strerror}", mend)
    return Finding(name, "ok", str(folder) if folder.is_dir() else f"{folder} (will be made)")


def free_disk(folder: Path, setting: str, least_bytes: int = LEAST_FREE_BYTES) -> Finding:
    """How much room there is where `folder` is or will be."""
    free_bytes = shutil.disk_usage(_nearest_existing(folder)).free
    detail = f"{free_bytes / 1024**3:.1f} GiB free at {folder}"
    if free_bytes >= least_bytes:
        return Finding("disk", "ok", detail)
    return Finding("disk", "warn", detail, f"Free some, or set {setting} to a folder on a larger disk")


def _nearest_existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(p for p in (folder, *folder.parents) if p.exists())


def docker_engine(environment: Mapping[str, str], within_s: float = _DOCKER_ANSWERS_WITHIN_S) -> Finding:
    """Whether a Docker engine answers; only the container tests and the compose file need one."""
    url = environment.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if docker_answers(url, within_s):
        return Finding("docker", "ok", f"answers at {url}")
    return Finding("docker", "warn", f"no engine answers at {url}", "Only needed for the container tests and compose")


def docker_answers(url: str, timeout_s: float = _DOCKER_ANSWERS_WITHIN_S) -> bool:
    """Whether `GET /_ping` of the Docker Engine API is answered at `unix://PATH` or `tcp://HOST:PORT`."""
    at = urlsplit(url)
    try:
        with socket.socket(socket.AF_UNIX if at.scheme == "unix" else socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(at.path if at.scheme == "unix" else (at.hostname or "", at.port or 2375))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.")
    except (OSError, ValueError):
        return False


def gpu() -> Finding:
    """Which GPUs NVML sees; without one the host probe leaves their columns empty."""
    try:
        import pynvml  # noqa: PLC0415  # of the extra `probe`; its absence is told by the packages
    except ModuleNotFoundError:
        return Finding("gpu", "ok", "not looked for: nvidia-ml-py is not installed (optional)")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return Finding("gpu", "ok", "none (optional)")
    try:
        count = pynvml.nvmlDeviceGetCount()
        names = [str(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(i))) for i in range(count)]
    except pynvml.NVMLError as error:
        return Finding("gpu", "warn", f"NVML: {error}", "Optional; check the driver")
    finally:
        pynvml.nvmlShutdown()
    return Finding("gpu", "ok", ", ".join(names) or "none (optional)")
