"""The one exception that a user of any of the packages has to catch, and its kind for commands."""


class CommonError(Exception):
    """Something outside the program is not as it has to be; the message is one plain sentence.

    The commands print the sentence and exit with `status`. Everything else that is raised is a bug.
    """

    status = 1


class UsageError(CommonError):
    """A command was given arguments that do not go together, whatever the files hold."""

    status = 2
