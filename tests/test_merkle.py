"""The hash tree against published vectors, against the recursion of the RFC, and against every way to spoil a proof."""

from __future__ import annotations

import hashlib
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate_funds.errors import InvariantBroken, SealBroken
from estate_funds.merkle import (
    EMPTY_ROOT,
    Batches,
    Frontier,
    Subtree,
    Subtrees,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_at,
    tree_root,
    verify_consistency,
    verify_inclusion,
    within_batch,
)

# The eight leaves, the roots of sizes 1 to 8 and the proofs that all implementations of RFC 6962 are held against:
# google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc, and transparency-dev/merkle,
# proof/verify_test.go and testonly/constants.go.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = [  # place of the leaf from 1, size, path
    (1, 1, []),
    (1, 8, [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]),
    (6, 8, [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]),
    (3, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (2, 5, [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]),
]  # fmt: skip
CONSISTENCY = [  # old size, size, path
    (1, 1, []),
    (1, 8, [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]),
    (6, 8, [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]),
    (2, 5, [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]),
    (6, 7, [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]),
]  # fmt: skip
SOME = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")

HASHES = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]


def subtrees(leaves: list[bytes], **options: object) -> Subtrees:
    joined = b"".join(leaves)
    return Subtrees(len(leaves), lambda start, count: joined[32 * start : 32 * (start + count)], **options)  # type: ignore[arg-type]


def numbered(size: int) -> list[bytes]:
    return [leaf_hash(str(n).encode()) for n in range(size)]


# --- RFC 6962 as it is written, on lists ---


def split(leaves: list[bytes]) -> int:
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return k


def mth(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(leaves)
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = split(leaves)
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(leaves)
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


# --- the published vectors ---


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Frontier().root == tree_root(b"") == root_at(0, subtrees([])) == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    tree = Frontier()
    for leaf in HASHES[:size]:
        tree.append(leaf)
    assert tree.root.hex() == ROOTS[size - 1]
    assert tree_root(b"".join(HASHES[:size])).hex() == root_at(size, subtrees(HASHES)).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("place", "size", "wanted"), INCLUSION)
def test_published_inclusion_proofs(place: int, size: int, wanted: list[str]) -> None:
    proof = inclusion_proof(place - 1, size, subtrees(HASHES))
    assert [one.hex() for one in proof] == wanted
    verify_inclusion(place - 1, size, HASHES[place - 1], proof, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("old", "size", "wanted"), CONSISTENCY)
def test_published_consistency_proofs(old: int, size: int, wanted: list[str]) -> None:
    proof = consistency_proof(old, size, subtrees(HASHES))
    assert [one.hex() for one in proof] == wanted
    verify_consistency(old, size, proof, bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[size - 1]))


def is_subtree(start: int, end: int) -> bool:
    """What draft-ietf-plants-merkle-tree-certs calls a valid subtree: it starts at a multiple of its rounded size."""
    return start % (1 << (end - start - 1).bit_length()) == 0


def test_published_digest_of_all_roots_and_proofs_up_to_130_leaves() -> None:
    """The accumulated vectors of draft-ietf-plants-merkle-tree-certs, "Subtree Test Vectors": one digest over all.

    A subtree of that draft is a tree of its own over the leaves in [start, end), so that our trees, taken over each
    slice, must give the same; transparency-dev/merkle, testonly/vectors_test.go checks the same digests.
    """
    leaves = [leaf_hash(bytes([n])) for n in range(130)]
    roots, paths = hashlib.sha256(), hashlib.sha256()
    for end in range(1, 131):
        for start in range(end):
            if not is_subtree(start, end):
                continue
            slice_of = subtrees(leaves[start:end])
            size = end - start
            roots.update(f"[{start}, {end}) {root_at(size, slice_of).hex()}\n".encode())
            for index in range(start, end):
                proof = inclusion_proof(index - start, size, slice_of)
                paths.update(f"{' '.join([f'{index} [{start}, {end})', *(one.hex() for one in proof)])}\n".encode())
    assert roots.hexdigest() == "94a95384a8c69acea9b50d035a58285b3a777cb7a724005faa5e1f1e1190007f"
    assert paths.hexdigest() == "ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f"


# --- against the recursion ---


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_proof_is_that_of_the_recursion_and_verifies(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    block = data.draw(st.sampled_from([1, 2, 8, 64]))
    leaves = numbered(size)
    subtree = subtrees(leaves, block=block, remember=data.draw(st.integers(1, 3)))
    old = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, size - 1))
    root = root_at(size, subtree)
    assert root == tree_root(b"".join(leaves)) == mth(leaves)
    proof = inclusion_proof(index, size, subtree)
    assert proof == path(index, leaves)
    verify_inclusion(index, size, leaves[index], proof, root)
    proof = consistency_proof(old, size, subtree)
    assert proof == subproof(old, leaves, True)
    verify_consistency(old, size, proof, mth(leaves[:old]), root)


def test_every_proof_in_every_small_tree_verifies() -> None:
    """All of them, for the places where a path leads along the right border are few: 13 of 14 leaves is the first."""
    leaves = numbered(34)
    roots, subtree = [mth(leaves[:size]) for size in range(35)], subtrees(leaves)
    for size in range(1, 35):
        for old in range(size + 1):
            proof = consistency_proof(old, size, subtree)
            assert proof == (subproof(old, leaves[:size], True) if old else [])
            verify_consistency(old, size, proof, roots[old], roots[size])
        for index in range(size):
            verify_inclusion(index, size, leaves[index], inclusion_proof(index, size, subtree), roots[size])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 70), max_size=6))
def test_a_frontier_extended_is_a_frontier_appended(steps: list[int]) -> None:
    one, other = Frontier(), Frontier()
    leaves = numbered(sum(steps))
    for count in steps:
        batch = leaves[other.size : other.size + count]
        other.extend(b"".join(batch))
        for leaf in batch:
            one.append(leaf)
        assert one == other
    assert one.root == mth(leaves)
    assert one.copy() == one
    assert one.copy() is not one


def test_a_frontier_joins_perfect_subtrees_where_they_fit() -> None:
    leaves = numbered(24)
    tree = Frontier()
    tree.join(mth(leaves[:16]), 16)
    tree.join(mth(leaves[16:20]), 4)
    for leaf in leaves[20:]:
        tree.append(leaf)
    assert (tree.size, tree.root) == (24, mth(leaves))
    for size in (0, -1, 3, 16):
        with pytest.raises(InvariantBroken):
            tree.join(SOME, size)
    assert tree.root == mth(leaves)
    with pytest.raises(InvariantBroken):
        Frontier(3, [SOME])
    assert tree != "24"


@pytest.mark.parametrize("before", range(18))
def test_a_subtree_is_joined_where_its_size_divides_that_of_the_tree(before: int) -> None:
    leaves = numbered(before + 16)
    for size in range(-1, 17):
        tree = Frontier()
        tree.extend(b"".join(leaves[:before]))
        assert tree.root == mth(leaves[:before])
        if size in (1, 2, 4, 8, 16) and before % size == 0:
            tree.join(mth(leaves[before : before + size]), size)
            assert (tree.size, tree.root) == (before + size, mth(leaves[: before + size]))
        else:
            with pytest.raises(InvariantBroken, match=f"a subtree of {size} leaves has no place in a tree of {before}"):
                tree.join(SOME, size)


def test_trees_are_equal_by_size_and_leaves() -> None:
    def grown(*leaves: bytes) -> Frontier:
        tree = Frontier()
        tree.extend(b"".join(leaves))
        return tree

    one, other, third = numbered(3)
    assert grown(one, other) == grown(one, other)
    assert grown(one, other) != grown(one, third)
    assert grown(one) != grown(one, other)
    assert grown() != grown(one)


# --- what is kept with the entries of a batch ---

ROOT_NOW, ROOT_OTHER = bytes(range(32)), bytes(range(1, 33))


@pytest.mark.parametrize(
    ("kept", "held", "ends"),
    [  # what is kept with entries 1, 2, 3 ...; whether each fits; the end of the batch after each
        ([ROOT_NOW, ROOT_NOW], [True, True], [0, 0]),
        ([3, 3, ROOT_NOW, 5, ROOT_NOW], [True, True, True, True, True], [3, 3, 0, 5, 0]),
        ([ROOT_OTHER], [False], [0]),
        ([b""], [False], [0]),  # erased
        ([1], [False], [0]),  # the mark of the last entry in the place of its root
        ([ROOT_NOW, 1], [True, False], [0, 0]),  # a batch that ended before
        ([2, ROOT_NOW], [True, True], [2, 0]),
        ([3, ROOT_NOW], [True, False], [3, 0]),  # cut in the middle
        ([3, 4], [True, False], [3, 4]),  # made longer
        ([3, 3, 3], [True, True, False], [3, 3, 0]),
        ([bytes(7) + b"\x05\x00"], [False], [0]),  # nine bytes
        ([bytes(6) + b"\x05"], [False], [0]),  # seven
        ([bytes(7) + b"\x02", ROOT_NOW], [True, True], [2, 0]),  # eight, the last one lowest
    ],
)
def test_the_marks_of_a_batch(kept: list[bytes | int], held: list[bool], ends: list[int]) -> None:
    batches, told, found = Batches(), [], []
    for seq, one in enumerate(kept, start=1):
        told.append(batches.holds(seq, within_batch(one) if isinstance(one, int) else one, ROOT_NOW))
        found.append(batches.end)
    assert (told, found) == (held, ends)


# --- old parts as roots only ---


def test_proofs_read_the_leaves_of_no_more_than_two_blocks() -> None:
    size, block = 1000, 16
    leaves = numbered(size)
    joined = b"".join(leaves)
    read: list[int] = []

    def some(start: int, count: int) -> bytes:
        read.append(start // block)
        return joined[32 * start : 32 * (start + count)]

    kept = {number: mth(leaves[number * block : (number + 1) * block]) for number in range(size // block)}
    root = mth(leaves)
    for index in (0, 17, 500, 991, 999):
        read.clear()
        subtree = Subtrees(size, some, stored=kept.get, block=block)
        verify_inclusion(index, size, leaves[index], inclusion_proof(index, size, subtree), root)
        assert set(read) <= {index // block, size // block}
        read.clear()
        subtree = Subtrees(size, some, stored=kept.get, block=block)
        verify_consistency(index + 1, size, consistency_proof(index + 1, size, subtree), mth(leaves[: index + 1]), root)
        assert len(set(read)) <= 2


def test_a_million_leaves_are_proven_at_once() -> None:
    size, block = 1_000_003, 8192
    joined = b"".join(n.to_bytes(32, "big") for n in range(size))
    root = tree_root(joined)
    tree = Frontier()
    tree.extend(joined)
    assert tree.root == root

    def leaves(start: int, count: int) -> bytes:
        return joined[32 * start : 32 * (start + count)]

    kept = {n: tree_root(leaves(n * block, block)) for n in range(size // block)}
    started = time.process_time()
    for index in (0, 8191, 8192, 524_287, 777_777, 1_000_002):
        subtree = Subtrees(size, leaves, stored=kept.get)
        verify_inclusion(index, size, leaves(index, 1), inclusion_proof(index, size, subtree), root)
        proof = consistency_proof(index + 1, size, subtree)
        verify_consistency(index + 1, size, proof, root_at(index + 1, subtree), root)
    assert time.process_time() - started < 2  # 12 proofs and 6 roots; 0.2 s here


def test_missing_leaves_are_named() -> None:
    subtree = Subtrees(10, lambda start, count: bytes(32 * min(count, 9 - start)), block=4)
    with pytest.raises(SealBroken, match="entries 9 to 10"):
        root_at(10, subtree)


@pytest.mark.parametrize("start_size", [(0, 16), (8, 4), (1, 2), (0, 3), (0, 0), (-1, 1)])
def test_only_perfect_subtrees_of_the_tree_are_asked_for(start_size: tuple[int, int]) -> None:
    with pytest.raises(InvariantBroken):
        subtrees(numbered(10))(*start_size)


@pytest.mark.parametrize(
    ("prove", "one", "size"), [(inclusion_proof, 5, 5), (inclusion_proof, -1, 5), (consistency_proof, 6, 5)]
)
def test_what_is_not_there_is_not_proven(prove: object, one: int, size: int) -> None:
    with pytest.raises(InvariantBroken):
        prove(one, size, subtrees(numbered(5)))  # type: ignore[operator]


# --- spoiled proofs: those of transparency-dev/merkle, proof/verify_test.go, and every single bit ---


def refused(check: object, *arguments: object) -> bool:
    try:
        check(*arguments)  # type: ignore[operator]
    except SealBroken:
        return True
    return False


def spoiled(proof: list[bytes], *garbage: bytes) -> list[list[bytes]]:
    """The ways to spoil the list of hashes."""
    ways = [[*proof, b""], [b"", *proof]]
    for one in garbage:
        ways += [[*proof, one], [one, *proof]]
    for at, one in enumerate(proof):
        for bit in range(256):
            flipped = (int.from_bytes(one, "big") ^ 1 << bit).to_bytes(32, "big")
            ways.append([*proof[:at], flipped, *proof[at + 1 :]])
        ways += [
            proof[:at] + proof[at + 1 :],
            [*proof[:at], SOME, *proof[at:]],
            [*proof[:at], one[:-1], *proof[at + 1 :]],
        ]
        ways.append([*proof[: at + 1], one, *proof[at + 1 :]])
    ways += [proof[:at] + [b, a] + proof[at + 2 :] for at, (a, b) in enumerate(pairwise(proof))]
    return ways


@pytest.mark.parametrize(("place", "size", "wanted"), INCLUSION)
def test_every_spoiled_inclusion_proof_is_refused(place: int, size: int, wanted: list[str]) -> None:
    index, leaf, root = place - 1, HASHES[place - 1], bytes.fromhex(ROOTS[size - 1])
    proof = [bytes.fromhex(one) for one in wanted]
    for changed in (index - 1, index + 1, index ^ 2, size):
        assert refused(verify_inclusion, changed, size, leaf, proof, root)
    for changed in (size * 2, size // 2, 0):
        assert refused(verify_inclusion, index, changed, leaf, proof, root)
    assert refused(verify_inclusion, index, size, b"WrongLeaf", proof, root)
    assert refused(verify_inclusion, index, size, SOME, proof, root)
    for changed_root in (EMPTY_ROOT, SOME, b""):
        assert refused(verify_inclusion, index, size, leaf, proof, changed_root)
    for changed_proof in spoiled(proof, root, leaf, SOME):
        assert refused(verify_inclusion, index, size, leaf, changed_proof, root)


@pytest.mark.parametrize(("old", "size", "wanted"), CONSISTENCY)
def test_every_spoiled_consistency_proof_is_refused(old: int, size: int, wanted: list[str]) -> None:
    old_root, root = bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[size - 1])
    proof = [bytes.fromhex(one) for one in wanted]
    for changed_proof in spoiled(proof, old_root, root, SOME):
        assert refused(verify_consistency, old, size, changed_proof, old_root, root)
    for one, other in ((SOME, root), (old_root, SOME), (b"WrongRoot", root), (old_root, b"WrongRoot")):
        assert refused(verify_consistency, old, size, proof, one, other)
    if old == size:
        return
    assert refused(verify_consistency, old, size, proof, root, old_root)
    assert refused(verify_consistency, old, size, [], old_root, root)
    for changed in (old - 1, old + 1, old ^ 2, size, size + 1):
        assert refused(verify_consistency, changed, size, proof, old_root, root)
    for changed in (size * 2, size // 2, old, old - 1):
        assert refused(verify_consistency, old, changed, proof, old_root, root)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"leaf": SOME[:-1]}, "not a SHA-256 hash"),
        ({"root": SOME + b"x"}, "not a SHA-256 hash"),
        ({"proof": [SOME[1:]]}, "not a SHA-256 hash"),
        ({"proof": [SOME] * 4}, "the proof is longer than the tree is high"),
        ({"proof": [SOME] * 2}, "the proof is shorter than the tree is high"),
        ({"proof": [SOME] * 3}, "the entry is not the one that was sealed there"),
        ({"index": 8}, "the tree has no such entry"),
        ({"index": -1}, "the tree has no such entry"),
    ],
)
def test_what_is_wrong_with_an_inclusion_proof(changes: dict[str, object], told: str) -> None:
    sound = {"index": 5, "size": 8, "leaf": HASHES[5], "proof": inclusion_proof(5, 8, subtrees(HASHES))}
    sound["root"] = bytes.fromhex(ROOTS[7])
    verify_inclusion(**sound)  # type: ignore[arg-type]
    with pytest.raises(SealBroken, match=told) as caught:
        verify_inclusion(**(sound | changes))  # type: ignore[arg-type]
    assert f"entry {(sound | changes)['index'] + 1} of 8" in str(caught.value)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"old_root": SOME[:-1]}, "not a SHA-256 hash"),
        ({"root": SOME + b"x"}, "not a SHA-256 hash"),
        ({"proof": [SOME[1:]]}, "not a SHA-256 hash"),
        ({"proof": []}, "the proof is empty"),
        ({"proof": [SOME] * 4}, "the proof is longer than the tree is high"),
        ({"proof": [SOME] * 2}, "the proof is shorter than the tree is high"),
        ({"old_root": SOME}, "another old root"),
        ({"root": SOME}, "another new root"),
        ({"size": 5}, "the journal has become shorter"),
    ],
)
def test_what_is_wrong_with_a_consistency_proof(changes: dict[str, object], told: str) -> None:
    sound = {"old": 6, "size": 8, "proof": consistency_proof(6, 8, subtrees(HASHES))}
    sound |= {"old_root": bytes.fromhex(ROOTS[5]), "root": bytes.fromhex(ROOTS[7])}
    verify_consistency(**sound)  # type: ignore[arg-type]
    with pytest.raises(SealBroken, match=told) as caught:
        verify_consistency(**(sound | changes))  # type: ignore[arg-type]
    assert f"from 6 entries to {(sound | changes)['size']}" in str(caught.value)


def test_the_ends_of_consistency() -> None:
    verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    verify_consistency(0, 8, [], EMPTY_ROOT, bytes.fromhex(ROOTS[7]))
    verify_consistency(1, 1, [], SOME, SOME)
    for old, size, proof, one, other in [
        (0, 0, [], EMPTY_ROOT, SOME), (0, 0, [], SOME, SOME), (0, 0, [EMPTY_ROOT], EMPTY_ROOT, EMPTY_ROOT),
        (0, 1, [], SOME, SOME), (0, 1, [EMPTY_ROOT], EMPTY_ROOT, SOME), (1, 1, [], SOME, EMPTY_ROOT),
        (1, 1, [SOME], SOME, SOME), (1, 0, [], SOME, SOME), (2, 1, [], SOME, SOME), (-1, 1, [], EMPTY_ROOT, SOME),
    ]:  # fmt: skip
        assert refused(verify_consistency, old, size, proof, one, other), (old, size)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_other_leaf_size_or_place_passes(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 80))
    leaves = numbered(size)
    subtree: Subtree = subtrees(leaves)
    root = mth(leaves)
    index, other = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True))
    proof = inclusion_proof(index, size, subtree)
    assert refused(verify_inclusion, other, size, leaves[index], proof, root)
    assert refused(verify_inclusion, index, size, leaves[other], proof, root)
    old, wrong = data.draw(st.lists(st.integers(1, size), min_size=2, max_size=2, unique=True))
    proof = consistency_proof(old, size, subtree)
    assert refused(verify_consistency, wrong, size, proof, mth(leaves[:old]), root)
    assert refused(verify_consistency, old, size, proof, mth(leaves[:wrong]), root)
    changed = [*leaves]
    changed[data.draw(st.integers(0, old - 1))] = SOME
    assert refused(verify_consistency, old, size, proof, mth(leaves[:old]), mth(changed))


def test_what_a_broken_proof_says() -> None:
    with pytest.raises(SealBroken) as caught:
        verify_consistency(8, 6, [], SOME, SOME)
    assert str(caught.value).splitlines() == [
        "the journal has become shorter", "  where:  from 8 entries to 6", "  got:    6", "  wanted: at least 8 entries",
    ]  # fmt: skip
    assert caught.value.exit_status == 1
