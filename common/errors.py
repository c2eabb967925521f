"""The one exception that a user of any of the packages has to catch."""


class CommonError(Exception):
    """Something outside the program is not as it has to be; the message is one plain sentence.

    The commands print the sentence and exit with 1. Everything else that is raised is a bug.
    """
