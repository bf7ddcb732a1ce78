"""Hostile and damaged skops files: refused in words, or opened and scoring; never run, never larger than allowed."""

import io
import json
import os
import random
import zipfile

import numpy as np
import pytest
from sklearn import ensemble as many
from sklearn import linear_model as linear
from sklearn import preprocessing as pre
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from engine.errors import InvalidInput
from engine.models import skops_types
from engine.models.skops_file import opened
from tests import estimators as made

MARK = "ran.txt"


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A pipeline with a bit of everything, in parts."""
    model = made.fitted(made.KNOWN["forest behind encoders"])
    return parts(made.dumped(model, tmp_path_factory.mktemp("plain")))


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """A small one, so that damage hits what matters."""
    model = made.fitted(made.KNOWN["target encoder"])
    return parts(made.dumped(model, tmp_path_factory.mktemp("encoded")))


def parts(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(contents, folder, compression=zipfile.ZIP_STORED):
    path = folder / "made.skops"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def schema_of(node):
    return {"schema.json": json.dumps({**node, "protocol": 2, "_skops_version": "0.16"}).encode()}


def typed(loader, name, **rest):
    module, _, class_ = name.rpartition(".")
    return {
        "__class__": class_,
        "__module__": module,
        "__loader__": loader,
        "__id__": id(loader) + len(name),
        **rest,
    }


def value(content):
    return typed("JsonNode", "builtins.str", content=json.dumps(content), is_json=True)


def sequence(*items, kind="tuple"):
    return typed(f"{kind.title()}Node", f"builtins.{kind}", content=list(items))


def mapping(**items):
    keys = sequence(*[typed("TypeNode", "builtins.str") for _ in items], kind="list")
    return typed("DictNode", "builtins.dict", content=items, key_types=keys)


def refused(contents, folder, said, **options):
    with pytest.raises(InvalidInput, match=said):
        opened(packed(contents, folder, **options), allowed=skops_types.VETTED)


def test_functions_and_calls_are_refused_by_name_and_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    system = typed("FunctionNode", "os.system")
    command = sequence(value(f"touch {MARK}"))
    called = {
        "os.system": typed(
            "ObjectNode",
            skops_types.FUNCTION_TRANSFORMER,
            content=mapping(func=system, kw_args=value(None)),
        ),
        "functools.partial": typed(
            "PartialNode",
            "functools.partial",
            content={"func": system, "args": command, "kwds": mapping(), "namespace": value(None)},
        ),
        "operator.methodcaller": typed("OperatorFuncNode", "operator.methodcaller", attrs=command),
        "os.popen": typed("ConstructorFromReduceNode", "os.popen", content=command),
        "builtins.eval": typed("TypeNode", "builtins.eval"),
        "builtins.map": typed("TypeNode", "builtins.map"),
        "subprocess.Popen": typed("ListNode", "subprocess.Popen", content=[value("touch"), value(MARK)]),
        "pathlib.Path.touch": typed(
            "MethodNode",
            "pathlib.Path",
            content={"func": "touch", "obj": typed("ObjectNode", "pathlib.Path", content=command)},
        ),
        "os.remove": typed("LossNode", "os.remove", __reduce__={"args": command}, content=mapping()),
        "shutil.rmtree": typed("TreeNode", "shutil.rmtree", __reduce__={"args": command}, content=mapping()),
        "some.module.Thing": typed("ObjectNode", "some.module.Thing", content=mapping()),
    }
    for name, node in called.items():
        model = typed(
            "ObjectNode", "sklearn.linear_model._base.LinearRegression", content=mapping(coef_=node)
        )
        refused(schema_of(node), tmp_path, f"does not open: {name}")
        refused(schema_of(model), tmp_path, f"does not open: {name}")
    assert not (tmp_path / MARK).exists()


def test_a_function_of_a_persons_own_is_refused_and_one_of_numpys_is_not(tmp_path):
    def double(x):
        return x * 2

    for function, said in [(double, "double"), (os.system, "posix.system"), (np.save, "numpy.save")]:
        transformer = pre.FunctionTransformer(function)
        model = make_pipeline(transformer, linear.LinearRegression())
        model.steps[1][1].fit(made.NUMBERS, made.VALUE)
        with pytest.raises(InvalidInput, match=f"does not open: .*{said}"):
            opened(made.dumped(model, tmp_path), allowed=[skops_types.FUNCTION_TRANSFORMER, "posix.system"])
    fine = make_pipeline(pre.FunctionTransformer(np.log1p), linear.LinearRegression())
    assert opened(made.dumped(fine.fit(made.NUMBERS, made.VALUE), tmp_path)).inside() is not None


def test_types_of_the_wider_list_need_the_organizations_word(tmp_path):
    path = made.dumped(GaussianProcessRegressor(optimizer=None).fit(made.NUMBERS, made.VALUE), tmp_path)
    name = "sklearn.gaussian_process._gpr.GaussianProcessRegressor"
    with pytest.raises(InvalidInput, match=f"administrator may allow for your organization: {name}"):
        opened(path)
    assert len(opened(path, allowed=skops_types.VETTED).scores(made.NUMBERS)) == made.ROWS
    words = make_pipeline(CountVectorizer(), linear.LinearRegression()).fit(made.TABLE["city"], made.VALUE)
    with pytest.raises(InvalidInput, match="takes one text"):
        opened(made.dumped(words, tmp_path), allowed=skops_types.VETTED)


def test_what_splits_texts_opens_no_files(tmp_path):
    """A cell of a dataset could name any file of the server, and scores could tell what stands in it."""
    for words in (CountVectorizer(), HashingVectorizer(n_features=8)):
        model = make_pipeline(make_column_transformer((words, "city")), linear.LinearRegression())
        model.fit(made.TABLE, made.VALUE)
        assert opened(made.dumped(model, tmp_path), allowed=skops_types.VETTED).scores(made.TABLE).shape
        model[0].transformers_[0][1].input = "filename"
        with pytest.raises(InvalidInput, match="takes names of files where rows have texts"):
            opened(made.dumped(model, tmp_path), allowed=skops_types.VETTED)


def test_a_search_is_refused_with_what_to_save_instead(tmp_path):
    search = GridSearchCV(linear.Ridge(), {"alpha": [1, 2]}, cv=2).fit(made.NUMBERS, made.VALUE)
    with pytest.raises(InvalidInput, match=r"GridSearchCV.*best_estimator_"):
        opened(made.dumped(search, tmp_path))


def test_nothing_on_our_lists_can_import_run_or_write():
    for name in skops_types.TRUSTED | skops_types.VETTED.keys():
        module, _, class_ = name.rpartition(".")
        assert module.split(".")[0] in {"sklearn", "scipy", "numpy", "builtins", "collections"}, name
        assert module != "builtins" or class_ in {"bool", "dict", "float", "int", "str"}, name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/etc/passwd.npy", "an entry that skops does not write: '/etc/passwd.npy'"),
        ("../up.npy", "an entry that skops does not write"),
        ("code.py", "an entry that skops does not write: 'code.py'"),
    ],
)
def test_entries_of_other_names_are_refused(name, said, plain, tmp_path):
    refused({**plain, name: b"1"}, tmp_path, said)


def test_archives_that_would_unpack_to_too_much_are_refused_before_they_do(plain, tmp_path, monkeypatch):
    bomb = {**plain, "1.npy": b"\0" * 8_000_000}
    refused(bomb, tmp_path, "'1.npy' expands more than 200 times", compression=zipfile.ZIP_DEFLATED)
    monkeypatch.setattr("engine.models.skops_archive.MOST_BYTES", 1_000_000)
    refused({**plain, "1.npy": os.urandom(2_000_000)}, tmp_path, "unpacks to 2 MiB, and 1 MiB are the most")
    monkeypatch.setattr("engine.models.skops_archive.SCHEMA_BYTES", 1_000)
    refused(plain, tmp_path, "schema.json has 0 MiB")
    monkeypatch.setattr("engine.models.skops_archive.MOST_ENTRIES", 3)
    refused(plain, tmp_path, "entries, and 3 are the most")


def test_an_array_read_again_and_again_counts_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.models.skops_archive.MOST_BYTES", 1_000_000)
    stream = io.BytesIO()
    np.save(stream, np.zeros(10_000))
    read = [typed("NdArrayNode", "numpy.ndarray", type="numpy", file="1.npy") for _ in range(100)]
    contents = {**schema_of(sequence(*read, kind="list")), "1.npy": stream.getvalue()}
    refused(contents, tmp_path, "reads arrays of more than 1 MiB")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,)}",
        "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        "__import__('os').getcwd()",
    ],
)
def test_an_array_that_claims_more_than_there_is_or_objects_is_refused(header, tmp_path):
    content = (
        b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header.encode() + b"\n" + b"\0" * 8
    )
    node = typed("NdArrayNode", "numpy.ndarray", type="numpy", file="1.npy")
    refused({**schema_of(node), "1.npy": content}, tmp_path, "an array is")


def test_a_description_that_refers_to_itself_or_goes_too_deep_is_refused(tmp_path):
    deep = value(1)
    for _ in range(200):
        deep = sequence(deep)
    refused(schema_of(deep), tmp_path, "more objects than a model needs")
    brackets = b"[" * 100_000
    refused({"schema.json": brackets}, tmp_path, "no JSON")
    twice = value(1)
    for _ in range(40):  # two references to the one below: 2 ** 40 objects
        twice = typed("ListNode", "builtins.list", content=[twice, {"__id__": twice["__id__"]}])
    refused(schema_of(twice), tmp_path, "has no type")


@pytest.mark.parametrize("protocol", [None, True, -1, 3, "2"])
def test_another_protocol_is_refused(protocol, plain, tmp_path):
    schema = json.loads(plain["schema.json"]) | {"protocol": protocol}
    refused({**plain, "schema.json": json.dumps(schema)}, tmp_path, "no protocol that FairMind knows")


def test_truncated_and_foreign_files_are_refused(plain, tmp_path):
    whole = packed(plain, tmp_path).read_bytes()
    for content in [whole[:-100], whole[: len(whole) // 2], b"", b"no zip at all", b"PK\x03\x04" * 100]:
        path = tmp_path / "cut.skops"
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match="no whole zip archive"):
            opened(path)
    refused({"other.npy": b""}, tmp_path, "no schema.json")
    damaged = bytearray(whole)
    damaged[200:260] = b"\0" * 60  # in an array: its checksum no longer fits
    path.write_bytes(damaged)
    with pytest.raises(InvalidInput, match=r"its entry '.*' is damaged"):
        opened(path)


NODES = {
    "left_child": [-5, 0, 10**6],
    "right_child": [-1, 0, 10**6],
    "feature": [-3, 2, 10**9],
}


@pytest.mark.parametrize("field", NODES)
def test_trees_that_reach_outside_are_refused(field, tmp_path):
    """scikit-learn would read beyond its arrays, or go round in a ring for ever."""
    model = made.fitted(made.KNOWN["tree"])
    contents = parts(made.dumped(model, tmp_path))
    name, nodes = next(
        (name, array)
        for name, array in arrays(contents).items()
        if array.dtype.names and "left_child" in array.dtype.names
    )
    for odd in NODES[field]:
        changed = nodes.copy()
        changed[field][0] = odd
        refused({**contents, name: saved(changed)}, tmp_path, "nodes of a tree do not fit together")


@pytest.mark.parametrize("shape", [(), (1, 1)])
def test_trees_whose_nodes_are_no_list_are_refused_before_they_are_made(shape, tmp_path):
    """scikit-learn asks for the length of what has none without looking: the process would end."""
    contents = parts(made.dumped(made.fitted(made.KNOWN["tree"]), tmp_path))
    name, nodes = next((name, array) for name, array in arrays(contents).items() if array.dtype.names)
    refused(
        {**contents, name: saved(np.zeros(shape, nodes.dtype))},
        tmp_path,
        f"an array has {len(shape)} dimensions where one is needed",
    )
    tree = typed("TreeNode", "sklearn.tree._tree.Tree", __reduce__={"args": sequence()}, content=value(1))
    refused(schema_of(tree), tmp_path, "a tree has no nodes")


def test_a_file_without_a_model_says_what_it_holds_instead(tmp_path):
    refused(schema_of(sequence(value(1))), tmp_path, "the file holds a tuple; a classifier, a regressor")
    refused(schema_of(mapping(a=value(1))), tmp_path, "the file holds a dict")


def test_a_transformer_that_makes_no_end_of_columns_is_refused(tmp_path):
    model = made.fitted(made.KNOWN["forest behind encoders"])
    model[0].transformers_[1][1]._n_features_outs = [10**9]
    with pytest.raises(InvalidInput, match="a transformer makes more than 1,000,000 columns"):
        opened(made.dumped(model, tmp_path))


@pytest.mark.parametrize(
    ("field", "odd"), [("left", 0), ("right", 10**6), ("feature_idx", 2), ("is_categorical", 1)]
)
def test_trees_of_histograms_that_reach_outside_are_refused(field, odd, tmp_path):
    model = many.HistGradientBoostingClassifier(max_iter=1).fit(made.NUMBERS, made.YES)
    contents = parts(made.dumped(model, tmp_path))
    name, nodes = next((name, array) for name, array in arrays(contents).items() if array.dtype.names)
    nodes = nodes.copy()
    nodes[field][0] = odd
    refused({**contents, name: saved(nodes)}, tmp_path, "trees of a histogram boosting do not fit together")


def test_support_vectors_that_do_not_fit_are_refused(tmp_path):
    contents = parts(made.dumped(made.fitted(made.UNKNOWN["support vectors"]), tmp_path))
    vectors = next(
        name for name, array in arrays(contents).items() if array.ndim == 2 and array.shape[1] == 2
    )
    refused({**contents, vectors: saved(np.zeros((1, 2)))}, tmp_path, "support vectors do not fit together")


@pytest.mark.parametrize("seed", range(200))
def test_a_damaged_description_is_refused_or_still_scores(seed, encoded, tmp_path):
    rng = random.Random(seed)  # noqa: S311  # no secret
    schema = json.loads(encoded["schema.json"])
    for _ in range(rng.choice([1, 1, 3])):
        damage(schema, rng)
    path = packed({**encoded, "schema.json": json.dumps(schema)}, tmp_path)
    try:
        scorer = opened(path)
        scores = scorer.scores(scorer.plain(4, seed=1))
        scorer.inside()
    except InvalidInput:
        return
    assert np.isfinite(scores).all()


def damage(schema, rng):
    """One value anywhere becomes another, or goes away."""
    node = schema
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(node[key], dict | list) and rng.random() < 0.9:
            node = node[key]
            continue
        if rng.random() < 0.3:
            del node[key]
        else:
            node[key] = rng.choice(
                [None, -1, 10**20, "", "null", "[]", "1e999", "-1", "builtins", [], {}, node[key]]
            )
        return


def arrays(contents):
    return {name: np.load(io.BytesIO(content)) for name, content in contents.items() if name.endswith(".npy")}


def saved(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
