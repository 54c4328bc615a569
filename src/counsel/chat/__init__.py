"""Chat: a conversation with a run."""
