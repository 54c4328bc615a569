"""The demonstration: every command of the main job, one after the other."""
