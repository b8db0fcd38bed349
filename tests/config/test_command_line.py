"""Bad input at the real command line: one line, non-zero exit, nothing written."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from autoal.config.command_line import conf_dir

BAD = {
    "strategy=margn": ["unknown strategy 'margn'", "Did you mean 'margin'?"],
    "datset=mnist": ["unknown key 'datset'", "Did you mean 'dataset'?"],
    "loop.n_qurey=3": ["unknown key 'loop.n_qurey'", "Did you mean 'loop.n_query'?"],
    "backbone.hiden=[3]": ["Did you mean 'backbone.hidden'?"],
    "+loop.n_quary=3": ["unknown key 'loop.n_quary'", "Did you mean 'loop.n_query'?"],
    "+sed=3": ["unknown key 'sed'", "Did you mean 'seed'?"],
    "loop.n_init=5000": ["larger than the pool of 1200 samples"],
    "loop.n_rounds=100": ["n_init 40 + n_rounds 100 * n_query 20 = 2040", "larger than the pool of 1200"],
    "loop.n_init=0": ["loop.n_init=0 is not an integer of at least 1"],
    "loop.n_query=-3": ["loop.n_query=-3 is not an integer of at least 1"],
    "loop.epochs=0": ["loop.epochs=0"],
    "loop.batch_size=1.5": ["loop.batch_size=1.5"],
    "loop.init=balanced": ["unknown loop.init 'balanced'", "class_balanced"],
    "loop.patience=3": ["loop.n_val"],
    "seed=-1": ["seed=-1"],
    "seed=abc": ["seed=abc"],
    "optimizer.lr=0": ["optimizer.lr=0 is not a number in (0, 1000]"],
    "optimizer.schedule=cosin": ["Did you mean 'cosine'?"],
    "backbone.dropout=1.0": ["backbone.dropout=1.0"],
    "resume=no/such/run": ["no/such/run"],
    "resume=''": ["resume='' is not a non-empty text"],
    "resume=[]": ["[] holds no run"],
    "+foo.bar=1": ["unknown key 'foo'.", "Valid: backbone"],
    "trust=abc": ["trust=abc is not a list"],
    "seed=1e400": ["seed=inf"],
    "seed=null": ["seed=null"],
    "seed=99999999999999999999": ["seed=99999999999999999999"],
    "seed=${nosuch}": ["seed refers to nosuch"],
    "strategy=null": ["a group is chosen by its name"],
    "~strategy": ["strategy.name"],
    "~paths": ["no paths is chosen"],
    "dataset=table": ["dataset.path needs a value: dataset.path=..."],
    "paths.run_dir=null": ["paths.run_dir=null is not a non-empty text"],
    "paths.run_dir=''": ["paths.run_dir='' is not a non-empty text"],
    "paths.data_dir=null": ["paths.data_dir=null"],
    f"paths.run_dir={'x' * 5000}": ["File name too long"],
    f"resume={'x' * 5000}": ["File name too long"],
    "loop.stop_train_acc=abc": ["loop.stop_train_acc=abc is not a number in (0, 1] or null"],
    "loop.n_init=1e400": ["loop.n_init=inf is not an integer of at least 1"],
    "loop.n_init={}": ["loop.n_init={} is not an integer"],
    "loop.lr=3": ["Did you mean 'optimizer.lr'?"],
    "optimizer.lr=abc": ["optimizer.lr=abc is not a number in (0, 1000]"],
    "optimizer.lr=null": ["optimizer.lr=null is not a number in (0, 1000]"],
    "optimizer.lr=1e38": ["optimizer.lr=1e+38 is not a number in (0, 1000]"],
    "optimizer.bogus=1": ["unknown key 'optimizer.bogus'. Valid keys of optimizer: _target_, gamma, lr"],
    "+optimizer.bogus=1": ["unknown key 'optimizer.bogus'.", "betas", "warmup_epochs"],
    "optimizer.milestones=[a]": ["optimizer.milestones[0]=a is not an integer of at least 0"],
    "+optimizer.betas=[0.9]": ["optimizer.betas=[0.9] is not a list of 2 values"],
    "+optimizer.nesterov=true": ["unknown key 'optimizer.nesterov'"],
    "optimizer._target_=os.system": ["os.system is not a class derived from Optimizer"],
    "optimizer._target_=torch.optim.Adm": ["torch.optim.Adm is not a class derived from Optimizer"],
    "optimizer._target_=torch.optim.Muon": [
        # It came with torch 2.9; what a constructor itself objects to is shown as it says it.
        "Muon only supports 2D parameters" if hasattr(torch.optim, "Muon") else "is not a class derived from"
    ],
    "trainer.precision=17": ["trainer.precision=17 is not one of 32-true, 64-true"],
    "trainer.devices=-3": ["trainer.devices=-3 is not an integer of at least 1"],
    "trainer.devices=2": ["trainer.devices=2 needs trainer.strategy=ddp"],
    "trainer.num_nodes=2": ["trainer.num_nodes=2 needs trainer.strategy=ddp"],
    "trainer.accumulate_grad_batches=0": ["trainer.accumulate_grad_batches=0"],
    "+trainer.bogus=1": ["unknown key 'trainer.bogus'"],
    "trainer.max_epochs=3": ["trainer.max_epochs can't be set", "loop.epochs"],
    "+trainer.max_epochs=3": ["trainer.max_epochs can't be set", "loop.epochs"],
    "+trainer.fast_dev_run=true": ["trainer.fast_dev_run can't be set"],
    "+trainer.limit_train_batches=2": ["trainer.limit_train_batches can't be set"],
    "+trainer.callbacks=[]": ["trainer.callbacks can't be set"],
    "trainer.strategy=fsdp": ["trainer.strategy=fsdp is not supported"],
    "backbone.hidden=abc": ["backbone.hidden=abc is not a list"],
    "backbone.hidden=[a]": ["backbone.hidden[0]=a is not an integer"],
    "backbone.dropout=null": ["backbone.dropout=null"],
    "backbone.freeze=abc": ["backbone.freeze=abc"],
    "dataset.augment=[abc]": ["dataset.augment[0]=abc"],
    "dataset.augment=[{_target_:autoal.data.augment.RandomCrop,paddin:1}]": [
        "Did you mean 'dataset.augment[0].padding'?"
    ],
    "dataset.label_noise=2": ["dataset.label_noise=2 is not a number in [0, 1]"],
    "+dataset.test_size=5000": ["dataset.test_size=5000"],
    "logger=[csv,tensorbord]": ["unknown logger 'tensorbord'. Did you mean 'tensorboard'?"],
    "+logger.csv.foo=1": ["unknown key 'logger.csv.foo': logger.csv takes no options"],
    "+logger.wandb={n_images:abc}": ["logger.wandb.n_images=abc is not an integer of at least 0"],
    "+strategy.n_samples=1": ["unknown key 'strategy.n_samples'"],
    "strategy=bald strategy.n_samples=0": ["strategy.n_samples=0 is not an integer of at least 1"],
    "strategy=albl strategy.candidates=[random,5]": ["unknown strategy.candidates[1] '5'"],
    "strategy=albl strategy.candidates=[random,{name:bald,n_samples:-1}]": ["strategy.candidates[1].n_samples=-1"],
    "strategy=autoal strategy.prior={margin:abc}": ["strategy.prior.margin=abc"],
    "hydra/launcher=slrm": ["unknown hydra/launcher 'slrm'. Did you mean 'slurm'? Valid: basic, local_pool"],
    "hydra/sweeper=basik": ["unknown hydra/sweeper 'basik'. Did you mean 'basic'?"],
    "--experimental-rerun=config.pickle": ["--experimental-rerun is not supported"],
}


def train(root: Path, *overrides: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "train.py"), "trainer=cpu", *overrides]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def run_in_process(root: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> int:
    """Run train.py's main without the seconds that a new process takes to import torch."""
    monkeypatch.setattr(sys, "argv", [str(root / "train.py"), "trainer=cpu", *overrides])
    GlobalHydra.instance().clear()
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(root / "train.py"), run_name="__main__")
    GlobalHydra.instance().clear()
    assert isinstance(stop.value.code, int)
    return stop.value.code


@pytest.mark.parametrize("override", BAD)
def test_bad_input_is_one_line(
    root: Path,
    tmp_path: Path,
    override: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    first = [] if override.startswith(("strategy", "~strategy")) else ["strategy=random"]
    assert run_in_process(root, monkeypatch, *first, *override.split(" ")) == 1
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    for part in BAD[override]:
        assert part in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_strategy_that_needs_dropout(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_in_process(root, monkeypatch, "strategy=bald", "backbone.dropout=0") == 1
    assert "set backbone.dropout" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_missing_data_says_where_and_how(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = ("strategy=random", "dataset=mnist", f"paths.data_dir={tmp_path / 'nowhere'}")
    assert run_in_process(root, monkeypatch, *overrides) == 1
    message = capsys.readouterr().err
    assert str(tmp_path / "nowhere") in message
    assert "autoal data mnist" in message
    assert list(tmp_path.iterdir()) == []


def test_a_real_process_exits_with_the_status_and_the_line(root: Path, tmp_path: Path) -> None:
    done = train(root, "strategy=badg3", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: unknown strategy 'badg3'.")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("script", ["train.py", "autoal"])
def test_help_imports_nothing_heavy(root: Path, script: str) -> None:
    body = (
        "import sys, runpy\n"
        f"sys.argv = [{script!r}, '--help']\n"
        "try:\n"
        + (
            f"    runpy.run_path({str(root / 'train.py')!r}, run_name='__main__')\n"
            if script == "train.py"
            else "    import autoal.commands.main; autoal.commands.main.main()\n"
        )
        + "except SystemExit: pass\n"
        "heavy = [m for m in ('torch', 'wandb', 'lightning', 'pandas', 'matplotlib') if m in sys.modules]\n"
        "print('HEAVY', heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=120, check=True)
    assert "HEAVY []" in done.stdout
    assert ("strategy" if script == "train.py" else "report") in done.stdout


def test_the_users_own_configs_are_among_the_valid_ones(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine" / "loop"
    mine.mkdir(parents=True)
    (mine / "my_budget.yaml").write_text("n_init: 10\nn_query: 5\nn_rounds: 1\n")
    monkeypatch.chdir(tmp_path)
    assert run_in_process(root, monkeypatch, "loop=my_budge", "--config-dir", str(tmp_path / "mine")) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "Did you mean 'my_budget'?" in lines[0]
    assert "small" in lines[0]


def test_an_unexpected_error_keeps_its_traceback_in_the_log(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from autoal.loop.callback import ActiveLearning

    def bug(self: object, *args: object) -> None:
        raise ZeroDivisionError("a bug\nin two lines")

    monkeypatch.setattr(ActiveLearning, "on_train_epoch_start", bug)
    monkeypatch.chdir(tmp_path)
    assert run_in_process(root, monkeypatch, "strategy=random", "paths.run_dir=run") == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines == [
        f"error: unexpected ZeroDivisionError: a bug; the traceback is in {tmp_path / 'run' / 'train.log'}"
    ]
    assert "in bug" in (tmp_path / "run" / "train.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("override", ["optimizer.lr=abc", "+trainer.fast_dev_run=true", "paths.run_dir=null"])
def test_bad_input_in_a_real_process(root: Path, tmp_path: Path, override: str) -> None:
    done = train(root, "strategy=random", override, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_help_says_what_the_keys_mean(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "train.py", "--help"], cwd=root, capture_output=True, text=True, timeout=300, check=True
    )
    _, _, text = done.stdout.partition("== Keys that are used most ==\n")
    text, _, _ = text.partition("\n\n")
    assert max(map(len, text.splitlines())) <= 80
    explained = re.findall(r"^([a-z][\w., ]*?)  +\S", text, re.MULTILINE)
    keys = [key for line in explained for key in line.split(", ")]
    assert {"strategy", "loop.n_query", "loop.warm_start", "trainer.devices", "paths.run_dir"} <= set(keys)
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("train", overrides=["dataset=image_folder", "dataset.path=x"], return_hydra_config=True)
    missing = [
        key for key in keys if OmegaConf.select(config, key, default="absent", throw_on_missing=False) == "absent"
    ]
    assert not missing
