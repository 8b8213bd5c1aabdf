"""The pages' routes. All public: the shell and its files hold no data; what the pages show, the API's routes guard."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from infra.web.problem import not_found
from infra.web.rules import public
from sinks.dashboard.assets import Asset, Assets, load_assets, stamp_of
from sinks.dashboard.csp import HEADERS
from sinks.dashboard.shell import page_shell, stylesheets

_IMMUTABLE = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_LARGE_BYTES = 64 << 10
_LOOK_EVERY_S = 1.0
"""Looking at the times of 150 files takes two milliseconds, which hundred viewers need not each cause."""


class Pages:
    """The files as they are, read again when the shell is asked for and one of them has changed."""

    def __init__(self) -> None:
        self._assets = _with_styles(load_assets())
        self._shell = page_shell(self._assets)
        self._looked_s = time.monotonic()

    @property
    def assets(self) -> Assets:
        """The files now served."""
        return self._assets

    def shell(self) -> Asset:
        """The page of the files as they are on disk, or were a second ago."""
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return self._shell
        self._looked_s = now_s
        if stamp_of() != self._assets.stamp:
            self._assets = _with_styles(load_assets())
            self._shell = page_shell(self._assets)
        return self._shell


def dashboard_router(pages: Pages) -> APIRouter:
    """/, /ui/... and /ui-assets/..."""
    router = APIRouter(include_in_schema=False)

    @router.get("/", dependencies=[public()])
    async def root(_request: Request) -> RedirectResponse:
        """To the pages; relative, so that it holds behind a proxy's prefix."""
        return RedirectResponse("ui/", 307)

    @router.get("/ui", dependencies=[public()])
    async def bare(_request: Request) -> RedirectResponse:
        """To the overview."""
        return RedirectResponse("ui/", 307)

    @router.get("/ui/{path:path}", dependencies=[public()])
    async def page(request: Request) -> Response:
        """The shell, for every page: which one it is, the script reads from the address."""
        return await answer(request, pages.shell(), _ASK_AGAIN, HEADERS)

    @router.get("/ui-assets/{path:path}", dependencies=[public()])
    async def file(request: Request) -> Response:
        """A script, a style, an image."""
        asset, fixed = pages.assets.find(request.path_params["path"])
        if asset is None:
            raise not_found("no such file of the dashboard")
        return await answer(request, asset, _IMMUTABLE if fixed else _ASK_AGAIN)

    return router


async def answer(request: Request, asset: Asset, keep: str, more: dict[str, str] | None = None) -> Response:
    """A file: 304 where the client has it, gzip where it takes that."""
    headers = {"Cache-Control": keep, "ETag": asset.tag, "Vary": "Accept-Encoding", **(more or {})}
    if asset.tag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    packed = await _packed(asset) if "gzip" in request.headers.get("accept-encoding", "") else None
    if packed is not None:
        return Response(packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.media_type)
    return Response(asset.body, headers=headers, media_type=asset.media_type)


async def _packed(asset: Asset) -> bytes | None:
    if len(asset.body) < _LARGE_BYTES or "packed" in asset.__dict__:
        return asset.packed
    return await asyncio.to_thread(lambda: asset.packed)  # a megabyte takes 60 ms, which nobody else should wait


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _with_styles(assets: Assets) -> Assets:
    return replace(assets, files={**assets.files, **{each.name: each for each in stylesheets(assets)}})
