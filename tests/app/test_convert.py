"""The command `fairmind convert`: what a person's own pickles become, and what is said before and after."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn import linear_model as linear
from sklearn import preprocessing as pre
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from typer.testing import CliRunner

import app.cli
from engine.errors import InvalidInput
from engine.models.skops_file import opened
from tests import estimators as made

MARK = "ran"
ROOT = Path(__file__).parents[2]


class Loud:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (MARK,)  # a file would stay open until it is collected, under some later test


def run(*argv, answer=None):
    return CliRunner().invoke(app.cli.cli, ["convert", *map(str, argv)], input=answer)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "write", [pickle.dump, joblib.dump, cloudpickle.dump], ids=["pickle", "joblib", "cloudpickle"]
)
def test_what_any_pickle_holds_is_written_as_skops_and_predicts_the_same(write, folder):
    model = made.fitted(made.KNOWN["forest behind encoders"])
    with (folder / "model.pkl").open("wb") as file:
        write(model, file)
    ran = run("model.pkl", "model.skops", "--yes")
    assert ran.exit_code == 0, ran.output
    assert "model.skops predicts as model.pkl does, on 500 rows" in ran.output
    assert "4 columns: age, debt, city, grade" in ran.output
    scores = opened(folder / "model.skops").scores(made.GAPS)
    assert scores == pytest.approx(model.predict_proba(made.GAPS), abs=1e-12)


def test_a_file_is_not_opened_before_the_person_agrees(folder):
    with (folder / "loud.pkl").open("wb") as file:
        pickle.dump(Loud(), file)
    ran = run("loud.pkl", "out.skops", answer="n\n")
    assert ran.exit_code == 1
    assert "opening loud.pkl runs whatever code it carries" in ran.output
    assert not (folder / MARK).exists()
    run("loud.pkl", "out.skops", answer="y\n")
    assert (folder / MARK).exists()
    assert not (folder / "out.skops").exists()


def double(x):
    return x * 2


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"model": 1}, "no scikit-learn model but a dict, which holds model"),
        (xgboost.XGBClassifier(), r"of xgboost alone: save it in XGBoost with save_model\(\"model.json\"\)"),
        (make_pipeline(pre.FunctionTransformer(double), linear.Ridge()), "does not open: .*double"),
        (linear.Ridge(), "does not say how many columns"),
    ],
    ids=["dict", "xgboost", "own function", "not fitted"],
)
def test_what_the_server_would_refuse_is_refused_with_its_words(model, said, folder):
    with (folder / "model.pkl").open("wb") as file:
        cloudpickle.dump(model, file)
    ran = run("model.pkl", "out.skops", "--yes")
    assert isinstance(ran.exception, InvalidInput)
    with pytest.raises(InvalidInput, match=said):
        raise ran.exception
    assert [path.name for path in folder.iterdir()] == ["model.pkl"]  # nothing half written


def test_a_model_of_a_library_that_is_not_here_is_saved_by_that_library(folder):
    for module, said in (
        ("catboost.core", r"of catboost: save it in CatBoost"),
        ("strange", "needs the package strange"),
    ):
        (folder / "model.pkl").write_bytes(b"\x80\x02c%s\nModel\n." % module.encode())
        with pytest.raises(InvalidInput, match=said):
            raise run("model.pkl", "out.skops", "--yes").exception


def test_of_a_search_the_best_is_kept_and_what_an_administrator_must_allow_is_named(folder):
    search = GridSearchCV(linear.Ridge(), {"alpha": [1, 2]}, cv=2).fit(made.NUMBERS, made.VALUE)
    joblib.dump(search, folder / "search.joblib", compress=3)
    assert "of the GridSearchCV its best estimator is kept" in run("search.joblib", "a.skops", "--yes").output
    process = GaussianProcessRegressor(optimizer=None).fit(made.NUMBERS, np.asarray(made.VALUE))
    joblib.dump(process, folder / "process.joblib")
    ran = run("process.joblib", "b.skops", "--yes")
    assert "an administrator may allow for your organization: sklearn.gaussian_process._gpr" in ran.output
    assert (folder / "b.skops").exists()


def test_a_file_that_is_there_is_kept_and_one_that_is_damaged_is_named(folder):
    (folder / "damaged.pkl").write_bytes(b"\x80\x05broken")
    (folder / "there.skops").write_text("mine")
    (folder / "rows.csv").write_text("a,b\n1,2\n")
    (folder / "own.pkl").write_bytes(b"\x80\x04c__main__\nmine\n.")
    model = linear.Ridge().fit(made.NUMBERS, made.VALUE)
    skops.io.dump(model, folder / "model.skops")
    for argv, said in [
        (("rows.csv", "new.skops"), "rows.csv is not converted, only pickles of scikit-learn are: "),
        (("rows.csv", "new.skops"), "upload it as a dataset"),
        (("model.skops", "new.skops"), "model.skops is scikit-learn (skops) already, which is read as it is"),
        (("own.pkl", "new.skops"), "needs 'mine', and a pickle carries no functions and classes of your own"),
        (("damaged.pkl", "no/new.skops"), "there is no folder no to write new.skops to"),
        (("damaged.pkl", "there.skops"), "there.skops is already there"),
        (("damaged.pkl", "new.skops"), "damaged.pkl cannot be loaded"),
        (("absent.pkl", "new.skops"), "there is no file absent.pkl"),
    ]:
        assert said in str(run(*argv, "--yes").exception)
    assert (folder / "there.skops").read_text() == "mine"


def test_what_comes_to_nothing_is_said_before_libraries_are_loaded_and_anybody_is_asked(folder):
    looked = (
        "import sys\nfrom pathlib import Path\nfrom app.convertible import check\n"
        "from engine.errors import InvalidInput\n"
        "try:\n    check(Path('absent.pkl'), Path('new.skops'))\n"
        "except InvalidInput as error:\n    print(error, 'sklearn' in sys.modules, 'joblib' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout == "there is no file absent.pkl False False\n"
    assert "opening" not in run("absent.pkl", "new.skops").output
