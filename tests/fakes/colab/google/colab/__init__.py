"""A stand-in for Colab's package: what huggingface_hub looks for to know where it is."""

from google.colab import errors, userdata  # noqa: F401
