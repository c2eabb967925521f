"""boardnet's exception."""

from common.errors import CommonError


class BoardnetError(CommonError):
    """A game, corpus, network or request that boardnet cannot use; the message says why."""
