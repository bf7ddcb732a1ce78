"""What is looked at before `fairmind convert` loads its libraries and opens a file: whether that can come to anything."""

from pathlib import Path

from engine.errors import InvalidInput
from engine.models.formats import FORMATS, pickled, recognise


def check(file: Path, out: Path) -> None:
    """Refuse what cannot be converted, without opening it as a pickle.

    Raises:
        InvalidInput: there is no such file, it is no pickle, or the other one is there already; says what to do.
    """
    if not file.is_file():
        raise InvalidInput(f"there is no file {file}")
    if out.exists():
        raise InvalidInput(f"{out} is already there; name another file, or remove it")
    if not out.parent.is_dir():
        raise InvalidInput(f"there is no folder {out.parent} to write {out.name} to")
    if pickled(file):
        return
    try:
        format = recognise(file)
    except InvalidInput as error:
        raise InvalidInput(f"{file} is not converted, only pickles of scikit-learn are: {error}") from None
    raise InvalidInput(f"{file} is {FORMATS[format].title} already, which is read as it is: upload it")
