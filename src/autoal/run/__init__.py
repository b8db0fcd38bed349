"""From a config to a finished run: build the experiment, start or resume it, one rank of it, studies of many."""
