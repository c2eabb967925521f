"""The one exception of speechnet."""

from common.errors import CommonError


class SpeechnetError(CommonError):
    """What went wrong, as one sentence that says what to do."""
