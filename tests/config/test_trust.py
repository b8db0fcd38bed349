"""What a run directory names is data: nothing in it is imported or called because it is named there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoal.commands.main import main
from autoal.config.instantiate import create, locate
from autoal.config.plugins import registered
from autoal.config.root import check_root
from autoal.data.base import Dataset
from autoal.errors import AutoALError
from autoal.run.experiment import Experiment
from tests.composed import plain
from tests.config.test_command_line import run_in_process

HOSTILE: dict[str, dict[str, Any]] = {
    "numpy.testing.runstring": {"astr": "open('{marker}', 'w')", "dict": {}},
    "builtins.eval": {"source": "open('{marker}', 'w')"},
    "os.system": {"command": "touch {marker}"},
    "subprocess.Popen": {"args": ["touch", "{marker}"]},
    "shutil.copyfile": {"src": "/etc/hostname", "dst": "{marker}"},
    "pandas.read_pickle": {"filepath_or_buffer": "{pickle}"},
    "joblib.load": {"filename": "{pickle}"},
    "torch.load": {"f": "{pickle}", "weights_only": False},
    "torch.hub.load": {"repo_or_dir": "{folder}", "model": "entry", "source": "local"},
    "autoal.files.write_json": {"path": "{marker}", "value": 1},
    "autoal.data.build.importlib.os.system": {"command": "touch {marker}"},
    "hostile_module.Images": {},
    "pathlib.Path": {},
}
"""Targets and the arguments with which each would do harm."""

PLACES = (
    "dataset",
    "backbone",
    "optimizer",
    "strategy",
    "dataset.augment",
    "dataset.nested",
    "strategy.candidates",
)


def config_of(root: Path) -> dict[str, Any]:
    return plain("strategy=random", "trainer=cpu")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path with a module and a hub file that leave a mark when they are run."""
    mark = f"open({str(tmp_path / 'marker')!r}, 'w').close()\n"
    (tmp_path / "hostile_module.py").write_text(f"{mark}class Images: pass\n")
    (tmp_path / "hubconf.py").write_text(f"{mark}def entry(): pass\n")
    # A pickle that calls open on the marker, as protocol 0 writes it.
    (tmp_path / "data.pkl").write_bytes(b"cbuiltins\nopen\n(V" + str(tmp_path / "marker").encode() + b"\nVw\ntR.")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write_run(folder: Path, config: dict[str, Any]) -> Path:
    run = folder / "run"
    (run / ".hydra").mkdir(parents=True)
    (run / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    return run


def filled(value: Any, folder: Path) -> Any:
    text = json.dumps(value)
    for name, path in (("marker", "marker"), ("pickle", "data.pkl"), ("folder", "")):
        text = text.replace(f"{{{name}}}", str(folder / path))
    return json.loads(text)


def refused(root: Path, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    before = sorted(p.name for p in run.rglob("*"))
    assert run_in_process(root, monkeypatch, f"resume='{run}'") == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert not (run.parent / "marker").exists()
    assert "hostile_module" not in sys.modules
    assert sorted(p.name for p in run.rglob("*")) == before
    return lines[0]


@pytest.mark.parametrize("target", HOSTILE)
def test_a_hostile_dataset_is_refused(
    target: str, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = {"_target_": target, **filled(HOSTILE[target], folder)}
    run = write_run(folder, config_of(root) | {"dataset": {"name": "digits", **hostile}})
    assert f"dataset._target_={target}" in refused(root, run, monkeypatch, capsys)


@pytest.mark.parametrize("place", PLACES)
def test_no_place_runs_a_hostile_target(
    place: str, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = {"_target_": "numpy.testing.runstring", **filled(HOSTILE["numpy.testing.runstring"], folder)}
    config = config_of(root)
    if place == "dataset.augment":
        config["dataset"]["augment"] = [hostile]
    elif place == "dataset.nested":
        config["dataset"]["test_size"] = hostile
    elif place == "strategy.candidates":
        config["strategy"] = {"name": "albl", "candidates": ["random", hostile]}
    else:
        config[place] = {"name": "x", **hostile}
    assert "numpy.testing.runstring" in refused(root, write_run(folder, config), monkeypatch, capsys)


def test_a_hydra_node_in_a_runs_config_is_refused(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    launcher = {"launcher": {"_target_": "os.system", "command": f"touch {folder / 'marker'}"}}
    run = write_run(folder, config_of(root) | {"hydra": launcher})
    assert "unknown key 'hydra'" in refused(root, run, monkeypatch, capsys)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch {marker}']",
        "dataset: !!python/object/apply:os.system ['touch {marker}']",
        "[1, 2]",
        "dataset: 5",
        "a: [",
        "&a [*a]",
        "[" * 5000,
        "\x00",
    ],
)
def test_a_damaged_or_hostile_yaml_is_one_line(
    text: str, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(folder, {})
    (run / ".hydra" / "config.yaml").write_text(text.replace("{marker}", str(folder / "marker")))
    (run / ".hydra" / "overrides.yaml").write_text(
        f"!!python/object/apply:os.system ['touch {folder / 'marker'}']"
    )
    assert "config.yaml" in refused(root, run, monkeypatch, capsys)


def test_a_package_counts_once_this_command_line_names_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "trusted_module.py").write_text(
        "from autoal.data.digits import Digits\nclass Mine(Digits):\n    pass\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        config = config_of(root)
        config["dataset"] = {"_target_": "trusted_module.Mine", "name": "mine"}
        with pytest.raises(AutoALError, match=r"add trust=\[trusted_module\]"):
            Experiment.build(config, tmp_path / "run")
        assert "trusted_module" not in sys.modules
        experiment = Experiment.build(config, tmp_path / "run", trust=["trusted_module"])
        assert type(experiment.task.data.dataset).__name__ == "Mine"
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("trusted_module", None)


def test_the_printed_command_names_what_this_command_line_trusts(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = "from autoal.data.digits import Digits\nclass Mine(Digits):\n    pass\n"
    (tmp_path / "printed_module.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    config, run = config_of(root), tmp_path / "run"
    config["dataset"] = {"_target_": "printed_module.Mine", "name": "mine"}
    config["loop"] |= {"n_init": 20, "n_query": 5, "n_rounds": 1, "epochs": 1}
    Experiment.build(
        config, run, trust=["printed_module", "printed_module.Mine", "autoal.data.digits.Digits"]
    ).run()
    assert f"continue with: python train.py resume={run} 'trust=[printed_module]'\n" in capsys.readouterr().out
    again = Experiment.build(config, run, trust=["printed_module.Mine"])
    with pytest.raises(AutoALError, match=r"continue it with: .* 'trust=\[printed_module\.Mine\]' \(or"):
        again.run()

    # The run directory's own trust counts for nothing.
    path = run / ".hydra" / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"trust": ["printed_module"]}))
    (run / "summary.json").unlink()
    sys.modules.pop("printed_module")
    assert run_in_process(root, monkeypatch, f"resume='{run}'") == 1
    assert "add trust=[printed_module]" in capsys.readouterr().err
    predict = ["predict", str(run), "test", "--out", str(tmp_path / "p.csv")]
    assert main(predict) == 1
    assert "printed_module" not in sys.modules
    assert main([*predict, "--trust", "printed_module"]) == 0
    assert "597 predictions" in capsys.readouterr().out
    sys.modules.pop("printed_module")


def test_trust_is_a_list_of_dotted_names(root: Path, tmp_path: Path) -> None:
    for name in ("a b", "a,b", "a=1", "..", "", 5, "x" * 5000 + "!"):
        with pytest.raises(AutoALError, match=r"^trust\[0\]=") as caught:
            check_root(config_of(root) | {"trust": [name]})
        assert len(str(caught.value)) < 400


def test_installed_packages_register_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "registered_module.py").write_text(
        "from autoal.data.digits import Digits\nclass Mine(Digits):\n    pass\n"
    )
    info = tmp_path / "someones_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: someones-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[autoal.datasets]\nmine = registered_module:Mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert registered("datasets")["mine"] == "registered_module.Mine"
    assert locate("dataset", "registered_module.Mine", Dataset).__name__ == "Mine"
    with pytest.raises(AutoALError, match="not part of autoal"):
        locate("dataset", "registered_module_2.Mine", Dataset)


def test_only_classes_of_the_right_kind() -> None:
    for target in (
        "autoal.files.write_json",
        "autoal.models.mlp.MLP",
        "autoal.data.base.Dataset",
        "autoal",
        "",
        5,
    ):
        with pytest.raises(AutoALError, match=r"^dataset\._target_="):
            create("dataset", {"_target_": target}, Dataset)


@pytest.mark.parametrize(
    "line",
    [
        '{"round": 0, "id": "3", "label": 1, "strategy": "random", "score": null, "source": "init", "time": "t"}',
        '{"round": 0, "id": 3, "label": null, "strategy": "random", "score": null, "source": "init", "time": "t"}',
        '{"round": true, "id": 3, "label": 1, "strategy": "random", "score": null, "source": "init", "time": "t"}',
        '{"round": 0, "id": 3, "label": 1, "strategy": [], "score": null, "source": "init", "time": "t"}',
        '{"id": 3}',
        "[1]",
        "5",
        "nonsense",
    ],
)
def test_a_ledger_line_of_the_wrong_type_is_named(line: str, tmp_path: Path) -> None:
    from autoal.rundir.ledger import Ledger

    (tmp_path / "ledger.jsonl").write_text(f"{line}\n")
    with pytest.raises(AutoALError, match=r"ledger\.jsonl line 1"):
        Ledger(tmp_path / "ledger.jsonl").read()


@pytest.mark.parametrize("text", ["", "[]", "5", "{", '{"status": 5}', "[" * 10_000])
def test_a_damaged_summary_is_no_finished_run(text: str, root: Path, tmp_path: Path) -> None:
    from autoal.rundir.resume import resumed

    run = write_run(tmp_path, config_of(root))
    (run / "summary.json").write_text(text)
    assert resumed(run, config_of(root), []).summary is None
