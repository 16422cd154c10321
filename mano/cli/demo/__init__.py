"""``mano demo``: the main job, end to end, on the best tier that the machine can do."""
