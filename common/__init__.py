"""common: the building blocks of convolutional networks, their training, export and inference."""

from common.errors import CommonError

__all__ = ["CommonError"]
