"""The runtime's tables, aged maps, timer wheel and bytes, against trivial models."""

from __future__ import annotations

import ctypes
import subprocess
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

CompileC = Callable[..., Path]
HERE = Path(__file__).resolve().parent / "c"
NONE = (1 << 64) - 1


# Long random runs in C ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def driver(compile_c: CompileC) -> Path:
    return compile_c(HERE / "tables.c")


@pytest.fixture(scope="module")
def wheel_driver(compile_c: CompileC) -> Path:
    return compile_c(HERE / "wheel.c")


def check(program: Path, *arguments: object) -> None:
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.mark.parametrize("shape", range(10))
def test_tables_of_all_shapes_do_what_an_array_does(driver: Path, shape: int) -> None:
    check(driver, "table", 11 + shape, 150_000, 0, shape)


@pytest.mark.parametrize("hashes", range(1, 6))
@pytest.mark.parametrize("shape", [0, 3, 8])
def test_tables_survive_hashes_that_all_fall_together(
    driver: Path, hashes: int, shape: int
) -> None:
    check(driver, "table", 5 * shape + hashes, 40_000, hashes, shape)


@pytest.mark.parametrize("hashes", range(6))
def test_aged_maps_do_what_a_list_with_stamps_does(driver: Path, hashes: int) -> None:
    for seed in range(4):
        check(driver, "aged", 100 * hashes + seed, 60_000, hashes)


@pytest.mark.parametrize("seed", range(6))
def test_the_wheel_fires_in_the_order_of_a_heap(wheel_driver: Path, seed: int) -> None:
    check(wheel_driver, "wheel", seed, 400_000, 0)


@pytest.mark.parametrize("hashes", [0, 1, 2])
def test_arenas_buffers_and_strings_keep_their_bytes(wheel_driver: Path, hashes: int) -> None:
    check(wheel_driver, "bytes", 3, 20_000, hashes)


@pytest.mark.parametrize("seed", range(3))
def test_a_quiet_table_moves_to_huge_pages_whatever_comes_meanwhile(
    driver: Path, seed: int
) -> None:
    check(driver, "huge", seed, 1, 0)


def test_without_memory_a_table_says_so_and_keeps_all_that_it_has(compile_c: CompileC) -> None:
    # Address space is the limit here, and the sanitizers need terabytes of it.
    check(compile_c(HERE / "tables.c", sanitize=False), "memory", 1, 1, 0)


def test_without_aes_the_hash_is_another_and_all_is_the_same(compile_c: CompileC) -> None:
    program = compile_c(HERE / "tables.c", sanitize=False, flags=("-mno-aes",))
    check(program, "table", 1, 100_000, 0, 3)
    check(program, "aged", 1, 100_000, 0)


# Against Python's own containers --------------------------------------------------------------


@dataclass
class Runtime:
    """The C functions of shim.c."""

    library: ctypes.CDLL

    def __post_init__(self) -> None:
        u32, u64, pointer = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p
        shapes: dict[str, tuple[object, list[object]]] = {
            "hash_words": (u64, [ctypes.POINTER(u64), u32]),
            "hash_one": (u64, [u64]),
            "hash_two": (u64, [u64, u64]),
            "seed": (None, [ctypes.c_char_p]),
            "table_new": (pointer, []),
            "table_free": (None, [pointer]),
            "table_put": (u64, [pointer, u64, u64]),
            "table_get": (u64, [pointer, u64]),
            "table_del": (None, [pointer, u64]),
            "table_tick": (None, [pointer]),
            "table_clear": (None, [pointer]),
            "table_reserve": (ctypes.c_int, [pointer, u64]),
            "table_items": (u64, [pointer, ctypes.POINTER(u64), u64]),
            "aged_new": (pointer, [u64, u64, u32]),
            "aged_free": (None, [pointer]),
            "aged_put": (u64, [pointer, u64, u64, u64]),
            "aged_get": (u64, [pointer, u64, u64]),
            "aged_touch": (None, [pointer, u64, u64]),
            "aged_del": (None, [pointer, u64]),
            "aged_tick": (None, [pointer]),
            "aged_items": (u64, [pointer, u64, ctypes.POINTER(u64), u64]),
        }
        for name, (result, arguments) in shapes.items():
            function = getattr(self.library, name)
            function.restype, function.argtypes = result, arguments

    def rows(self, function: str, *arguments: object, width: int) -> list[tuple[int, ...]]:
        room = (ctypes.c_uint64 * 30_000)()
        count = getattr(self.library, function)(*arguments, room, len(room))
        return [tuple(room[i * width : (i + 1) * width]) for i in range(count)]


@pytest.fixture(scope="module")
def runtime(compile_c: CompileC) -> Runtime:
    return Runtime(ctypes.CDLL(str(compile_c(HERE / "shim.c", shared=True))))


KEYS = st.one_of(st.integers(0, 20), st.integers(0, 500), st.integers(0, 2**63))
TABLE_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS),
        st.tuples(st.just("del"), KEYS),
        st.tuples(st.just("get"), KEYS),
        st.tuples(st.just("many"), st.integers(0, 400)),
        st.tuples(st.just("none"), st.integers(0, 400)),
        st.tuples(st.just("reserve"), st.integers(0, 3000)),
        st.tuples(st.sampled_from(["tick", "clear"]), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=150)
@given(TABLE_STEPS)
def test_a_table_is_a_dict(runtime: Runtime, steps: list[tuple[str, int]]) -> None:
    c = runtime.library
    table, model = c.table_new(), {}
    try:
        for number, (what, argument) in enumerate(steps):
            match what:
                case "put":
                    before = model.get(argument, 0)
                    model[argument] = number
                    assert c.table_put(table, argument, number) == before
                case "del":
                    c.table_del(table, argument)
                    model.pop(argument, None)
                case "get":
                    assert c.table_get(table, argument) == model.get(argument, NONE)
                case "many":
                    for key in range(argument):
                        c.table_put(table, 3 * key, number)
                        model[3 * key] = number
                case "none":
                    for key in range(argument):
                        c.table_del(table, 3 * key)
                        model.pop(3 * key, None)
                case "reserve":
                    assert c.table_reserve(table, argument) == 0
                case "tick":
                    c.table_tick(table)
                case "clear":
                    c.table_clear(table)
                    model.clear()
        rows = runtime.rows("table_items", table, width=2)
        assert len(rows) == len(model)
        assert dict(rows) == model
    finally:
        c.table_free(table)


@dataclass
class Aged:
    """What decision 16 says of `timeout`, `max` and their two ways to be full."""

    timeout: int
    capacity: int
    evict: bool
    rows: OrderedDict[int, tuple[int, int]] = field(default_factory=OrderedDict)

    def live(self, key: int, now: int) -> bool:
        return key in self.rows and now - self.rows[key][1] < self.timeout

    def expire(self, now: int) -> None:
        for key in [key for key in self.rows if not self.live(key, now)]:
            del self.rows[key]

    def put(self, key: int, value: int, now: int) -> int:
        """What was there (0: nothing), or NONE if the key is rejected."""
        self.expire(now)
        before = self.rows.pop(key, None)
        if before is None and len(self.rows) >= self.capacity:
            if not self.evict or not self.rows:
                return NONE
            self.rows.popitem(last=False)
        self.rows[key] = (value, now)
        return before[0] if before else 0

    def touch(self, key: int, now: int) -> None:
        if self.live(key, now):
            self.rows[key] = (self.rows.pop(key)[0], now)


AGED_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "get", "touch", "del", "tick"]),
        st.integers(0, 9),
        st.sampled_from([0, 0, 1, 1, 2, 5, 9, 10, 11, 1000]),
    ),
    max_size=80,
)


@settings(max_examples=300)
@given(
    AGED_STEPS,
    st.sampled_from([1, 10, 100, NONE]),
    st.sampled_from([0, 1, 2, 5, NONE]),
    st.booleans(),
)
def test_an_aged_map_is_an_ordered_dict_with_stamps(
    runtime: Runtime, steps: list[tuple[str, int, int]], timeout: int, capacity: int, evict: bool
) -> None:
    c = runtime.library
    model = Aged(timeout, capacity, evict)
    aged, now = c.aged_new(timeout, capacity, evict), 7
    try:
        for number, (what, key, later) in enumerate(steps, 1):
            now += later
            match what:
                case "put":
                    assert c.aged_put(aged, key, number, now) == model.put(key, number, now)
                case "get":
                    expected = model.rows[key][0] if model.live(key, now) else NONE
                    assert c.aged_get(aged, key, now) == expected
                case "touch":
                    c.aged_touch(aged, key, now)
                    model.touch(key, now)
                case "del":
                    c.aged_del(aged, key)
                    model.rows.pop(key, None)
                case "tick":
                    c.aged_tick(aged)
            model.expire(now)
            expected_rows = [(key, *row) for key, row in model.rows.items()]
            assert runtime.rows("aged_items", aged, now, width=3) == expected_rows
    finally:
        c.aged_free(aged)


def test_the_hash_of_words_is_the_hash_of_one_and_two_and_keyed(runtime: Runtime) -> None:
    c = runtime.library
    one, two = (ctypes.c_uint64 * 1)(77), (ctypes.c_uint64 * 2)(77, 78)
    seen = set()
    for seed in (bytes(range(64)), bytes(range(1, 65))):
        c.seed(seed)
        assert c.hash_words(one, 1) == c.hash_one(77)
        assert c.hash_words(two, 2) == c.hash_two(77, 78)
        seen |= {c.hash_one(77), c.hash_two(77, 78)}
    assert len(seen) == 4


def test_the_top_bits_of_the_hash_tell_neighbours_apart(runtime: Runtime) -> None:
    runtime.library.seed(bytes(range(64)))
    homes = [runtime.library.hash_one(key) >> 48 for key in range(30_000)]
    # 65,536 places, 30,000 keys: 24,100 places in use are expected, with a deviation of about 60.
    assert 23_600 < len(set(homes)) < 24_600
