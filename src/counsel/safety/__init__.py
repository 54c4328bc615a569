"""Safety: people's messages to a ``Verdict``, a model's replies to ``Finding``s; helplines, notices, the protocol."""
