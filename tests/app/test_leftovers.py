"""What a killed process left on the way is swept; what still moves is not."""

import os
import time

from app.leftovers import sweep


def test_only_what_nobody_writes_to_any_more_is_removed(tmp_path):
    old_file, old_folder, fresh = tmp_path / "upload-old", tmp_path / "fairmind-old", tmp_path / "upload-new"
    old_folder.mkdir()
    for path in (old_file, old_folder / "part", fresh):
        path.write_text("cells")
    for path in (old_file, old_folder):
        os.utime(path, (time.time() - 7200,) * 2)
    assert sweep(tmp_path) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["upload-new"]
