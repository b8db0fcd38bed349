"""Where Hydra looks for configs: AutoAL's own, then ``./conf`` of the current folder, then ``--config-dir``."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class UserConf(SearchPathPlugin):
    """Adds ``./conf`` to AutoAL's search path, and to that of no other program."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folder if there is one; Hydra appends ``--config-dir`` after it.

        Args:
            search_path: What Hydra is about to search.
        """
        from autoal.config.command_line import conf_dirs

        packaged, *others = conf_dirs()
        paths = [element.path for element in search_path.get_path()]
        if any(path and path.removeprefix("file://") == str(packaged) for path in paths):
            for folder in others:
                search_path.append(provider="user", path=f"file://{folder}")
