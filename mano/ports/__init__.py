"""What the orchestration needs from the world, as protocols named after the reference points."""
