"""Plain things that have names: texts of a kind, and choices."""

from __future__ import annotations

import enum


class Scalar(str):
    """A text of a certain kind."""

    __slots__ = ()


class Platform(Scalar):
    """An operating system and an architecture: ``linux/amd64``."""

    __slots__ = ()


class JSON(Scalar):
    """A text that is JSON."""

    __slots__ = ()


class Void(Scalar):
    """Nothing."""

    __slots__ = ()


class Enum(enum.Enum):
    """A choice; as a text it is what the choice stands for."""

    def __str__(self) -> str:
        return str(self.value)


class CacheSharingMode(Enum):
    """Who may use a cache volume at the same time."""

    SHARED = "SHARED"
    """Everybody."""
    PRIVATE = "PRIVATE"
    """Nobody else: others have one of their own."""
    LOCKED = "LOCKED"
    """Nobody else: others wait."""


class ExistsType(Enum):
    """What has to be there."""

    REGULAR_TYPE = "REGULAR_TYPE"
    DIRECTORY_TYPE = "DIRECTORY_TYPE"
    SYMLINK_TYPE = "SYMLINK_TYPE"


class FileType(Enum):
    """What is there."""

    REGULAR = "REGULAR"
    DIRECTORY = "DIRECTORY"
    SYMLINK = "SYMLINK"
    UNKNOWN = "UNKNOWN"
    REGULAR_TYPE = "REGULAR"
    DIRECTORY_TYPE = "DIRECTORY"
    SYMLINK_TYPE = "SYMLINK"


class ImageLayerCompression(Enum):
    """How an image's layers are packed."""

    GZIP = "Gzip"
    ZSTD = "Zstd"
    UNCOMPRESSED = "Uncompressed"
    Gzip = "Gzip"
    Zstd = "Zstd"
    Uncompressed = "Uncompressed"


class ImageMediaTypes(Enum):
    """Whose names an image's parts have."""

    OCI = "OCIMediaTypes"
    DOCKER = "DockerMediaTypes"
    OCIMediaTypes = "OCIMediaTypes"
    DockerMediaTypes = "DockerMediaTypes"


class NetworkProtocol(Enum):
    """How a port is spoken to."""

    TCP = "TCP"
    UDP = "UDP"


class ReturnType(Enum):
    """How a command has to end."""

    SUCCESS = "SUCCESS"
    """With 0."""
    FAILURE = "FAILURE"
    """With anything else, up to 127."""
    ANY = "ANY"
    """Anyhow."""
