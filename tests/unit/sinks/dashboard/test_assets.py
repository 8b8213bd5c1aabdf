"""The dashboard's files: found by their names alone, told apart by version, packed where it helps."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from pathlib import Path

import pytest

from sinks.dashboard.assets import WEB, Assets, load_assets, stamp_of, vendor_root


@pytest.fixture(scope="module")
def assets() -> Assets:
    return load_assets()


def test_a_file_is_found_with_and_without_its_version(assets: Assets) -> None:
    fixed, never_changes = assets.find(f"{assets.version}/js/main.js")
    plain, changes = assets.find("js/main.js")
    assert fixed is plain
    assert fixed is not None
    assert (never_changes, changes) == (True, False)
    assert fixed.media_type == "text/javascript; charset=utf-8"


def test_a_page_from_before_an_update_still_gets_files_but_does_not_keep_them(assets: Assets) -> None:
    found, never_changes = assets.find("v0123456789ab/js/main.js")
    assert found is assets.files["js/main.js"]
    assert not never_changes


NO_NAMES = r""" . .. ../assets.py js/../../assets.py /etc/passwd js//main.js js/main.js/ js JS/MAIN.JS vX/js/main.js
    js\main.js %2e%2e/assets.py css/../js/main.js vendor/echart/../scene/index.js"""


@pytest.mark.parametrize("path", ["", "js/main.js\0", *NO_NAMES.split()])
def test_what_is_no_name_of_a_file_does_not_exist(assets: Assets, path: str) -> None:
    assert assets.find(path)[0] is None
    assert assets.find(f"{assets.version}/{path}")[0] is None


def test_the_version_follows_what_the_files_say(assets: Assets) -> None:
    main = assets.files["js/main.js"]
    other = Assets({**assets.files, "js/main.js": replace(main, body=main.body + b"\n// more")})
    assert other.version != assets.version
    assert Assets(dict(reversed(assets.files.items()))).version == assets.version


def test_packed_is_the_same_file_and_only_where_it_is_smaller(assets: Assets) -> None:
    main = assets.files["js/main.js"]
    assert main.packed is not None
    assert gzip.decompress(main.packed) == main.body
    assert len(main.packed) < len(main.body)
    assert replace(main, body=b"tiny").packed is None


def test_the_stamp_moves_when_a_file_is_written(tmp_path: Path) -> None:
    file = tmp_path / "a.js"
    file.write_text("1")
    before = stamp_of(tmp_path)
    (tmp_path / "b.js").write_text("2")
    assert stamp_of(tmp_path) != before
    assert stamp_of(WEB) == stamp_of(WEB)


def test_charts_come_out_of_the_installed_wheel(assets: Assets) -> None:
    assert vendor_root() is not None
    assert b"echarts" in assets.files["vendor/echart/index.js"].body
    assert b"OrbitControls" in assets.files["vendor/scene/index.js"].body


def test_modules_import_relatively_so_that_they_stay_beneath_one_version() -> None:
    for path in WEB.rglob("*.js"):
        for line in path.read_text().splitlines():
            if line.startswith(("import ", "export {", "} from")) and " from " in line:
                assert ' from "./' in line or ' from "../' in line, f"{path.name}: {line}"


def test_no_script_or_style_is_written_into_a_page_and_no_markup_is_parsed() -> None:
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", ".srcdoc")
    for path in WEB.rglob("*.js"):
        text = path.read_text()
        assert not [word for word in forbidden if word in text and path.name != "dom.js"], path
    html = (WEB / "index.html").read_text()
    assert "style=" not in html
    assert "<style" not in html
    assert "<script" not in html


def test_no_file_of_ours_names_an_address_outside() -> None:
    allowed = ("http://www.w3.org/2000/svg",)
    for path in WEB.rglob("*"):
        if path.is_file():
            text = path.read_text()
            for name in allowed:
                text = text.replace(name, "")
            assert "http://" not in text, path
            assert "https://" not in text, path


def test_every_style_file_stands_on_its_own_and_has_no_colours_but_the_tokens() -> None:
    for path in (WEB / "css").rglob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        assert text.count("{") == text.count("}"), path
        assert "@import" not in text, path
        assert "url(" not in text, path
        if path.parent.name == "pages":
            assert not re.search(r"#[0-9a-fA-F]{3,8}\b\s*[;)},]|rgb\(|hsl\(", text), f"{path}: take a token"
