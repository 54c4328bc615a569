"""The crisis protocol: a state machine with written words, which leads when somebody may be in danger."""

from counsel.safety.protocol.lead import Lead, lead
from counsel.safety.protocol.machine import Reply, State, respond

__all__ = ["Lead", "Reply", "State", "lead", "respond"]
