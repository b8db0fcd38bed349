"""``autoal embed`` from the command line: equal bytes however it is run, and refusals in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from autoal.commands.main import main
from autoal.data.digits import Digits
from autoal.data.features import Features
from autoal.data.fingerprint import split_digest
from autoal.data.static import load_static
from autoal.embedding import workers
from autoal.errors import AutoALError
from autoal.models.torchvision import TorchvisionBackbone

MODEL = ["backbone=torchvision", "backbone.model=shufflenet_v2_x0_5"]
DIGITS = ["embed", "digits", *MODEL, "--size", "32", "--device", "cpu"]
FILES = ("train_features.npy", "test_features.npy", "train_labels.npy", "test_labels.npy", "features.json")


def content(folder: Path) -> dict[str, bytes]:
    assert sorted(p.name for p in folder.iterdir()) == sorted([".lock", *FILES])
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    """The folder of an undisturbed run."""
    folder = tmp_path_factory.mktemp("calm") / "f"
    assert main([*DIGITS, f"backbone.pretrained={weights}", "--out", str(folder)]) == 0
    return folder


def test_the_folder_is_a_data_set_of_what_the_network_says(calm: Path, weights: Path) -> None:
    splits = Features(str(calm), standardise=False).load(Path("/"))
    digits = Digits().load(Path("/"))
    net = TorchvisionBackbone((3, 32, 32), "shufflenet_v2_x0_5", str(weights)).eval()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    for name in ("train", "test"):
        assert torch.equal(splits[name].targets, digits[name].targets)
        rows = torch.arange(0, len(digits[name]), 150)
        x = digits[name].source.fetch(rows).float().expand(-1, 3, -1, -1) / 255
        x = torch.nn.functional.interpolate(x, size=(32, 32), mode="bilinear", antialias=True)
        with torch.no_grad():
            expected = net((x - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1))
        found = splits[name].source.fetch(rows)
        assert found.dtype == torch.float16
        assert torch.allclose(found.float(), expected, atol=2e-3 * float(expected.abs().max()))
        assert found.float().std() > 1e-3, "features that differ from image to image"


def test_strategies_take_them_beside_the_pixels(calm: Path) -> None:
    static = load_static(str(calm), Digits().load(Path("/"))["train"], Path("/"), "digits")
    assert static is not None
    assert static(torch.tensor([3])).shape == (1, 1024)
    other = Digits().load(Path("/"))["train"]
    other.targets[0] += 1
    with pytest.raises(AutoALError, match="made of other data"):
        load_static(str(calm), other, Path("/"), "digits")


def test_the_card_says_what_they_are(calm: Path) -> None:
    card = json.loads((calm / "features.json").read_text())
    assert card["model"] == {"backbone": "torchvision", "model": "shufflenet_v2_x0_5", "options": {}}
    assert len(card["weights"]) == 64
    assert card["transform"]["size"] == [32, 32]
    assert card["n_classes"] == 10
    assert card["versions"]["torch"] == torch.__version__.split("+")[0]
    train = Digits().load(Path("/"))["train"]
    assert card["splits"]["train"] == {"rows": 1200, "fingerprint": split_digest(train)}


@pytest.mark.slow
def test_two_processes_write_what_one_does(
    calm: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody waits for a process that has said that it is done: on a busy machine its end takes long.
    monkeypatch.setattr(workers, "_GRACE", 0.0)
    command = [*DIGITS, f"backbone.pretrained={weights}", "--out", str(tmp_path / "f"), "--processes", "2"]
    assert main(command) == 0
    assert content(tmp_path / "f") == content(calm)


def test_options_stand_anywhere_and_parts_can_be_chosen(calm: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "f"
    command = ["embed", "--out", str(out), "digits", "--size", "32", *MODEL, "--splits", "test", "--device", "cpu"]
    assert main([*command, f"backbone.pretrained={weights}"]) == 0
    assert sorted(p.name for p in out.glob("*.npy")) == ["test_features.npy", "test_labels.npy"]
    assert (out / "test_features.npy").read_bytes() == (calm / "test_features.npy").read_bytes()


def test_a_second_call_has_nothing_to_do(calm: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.stat().st_mtime_ns for p in calm.iterdir()}
    assert main([*DIGITS, f"backbone.pretrained={weights}", "--out", str(calm)]) == 0
    assert "complete already, 1,200 train, 597 test; 1024 features each" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in calm.iterdir()} == before


def test_a_table_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", "breast_cancer", *MODEL, "--out", str(tmp_path / "f")]) == 1
    assert (
        "take uint8 images of 1 or 3 channels, not torch.float32 samples of shape (30,)" in capsys.readouterr().err
    )
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dgits", *MODEL], "unknown dataset 'dgits'. Did you mean 'digits'"),
        (["digits"], "which model?"),
        (["digits", "backbone=timmm"], "unknown backbone 'timmm'. Did you mean 'timm'"),
        (["digits", *MODEL, "sise=3"], "sise"),
        (["digits", *MODEL, "--splits", "train,tset", "--size", "32"], "unknown part in --splits 'tset'"),
        (["digits", *MODEL, "--processes", "0"], "--processes 0 is not 1 or more"),
        (["digits", *MODEL, "--size", "32", "backbone.pretrained=/absent/w.pt"], "no weights at /absent/w.pt"),
    ],
)
def test_refusals_are_one_line(
    words: Sequence[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed", *words, "--out", str(tmp_path / "f")]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "f").exists()


def test_other_weights_do_not_continue_a_folder(calm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*DIGITS, "--out", str(calm)]) == 1
    error = capsys.readouterr().err
    assert "holds features of something else: weights: " in error
    assert error.count("there,") == 1, "nothing but the weights differs"


def start(out: Path, weights: Path, *more: str) -> subprocess.Popen[str]:
    command = [*DIGITS, f"backbone.pretrained={weights}", "--out", str(out), *more]
    return subprocess.Popen(
        [sys.executable, "-m", "autoal", *command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


def wait_for_lines(journal: Path, n: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end and process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") >= n:
            return
        time.sleep(0.002)
    pytest.fail(f"no {n} lines in {journal}: {process.communicate()[1] if process.poll() is not None else 'slow'}")


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_killed_in_the_middle_and_resumed_the_bytes_are_those_of_an_undisturbed_run(
    calm: Path, weights: Path, tmp_path: Path, processes: str
) -> None:
    out = tmp_path / "f"
    process = start(out, weights, "--processes", processes)
    wait_for_lines(out / "progress.jsonl", 2, process)  # the plan, and the first block
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (out / "features.json").exists()
    with pytest.raises(AutoALError, match="is unfinished"):
        Features(str(out)).load(Path("/"))
    done = (out / "progress.jsonl").read_bytes().count(b"\n") - 1
    assert 0 < done < 29, "killed in the middle"
    again = start(out, weights, "--processes", processes)
    assert again.communicate()[1] == "" or again.returncode == 0
    assert again.returncode == 0
    assert content(out) == content(calm)


def test_a_resume_keeps_the_rows_that_are_there(calm: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "f"
    out.mkdir()
    card = json.loads((calm / "features.json").read_text())
    made = ("dataset", "model", "weights", "transform", "dimension", "dtype", "splits")
    plan = json.dumps({key: card[key] for key in made})
    (out / "progress.jsonl").write_text(f'{plan}\n["train", 0, 64]\n["test", 0, 597]\n')
    marked = np.load(calm / "test_features.npy")
    marked[5] = 7.0
    np.save(out / "test_features.npy", marked)
    np.save(out / "train_features.npy", np.zeros((1200, 1024), np.float16))
    assert main([*DIGITS, f"backbone.pretrained={weights}", "--out", str(out)]) == 0
    assert np.array_equal(np.load(out / "test_features.npy"), marked)
    train = np.load(out / "train_features.npy")
    assert not train[:64].any()
    assert np.array_equal(train[64:], np.load(calm / "train_features.npy")[64:])


@pytest.mark.slow
def test_what_a_process_refuses_is_one_line_here(tmp_path: Path) -> None:
    job = workers.EmbeddingJob(
        {"_target_": "autoal.data.folder.ImageFolder", "path": "elsewhere"},
        {"_target_": "autoal.models.torchvision.TorchvisionBackbone", "model": "shufflenet_v2_x0_5"},
        tmp_path,
        32,
        {},
    )
    with pytest.raises(AutoALError, match=r"no folder .*elsewhere"):
        list(workers.embed_in_processes(job, [], ["cpu", "cpu"], 1))


def test_a_process_that_was_killed_says_what_helps() -> None:
    assert "killed by signal 9 (out of memory?); use fewer --processes" in workers._death(-9)
    assert workers._death(3) == "an embedding process ended with status 3"
    assert workers._death(None) == "an embedding process does not answer any more"
