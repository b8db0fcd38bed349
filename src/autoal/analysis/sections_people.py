"""Section of the page about what labels cost people."""

from __future__ import annotations

from autoal.analysis.effort import effort_table, sway_table
from autoal.analysis.items import Item, section_item, table_item
from autoal.analysis.results import SettingResult

__all__ = ["people_sections"]

_SWAY_TEXT = (
    "How often a label equals the model's suggestion, where people saw it and where they did not. The images "
    "differ, so a difference is a hint that suggestions sway people, and no proof."
)


def people_sections(result: SettingResult) -> list[Item]:
    """Seconds, skips and corrections per round, and the effect of suggestions; nothing where nobody was asked.

    Args:
        result: The setting.
    """
    if not result.effort.rows:
        return []
    items: list[Item] = [table_item(effort_table([("", result.effort)]), ["setting"])]
    if result.effort.sways:
        items += [
            {"type": "heading", "text": "Suggestions"},
            {"type": "text", "text": _SWAY_TEXT},
            table_item(sway_table([("", result.effort)]), ["setting"]),
        ]
    return [section_item("people", "People", "What the labels cost people", "Means over runs.", items)]
