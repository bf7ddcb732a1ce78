"""Which kind of model a file is, by its content, and what opens each kind.

To add a kind, add a row to FORMATS and what recognises it to `recognise`; to refuse one in words, a row to STRANGERS.
"""

import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from engine.errors import InvalidInput
from engine.models.scorer import Scorer
from engine.models.signature import ModelFormat, Signature
from engine.tables.limits import GIB, MIB, size

HEAD_BYTES = 64 << 10
READ = "skops, ONNX, XGBoost (JSON or UBJ), LightGBM text and CatBoost JSON are read"


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What opens one kind of file."""

    title: str
    module: str
    """Has `opened(path, names)`; imported only when a file of the kind is opened, for what it brings along."""
    max_bytes: int
    allows: bool = False
    """Whether `opened` also takes types of objects that an organization allows beyond the usual."""


FORMATS: Mapping[ModelFormat, Opening] = MappingProxyType(
    {
        ModelFormat.SKOPS: Opening(
            title="scikit-learn (skops)", module="engine.models.skops_file", max_bytes=GIB, allows=True
        ),
        ModelFormat.ONNX: Opening(title="ONNX", module="engine.models.onnx_file", max_bytes=GIB),
        ModelFormat.XGBOOST_JSON: Opening(
            title="XGBoost (JSON)", module="engine.models.xgboost_json", max_bytes=128 * MIB
        ),
        ModelFormat.XGBOOST_UBJ: Opening(
            title="XGBoost (UBJ)", module="engine.models.xgboost_ubj", max_bytes=128 * MIB
        ),
        ModelFormat.LIGHTGBM_TEXT: Opening(
            title="LightGBM (text)", module="engine.models.lightgbm_text", max_bytes=128 * MIB
        ),
        ModelFormat.CATBOOST_JSON: Opening(
            title="CatBoost (JSON)", module="engine.models.catboost_json", max_bytes=128 * MIB
        ),
    }
)

_NEVER = "it can run code when opened, so it is never read; "
_CONVERT = _NEVER + "convert it on your own machine with `fairmind convert FILE OUT.skops`"
_UNPACK = "unpack it and upload the model inside, unless it is a pickle or joblib file: " + _CONVERT
_TO_ONNX = "export the model to ONNX"
_TORCH = _NEVER + 'export it in PyTorch with torch.onnx.export(model, (one_row,), "model.onnx")'
_KERAS = 'export it in Keras with keras.models.load_model(FILE).export("model.onnx", format="onnx")'
_SAVED_MODEL = "export it with `python -m tf2onnx.convert --saved-model FOLDER --output model.onnx`"
_TFLITE = "export it with `python -m tf2onnx.convert --tflite FILE --output model.onnx`"
_SERVE = "serve it and register it as an endpoint"
_FROM_R = f'save boosted trees with xgb.save(model, "model.ubj") or lgb.save(model, "model.txt"); any other model: {_SERVE}'
_R_OBJECT = rb"RD[AX][23]\n|X\n\x00\x00\x00[\x02\x03]|B\n[\x02\x03]\x00\x00\x00|A\n[23]\n\d{5,7}\n\d{5,7}\n"
_XGBOOST = 'save it in XGBoost with save_model("model.json")'
_LIGHTGBM = 'save it in LightGBM with save_model("model.txt")'
_CATBOOST = 'save it in CatBoost with save_model("model.json", format="json")'
_DATASET = "upload it as a dataset"

STRANGERS: tuple[tuple[bytes, str, str], ...] = (
    (
        rb"\x80[\x01-\x05].{0,65536}?xgboost\.(?:sklearn|core)",
        "a Python pickle with a model of XGBoost",
        _NEVER + 'save the XGBoost model itself with save_model("model.json"), and upload that',
    ),
    (
        rb"\x80[\x01-\x05].{0,65536}?lightgbm\.(?:sklearn|basic)",
        "a Python pickle with a model of LightGBM",
        _NEVER + 'save the LightGBM model itself with booster_.save_model("model.txt"), and upload that',
    ),
    (
        rb"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19|\x80[\x01-\x05].{0,65536}?torch\.(?:nn|_utils|storage)\b",
        "a PyTorch model in a pickle",
        _TORCH,
    ),
    (rb"\x80[\x01-\x05]", "a Python pickle (pickle, joblib, cloudpickle or dill)", _CONVERT),
    (
        rb"\(?[dlt]p\d+\n|[\]}]q[\x00-\x1f]|\(?c[\w.]{1,200}\n[\w.]{1,200}\n(?:p\d+\n|q[\x00-\x1f]|[()])",
        "a Python pickle",
        _CONVERT,
    ),
    (rb"\x78[\x01\x5e\x9c\xda]", "packed with zlib, as joblib files are", _CONVERT),
    (rb"ZF0x", "a joblib file of old", _CONVERT),
    (rb"\x1f\x8b", "packed with gzip, as joblib and R files are", _UNPACK),
    (rb"\xfd7zXZ\x00|\x5d\x00\x00", "packed with lzma, as joblib files are", _UNPACK),
    (rb"BZh[1-9]", "packed with bzip2, as joblib files are", _UNPACK),
    (rb"\x04\x22\x4d\x18", "packed with lz4, as joblib files are", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACK),
    (
        rb"PK\x03\x04.{26,4000}?\bdata\.pkl",
        "a PyTorch file, which is a pickle in a zip archive",
        _TORCH,
    ),
    (
        rb"PK\x03\x04.{0,4000}?(?:model\.weights\.h5|config\.json|metadata\.json)",
        "a Keras model",
        _KERAS,
    ),
    (
        rb"PK\x03\x04.{26,65536}?(?:\b(?:saved_model|keras_metadata|fingerprint)\.pb|variables/variables\.)",
        "a TensorFlow SavedModel in a zip archive",
        _SAVED_MODEL,
    ),
    (rb"PK\x03\x04.{0,4000}?(?:\[Content_Types\]\.xml|xl/)", "an Excel workbook", _DATASET),
    (rb"binf|bs64", "an XGBoost model in the old binary form", _XGBOOST),
    (rb"\s*\[\s*\{\s*\"nodeid\"", "a text dump of XGBoost, which lacks what predictions need", _XGBOOST),
    (rb"\s*\{\s*\"name\"\s*:\s*\"tree\"", "a JSON dump of LightGBM", _LIGHTGBM),
    (rb"CBM1", "a CatBoost model in its binary form", _CATBOOST),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras models are", _KERAS),
    (rb"\x08\x01\x12(?:[\x80-\xff]|.\x0a)", "a TensorFlow SavedModel", _SAVED_MODEL),
    (rb".{4}TFL3", "a TensorFlow Lite model", _TFLITE),
    (
        rb"\s*(?:<\?xml.{0,2000}?)?<PMML",
        "a PMML document",
        f"save the model that it was made from as skops or ONNX, or {_SERVE}",
    ),
    (rb"GGUF|ggml", "weights of a language model", "models of rows are read, not language models"),
    (rb".{8}\{\"", "tensors alone (safetensors), without the model that uses them", _TO_ONNX),
    (_R_OBJECT, "an R object", _FROM_R),
    (rb"PAR1|ARROW1|FEA1|ORC|Obj\x01|SQLite format 3\x00", "a table", _DATASET),
    (rb"\x93NUMPY", "a numpy array", "save the model that was trained, as skops or ONNX"),
    (rb"\x7fELF|MZ[\x00-\x1f\x80-\xff]", "a program", READ),
    (
        rb"(?i)\s*<(?:!doctype|html|head|body)\b",
        "a web page",
        "download the model itself, not the page around it",
    ),
    (rb"\s*<\?xml", "an XML document", READ),
    (rb"version https://git-lfs", "a pointer of Git LFS", "fetch the file itself with `git lfs pull`"),
    (
        rb"(?:\s*\w[\w ]*:[^\n]*\n)*(?:flavors|artifact_path):",
        "the description of an MLflow model",
        "upload the model file beside it, if it is skops, ONNX, XGBoost (JSON or UBJ), LightGBM text or CatBoost JSON",
    ),
    (
        rb"[^\n\x00-\x08]{1,4000}?[,;\t][^\n\x00-\x08]{0,4000}?\r?\n[^\x00-\x08]",
        "text, as of a table",
        _DATASET,
    ),
)
"""Bytes at the start of the file, what they mean, and what to do about it; the first match counts."""

_ONNX = re.compile(
    rb"\x08[\x03-\x20](?:\x12[\x01-\x7f][ -~]|[\x1a\x22\x32\x3a\x42]|\x28)|\x08[\x03-\x20]\x12\x00", re.DOTALL
)
"""A ModelProto: the version of the format, and then the name of what wrote it, or what else may follow."""
_SKOPS = re.compile(rb"PK\x03\x04.{22}.{4}(?:schema\.json|\d{4,20}\.np[yz]|[\da-f-]{36}\.bin)", re.DOTALL)
_XGBOOST_JSON = re.compile(rb"\s*\{\s*\"(?:learner|version|Config|Model)\"\s*:", re.DOTALL)
_XGBOOST_UBJ = re.compile(rb"\{(?:[iU].|I..|l.{4}|L.{8})(?:learner|version|Config|Model)", re.DOTALL)
_CATBOOST_JSON = re.compile(
    rb"\s*\{\s*\"(?:ctr_data|features_info|model_info|oblivious_trees|scale_and_bias|trees)\"\s*:"
)
_LIGHTGBM_TEXT = re.compile(rb"tree\r?\n")


def recognise(content: bytes | Path) -> ModelFormat:
    """Decide what kind of model a file is.

    Args:
        content: the file, or its first 64 KiB or more.

    Raises:
        InvalidInput: it is empty or none that is read; says what it is, where that is known, and what to do.
    """
    if isinstance(content, Path):
        with content.open("rb") as file:
            return recognise(file.read(HEAD_BYTES))
    head = content[:HEAD_BYTES]
    if not head.strip():
        raise InvalidInput(f"the file is empty; {READ}")
    for format, pattern in (
        (ModelFormat.SKOPS, _SKOPS),
        (ModelFormat.XGBOOST_JSON, _XGBOOST_JSON),
        (ModelFormat.XGBOOST_UBJ, _XGBOOST_UBJ),
        (ModelFormat.LIGHTGBM_TEXT, _LIGHTGBM_TEXT),
        (ModelFormat.CATBOOST_JSON, _CATBOOST_JSON),
        (ModelFormat.ONNX, _ONNX),
    ):
        if pattern.match(head):
            return format
    if known := _stranger(head):
        raise InvalidInput(f"this is no model that is read but {known[0]}; {known[1]}")
    raise InvalidInput(f"this is no model that is known here; {READ}")


def _stranger(head: bytes) -> tuple[str, str] | None:
    """What a file is that begins so, and what to do about it."""
    inside = _gunzipped(head)
    if re.match(_R_OBJECT, inside):  # R packs its files so
        head = inside
    return next(
        ((name, remedy) for pattern, name, remedy in STRANGERS if re.match(pattern, head, re.DOTALL)), None
    )


def _gunzipped(head: bytes) -> bytes:
    """The first bytes of what was packed with gzip, if anything was."""
    try:
        return zlib.decompressobj(31).decompress(head, 32)
    except zlib.error:
        return b""


def pickled(path: Path) -> bool:
    """Whether a file looks like a pickle that may be of scikit-learn, plain or packed."""
    with path.open("rb") as file:
        known = _stranger(file.read(HEAD_BYTES))
    return known is not None and _NEVER in known[1] and known[1] != _TORCH


def opened(
    path: Path, format: ModelFormat, names: Sequence[str] = (), allowed: Collection[str] = ()
) -> Scorer:
    """Open a model's file, in a child.

    Args:
        names: registered for its features; taken where the file itself has none and as many are needed.
        allowed: types that the organization allows beyond the usual, for the kinds of file that have any.

    Raises:
        InvalidInput: the file is too large, damaged, or holds what is not read; says what.
    """
    kind = FORMATS[format]
    length = path.stat().st_size
    if length > kind.max_bytes:
        raise InvalidInput(
            f"the file has {size(length)}; of {kind.title} at most {size(kind.max_bytes)} are read"
        )
    scorer: Scorer = import_module(kind.module).opened(
        path, names, **({"allowed": allowed} if kind.allows else {})
    )
    _refuse_no_texts(scorer.signature)
    return scorer


def _refuse_no_texts(signature: Signature) -> None:
    """A NUL or one half of a character can stand in no column of a table, and could not be stored."""
    said = [signature.kind, signature.framework_version or "", *signature.classes, *signature.notes]
    for text in (*said, *(text for each in signature.features for text in (each.name, *each.categories))):
        if "\0" in text or any("\ud800" <= mark <= "\udfff" for mark in text):
            raise InvalidInput(f"the model has a name, class or category that is no text: {text[:100]!a}")
