"""The one HTML page: the same for every viewer and every address beneath /ui/."""

from __future__ import annotations

from sinks.dashboard.assets import Asset, Assets

BASE = "/ui-assets"
STYLES = ("tokens", "base", "layout", "components", "tables", "forms", "charts", "utilities", "print")
"""Of css/, in the order in which they override each other."""
_HEAD = "<!-- head -->"


def stylesheets(assets: Assets) -> tuple[Asset, Asset]:
    """The shared styles as one file, and those of the pages as another: a mistake in the latter spares the former."""
    return (
        _joined(assets, "css/all.css", [f"css/{name}.css" for name in STYLES]),
        _joined(assets, "css/pages.css", assets.named("css/pages", ".css")),
    )


def _joined(assets: Assets, name: str, parts: list[str]) -> Asset:
    body = b"\n".join(assets.files[part].body for part in parts if part in assets.files)
    return Asset(name, body, "text/css; charset=utf-8")


def page_shell(assets: Assets) -> Asset:
    """index.html with the addresses of this version in its head."""
    at = f"{BASE}/{assets.version}"
    early = [*assets.named("js/core", ".js"), *assets.named("js/core/parts", ".js"), "js/shell/nav.js"]
    early = [name for name in early if name in assets.files and "/chart" not in name]
    lines = [
        f'<link rel="icon" href="{at}/icon.svg" type="image/svg+xml">',
        f'<script src="{at}/js/early.js"></script>',
        f'<link rel="stylesheet" href="{at}/css/all.css">',
        f'<link rel="stylesheet" href="{at}/css/pages.css">',
        f'<script type="module" src="{at}/js/main.js"></script>',
        *(f'<link rel="modulepreload" href="{at}/{name}">' for name in early),
    ]
    html = assets.files["index.html"].body.decode().replace(_HEAD, "\n    ".join(lines))
    return Asset("index.html", html.encode(), "text/html; charset=utf-8")
