/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_string.c - strings in memory
 *
 * SDM 2: MOVS STOS LODS SCAS CMPS, with REP, REPE, REPNE.
 *
 * A repetition goes by pieces: as many elements as lie in one page of plain
 * RAM at either end, without a wrap of the address and within the segment's
 * limit.  A piece is done by host memory functions.  What is in no piece (a
 * device, code, an element across pages) goes element by element through the
 * checked accesses.  Registers are brought up to date after each piece, so
 * a fault, and an interrupt, finds them at the last completed element.
 *
 * A repetition of great length stops now and then: the instruction is then
 * resumed as if it had been interrupted (SDM 2, REP).  With one block of fuel
 * left, as when single-stepping, that is after one element.
 */
#include "cpu/ops.h"
#include "cpu/table.h"

#define ROUND_BYTES 0x20000	/* this much at once, then requests are seen */
#define SLOW_COST 64		/* what an element by itself counts for */

INLINE bool
repeated(const struct insn *i)
{
	return i->prefix & (PREFIX_REP | PREFIX_REPNE);
}

INLINE uint64_t
index_get(const struct cpu *c, const struct insn *i, unsigned reg)
{
	return c->gpr[reg] & i->amask;
}

/* By n elements the way DF says. */
INLINE void
index_step(struct cpu *c, const struct insn *i, unsigned reg, uint64_t n)
{
	int64_t by = (int64_t)(n * i->size) * c->df;

	reg_put(c, reg, c->gpr[reg] + (uint64_t)by, i->asize);
}

/* The segment of [rSI], and of [rDI]. */
INLINE unsigned
source_segment(const struct insn *i)
{
	return i->seg;
}
#define DEST_SEGMENT SEG_ES

/* In 64-bit mode FS and GS alone have a base. */
INLINE bool
is_flat(const struct cpu *c, unsigned seg)
{
	return seg == SEG_FLAT ||
	    (c->bits == DECODE_64 && seg != SEG_FS && seg != SEG_GS);
}

INLINE uint64_t
linear(struct cpu *c, const struct insn *i, unsigned seg, uint64_t off,
    unsigned size, int kind)
{
	return is_flat(c, seg) ? off :
	    cpu_segment_linear(c, i, seg, off, size, kind);
}

/* Of n elements from off on, how many the address and the segment's limit
 * let pass; too few rather than too many: 0 is "one by one". */
static uint64_t
within_segment(const struct cpu *c, const struct insn *i, unsigned seg,
    uint64_t off, uint64_t n)
{
	const struct cpu_segment *s = &c->seg[seg];
	unsigned size = i->size;
	uint64_t max;

	if (c->df < 0)
		max = off / size;
	else
		max = (i->amask - off) / size;
	if (!is_flat(c, seg) && c->bits != DECODE_64) {
		/* data that expands down (SDM 3A, 3.4.5.1) */
		if ((s->attr & 0x1c) == 0x14 || off > s->limit ||
		    s->limit - off < size)
			return 0;
		if (c->df > 0 && max > (s->limit - off) / size)
			max = (s->limit - off) / size;
	}
	return n < max ? n : max;
}

/*
 * Host memory of the element at off and *n - 1 more the way DF goes, *n made
 * smaller to what one page holds; NULL: element by element.  Faults.
 */
static uint8_t *
piece(struct cpu *c, const struct insn *i, unsigned seg, uint64_t off,
    int kind, uint64_t *n)
{
	unsigned size = i->size;
	uint64_t lin, len, in_page, below;
	uint8_t *p;

	*n = within_segment(c, i, seg, off, *n);
	if (*n == 0)
		return NULL;
	lin = linear(c, i, seg, off, size, kind);
	in_page = lin & (PAGE_SIZE - 1);
	if (c->df > 0) {
		len = PAGE_SIZE - in_page;
		if (*n > len / size)
			*n = len / size;
		below = 0;
	} else {
		if (in_page + size > PAGE_SIZE)
			return NULL;
		if (*n > in_page / size + 1)
			*n = in_page / size + 1;
		below = (*n - 1) * size;
	}
	if (*n == 0)
		return NULL;
	len = *n * size;
	p = tlb_find(c, lin - below, 1, kind);
	if (!p) {
		if (below)	/* a fault is at the first element */
			cpu_probe(c, i, lin, size, kind);
		p = cpu_run_of(c, i, lin - below, &len, kind);
		if (!p || len < *n * size)
			return NULL;
	}
	return p + below;
}

/* How many elements this round may do. */
INLINE uint64_t
round_of(const struct cpu *c, const struct insn *i)
{
	return c->fuel <= 1 ? 1 : ROUND_BYTES / i->size;
}

/* The count before a step of n: what is left of it. */
INLINE void
count_down(struct cpu *c, const struct insn *i, uint64_t n)
{
	reg_put(c, RCX, c->gpr[RCX] - n, i->asize);
}

/* Takes cost from the round. */
INLINE void
spend(uint64_t *left, uint64_t cost)
{
	*left -= cost < *left ? cost : *left;
}

/* On, or to the same instruction again. */
#define STRING(name, work)						\
	void								\
	name(struct cpu *c, const struct insn *i)			\
	{								\
		if (likely(work(c, i)))					\
			CPU_NEXT(c, i);					\
		else							\
			cpu_resume(c, insn_rip(c, i));			\
	}

/* --- MOVS ---------------------------------------------------------------------- */

/*
 * n elements from s to d, one after the other: where the destination lies
 * ahead in the source, what was written is read again and repeats.
 */
static void
copy_up(uint8_t *d, const uint8_t *s, uint64_t n, unsigned size)
{
	uint64_t len = n * size, ahead = (uint64_t)(d - s), part;

	if (ahead >= len) {
		memmove(d, s, len);
	} else if (ahead >= size) {
		/* [s, d) over and over; what is there doubles */
		for (part = ahead; len; len -= part, d += part) {
			part = (uint64_t)(d - s);
			if (part > len)
				part = len;
			memcpy(d, s, part);
		}
	} else {
		for (; n; n--, d += size, s += size)
			host_put(d, host_get(s, size), size);
	}
}

/* The same downwards; s and d are the highest elements. */
static void
copy_down(uint8_t *d, const uint8_t *s, uint64_t n, unsigned size)
{
	uint64_t len = n * size, behind = (uint64_t)(s - d);

	if (behind >= len)
		memmove(d - (len - size), s - (len - size), len);
	else
		for (; n; n--, d -= size, s -= size)
			host_put(d, host_get(s, size), size);
}

static void
move_one(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint64_t v = mem_load(c, i, linear(c, i, source_segment(i),
	    index_get(c, i, RSI), size, TLB_READ), size);

	mem_store(c, i, linear(c, i, DEST_SEGMENT, index_get(c, i, RDI), size,
	    TLB_WRITE), v, size);
	index_step(c, i, RSI, 1);
	index_step(c, i, RDI, 1);
}

static NOINLINE bool
move(struct cpu *c, const struct insn *i)
{
	uint64_t left = round_of(c, i), n;

	if (!repeated(i)) {
		move_one(c, i);
		return true;
	}
	while ((n = index_get(c, i, RCX)) != 0) {
		uint8_t *s, *d = NULL;

		if (left == 0)
			return false;
		if (n > left)
			n = left;
		s = piece(c, i, source_segment(i), index_get(c, i, RSI),
		    TLB_READ, &n);
		if (s)
			d = piece(c, i, DEST_SEGMENT, index_get(c, i, RDI),
			    TLB_WRITE, &n);
		if (!d) {
			move_one(c, i);
			count_down(c, i, 1);
			spend(&left, SLOW_COST);
			continue;
		}
		if (c->df > 0)
			copy_up(d, s, n, i->size);
		else
			copy_down(d, s, n, i->size);
		index_step(c, i, RSI, n);
		index_step(c, i, RDI, n);
		count_down(c, i, n);
		spend(&left, n);
	}
	return true;
}
STRING(x_movs, move)

/* --- STOS ---------------------------------------------------------------------- */

/* n elements from p upwards. */
static void
fill(uint8_t *p, uint64_t v, uint64_t n, unsigned size)
{
	uint64_t len = n * size, part;

	if (size == 1 || v == (v & 0xff) * (0x0101010101010101 &
	    size_mask(size))) {
		memset(p, (int)(v & 0xff), len);
		return;
	}
	host_put(p, v, size);
	for (part = size; part < len; part *= 2)
		memcpy(p + part, p, part < len - part ? part : len - part);
}

static void
store_one(struct cpu *c, const struct insn *i)
{
	mem_store(c, i, linear(c, i, DEST_SEGMENT, index_get(c, i, RDI),
	    i->size, TLB_WRITE), reg_get(c, RAX, i->size), i->size);
	index_step(c, i, RDI, 1);
}

static NOINLINE bool
store(struct cpu *c, const struct insn *i)
{
	uint64_t left = round_of(c, i), n;
	unsigned size = i->size;

	if (!repeated(i)) {
		store_one(c, i);
		return true;
	}
	while ((n = index_get(c, i, RCX)) != 0) {
		uint8_t *d;

		if (left == 0)
			return false;
		if (n > left)
			n = left;
		d = piece(c, i, DEST_SEGMENT, index_get(c, i, RDI), TLB_WRITE,
		    &n);
		if (!d) {
			store_one(c, i);
			count_down(c, i, 1);
			spend(&left, SLOW_COST);
			continue;
		}
		if (c->df < 0)
			d -= (n - 1) * size;
		fill(d, reg_get(c, RAX, size), n, size);
		index_step(c, i, RDI, n);
		count_down(c, i, n);
		spend(&left, n);
	}
	return true;
}
STRING(x_stos, store)

/* --- LODS ---------------------------------------------------------------------- */

static void
load_one(struct cpu *c, const struct insn *i)
{
	uint64_t v = mem_load(c, i, linear(c, i, source_segment(i),
	    index_get(c, i, RSI), i->size, TLB_READ), i->size);

	reg_put(c, RAX, v, i->size);
	index_step(c, i, RSI, 1);
}

static NOINLINE bool
load(struct cpu *c, const struct insn *i)
{
	uint64_t left = round_of(c, i);

	if (!repeated(i)) {
		load_one(c, i);
		return true;
	}
	while (index_get(c, i, RCX)) {
		if (left == 0)
			return false;
		load_one(c, i);
		count_down(c, i, 1);
		spend(&left, 1);
	}
	return true;
}
STRING(x_lods, load)

/* --- SCAS and CMPS --------------------------------------------------------------- */

/* REPE goes on while elements are equal, REPNE while they are not. */
INLINE bool
stops(const struct insn *i, bool equal)
{
	return equal != !(i->prefix & PREFIX_REPNE);
}

/* Elements looked at of n, the last of them the one that stopped it, if any;
 * step is between them. */
INLINE uint64_t
scan_sized(const uint8_t *p, int64_t step, uint64_t n, uint64_t v, bool until,
    unsigned size)
{
	uint64_t k;

	for (k = 0; k < n; k++, p += step)
		if ((host_get(p, size) == v) == until)
			return k + 1;
	return n;
}

static uint64_t
scan(const uint8_t *p, int64_t step, uint64_t n, uint64_t v, bool until,
    unsigned size)
{
	if (size == 1 && step == 1 && until) {
		const uint8_t *at = memchr(p, (int)v, n);

		return at ? (uint64_t)(at - p) + 1 : n;
	}
	switch (size) {
	case 1: return scan_sized(p, step, n, v, until, 1);
	case 2: return scan_sized(p, step, n, v, until, 2);
	case 4: return scan_sized(p, step, n, v, until, 4);
	default: return scan_sized(p, step, n, v, until, 8);
	}
}

/* Compares rAX with the element and says what it was. */
static uint64_t
scan_one(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint64_t v = mem_load(c, i, linear(c, i, DEST_SEGMENT,
	    index_get(c, i, RDI), size, TLB_READ), size);

	op_sub(&c->flags, reg_get(c, RAX, size), v, size);
	index_step(c, i, RDI, 1);
	return v;
}

static NOINLINE bool
scan_string(struct cpu *c, const struct insn *i)
{
	uint64_t left = round_of(c, i), n, v;
	unsigned size = i->size;
	uint64_t acc = reg_get(c, RAX, size);

	if (!repeated(i)) {
		scan_one(c, i);
		return true;
	}
	while ((n = index_get(c, i, RCX)) != 0) {
		int64_t step = (int64_t)size * c->df;
		const uint8_t *p;

		if (left == 0)
			return false;
		if (n > left)
			n = left;
		p = piece(c, i, DEST_SEGMENT, index_get(c, i, RDI), TLB_READ,
		    &n);
		if (!p) {
			v = scan_one(c, i);
			count_down(c, i, 1);
			spend(&left, SLOW_COST);
		} else {
			n = scan(p, step, n, acc, stops(i, true), size);
			v = host_get(p + step * (int64_t)(n - 1), size);
			op_sub(&c->flags, acc, v, size);
			index_step(c, i, RDI, n);
			count_down(c, i, n);
			spend(&left, n);
		}
		if (stops(i, v == acc))
			return true;
	}
	return true;
}
STRING(x_scas, scan_string)

INLINE uint64_t
compare_sized(const uint8_t *a, const uint8_t *b, int64_t step, uint64_t n,
    bool until, unsigned size)
{
	uint64_t k;

	for (k = 0; k < n; k++, a += step, b += step)
		if ((host_get(a, size) == host_get(b, size)) == until)
			return k + 1;
	return n;
}

/* As scan(), of two strings. */
static uint64_t
compare(const uint8_t *a, const uint8_t *b, int64_t step, uint64_t n,
    bool until, unsigned size)
{
	uint64_t skip = 0, len = n * size;

	/* What is equal goes by eight bytes. */
	if (!until && step > 0) {
		while (skip + 8 <= len &&
		    host_get(a + skip, 8) == host_get(b + skip, 8))
			skip += 8;
		if (skip == len)
			return n;
		skip /= size;
		a += skip * size;
		b += skip * size;
		n -= skip;
	}
	switch (size) {
	case 1: return skip + compare_sized(a, b, step, n, until, 1);
	case 2: return skip + compare_sized(a, b, step, n, until, 2);
	case 4: return skip + compare_sized(a, b, step, n, until, 4);
	default: return skip + compare_sized(a, b, step, n, until, 8);
	}
}

/* True: the elements were equal. */
static bool
compare_one(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint64_t a = mem_load(c, i, linear(c, i, source_segment(i),
	    index_get(c, i, RSI), size, TLB_READ), size);
	uint64_t b = mem_load(c, i, linear(c, i, DEST_SEGMENT,
	    index_get(c, i, RDI), size, TLB_READ), size);

	op_sub(&c->flags, a, b, size);
	index_step(c, i, RSI, 1);
	index_step(c, i, RDI, 1);
	return a == b;
}

static NOINLINE bool
compare_strings(struct cpu *c, const struct insn *i)
{
	uint64_t left = round_of(c, i), n;
	unsigned size = i->size;
	bool equal;

	if (!repeated(i)) {
		compare_one(c, i);
		return true;
	}
	while ((n = index_get(c, i, RCX)) != 0) {
		int64_t step = (int64_t)size * c->df, last;
		const uint8_t *a, *b = NULL;
		uint64_t va, vb;

		if (left == 0)
			return false;
		if (n > left)
			n = left;
		a = piece(c, i, source_segment(i), index_get(c, i, RSI),
		    TLB_READ, &n);
		if (a)
			b = piece(c, i, DEST_SEGMENT, index_get(c, i, RDI),
			    TLB_READ, &n);
		if (!b) {
			equal = compare_one(c, i);
			count_down(c, i, 1);
			spend(&left, SLOW_COST);
		} else {
			n = compare(a, b, step, n, stops(i, true), size);
			last = step * (int64_t)(n - 1);
			va = host_get(a + last, size);
			vb = host_get(b + last, size);
			op_sub(&c->flags, va, vb, size);
			equal = va == vb;
			index_step(c, i, RSI, n);
			index_step(c, i, RDI, n);
			count_down(c, i, n);
			spend(&left, n);
		}
		if (stops(i, equal))
			return true;
	}
	return true;
}
STRING(x_cmps, compare_strings)
