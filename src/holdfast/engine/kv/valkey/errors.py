"""Errors of the client and the server, as ours."""

from __future__ import annotations

from valkey import exceptions

from holdfast.errors import HoldfastError, ReadOnly, StoreFull, StoreUnavailable, Unsupported

PASSING = (exceptions.BusyLoadingError, exceptions.TryAgainError, exceptions.ClusterDownError)
"""What a server says that will be able to do it in a moment."""

ELSEWHERE = (exceptions.MovedError, exceptions.AskError)
"""What a node of a cluster says that has the key no more."""


def is_lost(error: Exception) -> bool:
    """Tell whether the connection is lost, and another one may do."""
    return isinstance(error, exceptions.ConnectionError) and not isinstance(
        error, (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.MaxConnectionsError)
    )


def translated(error: Exception, url: str, timeout: float) -> HoldfastError:
    """Return what an error of the client means."""
    said = str(error).rstrip(".") or type(error).__name__
    match error:
        case exceptions.AuthenticationError() | exceptions.AuthorizationError():
            return StoreUnavailable(f"{url} refuses the user or the password ({said}); check those of the URL")
        case exceptions.NoPermissionError():
            return StoreUnavailable(
                f"the user of {url} lacks a right: {said}; docs/valkey.md has the rights that it needs"
            )
        case exceptions.OutOfMemoryError():
            return StoreFull(
                f"{url} has reached its maxmemory: {said}. What was committed is there, and can be read; raise"
                " maxmemory"
            )
        case exceptions.ReadOnlyError():
            return ReadOnly(f"{url} is a replica, which can only be read; connect to its primary to write")
        case exceptions.TimeoutError():
            return StoreUnavailable(
                f"{url} did not answer within {timeout:g} s; what was sent may yet be done; look, and retry"
            )
        case exceptions.ConnectionError() | exceptions.ValkeyClusterException():
            return StoreUnavailable(f"{url} cannot be reached: {said}; retry when it can")
        case _:
            return _of_server(said, url)


def _of_server(said: str, url: str) -> HoldfastError:
    upper = said.upper()
    if "NO SPACE LEFT" in upper:
        return StoreFull(f"{url} has no room on its disk: {said}; make room there")
    if "UNKNOWN COMMAND" in upper and ("FCALL" in upper or "FUNCTION" in upper):
        return Unsupported(f"{url} has no functions: Holdfast needs Valkey 8, or Redis 7, or newer")
    return StoreUnavailable(f"{url} refused: {said}")
