"""The subcommands of ``autoal``: one module each, imported when it is called."""
