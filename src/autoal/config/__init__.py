"""The command line and the building of objects from configs."""
