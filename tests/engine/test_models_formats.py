"""Model files are known by their first bytes; strangers are refused with what to do, and nothing is unpickled."""

import bz2
import gzip
import io
import lzma
import pickle
import sys
import zipfile
import zlib

import joblib
import lightgbm as lgb
import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
import xgboost as xgb
from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from engine.errors import InvalidInput
from engine.models import formats
from engine.models.formats import FORMATS, opened, recognise
from engine.models.signature import ModelFormat

X = np.random.default_rng(0).normal(size=(60, 2))
LINEAR = LinearRegression().fit(X, X[:, 0])


def booster(names=None):
    return xgb.train({"nthread": 1}, xgb.DMatrix(X, X[:, 0], feature_names=names), 2)


def light(names="auto"):
    params = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 2}
    return lgb.train(params, lgb.Dataset(X, X[:, 0], feature_name=names), 2)


def onnx_model(**fields):
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", value[:1], value[1:])
    model = helper.make_model(graph, **fields)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def archive(*names):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        for name in names:
            made.writestr(name, b"content")
    return target.getvalue()


def dumped(compress):
    target = io.BytesIO()
    joblib.dump(LINEAR, target, compress=compress)
    return target.getvalue()


def table(write):
    target = io.BytesIO()
    write(target)
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (skops.io.dumps(LINEAR), ModelFormat.SKOPS),
        (skops.io.dumps(RandomForestClassifier(2).fit(X, X[:, 0] > 0)), ModelFormat.SKOPS),
        (onnx_model(), ModelFormat.ONNX),
        (onnx_model(producer_name="skl2onnx", producer_version="1.20"), ModelFormat.ONNX),
        (onnx_model(ir_version=4), ModelFormat.ONNX),
        (bytes(booster().save_raw("json")), ModelFormat.XGBOOST_JSON),
        (b'{"version":[1,7,6],"learner":{}}', ModelFormat.XGBOOST_JSON),
        (bytes(booster().save_raw("ubj")), ModelFormat.XGBOOST_UBJ),
        (b"{i\x07learner{}}", ModelFormat.XGBOOST_UBJ),
        (b'{\n"features_info":{"float_features":[]}}', ModelFormat.CATBOOST_JSON),
        (b'{"ctr_data": {}, "features_info": {}}', ModelFormat.CATBOOST_JSON),
        (light().model_to_string().encode(), ModelFormat.LIGHTGBM_TEXT),
        (light().model_to_string().replace("\n", "\r\n").encode(), ModelFormat.LIGHTGBM_TEXT),
    ],
)
def test_each_format_is_known_by_its_content(content, format, tmp_path):
    assert recognise(content) is format
    (tmp_path / "model").write_bytes(content)
    assert recognise(tmp_path / "model") is format


CONVERT = r"never read; convert it on your own machine with `fairmind convert FILE OUT.skops`"
PICKLES = {
    **{f"pickle {protocol}": pickle.dumps(LINEAR, protocol) for protocol in range(6)},
    **{f"small pickle {protocol}": pickle.dumps({"a": [1]}, protocol) for protocol in range(6)},
    "joblib": dumped(0),
    "joblib zlib": dumped(("zlib", 3)),
    "joblib gzip": dumped(("gzip", 3)),
    "joblib lzma": dumped(("lzma", 3)),
    "joblib xz": dumped(("xz", 3)),
    "joblib bz2": dumped(("bz2", 3)),
    "zlib 9": zlib.compress(pickle.dumps(LINEAR), 9),
    "gzip": gzip.compress(pickle.dumps(LINEAR)),
    "xz": lzma.compress(pickle.dumps(LINEAR)),
    "bz2": bz2.compress(pickle.dumps(LINEAR)),
    "lz4": b"\x04\x22\x4d\x18" + bytes(20),
}


@pytest.mark.parametrize("content", PICKLES.values(), ids=PICKLES)
def test_what_can_run_code_is_refused_with_how_to_convert_it(content):
    with pytest.raises(InvalidInput, match=CONVERT):
        recognise(content)


def test_a_pickle_of_xgboost_or_lightgbm_is_refused_with_how_these_save_themselves():
    one, other = xgb.XGBClassifier(n_estimators=1), lgb.LGBMRegressor(n_estimators=1)
    for content, said in (
        *((pickle.dumps(one, protocol), r'save_model\("model.json"\), and upload') for protocol in (2, 4, 5)),
        (pickle.dumps(make_pipeline(StandardScaler(), one)), r'save_model\("model.json"\), and upload'),
        (pickle.dumps(booster()), r'save_model\("model.json"\), and upload'),
        (pickle.dumps(other), r'booster_.save_model\("model.txt"\), and upload'),
    ):
        with pytest.raises(InvalidInput, match="it is never read; save the .* model itself with .*" + said):
            recognise(content)


class Trap:
    def __reduce__(self):
        return sys.exit, (99,)


def test_a_pickle_is_refused_without_being_opened():
    for protocol in range(6):
        with pytest.raises(InvalidInput, match="pickle"):
            recognise(pickle.dumps(Trap(), protocol))


FRAME = pd.DataFrame(X, columns=["a", "b"])
TORCH = r'it is never read; export it in PyTorch with torch.onnx.export\(model, \(one_row,\), "model.onnx"\)'
KERAS = r'export it in Keras with keras.models.load_model\(FILE\).export\("model.onnx", format="onnx"\)'
FROM_R = r'save boosted trees with xgb.save\(model, "model.ubj"\) or lgb.save.*any other model: serve it'
OTHERS = {
    "xgboost of old": (b"binf" + bytes(100), "old binary form; save it in XGBoost"),
    "xgboost dump": (
        ("[\n" + ",\n".join(booster().get_dump(dump_format="json")) + "]").encode(),
        "text dump of XGBoost",
    ),
    "lightgbm dump": (b'{"name": "tree", "version": "v4"}', "save it in LightGBM"),
    "catboost": (
        b"CBM1" + bytes(100),
        r'CatBoost model in its binary form; save it in CatBoost with save_model\("model.json", format="json"\)',
    ),
    "torch zip": (archive("archive/data.pkl", "archive/data/0"), TORCH),
    "torch zip without folder": (archive("data.pkl"), TORCH),
    "torch script": (archive("m/version", "m/code/__torch__.py", "m/data.pkl"), TORCH),
    "torch of old": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", TORCH),
    "torch, pickled": (b"\x80\x04\x95\x00\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93.", TORCH),
    "keras h5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5 file, as Keras models are; " + KERAS),
    "keras zip": (archive("metadata.json", "config.json", "model.weights.h5"), "Keras model; " + KERAS),
    "saved model": (
        b"\x08\x01\x12\xa9\x88\x01\x0a\x12",
        "SavedModel; export it with `python -m tf2onnx.convert --saved-model FOLDER --output model.onnx`",
    ),
    "saved model, zip": (
        archive("m/", "m/assets/", "m/saved_model.pb"),
        "SavedModel in a zip archive; export it",
    ),
    "saved model, weights first": (archive("variables/variables.index"), "SavedModel in a zip archive"),
    "tflite": (
        b"\x1c\x00\x00\x00TFL3" + bytes(20),
        "TensorFlow Lite model; export it with `.* --tflite FILE",
    ),
    "pmml": (
        b'<?xml version="1.0"?>\n<PMML version="4.4">',
        "PMML document; save the model that it was made from",
    ),
    "gguf": (b"GGUF\x03\x00\x00\x00", "language model"),
    "safetensors": (b'\x50\x00\x00\x00\x00\x00\x00\x00{"w":{}}', "safetensors"),
    "r": (b"RDX3\nX\n\x00\x00\x00\x03", "R object; " + FROM_R),
    "r, gzip": (gzip.compress(b"X\n\x00\x00\x00\x03" + bytes(5_000)), "R object; " + FROM_R),
    "r, text": (gzip.compress(b"A\n3\n262657\n197888\n5\nUTF-8\n"), "R object; " + FROM_R),
    "parquet": (table(lambda target: pq.write_table(pa.table(FRAME), target)), "upload it as a dataset"),
    "csv": (FRAME.to_csv().encode(), "upload it as a dataset"),
    "tsv": (FRAME.to_csv(sep="\t").encode(), "upload it as a dataset"),
    "excel": (archive("[Content_Types].xml", "xl/workbook.xml"), "Excel workbook"),
    "numpy": (table(lambda target: np.save(target, X)), "numpy array"),
    "mlflow": (b"artifact_path: model\nflavors:\n  sklearn:\n", "MLflow"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    "web page": (b"<!DOCTYPE html><html>", "web page"),
    "program": (b"\x7fELF\x02\x01", "a program"),
    "zip": (archive("readme.txt"), "no model that is known here"),
    "noise": (bytes(range(200, 256)), "no model that is known here"),
    "empty": (b"", "empty"),
    "blank": (b" \n ", "empty"),
}


@pytest.mark.parametrize(("content", "words"), OTHERS.values(), ids=OTHERS)
def test_strangers_are_refused_with_what_to_do(content, words):
    with pytest.raises(InvalidInput, match=words):
        recognise(content)


def test_only_a_pickle_that_may_be_of_scikit_learn_is_tried_to_be_converted(tmp_path):
    path = tmp_path / "model"
    for content, tried in (
        (pickle.dumps(LINEAR), True),
        (gzip.compress(pickle.dumps(LINEAR)), True),
        (pickle.dumps(booster()), True),  # which is said to be XGBoost's
        (archive("archive/data.pkl"), False),
        (gzip.compress(b"X\n\x00\x00\x00\x03"), False),
    ):
        path.write_bytes(content)
        assert formats.pickled(path) is tried


def test_every_stranger_is_the_refusal_of_some_content_above():
    said = set()
    for content in [*PICKLES.values(), *(content for content, _ in OTHERS.values())]:
        with pytest.raises(InvalidInput) as error:
            recognise(content)
        said.add(str(error.value))
    unseen = [name for _, name, _ in formats.STRANGERS if not any(name in message for message in said)]
    assert unseen == [
        "a Python pickle with a model of XGBoost",
        "a Python pickle with a model of LightGBM",
        "a joblib file of old",
        "packed with zstd",
        "an XML document",
    ]


def test_patterns_that_look_far_ahead_come_to_an_end():
    # Each makes one of them look farthest; a pattern that tries all ways would not return in a lifetime.
    for content in (
        b"PK\x03\x04" * 20_000,
        b"{" * 70_000,
        b" " * 65_000 + b"{",
        b"a: b\n" * 20_000,
        b"a" * 70_000,
        b"(" * 70_000,
        b"a: " * 30_000,
        b"[ " * 30_000,
    ):
        with pytest.raises(InvalidInput):
            recognise(content)


def test_every_format_of_a_file_has_a_row():
    assert set(FORMATS) == set(ModelFormat) - {ModelFormat.ENDPOINT}  # which is no file


@pytest.mark.parametrize(
    ("content", "format", "own"),
    [
        (lambda names: bytes(booster(names).save_raw("json")), ModelFormat.XGBOOST_JSON, ["f0", "f1"]),
        (lambda names: bytes(booster(names).save_raw("ubj")), ModelFormat.XGBOOST_UBJ, ["f0", "f1"]),
        (
            lambda names: light(names or "auto").model_to_string().encode(),
            ModelFormat.LIGHTGBM_TEXT,
            ["Column_0", "Column_1"],
        ),
    ],
)
def test_registered_names_stand_in_where_the_file_has_none(content, format, own, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(content(None))
    assert opened(path, format).signature.names == own
    named = opened(path, format, ["age", "income"])
    assert named.signature.names == ["age", "income"]
    assert named.scores(pd.DataFrame(X, columns=["age", "income"])).shape == (60, 1)
    three = opened(path, format, ["age", "income", "sex"]).signature
    assert three.names == own
    assert "3 names of features are registered and the model has 2" in three.notes[-1]
    path.write_bytes(content(["p", "q"]))
    assert opened(path, format, ["age", "income"]).signature.names == ["p", "q"]


def test_names_that_lightgbm_wrote_with_underscores_are_known_again(tmp_path):
    path = tmp_path / "model"
    path.write_text(light(["my_age", "pay"]).model_to_string())
    assert opened(path, ModelFormat.LIGHTGBM_TEXT, ["my age", "pay"]).signature.names == ["my age", "pay"]


def test_a_file_beyond_the_size_of_its_format_is_not_read(tmp_path):
    path = tmp_path / "model"
    with path.open("wb") as file:
        file.truncate(FORMATS[ModelFormat.XGBOOST_JSON].max_bytes + 1)
    with pytest.raises(InvalidInput, match=r"of XGBoost \(JSON\) at most 128 MiB are read"):
        opened(path, ModelFormat.XGBOOST_JSON)


def test_an_estimator_is_opened_too(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(skops.io.dumps(LINEAR))
    scorer = opened(
        path, recognise(path), ["age", "income"], allowed=["sklearn.gaussian_process.kernels.RBF"]
    )
    assert scorer.signature.names == ["age", "income"]
    assert scorer.scores(pd.DataFrame(X, columns=["age", "income"])) == pytest.approx(X[:, :1])


@pytest.mark.parametrize("odd", ["\\u0000", "\\ud800"])
def test_names_that_no_table_could_hold_are_refused(odd, tmp_path):
    booster(["a", "b"]).save_model(tmp_path / "model.json")
    written = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json").write_text(written.replace('["a"', f'["{odd}"', 1))
    with pytest.raises(InvalidInput, match="a name, class or category that is no text"):
        opened(tmp_path / "model.json", ModelFormat.XGBOOST_JSON)
