"""Models: rendering, loading in 4 bit, adapters, and the engine that answers."""
