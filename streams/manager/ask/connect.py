"""Which broker `fleetpulse alerts` talks to."""

from infra.runtime.which_broker import bootstrap_of

__all__ = ["bootstrap_of"]
