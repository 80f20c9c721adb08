"""Built-in operators against published vectors; the user's own are loaded only when named."""

import pytest
from ir_build import F, chain, program, put, udp

from nfverify.lang.source import ModelError
from nfverify.semantics.machine import Machine
from nfverify.semantics.operators import (
    aes_ctr,
    hash_of,
    load_operators,
    murmur3,
    pattern_match,
)
from nfverify.smat import ir

# MurmurHash3_x86_32 as smhasher, Guava and Wikipedia's test table have it.
MURMUR3 = [
    (b"", 0, 0x00000000),
    (b"", 1, 0x514E28B7),
    (b"", 0xFFFFFFFF, 0x81F16F39),
    (b"\xff\xff\xff\xff", 0, 0x76293B50),
    (b"\x21\x43\x65\x87", 0, 0xF55B516B),
    (b"\x21\x43\x65\x87", 0x5082EDEE, 0x2362F9DE),
    (b"\x21\x43\x65", 0, 0x7E4A8634),
    (b"\x21\x43", 0, 0xA0F7B07A),
    (b"\x21", 0, 0x72661CF4),
    (b"\0\0\0\0", 0, 0x2362F9DE),
    (b"\0\0\0", 0, 0x85F0B427),
    (b"\0\0", 0, 0x30F4C306),
    (b"\0", 0, 0x514E28B7),
    (b"test", 0, 0xBA6BD213),
    (b"test", 0x9747B28C, 0x704B81DC),
    (b"Hello, world!", 0, 0xC0363E43),
    (b"Hello, world!", 0x9747B28C, 0x24884CBA),
    (b"The quick brown fox jumps over the lazy dog", 0, 0x2E4FF723),
    (b"The quick brown fox jumps over the lazy dog", 0x9747B28C, 0x2FA826CD),
]


@pytest.mark.parametrize(("data", "seed", "expected"), MURMUR3)
def test_murmur3(data, seed, expected):
    assert murmur3(data, seed) == expected


def test_hash_takes_big_endian_words_of_the_static_types():
    assert hash_of((ir.PORT,))(0x1234) == murmur3(bytes.fromhex("00001234"))
    assert hash_of((ir.INT,))(-1) == murmur3(b"\xff" * 4)
    assert hash_of((ir.MAC,))(0x020304050607) == murmur3(bytes.fromhex("0000020304050607"))
    assert hash_of((ir.BOOL, ir.Bits(5, signed=True)))(True, -1) == murmur3(
        bytes.fromhex("000000010000001f")
    )
    assert hash_of((ir.IP6,))(1) == murmur3(bytes(15) + b"\1")
    assert hash_of((ir.BYTES,))(b"hello") == murmur3(b"\0\0\0hello")


def test_pattern_match_is_any_of_the_patterns():
    assert pattern_match(b"GET /evil", b"nope", b"evil")
    assert not pattern_match(b"GET /evil", b"EVIL")
    assert not pattern_match(b"x")
    assert pattern_match(b"", b"")


def test_aes_128_ctr_vectors():
    """NIST SP 800-38A, F.5.1 and F.5.2."""
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    counter = int("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", 16)
    plain = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    cipher = bytes.fromhex(
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
        "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"
    )
    assert aes_ctr(plain, key, counter) == cipher
    assert aes_ctr(cipher, key, counter) == plain
    assert aes_ctr(plain, int.from_bytes(key, "big"), counter) == cipher
    assert aes_ctr(plain[:5], key, counter) == cipher[:5]


def doubled(result: ir.Type) -> ir.Program:
    call = ir.Apply("twice", (F("ttl"),), result)
    value = call if result == ir.INT else ir.Cast(call, ir.INT)
    operator = ir.Operator("twice", (ir.field_type("ttl"),), result)
    state = ir.StateVar("x", (), (ir.INT,), (0,), "plain")
    return program(put("x", value), state=(state,), operators=(operator,))


def test_a_user_operator_is_called_and_its_result_wrapped(machine, tmp_path):
    file = tmp_path / "ops.py"
    file.write_text("import math\n_n = 2\ndef twice(x):\n    return (1 << 32) + _n * x\n")
    operators = load_operators(file)
    assert "_n" not in operators
    m = machine(doubled(ir.INT), operators=operators)
    m.step(0, 0, udp())
    assert m.snapshot()["n0"]["x"] == {(): (128,)}


def test_an_operator_without_python_is_an_error(machine):
    with pytest.raises(ModelError, match="twice has no Python function"):
        machine(doubled(ir.INT))


@pytest.mark.parametrize(
    ("function", "message"),
    [(lambda x: 1 // (x - 64), "ZeroDivisionError"), (lambda x: "ab", "returned str")],
)
def test_a_faulty_operator_is_an_error_of_the_model(machine, function, message):
    m = machine(doubled(ir.INT), operators={"twice": function})
    with pytest.raises(ModelError, match=message):
        m.step(0, 0, udp())


def test_a_file_of_operators_that_does_not_run(tmp_path):
    file = tmp_path / "ops.py"
    file.write_text("def twice(:\n")
    with pytest.raises(ModelError, match="SyntaxError"):
        load_operators(file)
    with pytest.raises(ModelError, match="not a Python file"):
        load_operators(tmp_path / "absent.py")


def test_encrypting_twice_gives_the_payload_back(machine):
    key = ir.Const(b"0123456789abcdef", ir.BYTES)
    encrypt = ir.SetField("payload", ir.Apply("Encrypt", (F("payload"), key, F("ip_id")), ir.BYTES))
    decrypt = ir.SetField("payload", ir.Apply("Decrypt", (F("payload"), key, F("ip_id")), ir.BYTES))
    frame = udp(payload=b"a secret")
    [out] = machine(program(encrypt)).step(0, 0, frame)
    assert len(out.frame) == len(frame)
    assert b"a secret" not in out.frame
    [back] = Machine(chain(program(encrypt), program(decrypt))).step(0, 0, frame)
    assert back.frame == frame
