"""What is signed of a decision: who decided what, when, how, and on which arguments.

The key is that of the user, as for pickles (state/signing.py): who has another key can sign, too, but not in the name
of this one. A decision that is signed by a key which is known here is held to what was signed.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from holdfast.runs.calls import STATE_OF, CallRecord, Decision
from holdfast.state.signing import KeyFile

_FORMAT = "holdfast decision 1"


def signed(call: CallRecord, decision: Decision) -> Decision:
    """Return a decision with a signature of the user's key, which is made if there is none. Raises Untrusted."""
    kid, mac = KeyFile().sign(_parts(call, decision))
    return replace(decision, kid=kid, mac=mac)


def is_forged(call: CallRecord, decision: Decision) -> bool:
    """Tell whether a decision is not what was signed. Of a key that is not known here nothing can be told: False."""
    return is_genuine(call, decision) is False


def is_genuine(call: CallRecord, decision: Decision) -> bool | None:
    """Tell whether a decision is what was signed, and the call what it was; None if its key is not known here."""
    if STATE_OF.get(decision.verdict) != call.state or decision.seen != call.seen:
        return False
    keys = KeyFile()
    if keys.verify(decision.kid, decision.mac, _parts(call, decision)):
        return True
    return False if keys.knows(decision.kid) else None


def _parts(call: CallRecord, decision: Decision) -> list[bytes]:
    bare = replace(decision, kid="", mac=b"")
    return [msgspec.json.encode([_FORMAT, call.run_id, call.id, call.label, call.name, call.kind, bare])]
