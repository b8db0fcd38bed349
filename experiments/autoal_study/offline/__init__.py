"""Development without Lightning: query rules on frozen features, for choices; claims come from whole runs."""
