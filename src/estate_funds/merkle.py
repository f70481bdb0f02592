"""The hash tree over the journal: RFC 6962, section 2.1. Roots, inclusion proofs, consistency proofs.

Leaf `i` (from 0) is the leaf hash of entry `i + 1`. A tree of n leaves splits at the largest power of two below n, so
its left part is always *perfect*: 2^k leaves that start at a multiple of 2^k. A perfect subtree never changes again
when leaves are added, so whoever stores the roots of some need not read their leaves. Roots and proofs therefore ask
for nothing but roots of perfect subtrees, through one function `subtree(start, size)`; `Subtrees` is one that takes
them from stored roots where there are some, and else from leaves that it reads when they are wanted.

Proofs are verified by the algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2, which write out in full what RFC 6962
leaves to the reader; the proofs of both are the same.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from estate_funds.errors import InvariantBroken, SealBroken

HASH_SIZE = 32  # bytes of a SHA-256
BLOCK_LEAVES = 1 << 13  # leaves of a perfect subtree whose root a store keeps
EMPTY_ROOT = hashlib.sha256(b"").digest()  # the root of a tree without leaves

Subtree = Callable[[int, int], bytes]  # (start, size) -> root; size is a power of two, start a multiple of it


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf: SHA-256 of a zero byte and the data."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256 of a one byte and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaves: bytes) -> bytes:
    """The root of a tree whose leaf hashes are all at hand, one after the other, 32 bytes each.

    >>> tree_root(leaf_hash(b"a") + leaf_hash(b"b")) == node_hash(leaf_hash(b"a"), leaf_hash(b"b"))
    True
    """
    if not leaves:
        return EMPTY_ROOT
    while len(leaves) > HASH_SIZE:
        leaves = _parents(leaves)
    return leaves


def _parents(hashes: bytes) -> bytes:
    """The level above: each pair hashed, one that is left over goes up as it is (which is where RFC 6962 has it)."""
    sha256 = hashlib.sha256
    paired = len(hashes) & -2 * HASH_SIZE
    pairs = struct.iter_unpack("64s", hashes[:paired])
    above = [sha256(b"\x01" + pair).digest() for (pair,) in pairs]
    if paired < len(hashes):
        above.append(hashes[paired:])
    return b"".join(above)


class Frontier:
    """The right edge of a growing tree: the roots of its perfect subtrees, largest first.

    It is all that is needed to add leaves and to know the root. Leaves wait until somebody asks, or until there are a
    block of them, for many are hashed faster together. InvariantBroken where `subtrees` are not as many as a tree of
    that size has.

    >>> tree = Frontier()
    >>> for data in (b"a", b"b", b"c"):
    ...     tree.append(leaf_hash(data))
    >>> tree
    3:36642e73c2540ab121e3a6bf9545b0a24982cd830eb13d3cd19de3ce6c021ec1
    """

    __slots__ = ("_root", "_subtrees", "_waiting", "size")

    def __init__(self, size: int = 0, subtrees: Iterable[bytes] = ()) -> None:
        self.size = size
        self._subtrees = list(subtrees)
        self._waiting = bytearray()  # leaves that are counted in the size, and are in no subtree yet
        self._root = b""  # until it is asked for
        if size < 0 or len(self._subtrees) != size.bit_count():
            raise InvariantBroken(f"{len(self._subtrees)} perfect subtrees do not make a tree of {size} leaves")

    @property
    def subtrees(self) -> list[bytes]:
        """The roots of the perfect subtrees, largest first."""
        self._take_in()
        return self._subtrees

    def append(self, leaf: bytes) -> None:
        """Add the hash of one leaf on the right."""
        self.extend(leaf)

    def join(self, root: bytes, size: int) -> None:
        """Add a perfect subtree by its root; InvariantBroken unless the tree's size is a multiple of the subtree's."""
        if size < 1 or size.bit_count() != 1 or self.size & (size - 1):
            raise InvariantBroken(f"a subtree of {size} leaves has no place in a tree of {self.size}")
        self._take_in()
        self._join(root, self.size, size)
        self.size += size
        self._root = b""

    def extend(self, leaves: bytes) -> None:
        """Add many leaf hashes, one after the other, 32 bytes each: the same as appending each, but faster."""
        self._waiting += leaves
        self.size += len(leaves) >> 5
        self._root = b""
        if len(self._waiting) >= BLOCK_LEAVES * HASH_SIZE:
            self._take_in()

    def _take_in(self) -> None:
        """Hash the leaves that wait."""
        leaves, self._waiting = bytes(self._waiting), bytearray()
        at, count = 0, len(leaves) >> 5
        before = self.size - count
        while at < count:
            fits = 1 << ((count - at).bit_length() - 1)
            size = min(fits, before & -before) if before else fits
            self._join(tree_root(leaves[at * HASH_SIZE : (at + size) * HASH_SIZE]), before, size)
            at, before = at + size, before + size

    def _join(self, root: bytes, before: int, size: int) -> None:
        """Add a perfect subtree to those of the first `before` leaves."""
        below = before >> (size.bit_length() - 1)
        while below & 1:
            root = node_hash(self._subtrees.pop(), root)
            below >>= 1
        self._subtrees.append(root)

    def copy(self) -> Frontier:
        """Another frontier of the same tree, which grows on its own."""
        return Frontier(self.size, self.subtrees)

    @property
    def root(self) -> bytes:
        """The root hash; of an empty tree, the hash of nothing."""
        if not self._root:
            subtrees = self.subtrees
            self._root = subtrees[-1] if subtrees else EMPTY_ROOT
            for subtree in reversed(subtrees[:-1]):
                self._root = node_hash(subtree, self._root)
        return self._root

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frontier):
            return NotImplemented
        return self.size == other.size and self.subtrees == other.subtrees

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return head_text(self.size, self.root)


def head_text(size: int, root: bytes) -> str:
    """How people write the head of a journal: its size and the root in hexadecimal."""
    return f"{size}:{root.hex()}"


def within_batch(last: int) -> bytes:
    """What is kept, in the place of a root, with an entry of a batch that ends with the entry `last`: 8 bytes.

    A batch is committed whole, and the root of the tree is kept with its last entry only. Where a root was erased, or a
    batch cut in the middle, the marks of the others say so.

    >>> within_batch(5).hex()
    '0000000000000005'
    """
    return last.to_bytes(8, "big")


class Batches:
    """Follows the roots, and what stands in their place, that are kept with the entries of a journal, in order.

    >>> batches, tree = Batches(), Frontier(1, [leaf_hash(b"a")])
    >>> batches.holds(1, within_batch(2), tree.root), batches.end
    (True, 2)
    >>> tree.append(leaf_hash(b"b"))
    >>> batches.holds(2, b"", tree.root)
    False
    """

    def __init__(self) -> None:
        self.end = 0  # the last entry of the batch that is not at its end

    def holds(self, seq: int, kept: bytes, root: bytes) -> bool:
        """Whether what is kept with the entry `seq` is the `root` of the tree after it, or the end of its batch."""
        told = seq if kept == root else int.from_bytes(kept, "big") if len(kept) == len(within_batch(0)) else 0
        fits = told >= seq and self.end in (0, told) and (told > seq or kept == root)
        self.end = told if told > seq else 0
        return fits


class Subtrees:
    """Roots of perfect subtrees of `size` leaves, from stored roots of blocks or from leaves, read when wanted.

    `leaves(start, count)` gives the hashes of `count` leaves from the leaf `start` on, joined to one string of bytes;
    it is asked for a block at a time, the last one may be shorter. `stored(number)` gives the root of the whole block
    `number` (the leaves from `number * block` on), or None where none is kept. What was computed is remembered: the
    roots of all blocks and of what is above them, and what lies below in the blocks that were asked for last.
    SealBroken where `leaves` gives fewer than it was asked for.

    >>> hashes = b"".join(leaf_hash(bytes([n])) for n in range(100))
    >>> subtree = Subtrees(100, lambda start, count: hashes[32 * start : 32 * (start + count)], block=16)
    >>> root_at(100, subtree) == tree_root(hashes)
    True
    """

    def __init__(
        self,
        size: int,
        leaves: Callable[[int, int], bytes],
        *,
        stored: Callable[[int], bytes | None] = lambda number: None,
        block: int = BLOCK_LEAVES,
        remember: int = 8,
    ) -> None:
        self.size = size
        self._leaves = leaves
        self._stored = stored
        self._block = block
        self._above: dict[tuple[int, int], bytes] = {}
        self._levels = lru_cache(maxsize=remember)(self._read_levels)

    def __call__(self, start: int, size: int) -> bytes:
        """The root of the perfect subtree of `size` leaves from the leaf `start` on."""
        if size < 1 or size.bit_count() != 1 or start & (size - 1) or not 0 <= start <= self.size - size:
            raise InvariantBroken(f"{size} leaves from {start} on are no perfect subtree of {self.size} leaves")
        if size < self._block:
            first = start & -self._block
            at = (start - first) >> (size.bit_length() - 1)
            return self._levels(first)[size.bit_length() - 1][at * HASH_SIZE : (at + 1) * HASH_SIZE]
        root = self._above.get((start, size))
        if root is None:
            root = self._above[start, size] = self._compute(start, size)
        return root

    def _compute(self, start: int, size: int) -> bytes:
        if size > self._block:
            half = size >> 1
            return node_hash(self(start, half), self(start + half, half))
        return self._stored(start >> (self._block.bit_length() - 1)) or self._levels(start)[-1]

    def _read_levels(self, first: int) -> list[bytes]:
        """The levels of a block, leaves first; of nodes that are not perfect, no root is ever asked."""
        count = min(self._block, self.size - first)
        levels = [self._leaves(first, count)]
        if len(levels[0]) != count * HASH_SIZE:
            raise SealBroken(
                "leaves of the journal are missing",
                where=f"entries {first + 1} to {first + count}",
                got=f"{len(levels[0]) >> 5} leaves",
                wanted=f"{count} leaves",
            )
        while len(levels[-1]) > HASH_SIZE:
            levels.append(_parents(levels[-1]))
        return levels


# --- roots and proofs ---


def root_at(size: int, subtree: Subtree) -> bytes:
    """The root of the tree of the first `size` leaves: the state of the journal when it had so many entries."""
    return _range_root(0, size, subtree) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The audit path of leaf `index` (from 0) in the tree of the first `size` leaves; RFC 6962, section 2.1.1."""
    if not 0 <= index < size:
        raise InvariantBroken(f"no leaf {index} in a tree of {size} leaves")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            path.append(_range_root(split, end, subtree))
            end = split
        else:
            path.append(_range_root(start, split, subtree))
            start = split
    return path[::-1]


def consistency_proof(old: int, size: int, subtree: Subtree) -> list[bytes]:
    """The proof that the tree of `size` leaves begins with that of `old` leaves; RFC 6962, section 2.1.2."""
    if not 0 <= old <= size:
        raise InvariantBroken(f"a tree of {size} leaves cannot begin with one of {old}")
    if old in (0, size):
        return []  # every journal begins with the empty one, and with itself
    path: list[bytes] = []
    start, end = 0, size
    while end != old:
        split = start + _split(end - start)
        if old <= split:
            path.append(_range_root(split, end, subtree))
            end = split
        else:
            path.append(_range_root(start, split, subtree))
            start = split
    if start:
        path.append(_range_root(start, end, subtree))
    return path[::-1]


def _split(size: int) -> int:
    """The largest power of two below a size."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_root(start: int, end: int, subtree: Subtree) -> bytes:
    """The root of a subtree that the splits lead to: perfect ones, largest first, joined from the right."""
    roots = []
    while start < end:
        size = 1 << ((end - start).bit_length() - 1)
        roots.append(subtree(start, size))
        start += size
    root = roots.pop()
    while roots:
        root = node_hash(roots.pop(), root)
    return root


# --- verification ---


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """That a leaf is the one at `index` (from 0) of the tree with this root; RFC 9162, section 2.1.3.2.

    SealBroken where it is not, or where the proof does not prove it.
    """
    where = f"entry {index + 1} of {size}"
    if not 0 <= index < size:
        raise SealBroken("the tree has no such entry", where=where)
    _check_hashes(where, proof, leaf, root)
    at, last, got = index, size - 1, leaf
    for sibling in proof:
        _check_height(last > 0, "longer", proof, where)
        if at & 1 or at == last:
            got = node_hash(sibling, got)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            got = node_hash(got, sibling)
        at, last = at >> 1, last >> 1
    _check_height(last == 0, "shorter", proof, where)
    if got != root:
        raise SealBroken(
            "the entry is not the one that was sealed there, or the proof is of another tree",
            where=where,
            got=f"the root {got.hex()}",
            wanted=root.hex(),
        )


def verify_consistency(old: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> None:
    """That the tree of `size` leaves begins with the one of `old` leaves; RFC 9162, section 2.1.4.2.

    So nothing was changed or cut off in between. SealBroken where it is not so, or where the proof does not prove it.
    """
    where = f"from {old} entries to {size}"
    if not 0 <= old <= size:
        raise SealBroken("the journal has become shorter", where=where, got=size, wanted=f"at least {old} entries")
    _check_hashes(where, proof, old_root, root)
    if old in (0, size):  # every journal begins with the empty one, and with itself
        if proof:
            raise SealBroken("a proof where none is needed", where=where, got=f"{len(proof)} hashes", wanted=0)
        proven = (root if old else EMPTY_ROOT, root if size else EMPTY_ROOT)
    else:
        proven = _roots_of_consistency(old, size, proof, old_root, where)
    for what, got, wanted in zip(("old", "new"), (old_root, root), proven, strict=True):
        if got != wanted:
            raise SealBroken(
                f"the journal does not begin with the one that was sealed: another {what} root",
                where=where,
                got=got.hex(),
                wanted=wanted.hex(),
            )


def _roots_of_consistency(
    old: int, size: int, proof: Sequence[bytes], old_root: bytes, where: str
) -> tuple[bytes, bytes]:
    """The roots of both trees that a proof leads to."""
    path = [old_root, *proof] if old.bit_count() == 1 else list(proof)
    if not proof:
        raise SealBroken("the proof is empty", where=where)
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_got = got = path[0]
    for sibling in path[1:]:
        _check_height(last > 0, "longer", proof, where)
        if at & 1 or at == last:
            old_got, got = node_hash(sibling, old_got), node_hash(sibling, got)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            got = node_hash(got, sibling)
        at, last = at >> 1, last >> 1
    _check_height(last == 0, "shorter", proof, where)
    return old_got, got


def _check_height(fits: bool, how: str, proof: Sequence[bytes], where: str) -> None:
    if not fits:
        raise SealBroken(f"the proof is {how} than the tree is high", where=where, got=f"{len(proof)} hashes")


def _check_hashes(where: str, proof: Sequence[bytes], *others: bytes) -> None:
    for one in (*proof, *others):
        if len(one) != HASH_SIZE:
            raise SealBroken("not a SHA-256 hash", where=where, got=f"{len(one)} bytes", wanted=f"{HASH_SIZE} bytes")
