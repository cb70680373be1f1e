"""Nobody is there to click: as in Colab, asking for a secret ends in an error."""

from google.colab.errors import Error


class SecretNotFoundError(Error):
    pass


class NotebookAccessError(Error):
    pass


class TimeoutException(Error):
    pass


def get(key):
    raise SecretNotFoundError(f"Secret {key} does not exist.")
