"""Nothing that somebody else wrote is ever unpickled, in the server or in the worker: a pickle runs what it says.

Two places may name what unpickles. `app/convert.py` does so for a person on their own machine, and no process of ours
imports it. `jobs/children.py` hears what its own children tell, over a socket in a folder that only its user can enter;
pebble, below it, does the same over pipes. Of the libraries, numba keeps its compiled kernels beside our own modules
with a pickled index, which only whoever may change the modules can write; the others could, and are never asked to.
"""

import ast
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from engine.errors import InvalidInput
from engine.models.skops_file import opened
from tests import estimators as made

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "auth", "db", "engine", "jobs", "resolvers", "schema")
UNPICKLERS = ("_pickle", "cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve", "torch")
METHODS, FUNCTIONS = {"read_pickle", "load_pickle", "Unpickler"}, {"__import__", "exec", "eval"}
TALKS_TO_ITS_CHILDREN, CONVERTS = "jobs/children.py", "app/convert.py"

SOURCES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text())
    for name in PACKAGES
    for path in sorted((ROOT / name).rglob("*.py"))
}


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def called(node):
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def calls(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_only_two_modules_import_what_can_unpickle():
    found = {
        place
        for place, tree in SOURCES.items()
        if any(name.partition(".")[0] in UNPICKLERS for name in imports(tree))
    }
    assert found == {TALKS_TO_ITS_CHILDREN, CONVERTS}


def test_no_reader_of_ours_unpickles_by_another_name():
    for place, tree in SOURCES.items():
        for call in calls(tree):
            assert called(call) not in METHODS, (place, call.lineno)
            assert not (isinstance(call.func, ast.Name) and call.func.id in FUNCTIONS), (place, call.lineno)
            for keyword in call.keywords:
                if keyword.arg == "allow_pickle":
                    assert isinstance(keyword.value, ast.Constant), (place, call.lineno)
                    assert keyword.value.value is False, (place, call.lineno)
        words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert not words & {*UNPICKLERS, "app.convert"}, place  # as import_module would be given them


def test_the_worker_unpickles_only_what_its_own_children_send():
    unpickled = [call for call in calls(SOURCES[TALKS_TO_ITS_CHILDREN]) if called(call) in ("load", "loads")]
    assert [ast.unparse(call) for call in unpickled] == ["pickle.loads(await _message(reader))"] * 2
    source = (ROOT / TALKS_TO_ITS_CHILDREN).read_text()
    assert (
        "tempfile.mkdtemp(" in source or "tempfile.TemporaryDirectory(" in source
    )  # both are for their user alone


def test_the_converter_is_brought_along_by_its_own_command_alone():
    graph = grimp.build_graph(*PACKAGES, include_external_packages=True)
    assert graph.find_modules_that_directly_import("app.convert") == {"app.cli"}
    tree = SOURCES["app/cli.py"]
    assert "app.convert" not in {
        name for node in tree.body for name in imports(node) if isinstance(node, ast.Import | ast.ImportFrom)
    }
    bringing = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and "app.convert" in set(imports(node))
    ]
    assert bringing == ["convert"]


def test_no_process_of_ours_has_the_converter():
    code = (
        "import sys, app.cli, app.server, app.working, jobs.tasks; print(int('app.convert' in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "0"


WATCHED = """
import sys, pathlib
from engine.models.skops_file import opened
def of_numba(frame):
    while frame is not None and "/numba/core/caching.py" not in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None
def refuse(event, args):
    if event == "pickle.find_class" and of_numba(sys._getframe()):
        return
    if event == "subprocess.Popen" and args[1] == ["lscpu", "--parse=core"]:
        return  # joblib counts the processors for scikit-learn
    if event in {"pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect"}:
        raise SystemExit(f"{event} {args}")
sys.addaudithook(refuse)
for path in sys.argv[1:]:
    scorer = opened(pathlib.Path(path))
    scorer.scores(scorer.plain(3, seed=0))
    assert scorer.inside() is not None
print("fine")
"""


def test_opening_a_model_unpickles_nothing_and_starts_nothing(tmp_path):
    """As Python itself sees it: its audit events are raised whoever unpickles, starts or connects."""
    names = ("forest behind encoders", "histogram with categories")
    paths = [made.dumped(made.fitted(made.KNOWN[name]), tmp_path, f"{name}.skops") for name in names]
    ran = subprocess.run(
        [sys.executable, "-c", WATCHED, *map(str, paths)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.strip() == "fine", ran.stderr


@pytest.mark.parametrize("content", [b"cos\nsystem\n(S'touch ran'\ntR.", b"\x80\x05\x8c\x02os\x94."])
def test_a_pickle_is_no_model(content, tmp_path):
    path = tmp_path / "model.skops"
    path.write_bytes(content)
    with pytest.raises(InvalidInput):
        opened(path)
