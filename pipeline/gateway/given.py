"""What all of a gateway works with; endpoints take it as a parameter of type `Given`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from infra.blobs.port import BlobStore
from infra.bus.connection import Bus
from infra.clock import Clock
from infra.settings import Settings
from pipeline.front_end import FrontEnd
from pipeline.gateway.ears import Ears
from pipeline.gateway.socket.company import Company
from pipeline.partials import PartialTranscripts


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway's connections, as one process has them."""

    settings: Settings
    bus: Bus
    blobs: BlobStore
    clock: Clock
    front_end: FrontEnd
    ears: Ears
    partials: PartialTranscripts
    company: Company


def given(connection: HTTPConnection) -> Gateway:
    """The gateway that serves a request or a socket."""
    found = connection.app.state.given
    assert isinstance(found, Gateway)
    return found


Given = Annotated[Gateway, Depends(given)]
