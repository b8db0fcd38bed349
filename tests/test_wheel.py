"""The built wheel is the whole program: in an empty folder, in a fresh environment, without a checkout."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.checkout import copy_checkout, environment, site_packages

pytestmark = pytest.mark.slow

SHORT = "loop.n_rounds=1 loop.epochs=3 trainer=cpu"


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel, and nothing else of AutoAL."""

    wheel: Path
    home: Path

    def bash(self, command: str, folder: Path) -> str:
        """Type a command in a folder; returns what it prints."""
        env = environment(PATH=f"{self.home / 'bin'}:/usr/bin:/bin", VIRTUAL_ENV=str(self.home))
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel from a copy of the checkout and install it; its dependencies are those of the test."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_checkout(root, folder / "source")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True, timeout=600, env=environment())
    (wheel,) = folder.glob("autoal-*.whl")
    home = folder / "fresh"
    venv.create(home, symlinks=True)
    (packages,) = home.glob("lib/python*/site-packages")
    # The dependencies only: files ending in .pth that lie there, an editable install's, are not read.
    (packages / "dependencies.pth").write_text(f"{site_packages()}\n")
    # Without --ignore-installed pip would remove the test's own installation.
    install = ["install", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    subprocess.run(
        [*pip, "--python", str(home / "bin" / "python"), *install], check=True, timeout=600, env=environment()
    )
    return Installed(wheel, home)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    return folder


def test_the_wheel_holds_the_config_tree(installed: Installed, root: Path) -> None:
    packed = {name for name in zipfile.ZipFile(installed.wheel).namelist() if name.startswith("autoal/conf/")}
    assert packed == {f"autoal/{path.relative_to(root)}" for path in (root / "conf").rglob("*.yaml")}


def test_the_program_runs_from_the_wheel(installed: Installed, empty: Path) -> None:
    where = installed.bash('python -c "import autoal; print(autoal.__file__)"', empty)
    assert Path(where.strip()).is_relative_to(installed.home)
    assert "badge" in installed.bash("autoal list strategies", empty)
    assert "1,200 train, 597 test" in installed.bash("autoal data digits", empty)
    installed.bash("autoal train strategy=badge", empty)
    (summary,) = empty.glob("runs/digits/mlp/badge/seed=0/*/summary.json")
    assert json.loads(summary.read_text())["status"] == "finished"
    assert installed.bash("python -m autoal --version", empty).startswith("autoal ")


def test_a_sweep_and_its_report(installed: Installed, empty: Path) -> None:
    installed.bash(f"autoal train -m strategy=random,margin seed=0,1 {SHORT}", empty)
    found = [json.loads(path.read_text()) for path in empty.glob("multirun/*/*/summary.json")]
    assert sorted((s["strategy"], s["seed"], s["status"]) for s in found) == [
        (strategy, seed, "finished") for strategy in ("margin", "random") for seed in (0, 1)
    ]
    installed.bash("autoal report multirun --out report", empty)
    assert (empty / "report" / "report.html").stat().st_size > 10_000


def test_a_users_configs_come_after_the_packages_own(installed: Installed, empty: Path) -> None:
    for place, base in (("conf/here", "margin"), ("more/there", "entropy"), ("conf/badge", "random")):
        folder, _, name = place.partition("/")
        path = empty / folder / "strategy" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"name: {base}\n")
    composed = installed.bash("autoal train --cfg job strategy=here", empty)
    assert "name: margin" in composed
    assert "name: entropy" in installed.bash("autoal train --config-dir more --cfg job strategy=there", empty)
    assert "name: badge" in installed.bash("autoal train --cfg job strategy=badge", empty)


def test_the_readme_is_a_page_of_a_package_index(installed: Installed) -> None:
    """It links nothing that is only in the repository, and says what the README says."""
    with zipfile.ZipFile(installed.wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    assert "Description-Content-Type: text/markdown" in text
    assert "make run" in text
    assert all(target.startswith(("https://", "#")) for target in re.findall(r"\]\(([^)\s]+)\)", text))
