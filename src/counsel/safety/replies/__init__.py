"""From what a model writes to ``Finding``s, sentence by sentence, before a person sees it."""

from counsel.safety.replies.judge import Context, remedy, screen_reply
from counsel.safety.replies.stream import ReplyScreen

__all__ = ["Context", "ReplyScreen", "remedy", "screen_reply"]
