/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.c - making, finding and dropping blocks
 *
 * Blocks lie in one mapping, bump allocated.  A dropped block may still be
 * running, and the table of jumps may lead to it: it stops whoever enters it,
 * and the loop looks for the one that took its place.  Its room is used again
 * for one of the same length when no block runs (blocks_tidy()) and the jumps
 * have been forgotten since.  When the mapping is full everything goes.
 *
 * A frame with decoded code has an entry in a table of frames: its blocks,
 * and through mem_code_add() the lines they were made of, so that whoever
 * writes there, this processor, another one or a device, calls
 * blocks_written().
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "core/log.h"
#include "cpu/bind.h"
#include "cpu/block.h"
#include "cpu/decode.h"
#include "cpu/disasm.h"
#include "cpu/model.h"
#include "cpu/paging.h"

#define ARENA_BYTES (24u << 20)
#define HASH_BITS 17
#define HASH (1u << HASH_BITS)
#define SINGLES 64u
#define FREE_ENOUGH 64u	/* dropped blocks of one length: forget the jumps */

struct frame {			/* open addressing by frame number */
	uint64_t number;	/* + 1; 0: empty */
	struct block *first;
};

/* One instruction that cannot be part of a block, kept while its bytes last. */
struct single {
	uint64_t lin;
	uint32_t key;
	uint8_t n;		/* bytes compared */
	uint8_t bytes[15];
	struct block *block;
};

struct blocks {
	struct jumps jumps;
	uint8_t *arena;
	size_t used;
	struct block *hash[HASH];
	struct block *free[BLOCK_INSNS + 1];	/* by n, linked by hash_next */
	unsigned n_free[BLOCK_INSNS + 1];
	struct block *grave;	/* dropped while something ran */
	struct frame *frame;
	size_t frames, frames_used;
	struct single single[SINGLES];
	uint8_t *single_room;
};

static size_t
block_size(unsigned n)
{
	return sizeof(struct block) + (n + 1) * sizeof(struct insn);
}

int
blocks_init(struct cpu *c, struct error *err)
{
	struct blocks *b = calloc(1, sizeof(*b));

	if (!b)
		return error_set(err, ENOMEM, "decoded code");
	c->blocks = b;
	b->arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	b->frames = 4096;
	b->frame = calloc(b->frames, sizeof(*b->frame));
	b->single_room = aligned_alloc(64, SINGLES * block_size(1));
	if (b->arena == MAP_FAILED || !b->frame || !b->single_room) {
		if (b->arena == MAP_FAILED)
			b->arena = NULL;
		blocks_free(c);
		return error_set(err, ENOMEM, "decoded code");
	}
	for (unsigned n = 0; n < SINGLES; n++)
		b->single[n].block =
		    (struct block *)(b->single_room + n * block_size(1));
	blocks_forget_jumps(c);
	return 0;
}

void
blocks_free(struct cpu *c)
{
	struct blocks *b = c->blocks;

	if (!b)
		return;
	if (b->arena)
		munmap(b->arena, ARENA_BYTES);
	free(b->frame);
	free(b->single_room);
	free(b);
	c->blocks = NULL;
}

#define STAMP_STEP (1ull << 16)	/* below: space number, CPL 3 */

void
blocks_forget_jumps(struct cpu *c)
{
	struct jumps *j = &c->blocks->jumps;

	c->next_block = NULL;
	j->stamp += STAMP_STEP;	/* 48 bits: it does not wrap */
	memset(j->pages, 0, sizeof(j->pages));
}

void
blocks_forget_page(struct cpu *c, uint64_t lin)
{
	unsigned n = lin >> PAGE_BITS & (JUMP_PAGES - 1);

	if (c->blocks->jumps.pages[n / 64] >> (n % 64) & 1)
		blocks_forget_jumps(c);
}

void
blocks_set_space(struct cpu *c, unsigned space, bool user)
{
	struct jumps *j = &c->blocks->jumps;

	c->next_block = NULL;
	j->stamp = (j->stamp & ~(STAMP_STEP - 1)) | space << 1 | user;
}

/* --- Frames ------------------------------------------------------------------ */

static struct frame *
frame_slot(struct blocks *b, uint64_t number)
{
	size_t n = number * 0x9e3779b97f4a7c15ull >> 40 & (b->frames - 1);

	while (b->frame[n].number && b->frame[n].number != number + 1)
		n = (n + 1) & (b->frames - 1);
	return &b->frame[n];
}

/* Twice the room; without memory for it everything is dropped instead. */
static bool
frames_grow(struct cpu *c)
{
	struct blocks *b = c->blocks;
	struct frame *old = b->frame, *at;
	size_t n = b->frames;

	b->frame = calloc(2 * n, sizeof(*b->frame));
	if (!b->frame) {
		b->frame = old;
		return false;
	}
	b->frames = 2 * n;
	for (size_t k = 0; k < n; k++)
		if (old[k].number) {
			at = frame_slot(b, old[k].number - 1);
			*at = old[k];
		}
	free(old);
	return true;
}

/* --- Dropping ------------------------------------------------------------------ */

static struct block **
hash_slot(struct blocks *b, const uint8_t *host, uint32_t key)
{
	uint64_t h = ((uintptr_t)host + key) * 0x9e3779b97f4a7c15ull;

	return &b->hash[h >> (64 - HASH_BITS)];
}

/* Where a block that was dropped goes on: at this very instruction, anew. */
static void
x_stop(struct cpu *c, const struct insn *i)
{
	block_leave(c, NULL, insn_rip(c, i));
}

static void
drop(struct cpu *c, struct block *d)
{
	struct blocks *b = c->blocks;
	struct block **at = hash_slot(b, d->host, d->key);

	while (*at != d)
		at = &(*at)->hash_next;
	*at = d->hash_next;
	for (unsigned n = 0; n <= d->n; n++)
		d->insn[n].run = x_stop;
	d->dead = true;
	d->dropped = b->jumps.stamp / STAMP_STEP;
	d->hash_next = b->grave;
	b->grave = d;
}

/* Branches of p to d are forgotten; only the last instructions have any. */
static void
unchain(struct block *p, const struct block *d)
{
	for (unsigned n = p->n ? p->n - 1 : 0; n <= p->n; n++) {
		struct insn *i = &p->insn[n];

		if (i->flags & INSN_MEM)
			continue;
		if (chain_target(i) == d)
			i->disp = 0;
		if (chain_next(i) == d)
			i->amask = 0;
	}
}

void
blocks_written(struct cpu *c, uint64_t frame, uint64_t lines)
{
	struct blocks *b = c->blocks;
	struct frame *f = frame_slot(b, frame);
	struct block *dead = NULL, **at, *d;

	if (!f->number)
		return;
	for (at = &f->first; (d = *at);) {
		if (d->lines & lines) {
			*at = d->frame_next;
			d->frame_next = dead;
			dead = d;
		} else {
			at = &d->frame_next;
		}
	}
	if (!dead)
		return;
	for (d = dead; d; d = d->frame_next) {
		for (struct block *p = f->first; p; p = p->frame_next)
			unchain(p, d);
		drop(c, d);
	}
	c->next_block = NULL;
	if (!f->first)
		mem_code_drop(c->mem, frame, c->id);
}

void
blocks_flush(struct cpu *c)
{
	struct blocks *b = c->blocks;

	for (size_t n = 0; n < b->frames; n++)
		if (b->frame[n].number)
			mem_code_drop(c->mem, b->frame[n].number - 1, c->id);
	memset(b->frame, 0, b->frames * sizeof(*b->frame));
	b->frames_used = 0;
	memset(b->hash, 0, sizeof(b->hash));
	memset(b->free, 0, sizeof(b->free));
	memset(b->n_free, 0, sizeof(b->n_free));
	b->grave = NULL;
	b->used = 0;
	for (unsigned n = 0; n < SINGLES; n++)
		b->single[n].n = 0;
	blocks_forget_jumps(c);
}

void
blocks_tidy(struct cpu *c)
{
	struct blocks *b = c->blocks;
	struct block *d;

	while ((d = b->grave)) {
		b->grave = d->hash_next;
		d->hash_next = b->free[d->n];
		b->free[d->n] = d;
		b->n_free[d->n]++;
	}
}

/* --- Making ---------------------------------------------------------------------- */

static void
terminate(struct block *b, bool ends)
{
	struct insn *t = &b->insn[b->n];

	memset(t, 0, sizeof(*t));
	t->pos = b->bytes;
	t->run = ends ? x_block_loop : x_block_next;
}

/* Room for the largest block and its frame, before anything is read. */
static void
make_room(struct cpu *c)
{
	struct blocks *b = c->blocks;

	if (b->used + block_size(BLOCK_INSNS) > ARENA_BYTES ||
	    (b->frames_used * 2 >= b->frames && !frames_grow(c)))
		blocks_flush(c);
}

static struct block *
place(struct cpu *c, const struct block *made)
{
	struct blocks *b = c->blocks;
	struct block *p = b->free[made->n];

	if (p && p->dropped == b->jumps.stamp / STAMP_STEP) {
		if (b->n_free[made->n] < FREE_ENOUGH)
			p = NULL;
		else
			blocks_forget_jumps(c);
	}
	if (p) {
		b->free[made->n] = p->hash_next;
		b->n_free[made->n]--;
	} else {
		p = (struct block *)(b->arena + b->used);
		b->used += block_size(made->n);
	}
	memcpy(p, made, block_size(made->n));
	return p;
}

static void
bind(struct block *b)
{
	for (unsigned n = 0; n < b->n; n++)
		if (b->insn[n].opd[0].kind == OPD_REL)
			b->insn[n].disp = b->insn[n].amask = 0;	/* chains */
	bind_block(b->insn, b->n,
	    (b->key & KEY_BITS) == DECODE_64 || (b->key & KEY_FLAT));
}

/* Lines are claimed before their bytes are read: a write that comes between
 * drops what is decoded from them. */
static void
claim_lines(struct cpu *c, struct block *m, unsigned at)
{
	uint64_t lines;

	if (m->rom || at >= PAGE_SIZE)
		return;
	lines = mem_lines(at, PAGE_SIZE - at < 15 ? PAGE_SIZE - at : 15);
	if (!(lines & ~m->lines))
		return;
	if (mem_code_add(c->mem, m->frame, lines, c->id))
		paging_protect(c, m->frame);
	m->lines |= lines;
}

/* What the decoder may know in this mode. */
static struct cpu_features
features_of(const struct cpu *c, uint32_t key)
{
	struct cpu_features f = *cpu_model_features(c->model);

	f.bits |= key & KEY_NO_VEX ? CPU_FEATURES_NO_VEX : 0;
	return f;
}

static void
tell_code(const struct block *b, uint64_t lin, uint32_t key)
{
	char text[DISASM_MAX];
	uint64_t at = lin;

	for (unsigned i = 0; i < b->n; i++) {
		disasm(&b->insn[i], key & KEY_BITS, lin, text, sizeof(text));
		log_line("%016llx  %s", (unsigned long long)at, text);
		at += b->insn[i].len;
	}
}

static struct block *
make(struct cpu *c, const struct code_page *page, uint64_t lin, uint32_t key)
{
	struct {
		struct block block;
		struct insn insn[BLOCK_INSNS + 1];
	} room;
	struct cpu_features features = features_of(c, key);
	struct block *m = &room.block, *b;
	struct frame *f;
	unsigned off = lin & (PAGE_SIZE - 1);
	bool ends = false;

	memset(m, 0, sizeof(*m));
	m->host = page->host + off;
	m->frame = page->frame;
	m->key = key;
	m->rom = page->rom;
	make_room(c);
	while (!ends && m->n < BLOCK_INSNS) {
		struct insn *i = &m->insn[m->n];
		unsigned len;

		claim_lines(c, m, off + m->bytes);
		len = decode(m->host + m->bytes,
		    PAGE_SIZE - off - m->bytes, key & KEY_BITS,
		    key & KEY_FLAT, m->bytes, &features, i);
		if (len == DECODE_SHORT)
			break;
		m->bytes += len;
		/* What does nothing is not run: endbr, paddings. */
		if (bind_generic(i) == x_nop)
			continue;
		m->n++;
		ends = i->flags & INSN_ENDS;
	}
	if (m->bytes == 0)
		return NULL;
	if (log_on(LOG_IN_ASM))
		tell_code(m, lin, key);
	if (!m->rom)
		m->lines = mem_lines(off, m->bytes);
	terminate(m, ends);
	bind(m);
	b = place(c, m);
	f = frame_slot(c->blocks, b->frame);
	if (!f->number) {
		f->number = b->frame + 1;
		c->blocks->frames_used++;
	}
	b->frame_next = f->first;
	f->first = b;
	b->hash_next = *hash_slot(c->blocks, b->host, key);
	*hash_slot(c->blocks, b->host, key) = b;
	return b;
}

static uint32_t
key_of(const struct cpu *c)
{
	return c->bits | (c->flat ? KEY_FLAT : 0) |
	    (c->no_vex ? KEY_NO_VEX : 0);
}

struct block *
block_at(struct cpu *c, uint64_t rip, uint64_t lin)
{
	struct blocks *bs = c->blocks;
	uint32_t key = key_of(c);
	struct code_page page;
	struct jump *j;
	struct block *b;
	unsigned n;

	page = paging_fetch(c, lin);
	if (!page.host)
		return NULL;
	b = *hash_slot(bs, page.host + (lin & (PAGE_SIZE - 1)), key);
	while (b && (b->host != page.host + (lin & (PAGE_SIZE - 1)) ||
	    b->key != key))
		b = b->hash_next;
	if (!b)
		b = make(c, &page, lin, key);
	if (!b)
		return NULL;
	j = jump_slot(&bs->jumps, rip);
	*j = (struct jump){ rip, bs->jumps.stamp, b };
	n = rip >> PAGE_BITS & (JUMP_PAGES - 1);
	bs->jumps.pages[n / 64] |= 1ull << (n % 64);
	return b;
}

struct block *
block_single(struct cpu *c, uint64_t lin)
{
	uint8_t bytes[15];
	uint32_t key = key_of(c);
	struct cpu_features features = features_of(c, key);
	struct single *s = &c->blocks->single[(lin ^ lin >> 12) &
	    (SINGLES - 1)];
	struct block *b = s->block;
	unsigned n = paging_fetch_bytes(c, lin, bytes, sizeof(bytes));
	unsigned len;

	if (s->n && s->lin == lin && s->key == key && s->n <= n &&
	    memcmp(s->bytes, bytes, s->n) == 0)
		return b;
	memset(b, 0, block_size(1));
	s->n = 0;
	len = decode(bytes, n, key & KEY_BITS, key & KEY_FLAT, 0, &features,
	    &b->insn[0]);
	if (len == DECODE_SHORT) {
		/* It goes on in a page that faults: fault there. */
		paging_fetch_bytes(c, lin + n, bytes, 1);
		len = decode(bytes, n, key & KEY_BITS, key & KEY_FLAT, 0,
		    &features, &b->insn[0]);
	}
	if (len == DECODE_SHORT)
		cpu_ud(c, NULL);
	b->key = key;
	b->n = 1;
	b->bytes = len;
	b->insn[0].flags |= INSN_ALONE;
	bind(b);
	terminate(b, true);
	s->lin = lin;
	s->key = key;
	s->n = len;
	memcpy(s->bytes, bytes, len);
	return b;
}
