"""A Label Studio server, over HTTP: the calls that sending and fetching need, and its two kinds of key."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from autoal.errors import AutoALError
from autoal.files import short

KEY_VARIABLE = "LABEL_STUDIO_API_KEY"
"""Environment variable with the key: on a command line, everybody on the machine could read it."""
URL_VARIABLE = "LABEL_STUDIO_URL"
DEFAULT_URL = "http://127.0.0.1:8080"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
TIMEOUT = 60.0
"""Seconds that the server may take for one answer."""
PAGE = 200
"""Tasks or projects per call."""


class Unreachable(AutoALError):
    """The server does not answer; trying again later may help."""


@dataclass
class LabelStudio:
    """A server and the key to it.

    Attributes:
        url: Its address, ``http://127.0.0.1:8080``.
        key: A legacy token, or a personal access token.
    """

    url: str
    key: str = field(repr=False)
    _access: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str | None) -> LabelStudio:
        """Return the server at an address, with the key of the environment.

        Args:
            url: The address; None: ``LABEL_STUDIO_URL``, or this machine's port 8080.

        Raises:
            AutoALError: If the address is none, or there is no key.
        """
        url = (url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).rstrip("/")
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise AutoALError(f"--url={url} is no address like {DEFAULT_URL}")
        key = os.environ.get(KEY_VARIABLE, "").strip()
        if not key:
            raise AutoALError(
                f"set {KEY_VARIABLE} to your key of {url} (Label Studio: your initials, Account & Settings)"
            )
        return cls(url, key)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Make a call.

        Args:
            method: ``"GET"``, ``"POST"`` or ``"PATCH"``.
            path: Below the address, ``/api/...``.
            body: What is sent as JSON.
            query: What the address ends with.

        Returns:
            The answer, read from JSON.

        Raises:
            Unreachable: If the server does not answer, or is overloaded.
            AutoALError: If it refuses; with its words.
        """
        renewed = False
        while True:
            try:
                return self._send(method, path, body, query)
            except urllib.error.HTTPError as error:
                if error.code == 401 and is_personal(self.key) and not renewed:
                    self._access, renewed = "", True
                    continue
                raise self._explained(error, method, path) from error
            except (OSError, ValueError) as error:
                why = getattr(error, "reason", error)
                raise Unreachable(f"Label Studio at {self.url} does not answer ({why})") from error

    def _send(self, method: str, path: str, body: Any, query: Mapping[str, Any]) -> Any:
        if is_personal(self.key):
            if not self._access:
                self._access = self._request("POST", "/api/token/refresh", {"refresh": self.key}, {}, "")["access"]
            return self._request(method, path, body, query, f"Bearer {self._access}")
        return self._request(method, path, body, query, f"Token {self.key}")

    def _request(self, method: str, path: str, body: Any, query: Mapping[str, Any], key: str) -> Any:
        address = self.url + quote(path, safe="/?=%&") + (f"?{urlencode(query)}" if query else "")
        headers = {"accept": "application/json"} | ({"authorization": key} if key else {})
        data = None
        if body is not None:
            data, headers["content-type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(address, data, headers, method=method)
        # A proxy of the environment can't lead to a server on this machine.
        here = urlsplit(self.url).hostname in LOOPBACK
        opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if here else []))
        with opener.open(request, timeout=TIMEOUT) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def _explained(self, error: urllib.error.HTTPError, method: str, path: str) -> AutoALError:
        try:
            said = error.read().decode("utf-8", "replace")
        except OSError:
            said = ""
        if error.code in (401, 403):
            return AutoALError(f"Label Studio at {self.url} refuses the key in {KEY_VARIABLE} ({error.code})")
        words = f"Label Studio at {self.url}: {method} {path}: {error.code} {short(_detail(said), 400)}"
        return Unreachable(words) if error.code in (429, 502, 503, 504) else AutoALError(words)

    # --- what is there ---------------------------------------------------------------------------------

    def projects(self) -> Iterator[dict[str, Any]]:
        """Yield every project."""
        yield from self._pages("/api/projects/", "results")

    def project(self, number: int) -> dict[str, Any]:
        """Return a project."""
        found: dict[str, Any] = self.call("GET", f"/api/projects/{number}/")
        return found

    def tasks(self, project: int) -> Iterator[dict[str, Any]]:
        """Yield every task of a project, without its annotations."""
        yield from self._pages("/api/tasks/", "tasks", project=project, fields="all")

    def exported(self, project: int) -> list[dict[str, Any]]:
        """Return every task of a project with its annotations and drafts.

        As JSON: the other formats of the server leave out what was skipped.
        """
        path = f"/api/projects/{project}/export"
        found = self.call("GET", path, exportType="JSON", download_all_tasks="true")
        if not isinstance(found, list):
            raise AutoALError(f"Label Studio at {self.url}: the export of project {project} is no list")
        return found

    def users(self) -> dict[int, str]:
        """Return the e-mail addresses of the server's users, by number."""
        return {int(user["id"]): str(user["email"]) for user in self.call("GET", "/api/users/")}

    def storages(self, project: int) -> list[dict[str, Any]]:
        """Return the folders whose files a project may show."""
        found: list[dict[str, Any]] = self.call("GET", "/api/storages/localfiles/", project=project)
        return found

    def shows(self, path: str) -> bool:
        """Whether the server sends a file.

        Args:
            path: What a task says, ``/data/local-files/?d=...``.
        """
        try:
            self._send("GET", path, None, {})
        except ValueError:
            return True  # a picture is no JSON
        except urllib.error.HTTPError as error:
            if error.code in (400, 403, 404):
                return False
            raise self._explained(error, "GET", path) from error
        except OSError as error:
            raise Unreachable(f"Label Studio at {self.url} does not answer ({error})") from error
        return True

    def add(self, project: int, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Add tasks to a project, in their order."""
        for start in range(0, len(tasks), PAGE):
            self.call("POST", f"/api/projects/{project}/import", list(tasks[start : start + PAGE]))

    def _pages(self, path: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
        page, seen = 1, 0
        while True:
            found = self.call("GET", path, page=page, page_size=PAGE, **query)
            yield from found[key]
            seen += len(found[key])
            if not found[key] or seen >= int(found.get("total", found.get("count", 0))):
                return
            page += 1


def is_personal(key: str) -> bool:
    """Whether a key is a personal access token, which buys short-lived ones: a JSON web token is.

    Args:
        key: The key.

    Example:
        >>> is_personal("0123456789abcdef0123456789abcdef01234567")
        False
        >>> is_personal("eyJhbGciOiJIUzI1NiJ9.e30.c2ln")
        True
    """
    parts = key.split(".")
    if len(parts) != 3:
        return False
    try:
        head = json.loads(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except ValueError:
        return False
    return isinstance(head, dict) and "alg" in head


def _detail(said: str) -> str:
    """Return what a refusal of the server says, without its page of HTML."""
    try:
        value = json.loads(said)
    except ValueError:
        return "" if said.lstrip().startswith("<") else said.strip()
    if not isinstance(value, dict):
        return said
    errors = value.get("validation_errors") or value.get("detail") or value
    return errors if isinstance(errors, str) else json.dumps(errors, ensure_ascii=False)
