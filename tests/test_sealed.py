"""A sealed file opens with its key, whole and as it was written, or not at all."""

import hashlib
import io
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.sealed import CHUNK, MAGIC, TRAILER, Broken, Sealer, check, opened

KEY, OTHER = "backup-tests-only-7Qz3vT9mX5wR1yP8", "backup-tests-only-2Bn6kL4jH8gF3dS0"
ABOUT: dict[str, Any] = {
    "at": "2026-11-22T10:00:00+00:00", "engine": "sqlite", "revision": "0006", "records": 7}


def sealed(content: bytes, key: str = KEY, step: int = 100_000) -> bytes:
    out = io.BytesIO()
    sealer = Sealer(out, key, **ABOUT)
    for start in range(0, len(content), step):
        sealer.write(content[start:start + step])
    sealer.close()
    return out.getvalue()


def unsealed(file: bytes, *keys: str) -> bytes:
    check(io.BytesIO(file))
    return b"".join(opened(io.BytesIO(file), keys or (KEY,)))


def rehashed(file: bytes) -> bytes:
    """The file with a checksum that is right, as anybody can make it."""
    content = file[:-TRAILER]
    return content + b"\nsha256 " + hashlib.sha256(content).hexdigest().encode() + b"\n"


def chunks(file: bytes) -> tuple[bytes, list[bytes]]:
    """The beginning, and each chunk with its length."""
    at = len(MAGIC) + 4 + int.from_bytes(file[len(MAGIC):len(MAGIC) + 4], "big")
    start, found = file[:at], []
    while at < len(file) - TRAILER:
        end = at + 4 + int.from_bytes(file[at:at + 4], "big")
        found.append(file[at:end])
        at = end
    return start, found


BIG = os.urandom(3 * CHUNK + 5)


@given(st.binary(max_size=2_000), st.integers(1, 500))
def test_what_goes_in_comes_out(content: bytes, step: int) -> None:
    assert unsealed(sealed(content, step=step)) == content


@pytest.mark.parametrize("content", [BIG, bytes(20_000_000), BIG[:CHUNK]], ids=["chunks", "zeros", "one chunk"])
def test_what_is_large_does_too(content: bytes) -> None:
    assert unsealed(sealed(content)) == content


def test_the_newest_key_seals_and_every_key_opens() -> None:
    file = sealed(b"content", OTHER)
    assert unsealed(file, KEY, OTHER) == b"content"
    with pytest.raises(Broken, match=r"sealed with the key [0-9a-f]{8}, which is not in"):
        unsealed(file, KEY)


def test_nothing_of_the_content_or_the_key_can_be_seen() -> None:
    file = sealed(b"visitor-6f1c2f0e" * 100)
    assert b"visitor" not in file
    assert KEY.encode() not in file
    assert sealed(b"same")[-200:] != sealed(b"same")[-200:], "each file has a key of its own"


def test_every_changed_byte_is_found_without_the_key() -> None:
    file = sealed(os.urandom(300))
    for at in range(len(file)):
        with pytest.raises(Broken):
            check(io.BytesIO(file[:at] + bytes([file[at] ^ 1]) + file[at + 1:]))


def test_every_end_that_is_missing_is_found_without_the_key() -> None:
    file = sealed(os.urandom(300))
    for length in range(len(file)):
        with pytest.raises(Broken):
            check(io.BytesIO(file[:length]))


def test_every_changed_byte_is_found_with_the_key_when_the_checksum_was_made_anew() -> None:
    file = sealed(os.urandom(300))
    for at in range(len(file) - TRAILER):
        with pytest.raises(Broken):
            unsealed(rehashed(file[:at] + bytes([file[at] ^ 1]) + file[at + 1:]))


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1, 3), (0, 1, 2, 3, 3), (1, 2, 3), (0, 0, 1, 2, 3), ()],
    ids=["cut off at a chunk", "two changed places", "end twice", "start gone", "start twice", "empty"])
def test_chunks_stay_in_their_places(order: tuple[int, ...]) -> None:
    start, parts = chunks(sealed(BIG))
    assert len(parts) == 4
    with pytest.raises(Broken):
        unsealed(rehashed(start + b"".join(parts[number] for number in order) + bytes(TRAILER)))


def test_chunks_stay_in_their_file() -> None:
    (start, ours), (_, theirs) = chunks(sealed(BIG)), chunks(sealed(BIG))
    with pytest.raises(Broken):
        unsealed(rehashed(start + b"".join([ours[0], theirs[1], *ours[2:]]) + bytes(TRAILER)))


@pytest.mark.parametrize(("file", "said"), [
    (b"", "is not a backup"), (b"PGDMP" + bytes(200), "is not a backup"),
    (MAGIC.replace(b"1", b"2") + bytes(200), "newer Poort"), (MAGIC, "cut off"),
])
def test_other_files_are_told_apart(file: bytes, said: str) -> None:
    with pytest.raises(Broken, match=said):
        check(io.BytesIO(file))
