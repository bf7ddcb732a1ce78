"""What a killed process left on the way is swept; what still moves is not."""

import os
import socket
import time
from pathlib import Path

from app.leftovers import sweep, sweep_silent


def test_only_what_nobody_writes_to_any_more_is_removed(tmp_path):
    old_file, old_folder, fresh = tmp_path / "upload-old", tmp_path / "fairmind-old", tmp_path / "upload-new"
    old_folder.mkdir()
    for path in (old_file, old_folder / "part", fresh):
        path.write_text("cells")
    for path in (old_file, old_folder):
        os.utime(path, (time.time() - 7200,) * 2)
    assert sweep(tmp_path) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["upload-new"]


def listening(folder: Path) -> socket.socket:
    """A socket in the folder, as a worker's children speak to."""
    folder.mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "steps"))
    server.listen()
    os.utime(folder / "steps", (time.time() - 60,) * 2)
    return server


def test_only_folders_of_workers_that_are_gone_are_removed(place, monkeypatch):
    temporary = place / "tmp"
    temporary.mkdir()
    with listening(temporary / "fairmind-alive"):
        listening(temporary / "fairmind-dead").close()
        listening(temporary / "fairmind-fresh").close()
        os.utime(temporary / "fairmind-fresh" / "steps")  # whose worker is about to listen
        (temporary / "fairmind-notes").mkdir()
        (temporary / "fairmind-notes" / "steps").write_text("a person's")
        os.utime(temporary / "fairmind-notes" / "steps", (time.time() - 60,) * 2)
        with monkeypatch.context() as changed:
            changed.setattr(os, "geteuid", lambda: 54321)
            assert sweep_silent(temporary, "fairmind-*/steps") == 0  # they are another user's
        assert sweep_silent(temporary, "fairmind-*/steps") == 1
    left = {path.name for path in temporary.iterdir()}
    assert left == {"fairmind-alive", "fairmind-fresh", "fairmind-notes"}
