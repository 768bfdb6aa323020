"""The codec: Python values as JSON text that SQL can read, and bytes beside it; and back, equal in value and type.

What is JSON-like is itself. Everything else is *tagged*: an object whose only key begins with `$`. Lowering makes of a
value a tree of JSON values (lowering.py, and a module for each family of types), order.py notes in which order the
keys of its objects stood, msgspec writes it with sorted keys; lifting.py goes back. Nothing that is read can run code:
decoders build values of a fixed set of types, and of classes that the program has loaded, without calling these.
Whatever else there is gets pickled and signed, and is unpickled only if the signature is good (pickles.py).

docs/format-values.md is the normative page of the stored form.
"""

from __future__ import annotations

from holdfast.core.codec.codec import Codec
from holdfast.core.codec.encoded import Encoded, Signer
from holdfast.core.codec.immutable import is_immutable
from holdfast.core.codec.registry import TYPES, Registration, Types, storable

__all__ = ["TYPES", "Codec", "Encoded", "Registration", "Signer", "Types", "is_immutable", "storable"]
