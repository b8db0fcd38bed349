"""Where Hydra looks for configs: AutoAL's own, ``./conf``, those of installed packages, ``--config-dir``."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin


class UserConf(SearchPathPlugin):
    """Adds ``./conf`` and packages' configs to AutoAL's search path, and to that of no other program."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders that there are; Hydra appends ``--config-dir`` after it.

        Args:
            search_path: What Hydra is about to search.
        """
        from autoal.config.command_line import conf_dirs
        from autoal.config.offers import store_offers

        packaged, *others = conf_dirs()
        paths = [element.path for element in search_path.get_path()]
        if any(path and path.removeprefix("file://") == str(packaged) for path in paths):
            store_offers()
            # In place of Hydra's own, which says at the very end what failed first.
            launcher = {"_target_": "hydra_plugins.autoal_launchers.basic.BasicLauncher"}
            ConfigStore.instance().store(group="hydra/launcher", name="basic", node=launcher, provider="autoal")
            for folder in others:
                search_path.append(provider="user", path=f"file://{folder}")
