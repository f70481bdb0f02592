"""Where each fen came from: every outgoing fen of a journal traced to the receipts it came from."""

from estate_funds.provenance.fold import Provenance, trace
from estate_funds.provenance.parts import Flow, MadeGood, Part, Receipt

__all__ = ["Flow", "MadeGood", "Part", "Provenance", "Receipt", "trace"]
