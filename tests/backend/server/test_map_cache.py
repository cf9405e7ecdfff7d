# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of the maps that were received, and that a wrong one is found out."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from sabi.backend.protocol import wire
from sabi.backend.protocol.errors import BadMessage
from sabi.backend.server.map_cache import KeptMap, MapCache


@pytest.fixture
def hashing() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def kept(hashing: Executor, size: int, value: int = 0) -> tuple[str, KeptMap]:
    """A map of `size` bytes that was found right, and its digest."""
    array = np.full((1, size, 1), value, np.uint8)
    digest = wire.digest(array)
    right = KeptMap(array, digest, hashing)
    right.check()
    return digest, right


def test_the_least_recently_used_map_goes_first(hashing):
    cache = MapCache(limit=100)
    a, b, c, d = (kept(hashing, 40, value) for value in range(4))
    for given in (a, b, c):
        cache.put(*given)
    assert a[0] not in cache
    assert cache.get(b[0]) is b[1]
    cache.put(*d)
    assert b[0] in cache
    assert c[0] not in cache
    assert cache.nbytes == 80


def test_a_map_larger_than_the_cache_is_kept_alone(hashing):
    cache = MapCache(limit=100)
    small, large = kept(hashing, 10), kept(hashing, 1000)
    cache.put(*small)
    cache.put(*large)
    assert large[0] in cache
    assert len(cache) == 1


def test_many_small_maps_do_not_use_up_the_file_handles(hashing):
    cache = MapCache(limit=1000, most=3)
    given = [kept(hashing, 1, value) for value in range(4)]
    for each in given:
        cache.put(*each)
    assert len(cache) == 3
    assert given[0][0] not in cache


def test_a_map_is_neither_right_nor_wrong_until_it_was_compared(hashing):
    going_on = Event()
    hashing.submit(going_on.wait)  # the one thread is busy
    array = np.zeros((4, 4, 3), np.uint8)
    right, wrong = KeptMap(array, wire.digest(array), hashing), KeptMap(array, "0" * 64, hashing)
    cache = MapCache(limit=100)
    cache.put("0" * 64, wrong)
    assert cache.get("0" * 64) is wrong
    assert [right.right, right.wrong, wrong.right, wrong.wrong] == [False] * 4
    going_on.set()
    right.check()
    with pytest.raises(BadMessage, match="digest"):
        wrong.check()
    assert right.right
    assert wrong.wrong
    assert cache.get("0" * 64) is None
    assert len(cache) == 0


def test_a_map_that_was_found_right_gives_way_to_none(hashing):
    """Or who may send maps could take those of others away."""
    cache = MapCache(limit=100)
    digest, good = kept(hashing, 10, 1)
    bad = KeptMap(np.zeros((1, 10, 1), np.uint8), digest, hashing)
    cache.put(digest, good)
    cache.put(digest, bad)
    assert cache.get(digest) is good
