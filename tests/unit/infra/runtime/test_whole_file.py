"""A file is there whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from infra.runtime.whole_file import write_whole


def test_the_old_content_stays_where_the_new_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    write_whole(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "new \udc80")
    assert (file.read_text(), list(tmp_path.iterdir())) == ("old", [file])


def test_links_stay_and_pipes_are_written_to(tmp_path: Path) -> None:
    link, pipe = tmp_path / "newest.json", tmp_path / "pipe"
    link.symlink_to("report.json")
    write_whole(link, "new")
    assert (link.is_symlink(), (tmp_path / "report.json").read_text()) == (True, "new")
    os.mkfifo(pipe)
    writer = threading.Thread(target=write_whole, args=(pipe, "through"))
    writer.start()
    assert pipe.read_text() == "through"
    writer.join()
