"""Building objects from configs, with errors that are one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from autoal.errors import AutoALError


def create(kind: str, config: Mapping[str, Any], **arguments: Any) -> Any:
    """Instantiate ``config["_target_"]``; it gets plain lists and dicts.

    Args:
        kind: The config key, for messages.
        config: ``_target_`` and its arguments.
        **arguments: Further arguments.

    Raises:
        AutoALError: The constructor's own, or one that says which key has no value or what was wrong.
    """
    missing = [key for key, value in config.items() if value == "???"]
    if missing:
        raise AutoALError(f"{kind}.{missing[0]} needs a value: {kind}.{missing[0]}=...")
    try:
        return instantiate(dict(config), **arguments, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        # Hydra wraps whatever the constructor raised.
        if isinstance(cause, AutoALError):
            raise cause from None
        reason = str(cause or error).splitlines()[0]
        raise AutoALError(f"{kind}: can't build {config.get('_target_')}: {reason}") from error
