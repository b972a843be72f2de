/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bits.c - a radix tree of bits, read without a lock
 *
 * Leaves hold 512 words of bits, nodes above them 512 children; a tree grows
 * at the top, by a new root whose first child is the old one.  Whatever a
 * reader can reach stays where it is until bits_fini(): a store only ever
 * adds a child, a root or a bit, or removes a bit.  A node is complete before
 * the release that publishes it.
 */
#include "base/bits.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"

enum { SLOT_BITS = 9, SLOTS = 1 << SLOT_BITS, WORD_BITS = 6,
	LEAF_BITS = SLOT_BITS + WORD_BITS, LIMIT_BITS = 54 };

struct node {
	unsigned height;	/* 0: a leaf */
	union {
		_Atomic(struct node *) child;
		_Atomic(uint64_t) word;
	} slot[SLOTS];
};

/* log2 of the numbers one slot of a node stands for. */
static unsigned slot_bits(const struct node *node)
{
	return node->height ? LEAF_BITS + (node->height - 1) * SLOT_BITS :
	    WORD_BITS;
}

static unsigned slot_of(const struct node *node, uint64_t i)
{
	return i >> slot_bits(node) & (SLOTS - 1);
}

/* Does the tree under this node reach up to i? */
static bool covers(const struct node *node, uint64_t i)
{
	return !(i >> (slot_bits(node) + SLOT_BITS));
}

static struct node *root_of(const struct bits *b)
{
	return atomic_load_explicit(&b->root, memory_order_acquire);
}

static struct node *child_of(const struct node *node, unsigned slot)
{
	return atomic_load_explicit(&node->slot[slot].child,
	    memory_order_acquire);
}

void bits_init(struct bits *b)
{
	atomic_init(&b->root, NULL);
}

static void free_tree(struct node *node)
{
	if (!node)
		return;
	if (node->height)
		for (unsigned i = 0; i < SLOTS; i++)
			free_tree(child_of(node, i));
	free(node);
}

void bits_fini(struct bits *b)
{
	free_tree(root_of(b));
	atomic_store_explicit(&b->root, NULL, memory_order_relaxed);
}

static struct node *new_node(unsigned height)
{
	struct node *node = calloc(1, sizeof(*node));

	if (node)
		node->height = height;
	return node;
}

/* The leaf with the bit i, NULL where there is none.  The answer holds up to
 * *end. */
static struct node *find_leaf(const struct bits *b, uint64_t i, uint64_t *end)
{
	struct node *node = root_of(b);
	unsigned bits;

	*end = UINT64_MAX;
	if (!node || !covers(node, i))
		return NULL;
	bits = slot_bits(node) + SLOT_BITS;
	while (node && node->height) {
		bits = slot_bits(node);
		node = child_of(node, slot_of(node, i));
	}
	*end = ((i >> bits) + 1) << bits;
	return node;
}

/* Makes sure that there is a leaf for the bit i. */
static bool make_leaf(struct bits *b, uint64_t i)
{
	struct node *node = root_of(b), *more;

	while (!node || !covers(node, i)) {
		more = new_node(node ? node->height + 1 : 0);
		if (!more)
			return false;
		if (node)
			atomic_init(&more->slot[0].child, node);
		atomic_store_explicit(&b->root, more, memory_order_release);
		node = more;
	}
	for (; node->height; node = more) {
		unsigned slot = slot_of(node, i);

		more = child_of(node, slot);
		if (more)
			continue;
		more = new_node(node->height - 1);
		if (!more)
			return false;
		atomic_store_explicit(&node->slot[slot].child, more,
		    memory_order_release);
	}
	return true;
}

/* The bits from first up to end, as far as they lie in the word of first. */
static uint64_t mask_of(uint64_t first, uint64_t end)
{
	uint64_t n = min64(end - first, 64 - first % 64);

	return (n == 64 ? UINT64_MAX : (1ull << n) - 1) << first % 64;
}

static uint64_t next_word(uint64_t i)
{
	return (i | 63) + 1;
}

static uint64_t load(const struct node *leaf, uint64_t i)
{
	return atomic_load_explicit(&leaf->slot[slot_of(leaf, i)].word,
	    memory_order_acquire);
}

/* The owner's lock makes load and store one. */
static void store(struct node *leaf, uint64_t i, uint64_t word)
{
	atomic_store_explicit(&leaf->slot[slot_of(leaf, i)].word, word,
	    memory_order_release);
}

static uint64_t end_of(uint64_t first, uint64_t n)
{
	const uint64_t limit = 1ull << LIMIT_BITS;

	return range_ok(first, n, limit) ? first + n : limit;
}

int bits_add(struct bits *b, uint64_t first, uint64_t n, bool *was,
    struct error *err)
{
	uint64_t i, stop, end = end_of(first, n), seen = 0;

	if (end - first != n)
		return error_set(err, EFBIG, "a set of numbers below 2^%d "
		    "cannot hold %" PRIu64, LIMIT_BITS, first);
	/* Memory first: on error the set is as it was. */
	for (i = first; i < end; i = ((i >> LEAF_BITS) + 1) << LEAF_BITS)
		if (!make_leaf(b, i))
			return error_errno(err, ENOMEM, "a set of numbers");
	for (i = first; i < end; i = stop) {
		struct node *leaf = find_leaf(b, i, &stop);

		for (stop = min64(stop, end); i < stop; i = next_word(i)) {
			uint64_t old = load(leaf, i), mask = mask_of(i, stop);

			seen |= old & mask;
			store(leaf, i, old | mask);
		}
	}
	if (was)
		*was = seen;
	return 0;
}

int bits_add_words(struct bits *b, uint64_t first, const uint64_t *word,
    size_t n, struct error *err)
{
	if (!range_ok(first, 64ull * n, 1ull << LIMIT_BITS))
		return error_set(err, EFBIG, "a set of numbers below 2^%d "
		    "cannot hold %" PRIu64, LIMIT_BITS, first);
	for (size_t k = 0; k < n; k++, first += 64) {
		struct node *leaf;
		uint64_t end;

		if (!word[k])
			continue;
		if (!make_leaf(b, first))
			return error_errno(err, ENOMEM, "a set of numbers");
		leaf = find_leaf(b, first, &end);
		store(leaf, first, load(leaf, first) | word[k]);
	}
	return 0;
}

void bits_remove(struct bits *b, uint64_t first, uint64_t n)
{
	uint64_t stop, end = end_of(first, n);

	for (uint64_t i = first; i < end; i = stop) {
		struct node *leaf = find_leaf(b, i, &stop);

		stop = min64(stop, end);
		for (; leaf && i < stop; i = next_word(i))
			store(leaf, i, load(leaf, i) & ~mask_of(i, stop));
	}
}

bool bits_any(const struct bits *b, uint64_t first, uint64_t n)
{
	uint64_t stop, end = end_of(first, n);

	for (uint64_t i = first; i < end; i = stop) {
		const struct node *leaf = find_leaf(b, i, &stop);

		stop = min64(stop, end);
		for (; leaf && i < stop; i = next_word(i))
			if (load(leaf, i) & mask_of(i, stop))
				return true;
	}
	return false;
}

bool bits_run(const struct bits *b, uint64_t first, uint64_t n, uint64_t *run)
{
	uint64_t i, stop, end = end_of(first, n), differ;
	bool set = false;

	for (i = first; i < end; i = stop) {
		const struct node *leaf = find_leaf(b, i, &stop);

		stop = min64(stop, end);
		if (!leaf && set)
			break;
		for (; leaf && i < stop; i = next_word(i)) {
			uint64_t word = load(leaf, i);

			if (i == first)
				set = word >> first % 64 & 1;
			differ = (set ? ~word : word) & mask_of(i, stop);
			if (differ) {
				*run = align_down(i, 64) +
				    log2_of(differ & -differ) - first;
				return set;
			}
		}
	}
	/* Past the limit nothing is set. */
	*run = set ? min64(i, end) - first : n;
	return set;
}
