"""Training: the SFT trainer, its recipes, and what keeps a run safe."""
