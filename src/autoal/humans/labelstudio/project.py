"""A run's project on a Label Studio server: made once, filled by sending, emptied by nobody, read by fetching."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autoal.errors import AutoALError
from autoal.files import write_json
from autoal.humans.labelstudio.client import LabelStudio
from autoal.humans.labelstudio.tasks import NAME, TITLE, Fetched, answers_of, interface, key_of, task
from autoal.humans.place import Place
from autoal.humans.queries import Query
from autoal.humans.standing import Standing
from autoal.rundir import names
from autoal.rundir.locks import take_lock

ROOT_VARIABLE = "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"
"""The server's own variable for the folder below which it reads files."""


@dataclass(frozen=True)
class Sent:
    """What sending has done.

    Attributes:
        project: The project's number.
        address: Where people label.
        new: Tasks that were added.
        there: Tasks that stood there already.
    """

    project: int
    address: str
    new: int
    there: int


@dataclass(frozen=True)
class Link:
    """Where a run was sent to last, as ``labelstudio.json`` keeps it; the key is nowhere on disk.

    Attributes:
        url: The server's address.
        project: The project's number.
        below: The images' folder, below the one that the server reads files from.
        suggest: Whether people see the model's suggestions.
    """

    url: str
    project: int
    below: str
    suggest: bool

    @classmethod
    def read(cls, run_dir: Path) -> Link | None:
        """Read it; None where the run was never sent.

        Raises:
            AutoALError: If the file is damaged.
        """
        path = _path(run_dir)
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(value["url"]), int(value["project"]), str(value["below"]), bool(value["suggest"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AutoALError(f"{path} is damaged ({error}); remove it, and send the query again") from error


def send(
    place: Place,
    standing: Standing,
    server: LabelStudio,
    project: int | None = None,
    served: Path | None = None,
    suggest: bool = False,
) -> Sent:
    """Have a server ask what a query still asks. Doing it again adds nothing twice.

    Args:
        place: The run.
        standing: How far the query is.
        server: The server.
        project: The project's number; None: the run's own, which is made where there is none.
        served: The folder below which the server reads files; None: what the server's own environment variable
            says here, or the parent of the images' folder.
        suggest: Whether people see the model's suggestions.

    Raises:
        AutoALError: If the server refuses, or can't show the images.
    """
    below = _below(place.folder, served)
    with _alone(place.run_dir):
        number = project or _own(server, standing.query, Link.read(place.run_dir))
        if number is None:
            settings = _settings(place, standing.query, suggest)
            number = int(server.call("POST", "/api/projects/", settings)["id"])
        link = Link(server.url, number, below, suggest)
        write_json(_path(place.run_dir), asdict(link))
        _check_interface(server, number, standing.query)
        _open_folder(server, number, place.folder)
        _check_shown(server, standing, below)
        return _add(server, link, standing, begun=False)


def refill(place: Place, standing: Standing, server: LabelStudio) -> int:
    """Send what a skip has made room for, where the query was sent before; returns how many tasks were added.

    Args:
        place: The run.
        standing: How far the query is.
        server: The server.

    Raises:
        AutoALError: If the server refuses.
    """
    link = Link.read(place.run_dir)
    if link is None or link.url != server.url or not standing.open:
        return 0
    with _alone(place.run_dir):
        return _add(server, link, standing, begun=True).new


def _add(server: LabelStudio, link: Link, standing: Standing, begun: bool) -> Sent:
    """Add the tasks that are not there; with ``begun``, only to a query that has some already."""
    query, wanted = standing.query, [*standing.open, *standing.disputed]
    there = {key_of(one) for one in server.tasks(link.project)}
    new = [asked for asked in wanted if (query.query, asked.id) not in there]
    if begun and not any(name == query.query for name, _ in there):
        new = []
    settings = {"maximum_annotations": query.overlap, "show_collab_predictions": link.suggest}
    server.call("PATCH", f"/api/projects/{link.project}/", settings)
    server.add(link.project, [task(query, asked, link.below) for asked in new])
    return Sent(link.project, f"{server.url}/projects/{link.project}/data", len(new), len(wanted) - len(new))


def fetch(place: Place, server: LabelStudio, project: int | None = None) -> Fetched:
    """Read what people have answered on a server; nothing is taken yet.

    Args:
        place: The run.
        server: The server.
        project: The project's number; None: the run's own.

    Raises:
        AutoALError: If the run was never sent there, or the server refuses.
    """
    queries = place.desk.queries()
    number = project or (_own(server, queries[-1], Link.read(place.run_dir)) if queries else None)
    if number is None:
        raise AutoALError(
            f"{place.run_dir} has no project at {server.url}; send it: autoal query RUN --to labelstudio"
        )
    shows = bool(server.project(number).get("show_collab_predictions"))
    exported = server.exported(number)
    return answers_of(exported, queries, server.users(), place.desk.answers(), shows)


def _own(server: LabelStudio, query: Query, link: Link | None) -> int | None:
    """Return the run's project, by the note in the run directory or else by what its description says."""
    if link is not None and link.url == server.url:
        return link.project
    mark = _mark(query)
    return next((int(p["id"]) for p in server.projects() if mark in str(p.get("description"))), None)


def _settings(place: Place, query: Query, suggest: bool) -> dict[str, Any]:
    return {
        "title": f"AutoAL {place.run_dir.resolve().name}"[:TITLE],
        "description": f"What an active-learning run asks for. {_mark(query)}",
        "label_config": interface(query.classes),
        "sampling": "Sequential sampling",
        "show_skip_button": True,
        "enable_empty_annotation": False,
        "maximum_annotations": query.overlap,
        "show_collab_predictions": suggest,
    }


def _check_interface(server: LabelStudio, project: int, query: Query) -> None:
    """Refuse a project whose interface somebody has made otherwise: its answers would all be refused later."""
    control = (server.project(project).get("parsed_label_config") or {}).get(NAME) or {}
    lacking = [name for name in query.classes if name not in control.get("labels", ())]
    if control.get("type") != "Choices" or lacking:
        raise AutoALError(
            f"project {project} at {server.url} has no Choices named '{NAME}' with the classes "
            f"{', '.join(lacking or query.classes)}; give it this interface:\n{interface(query.classes)}"
        )


def _mark(query: Query) -> str:
    return f"autoal-run:{query.run}"


def _below(folder: Path, served: Path | None) -> str:
    """Return the images' folder, below the one that the server reads files from."""
    root = (served or Path(os.environ.get(ROOT_VARIABLE) or folder.resolve().parent)).expanduser().resolve()
    try:
        below = folder.resolve().relative_to(root).as_posix()
    except ValueError:
        below = "."
    if below == ".":
        raise AutoALError(
            f"Label Studio shows files of folders below {ROOT_VARIABLE}, and {folder.resolve()} is none below "
            f"{root}; start it with a parent of the images' folder there, and give it as --served"
        )
    return below


def _open_folder(server: LabelStudio, project: int, folder: Path) -> None:
    """Allow a project to show the images; their tasks are ours, so the server must not make its own."""
    path = str(folder.resolve())
    if any(one.get("path") == path for one in server.storages(project)):
        return
    settings = {"project": project, "title": "images", "path": path, "use_blob_urls": True}
    try:
        server.call("POST", "/api/storages/localfiles/", settings)
    except AutoALError as error:
        raise AutoALError(
            f"{error}; it must be started with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
            f"{ROOT_VARIABLE}={Path(path).parent}"
        ) from error


def _check_shown(server: LabelStudio, standing: Standing, below: str) -> None:
    """Refuse paths that lead nowhere on the server: its people would see tasks without images."""
    for asked in standing.open[:1]:
        path = task(standing.query, asked, below)["data"]["image"]
        if not server.shows(path):
            raise AutoALError(
                f"Label Studio at {server.url} does not show {path}: give --served the folder that it was started "
                f"with as {ROOT_VARIABLE}"
            )


@contextmanager
def _alone(run_dir: Path) -> Iterator[None]:
    """Keep a second sender out, which would make every task twice."""
    lock = take_lock(run_dir / ".labelstudio.lock")
    if lock is None:
        raise AutoALError(f"another process sends {run_dir} to Label Studio")
    try:
        yield
    finally:
        lock.release()


def _path(run_dir: Path) -> Path:
    return run_dir / names.LABEL_STUDIO
