"""Limits of attempts: to sign in, to guess a code, to have mail sent. From one address, and for one account.

Kept in this process's memory: addresses are stored nowhere, and no account is locked for longer than an hour.
"""

import time

from flask import current_app
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.exceptions import TooManyRequests

from consent.addresses import network

# A code has six digits, of which three are right at a time: at a guess every two minutes somebody who has the password
# needs twenty days to be right with a chance of one in twenty, while the owner finds out that they can not sign in.
CODES_AN_HOUR = 30
INVITATIONS_A_DAY = 5  # to one address, by whomever: nobody's mailbox is filled from here


class Attempts:
    """Every request counts for its address, only what failed for its account: nobody is locked out by success."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._codes = RateLimitItemPerHour(CODES_AN_HOUR)
        self._invitations = RateLimitItemPerDay(INVITATIONS_A_DAY)
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)

    def hit(self, address: str) -> None:
        """Count an attempt; raises TooManyRequests with the seconds to wait."""
        caller = str(network(address))
        if not self._limiter.hit(self._limit, caller):
            raise self._too_many(self._limit, caller)

    def check(self, account: str) -> None:
        """Raises TooManyRequests when too much failed for this account, whether there is one or not."""
        for limit, name in self._of(account):
            if not self._limiter.test(limit, name):
                raise self._too_many(limit, name)

    def fail(self, account: str, code: bool = False) -> None:
        """Count what failed: a password, or a code."""
        for limit, name in self._of(account):
            if limit is not self._codes or code:
                self._limiter.hit(limit, name)

    def may_invite(self, email: str) -> bool:
        """Count an invitation to this address; False when it had enough today."""
        return self._limiter.hit(self._invitations, f"invited {email}")

    def reset(self) -> None:
        """Forget all."""
        self._storage.reset()

    def _of(self, account: str) -> list[tuple[RateLimitItem, str]]:
        name = account.strip().lower()[:255]
        return [(self._limit, f"account {name}"), (self._codes, f"codes {name}")]

    def _too_many(self, limit: RateLimitItem, name: str) -> TooManyRequests:
        free = self._limiter.get_window_stats(limit, name).reset_time
        return TooManyRequests(retry_after=max(1, round(free - time.time())))


def attempts() -> Attempts:
    """Those of this application."""
    found: Attempts = current_app.extensions["poort.attempts"]
    return found
