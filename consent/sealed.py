"""A sealed file: compressed, then encrypted as a stream of chunks, with a checksum that needs no key. Pure.

    magic, length and JSON of the header, chunks, "sha256 <hex of all before it>"

Each chunk is ChaCha20-Poly1305 with a key made for this file alone (HKDF over a random salt), and bound to the whole
header, its number, and whether it is the last one: what is cut off, moved, doubled or taken from another file does not
open. Never more than a chunk is in memory.
"""

import hashlib
import json
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import IO, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC: Final = b"poort backup 1\n"
CHUNK: Final = 262_144  # bytes before they are encrypted
TAG: Final = 16
LONGEST_HEADER: Final = 4_096
TRAILER: Final = 73
LEVEL: Final = 1  # random ids hardly compress: higher levels cost three times the time for a tenth less

_ANY_FORMAT = re.compile(rb"poort backup (\d{1,4})\n")
_CHECKSUM = re.compile(rb"\nsha256 ([0-9a-f]{64})\n")


class Broken(Exception):
    """The file can not be used; the message is one sentence without the file's name."""


@dataclass(frozen=True)
class Header:
    """What everybody may know of a sealed file. `at`: the moment that its content is of, in ISO 8601."""

    at: str
    engine: str
    revision: str
    records: int
    key: str
    salt: str

    @property
    def moment(self) -> datetime:
        """`at` as a time."""
        return datetime.fromisoformat(self.at)


def key_id(key: str) -> str:
    """The name of a key, which says nothing about it."""
    return _derived(key, b"", b"poort.backup.id")[:4].hex()


def _derived(key: str, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, purpose).derive(key.encode())


def _nonce(number: int, last: bool) -> bytes:
    return struct.pack(">3xQ?", number, last)


class Sealer:
    """Writes a sealed file to `out`; `close` writes its end, without which it is none."""

    def __init__(self, out: IO[bytes], key: str, **about: Any) -> None:
        salt = os.urandom(16)
        header = Header(key=key_id(key), salt=salt.hex(), **about)
        text = json.dumps(asdict(header)).encode()
        self.header = header
        self._out, self._hash = out, hashlib.sha256()
        self._cipher, self._bound = ChaCha20Poly1305(_derived(key, salt, b"poort.backup.1")), text
        self._squeeze, self._waiting, self._number = zlib.compressobj(LEVEL), bytearray(), 0
        self._put(MAGIC + struct.pack(">I", len(text)) + text)

    def write(self, content: bytes) -> None:
        """Add content."""
        self._waiting += self._squeeze.compress(content)
        while len(self._waiting) > CHUNK:  # not >=: the last chunk is never known before the end
            self._seal(bytes(self._waiting[:CHUNK]), False)
            del self._waiting[:CHUNK]

    def close(self) -> None:
        """Write what is left, and the checksum."""
        self._waiting += self._squeeze.flush()
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), False)
            del self._waiting[:CHUNK]
        self._seal(bytes(self._waiting), True)
        self._out.write(b"\nsha256 " + self._hash.hexdigest().encode() + b"\n")

    def _seal(self, plain: bytes, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, last), plain, self._bound)
        self._number += 1
        self._put(struct.pack(">I", len(sealed)) + sealed)

    def _put(self, content: bytes) -> None:
        self._hash.update(content)
        self._out.write(content)


def check(file: IO[bytes]) -> Header:
    """Read the whole file from its start and return its header; raises Broken unless its checksum is right."""
    magic = _ANY_FORMAT.match(file.read(len(MAGIC) + 3))
    if magic is None:
        raise Broken("is not a backup of Poort")
    if magic[0] != MAGIC:
        raise Broken("was made by a newer Poort, in a format that this one does not know")
    left = file.seek(0, os.SEEK_END) - TRAILER
    file.seek(max(left, 0))
    said = _CHECKSUM.fullmatch(file.read())
    if said is None:
        raise Broken("is cut off or damaged: it does not end as a backup does")
    file.seek(0)
    if _digest(file, left) != said[1].decode():
        raise Broken("is damaged: its checksum is wrong")
    file.seek(0)
    return read_header(file)[0]


def _digest(file: IO[bytes], left: int) -> str:
    found = hashlib.sha256()
    while left and (part := file.read(min(left, CHUNK * 4))):
        found.update(part)
        left -= len(part)
    return found.hexdigest()


def read_header(file: IO[bytes]) -> tuple[Header, bytes]:
    """The header and its bytes, without a look at the checksum; raises Broken."""
    if file.read(len(MAGIC)) != MAGIC:
        raise Broken("is not a backup of Poort, or one of a newer release")
    (length,) = struct.unpack(">I", file.read(4).ljust(4, b"\xff"))
    text = file.read(min(length, LONGEST_HEADER))
    try:
        header = Header(**json.loads(text))
        _, salt = header.moment, bytes.fromhex(header.salt)
    except (TypeError, ValueError) as error:
        raise Broken("is damaged: its header can not be read") from error
    if len(salt) != 16 or not isinstance(header.records, int):
        raise Broken("is damaged: its header can not be read")
    return header, text


def opened(file: IO[bytes], keys: Sequence[str]) -> Iterator[bytes]:
    """The content, piece by piece, of a file that stands at its start; raises Broken, at the latest at its end."""
    header, bound = read_header(file)
    key = next((key for key in keys if key_id(key) == header.key), None)
    if key is None:
        raise Broken(f"is sealed with the key {header.key}, which is not in POORT_BACKUP_KEYS")
    cipher = ChaCha20Poly1305(_derived(key, bytes.fromhex(header.salt), b"poort.backup.1"))
    spread = zlib.decompressobj()
    for plain in _chunks(file, cipher, bound):
        yield from _spread(spread, plain)
    if not spread.eof or spread.unused_data:
        raise Broken("is damaged: its content does not end where it should")


def _chunks(file: IO[bytes], cipher: ChaCha20Poly1305, bound: bytes) -> Iterator[bytes]:
    left = _content_left(file)
    for number in range(2**32):
        (length,) = struct.unpack(">I", file.read(4).ljust(4, b"\xff"))
        left -= 4 + length
        if left < 0 or not TAG <= length <= CHUNK + TAG:
            raise Broken("is cut off or damaged: a part of it has the wrong length")
        try:
            yield cipher.decrypt(_nonce(number, left == 0), file.read(length), bound)
        except InvalidTag as error:
            raise Broken("was changed: it does not open with its key") from error
        if left == 0:
            return


def _content_left(file: IO[bytes]) -> int:
    here = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(here)
    return end - TRAILER - here


def _spread(spread: Any, plain: bytes) -> Iterator[bytes]:
    """A chunk of nothing but zeros grows a thousandfold: in pieces."""
    more = True
    while more:
        try:
            piece = spread.decompress(plain, CHUNK * 4)
        except zlib.error as error:
            raise Broken("is damaged: its content can not be unpacked") from error
        if piece:
            yield piece
        plain = spread.unconsumed_tail
        more = bool(plain) or len(piece) == CHUNK * 4
