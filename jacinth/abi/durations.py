"""Durations in the words of zircon/time.h: functions here, since they take an argument."""

from __future__ import annotations


def ZX_NSEC(n: int) -> int:
    """*n* nanoseconds, which is what all durations are in."""
    return n


def ZX_USEC(n: int) -> int:
    """*n* microseconds in nanoseconds."""
    return n * 1000


def ZX_MSEC(n: int) -> int:
    """*n* milliseconds in nanoseconds."""
    return n * 1_000_000


def ZX_SEC(n: int) -> int:
    """*n* seconds in nanoseconds."""
    return n * 1_000_000_000


def ZX_MIN(n: int) -> int:
    """*n* minutes in nanoseconds."""
    return n * 60_000_000_000


def ZX_HOUR(n: int) -> int:
    """*n* hours in nanoseconds."""
    return n * 3_600_000_000_000
