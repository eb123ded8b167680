"""Looks whether a port of this machine can be listened at."""

import socket


def why_taken(host: str, port: int) -> str | None:
    """Why nobody can begin to listen there, in the system's words; None when one can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            return getattr(error, "strerror", None) or str(error)
    return None
