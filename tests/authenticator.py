"""A passkey in software: it answers what a browser would, so that the server can be lied to in every way there is."""

import base64
import hashlib
import json
import os
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 1, 4, 64


def text(content: bytes) -> str:
    """As WebAuthn writes bytes in JSON."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def content(text: str) -> bytes:
    """The bytes of such a text."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One key. `verifies`: whether it asks its owner for a finger or a number."""

    def __init__(self, origin: str = "http://localhost", host: str = "localhost", verifies: bool = True) -> None:
        self.origin, self.host, self.verifies = origin, host, verifies
        self.id, self.count, self.handle = os.urandom(32), 0, b""
        self._key = ec.generate_private_key(ec.SECP256R1())

    def make(self, options: dict[str, Any], **lies: Any) -> str:
        """The answer to navigator.credentials.create()."""
        self.handle = content(options["user"]["id"])
        public = self._key.public_key().public_numbers()
        key = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")})
        data = self._data(ATTESTED) + bytes(16) + len(self.id).to_bytes(2, "big") + self.id + key
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options, **lies)
        return self._answer({"clientDataJSON": text(client), "attestationObject": text(attestation),
                             "transports": ["internal"]})

    def show(self, options: dict[str, Any], **lies: Any) -> str:
        """The answer to navigator.credentials.get()."""
        self.count += 1
        client, data = self._client("webauthn.get", options, **lies), self._data(0)
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer({"clientDataJSON": text(client), "authenticatorData": text(data),
                             "signature": text(lies.get("signature", signature)),
                             "userHandle": text(lies.get("handle", self.handle))})

    def _data(self, more: int) -> bytes:
        flags = PRESENT | more | (VERIFIED if self.verifies else 0)
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, options: dict[str, Any], **lies: Any) -> bytes:
        said = {"type": lies.get("type", kind), "challenge": lies.get("challenge", options["challenge"]),
                "origin": lies.get("origin", self.origin), "crossOrigin": False}
        return json.dumps(said).encode()

    def _answer(self, response: dict[str, Any]) -> str:
        return json.dumps({"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response})
