"""What can go wrong, one class per cause; every message says what was expected and what came."""


class EdgeMddaError(Exception):
    """Base of every error this package raises on purpose; `exit_code` is what the command line returns for it."""

    exit_code = 1


class ParameterError(EdgeMddaError, ValueError):
    """A parameter or an option is out of its range."""

    exit_code = 2


class ImageError(EdgeMddaError, ValueError):
    """An image cannot be used: unreadable, not an image, over a limit, or of the wrong dtype, shape or range."""

    exit_code = 3


class TooLargeError(ImageError):
    """An image has more bytes or pixels than are accepted."""


class ModelError(EdgeMddaError):
    """A model bundle is incomplete, altered, or does not fit what it says of itself."""

    exit_code = 4


class RuntimeMissingError(EdgeMddaError):
    """No TFLite runtime is installed, or not the one asked for."""

    exit_code = 5


class OutputError(EdgeMddaError, OSError):
    """A result could not be written."""

    exit_code = 6


class UnwritableError(OutputError):
    """A result could not be written under its name, and no room on the disk would change that."""


class CameraError(EdgeMddaError):
    """A camera is not there, or gives no frames any more."""

    exit_code = 9


class InferenceError(EdgeMddaError):
    """The process that classifies ended or hung over an image; it costs that image and never ends a command."""


class TooLateError(InferenceError):
    """The process that classifies did not answer in time, and was ended."""
