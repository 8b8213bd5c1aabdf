"""The files of the dashboard, held in memory with their tag and, where it helps, compressed once.

    /ui-assets/VERSION/js/main.js   never changes: VERSION is a hash of every file, relative imports stay beneath it
    /ui-assets/js/main.js           the same file, asked for again each time by its tag
    /ui-assets/vendor/echart/...    out of the NiceGUI wheel that is installed; nothing of it is copied

A path is looked up among the names that were read at the start, so none leads anywhere else.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

WEB = Path(__file__).parent / "web"
VENDOR = {"vendor/echart": "elements/echart/dist", "vendor/scene": "elements/scene/dist"}
"""Where folders of the wheel are served."""
_LEAST_GZIP_BYTES = 512
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
}
_COMPRESSIBLE = frozenset(_TYPES)


@dataclass(frozen=True)
class Asset:
    """One file. `body` plain; `packed` gzip, or None where it would save nothing; `tag` a strong ETag."""

    name: str
    body: bytes
    media_type: str

    @cached_property
    def tag(self) -> str:
        """ETag of the plain body."""
        return f'"{hashlib.sha256(self.body).hexdigest()[:20]}"'

    @cached_property
    def packed(self) -> bytes | None:
        """The body by gzip, made when first asked for."""
        if Path(self.name).suffix not in _COMPRESSIBLE or len(self.body) < _LEAST_GZIP_BYTES:
            return None
        packed = gzip.compress(self.body, 6, mtime=0)
        return packed if len(packed) < len(self.body) else None


@dataclass(frozen=True)
class Assets:
    """All files by the name under /ui-assets/; what is not among them does not exist, whatever the path says."""

    files: Mapping[str, Asset]
    stamp: int = 0
    version: str = field(default="", init=False)

    def __post_init__(self) -> None:
        own = "".join(self.files[name].tag for name in sorted(self.files) if not name.startswith("vendor/"))
        object.__setattr__(self, "version", "v" + hashlib.sha256(own.encode()).hexdigest()[:12])

    def find(self, path: str) -> tuple[Asset | None, bool]:
        """The file of a path under /ui-assets/, and whether the path can never mean another content."""
        first, _, rest = path.partition("/")
        if first == self.version:
            return self.files.get(rest), True
        if len(first) == len(self.version) and first.startswith("v") and rest in self.files:
            return self.files[rest], False  # of a page that was loaded before an update
        return self.files.get(path), False

    def named(self, folder: str, suffix: str) -> list[str]:
        """Names directly in a folder, sorted."""
        return sorted(n for n in self.files if n.rpartition("/")[0] == folder and n.endswith(suffix))


def load_assets(web: Path = WEB) -> Assets:
    """Every file of `web`, and of the wheel where it is installed."""
    files = {name: _asset(name, path) for name, path in _own(web)}
    files |= {name: _asset(name, path) for name, path in _vendor()}
    return Assets(files, stamp_of(web))


def stamp_of(web: Path = WEB) -> int:
    """Changes when a file of `web` is written, comes or goes."""
    return hash(tuple((name, path.stat().st_mtime_ns) for name, path in _own(web)))


def vendor_root() -> Path | None:
    """Folder of the installed NiceGUI, None where it is not; it is not imported."""
    spec = find_spec("nicegui")
    return None if spec is None or not spec.submodule_search_locations else Path(spec.submodule_search_locations[0])


def _own(web: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(web.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(web).as_posix(), path


def _vendor() -> Iterator[tuple[str, Path]]:
    root = vendor_root()
    if root is None:
        return
    for name, folder in VENDOR.items():
        for path in sorted((root / folder).glob("*.js")):
            yield f"{name}/{path.name}", path


def _asset(name: str, path: Path) -> Asset:
    guessed = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(name, path.read_bytes(), guessed)
