/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem.c - guest-physical memory
 *
 * Three views of the same layout, each made from the one before:
 *
 *	regions	in the order they were added, overlapping as they like
 *	ranges	sorted, disjoint: which region is on top where
 *	pages	what mem_page() and DMA read without a lock
 *
 * The pages are a table of two levels: one word per chunk of 2 MiB, which
 * says what all of the chunk is, or points to a table of a word per page.  So
 * RAM costs a word per 2 MiB, and one load to find.
 *
 * Tables are few (only a chunk in which a region begins or ends has one) and
 * are used again when their chunk has become uniform; otherwise a guest that
 * moves a BAR about could have us fill the host's memory.  A reader may still
 * hold a pointer to one that changes hands.  Invariants:
 *
 * (1) A word is written in one store, and is right for its chunk or page
 *     either before or after the change under way.
 * (2) Before a table gets new contents, no chunk points to it any more, and
 *     then "reused" is counted up.  A reader reads the count before the chunk's
 *     word and after the table's, and begins again when they differ.
 */
#include "core/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "base/bytes.h"
#include "core/board.h"
#include "core/codemap.h"

#define MEM_LIMIT (1ull << MEM_BITS)
#define CHUNK_BITS 21
#define CHUNK_SIZE (1ull << CHUNK_BITS)
#define CHUNKS (MEM_LIMIT >> CHUNK_BITS)
#define PAGES (CHUNK_SIZE / PAGE_SIZE)

/* The low bits of a word; the rest is a host address. */
#define WORD_KIND 3u		/* enum mem_kind */
#define WORD_TABLE 4u		/* of the chunk's pages */
#define WORD_BITS 7u

#define A20_BIT (1ull << 20)

typedef atomic_uint_least64_t word;

struct table {
	word page[PAGES];
	struct table *next;	/* while it is spare */
	struct table *all;
};

struct mem_region {
	struct mem *mem;
	uint64_t gpa, len;
	enum mem_kind kind;
	uint8_t *host;		/* RAM, ROM */
	const struct io_ops *ops;	/* IO */
	void *dev;
	char *name;
};

struct range {
	uint64_t gpa, end;
	struct mem_region *region;
};

struct mem {
	/* Read without a lock. */
	word *chunks;
	atomic_uint_least64_t a20_mask;
	atomic_uint reused;
	struct codemap *code;
	atomic_uint n_listeners;
	struct mem_listener listeners[MEM_LISTENERS];

	uint8_t *ram;
	uint64_t ram_size, ram_low;

	/* Board lock. */
	struct board *board;
	struct mem_region **regions;
	struct range *ranges;		/* room for 2 * room_regions + 1 */
	uint64_t *edges;		/* the same */
	unsigned n_regions, n_ranges, room_regions;
	struct table *tables, *spare;
	unsigned n_tables;
};

/* --- Devices -------------------------------------------------------------- */

static uint64_t
ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
}

/* The largest power of two up to n and max. */
static unsigned
piece(unsigned n, unsigned max)
{
	unsigned p = 8;

	while (p > n || p > max)
		p /= 2;
	return p ? p : 1;
}

uint64_t
io_read(const struct io_ops *ops, void *dev, uint64_t off, unsigned size,
    unsigned max)
{
	uint64_t value = 0;

	if (!ops->read)
		return ones(size);
	if (ops->max)
		max = ops->max;
	for (unsigned at = 0, n; at < size; at += n) {
		uint64_t v, skip = 0;
		unsigned ask;

		n = ask = piece(size - at, max);
		if (n < ops->min) {
			ask = ops->min;
			skip = (off + at) & (ask - 1);
			if (skip + n > ask)	/* not aligned: a part */
				n = 1;
		}
		v = ops->read(dev, off + at - skip, ask) >> 8 * skip;
		value |= (v & ones(n)) << 8 * at;
	}
	return value;
}

void
io_write(const struct io_ops *ops, void *dev, uint64_t off, unsigned size,
    uint64_t value, unsigned max)
{
	if (!ops->write)
		return;
	if (ops->max)
		max = ops->max;
	for (unsigned at = 0, n; at < size; at += n) {
		n = piece(size - at, max);
		ops->write(dev, off + at, n, value >> 8 * at & ones(n));
	}
}

/* --- Pages ---------------------------------------------------------------- */

static uint64_t
word_of(const struct range *r, uint64_t gpa)
{
	const struct mem_region *g = r->region;

	if (!g->host)
		return g->kind;
	return (uint64_t)(uintptr_t)(g->host + (gpa - g->gpa)) | g->kind;
}

static void *
pointer_of(uint64_t w)
{
	return (void *)(uintptr_t)(w & ~(uint64_t)WORD_BITS);
}

/* The first range that ends after gpa. */
static const struct range *
range_after(const struct mem *m, uint64_t gpa)
{
	unsigned low = 0, high = m->n_ranges;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (m->ranges[mid].end > gpa)
			high = mid;
		else
			low = mid + 1;
	}
	return m->ranges + low;
}

/* What [gpa, end) is, if it is all the same. */
static bool
uniform(const struct mem *m, const struct range *r, uint64_t gpa, uint64_t end,
    uint64_t *w)
{
	if (r == m->ranges + m->n_ranges || r->gpa >= end) {
		*w = MEM_NONE;
		return true;
	}
	if (r->gpa > gpa || r->end < end)
		return false;
	*w = word_of(r, gpa);
	return true;
}

static void
word_put(word *at, uint64_t w)
{
	/* Not written where it stays: untouched parts cost no memory. */
	if (atomic_load_explicit(at, memory_order_relaxed) != w)
		atomic_store_explicit(at, w, memory_order_release);
}

static void
fill_table(struct mem *m, struct table *t, uint64_t gpa)
{
	const struct range *r = range_after(m, gpa);
	const struct range *end = m->ranges + m->n_ranges;
	uint64_t w;

	for (unsigned i = 0; i < PAGES; i++, gpa += PAGE_SIZE) {
		while (r < end && r->end <= gpa)
			r++;
		/* A page of several parts is looked at part by part. */
		if (!uniform(m, r, gpa, gpa + PAGE_SIZE, &w))
			w = MEM_IO;
		word_put(&t->page[i], w);
	}
}

static void
fill_chunk(struct mem *m, uint64_t gpa)
{
	word *at = &m->chunks[gpa >> CHUNK_BITS];
	uint64_t old = atomic_load(at), w;
	struct table *t = NULL;

	if (old & WORD_TABLE)
		t = pointer_of(old);
	if (uniform(m, range_after(m, gpa), gpa, gpa + CHUNK_SIZE, &w)) {
		word_put(at, w);
		if (t) {
			t->next = m->spare;
			m->spare = t;
		}
		return;
	}
	if (!t) {
		t = m->spare;		/* there are enough: reserve() */
		m->spare = t->next;
		atomic_fetch_add(&m->reused, 1);	/* (2) */
	}
	fill_table(m, t, gpa);
	word_put(at, (uint64_t)(uintptr_t)t | WORD_TABLE);
}

static void
fill(struct mem *m, uint64_t gpa, uint64_t len)
{
	uint64_t end;

	if (gpa >= MEM_LIMIT || !len)
		return;
	end = len < MEM_LIMIT - gpa ? gpa + len : MEM_LIMIT;
	for (gpa &= ~(CHUNK_SIZE - 1); gpa < end; gpa += CHUNK_SIZE)
		fill_chunk(m, gpa);
}

/* What is at gpa, and how many bytes from there on it speaks of. */
static struct mem_page
look(const struct mem *m, uint64_t gpa, uint64_t *left)
{
	uint64_t w, size;
	unsigned reused;

	if (gpa >= MEM_LIMIT) {
		*left = UINT64_MAX - gpa;
		return (struct mem_page){ MEM_NONE, NULL };
	}
	do {
		reused = atomic_load_explicit(&m->reused,
		    memory_order_acquire);
		size = CHUNK_SIZE;
		w = atomic_load_explicit(&m->chunks[gpa >> CHUNK_BITS],
		    memory_order_acquire);
		if (!(w & WORD_TABLE))
			break;
		const struct table *t = pointer_of(w);
		size = PAGE_SIZE;
		w = atomic_load_explicit(
		    &t->page[gpa >> PAGE_BITS & (PAGES - 1)],
		    memory_order_acquire);
	} while (atomic_load_explicit(&m->reused, memory_order_relaxed) !=
	    reused);

	struct mem_page p = { w & WORD_KIND, pointer_of(w) };
	*left = size - (gpa & (size - 1));
	if (p.host)
		p.host += gpa & (size - 1);
	return p;
}

struct mem_page
mem_page(const struct mem *m, uint64_t gpa)
{
	uint64_t left;

	return look(m, gpa & ~(PAGE_SIZE - 1) &
	    atomic_load_explicit(&m->a20_mask, memory_order_relaxed), &left);
}

/* --- The layout ----------------------------------------------------------- */

static int
compare_edges(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Where a region lies within what there is: begin and end. */
static uint64_t
begin_of(const struct mem_region *r)
{
	return r->gpa < MEM_LIMIT ? r->gpa : MEM_LIMIT;
}

static uint64_t
end_of(const struct mem_region *r)
{
	uint64_t gpa = begin_of(r);

	return r->len < MEM_LIMIT - gpa ? gpa + r->len : MEM_LIMIT;
}

static void
make_ranges(struct mem *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_regions; i++) {
		m->edges[n++] = begin_of(m->regions[i]);
		m->edges[n++] = end_of(m->regions[i]);
	}
	qsort(m->edges, n, sizeof(*m->edges), compare_edges);
	m->n_ranges = 0;
	for (unsigned e = 0; e + 1 < n; e++) {
		uint64_t gpa = m->edges[e], end = m->edges[e + 1];
		struct mem_region *top = NULL;
		struct range *last = m->ranges + m->n_ranges - 1;

		if (gpa == end)
			continue;
		for (unsigned i = m->n_regions; i-- > 0 && !top;)
			if (begin_of(m->regions[i]) <= gpa &&
			    end_of(m->regions[i]) >= end)
				top = m->regions[i];
		if (!top)
			continue;
		if (m->n_ranges && last->region == top && last->end == gpa)
			last->end = end;
		else
			m->ranges[m->n_ranges++] = (struct range){ gpa, end,
			    top };
	}
}

static void
tell_changed(struct mem *m)
{
	unsigned n = atomic_load(&m->n_listeners);

	for (unsigned i = 0; i < n; i++)
		if (m->listeners[i].changed)
			m->listeners[i].changed(m->listeners[i].opaque);
}

/*
 * Room for one more region, and two tables for its ends: then no change of
 * the layout can fail.  While a region moves, both its old and its new ends
 * count, so there are two tables more.
 */
static bool
reserve(struct mem *m)
{
	unsigned n = m->n_regions + 1;

	if (n > m->room_regions) {
		unsigned room = 2 * n;
		void *p;

		if (!(p = realloc(m->regions, room * sizeof(*m->regions))))
			return false;
		m->regions = p;
		if (!(p = realloc(m->ranges, 2 * room * sizeof(*m->ranges))))
			return false;
		m->ranges = p;
		if (!(p = realloc(m->edges, 2 * room * sizeof(*m->edges))))
			return false;
		m->edges = p;
		m->room_regions = room;
	}
	while (m->n_tables < 2 * n + 2) {
		struct table *t = calloc(1, sizeof(*t));

		if (!t)
			return false;
		t->next = m->spare;
		t->all = m->tables;
		m->tables = m->spare = t;
		m->n_tables++;
	}
	return true;
}

static struct mem_region *
add(struct mem *m, const struct mem_region *want, const char *name)
{
	struct mem_region *r = malloc(sizeof(*r));

	if (!r || !reserve(m)) {
		free(r);
		return NULL;
	}
	*r = *want;
	r->mem = m;
	r->name = strdup(name ? name : "");
	if (!r->name) {
		free(r);
		return NULL;
	}
	m->regions[m->n_regions++] = r;
	make_ranges(m);
	fill(m, r->gpa, r->len);
	tell_changed(m);
	return r;
}

struct mem_region *
mem_add_ram(struct mem *m, uint64_t gpa, uint64_t len, enum mem_kind kind,
    void *host, const char *name)
{
	return add(m, &(struct mem_region){ .gpa = gpa & ~(PAGE_SIZE - 1),
	    .len = len & ~(PAGE_SIZE - 1), .kind = kind, .host = host }, name);
}

struct mem_region *
mem_add_io(struct mem *m, uint64_t gpa, uint64_t len,
    const struct io_ops *ops, void *dev, const char *name)
{
	return add(m, &(struct mem_region){ .gpa = gpa, .len = len,
	    .kind = MEM_IO, .ops = ops, .dev = dev }, name);
}

void
mem_move(struct mem_region *r, uint64_t gpa)
{
	uint64_t old = r->gpa;

	if (r->host)
		gpa &= ~(PAGE_SIZE - 1);
	if (gpa == old)
		return;
	r->gpa = gpa;
	make_ranges(r->mem);
	fill(r->mem, old, r->len);
	fill(r->mem, gpa, r->len);
	tell_changed(r->mem);
}

void
mem_remove(struct mem_region *r)
{
	struct mem *m;
	unsigned i = 0;

	if (!r)
		return;
	m = r->mem;
	while (m->regions[i] != r)
		i++;
	m->n_regions--;
	memmove(m->regions + i, m->regions + i + 1,
	    (m->n_regions - i) * sizeof(*m->regions));
	make_ranges(m);
	fill(m, r->gpa, r->len);
	tell_changed(m);
	free(r->name);
	free(r);
}

void *
mem_ram(struct mem *m, uint64_t gpa, uint64_t len)
{
	if (gpa < m->ram_low && len <= m->ram_low - gpa)
		return m->ram + gpa;
	if (gpa >= 4 * GIB && gpa - 4 * GIB < mem_ram_high(m) &&
	    len <= mem_ram_high(m) - (gpa - 4 * GIB))
		return m->ram + m->ram_low + (gpa - 4 * GIB);
	return NULL;
}

void
mem_each(struct mem *m, void (*run)(void *opaque, uint64_t gpa, uint64_t len,
    enum mem_kind, uint8_t *host), void *opaque)
{
	uint64_t at = 0, len = 0;
	enum mem_kind kind = MEM_NONE;
	uint8_t *host = NULL;

	for (unsigned i = 0; i < m->n_ranges; i++) {
		const struct range *r = &m->ranges[i];
		/* Registers may lie in a part of a page. */
		uint64_t gpa = (r->gpa + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
		uint64_t end = r->end & ~(PAGE_SIZE - 1);
		uint8_t *from;

		if (!r->region->host || gpa >= end)
			continue;
		from = r->region->host + (gpa - r->region->gpa);
		if (len && at + len == gpa && host + len == from &&
		    kind == r->region->kind) {
			len += end - gpa;
			continue;
		}
		if (len)
			run(opaque, at, len, kind, host);
		at = gpa;
		len = end - gpa;
		kind = r->region->kind;
		host = from;
	}
	if (len)
		run(opaque, at, len, kind, host);
}

void
mem_listen(struct mem *m, const struct mem_listener *l)
{
	unsigned n = atomic_load(&m->n_listeners);

	assert(n < MEM_LISTENERS);
	m->listeners[n] = *l;
	atomic_store(&m->n_listeners, n + 1);
}

void
mem_unlisten(struct mem *m, const void *opaque)
{
	unsigned n = atomic_load(&m->n_listeners);

	for (unsigned i = 0; i < n; i++)
		if (m->listeners[i].opaque == opaque)
			m->listeners[i] = (struct mem_listener){ 0 };
}

void
mem_show(struct mem *m, void (*line)(void *opaque, const char *text),
    void *opaque)
{
	static const char *const kinds[] = { "none", "ram", "rom", "i/o" };
	char text[160];

	for (unsigned i = 0; i < m->n_regions; i++) {
		const struct mem_region *r = m->regions[i];

		if (begin_of(r) == end_of(r))
			continue;
		snprintf(text, sizeof(text),
		    "%012" PRIx64 "-%012" PRIx64 " %s %s", begin_of(r),
		    end_of(r) - 1, kinds[r->kind], r->name);
		line(opaque, text);
	}
}

void
mem_set_a20(struct mem *m, bool on)
{
	uint64_t mask = on ? UINT64_MAX : ~A20_BIT;

	if (atomic_exchange(&m->a20_mask, mask) != mask)
		tell_changed(m);
}

bool
mem_a20(const struct mem *m)
{
	return atomic_load(&m->a20_mask) & A20_BIT;
}

/* --- Device accesses ------------------------------------------------------ */

/* What is at gpa, and how many of the bytes wanted it holds. */
static struct mem_region *
region_at(struct mem *m, uint64_t gpa, unsigned *n)
{
	const struct range *r = range_after(m, gpa);

	if (r == m->ranges + m->n_ranges)
		return NULL;
	if (r->gpa > gpa) {
		if (r->gpa - gpa < *n)
			*n = (unsigned)(r->gpa - gpa);
		return NULL;
	}
	if (r->end - gpa < *n)
		*n = (unsigned)(r->end - gpa);
	return r->region;
}

/* In one access where the processor would make one. */
static uint64_t
host_read(const uint8_t *host, unsigned n)
{
	uint64_t v = 0;

	switch (n) {
	case 1: return *host;
	case 2: { uint16_t x; memcpy(&x, host, 2); return x; }
	case 4: { uint32_t x; memcpy(&x, host, 4); return x; }
	default: memcpy(&v, host, n); return v;
	}
}

static void
host_write(uint8_t *host, unsigned n, uint64_t v)
{
	switch (n) {
	case 1: *host = (uint8_t)v; break;
	case 2: memcpy(host, &(uint16_t){ (uint16_t)v }, 2); break;
	case 4: memcpy(host, &(uint32_t){ (uint32_t)v }, 4); break;
	case 8: memcpy(host, &v, 8); break;
	default: memcpy(host, &v, n); break;
	}
}

uint64_t
mem_io_read(struct mem *m, uint64_t gpa, unsigned size)
{
	uint64_t value = 0, v;

	gpa &= atomic_load(&m->a20_mask);
	board_lock(m->board);
	for (unsigned at = 0, n; at < size; at += n) {
		n = size - at;
		struct mem_region *r = region_at(m, gpa + at, &n);

		if (!r || r->kind == MEM_NONE)
			v = ones(n);
		else if (r->host)
			v = host_read(r->host + (gpa + at - r->gpa), n);
		else
			v = io_read(r->ops, r->dev, gpa + at - r->gpa, n, 8);
		value |= v << 8 * at;
	}
	board_unlock(m->board);
	return value;
}

void
mem_io_write(struct mem *m, uint64_t gpa, unsigned size, uint64_t value)
{
	gpa &= atomic_load(&m->a20_mask);
	board_lock(m->board);
	/* A device may change the layout: each part looks for itself. */
	for (unsigned at = 0, n; at < size; at += n) {
		n = size - at;
		struct mem_region *r = region_at(m, gpa + at, &n);

		if (!r || r->kind == MEM_NONE || r->kind == MEM_ROM)
			continue;
		if (r->host) {
			mem_code_write(m, gpa + at, n);
			host_write(r->host + (gpa + at - r->gpa), n,
			    value >> 8 * at);
		} else {
			io_write(r->ops, r->dev, gpa + at - r->gpa, n,
			    value >> 8 * at, 8);
		}
	}
	board_unlock(m->board);
}

/* --- DMA ------------------------------------------------------------------ */

/* RAM (or what may be read) from gpa on, up to *len bytes; else NULL. */
static uint8_t *
run_at(const struct mem *m, uint64_t gpa, uint64_t *len, bool to_read)
{
	uint64_t left;
	struct mem_page p = look(m, gpa, &left);

	if (p.kind != MEM_RAM && !(to_read && p.kind == MEM_ROM))
		return NULL;
	if (left < *len)
		*len = left;
	return p.host;
}

bool
mem_read(struct mem *m, uint64_t gpa, void *buf, uint64_t len)
{
	uint8_t *to = buf;

	for (uint64_t at = 0, n; at < len; at += n) {
		n = len - at;
		const uint8_t *host = gpa + at < gpa ? NULL :
		    run_at(m, gpa + at, &n, true);

		if (!host) {
			memset(buf, 0xff, len);
			return false;
		}
		memcpy(to + at, host, n);
	}
	return true;
}

bool
mem_write(struct mem *m, uint64_t gpa, const void *buf, uint64_t len)
{
	const uint8_t *from = buf;
	uint64_t n;

	/* All or nothing. */
	for (uint64_t at = 0; at < len; at += n) {
		n = len - at;
		if (gpa + at < gpa || !run_at(m, gpa + at, &n, false))
			return false;
	}
	for (uint64_t at = 0; at < len; at += n) {
		n = len - at;
		uint8_t *host = run_at(m, gpa + at, &n, false);

		if (!host)		/* it went just now */
			return false;
		memcpy(host, from + at, n);
		mem_code_write(m, gpa + at, n);
	}
	return true;
}

bool
mem_iov(struct mem *m, uint64_t gpa, uint64_t len, struct iovec *iov, int *n,
    int max)
{
	int used = *n;
	size_t last = used ? iov[used - 1].iov_len : 0;

	for (uint64_t at = 0, part; at < len; at += part) {
		part = len - at;
		uint8_t *host = gpa + at < gpa ? NULL :
		    run_at(m, gpa + at, &part, false);

		if (host && used && (uint8_t *)iov[used - 1].iov_base +
		    iov[used - 1].iov_len == host) {
			iov[used - 1].iov_len += part;
		} else if (host && used < max) {
			iov[used++] = (struct iovec){ host, part };
		} else {
			if (*n)
				iov[*n - 1].iov_len = last;
			return false;
		}
	}
	*n = used;
	return true;
}

void
mem_written(struct mem *m, uint64_t gpa, uint64_t len)
{
	mem_code_write(m, gpa, len);
}

/* --- Decoded code --------------------------------------------------------- */

bool
mem_code_add(struct mem *m, uint64_t frame, uint64_t lines, unsigned cpu)
{
	bool first = codemap_add(m->code, frame, lines, cpu);
	unsigned n = first ? atomic_load(&m->n_listeners) : 0;

	for (unsigned i = 0; i < n; i++)
		if (m->listeners[i].code_added)
			m->listeners[i].code_added(m->listeners[i].opaque,
			    frame);
	return first;
}

void
mem_code_drop(struct mem *m, uint64_t frame, unsigned cpu)
{
	codemap_drop(m->code, frame, cpu);
}

uint64_t
mem_code_lines(const struct mem *m, uint64_t frame)
{
	return codemap_lines(m->code, frame);
}

bool
mem_has_code(const struct mem *m, uint64_t frame)
{
	return codemap_has(m->code, frame);
}

static void
tell_written(void *opaque, uint64_t frame, uint64_t lines)
{
	struct mem *m = opaque;
	unsigned n = atomic_load(&m->n_listeners);

	for (unsigned i = 0; i < n; i++)
		if (m->listeners[i].code_written)
			m->listeners[i].code_written(m->listeners[i].opaque,
			    frame, lines);
}

void
mem_code_write(struct mem *m, uint64_t gpa, uint64_t len)
{
	codemap_written(m->code, gpa, len, tell_written, m);
}

/* --- Making it ------------------------------------------------------------ */

uint64_t
mem_ram_low(const struct mem *m)
{
	return m->ram_low;
}

uint64_t
mem_ram_high(const struct mem *m)
{
	return m->ram_size - m->ram_low;
}

/* Address space, of zeros, that costs what is touched of it; on a 2 MiB edge
 * when it is that large, for huge pages.  NULL: errno says why. */
static void *
space_new(uint64_t size)
{
	uint64_t align = size >= CHUNK_SIZE ? CHUNK_SIZE : PAGE_SIZE;
	uint8_t *p = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t head;

	if (p == MAP_FAILED)
		return NULL;
	head = -(uintptr_t)p & (align - 1);
	if (head)
		munmap(p, head);
	munmap(p + head + size, align - head);
	return p + head;
}

static int
ram_new(struct mem *m, uint64_t size, struct error *err)
{
	struct sysinfo host;
	uint64_t most = UINT64_MAX;

	if (!size || size % MIB || size > MEM_LIMIT / 2)
		return error_set(err, EINVAL, "%" PRIu64 " bytes of RAM: "
		    "must be a multiple of 1 MiB", size);
	if (!sysinfo(&host))
		most = ((uint64_t)host.totalram + host.totalswap) *
		    host.mem_unit;
	if (size > most)
		return error_set(err, ENOMEM, "%llu MiB of RAM: the host has "
		    "%llu MiB", size / MIB, most / MIB);
	m->ram = space_new(size);
	if (!m->ram)
		return error_errno(err, errno, "%llu MiB of RAM",
		    size / MIB);
	/* Only speed and the size of core files depend on these. */
	madvise(m->ram, size, MADV_HUGEPAGE);
	madvise(m->ram, size, MADV_DONTDUMP);
	m->ram_size = size;
	m->ram_low = size <= 3584 * MIB ? size : 3 * GIB;
	return 0;
}

struct mem *
mem_new(struct board *b, uint64_t ram_size, struct error *err)
{
	struct mem *m = calloc(1, sizeof(*m));

	if (!m) {
		error_errno(err, ENOMEM, "guest memory");
		return NULL;
	}
	m->board = b;
	atomic_store(&m->a20_mask, UINT64_MAX);
	if (ram_new(m, ram_size, err) < 0)
		goto fail;
	m->chunks = space_new(CHUNKS * sizeof(*m->chunks));
	m->code = codemap_new(ram_size);
	if (!m->chunks || !m->code ||
	    !mem_add_ram(m, 0, m->ram_low, MEM_RAM, m->ram, "ram") ||
	    (mem_ram_high(m) && !mem_add_ram(m, 4 * GIB, mem_ram_high(m),
	    MEM_RAM, m->ram + m->ram_low, "ram above 4 GiB"))) {
		error_errno(err, ENOMEM, "guest memory");
		goto fail;
	}
	return m;
fail:
	mem_free(m);
	return NULL;
}

void
mem_free(struct mem *m)
{
	if (!m)
		return;
	while (m->tables) {
		struct table *t = m->tables;

		m->tables = t->all;
		free(t);
	}
	codemap_free(m->code);
	for (unsigned i = 0; i < m->n_regions; i++) {
		free(m->regions[i]->name);
		free(m->regions[i]);
	}
	free(m->regions);
	free(m->ranges);
	free(m->edges);
	if (m->chunks)
		munmap(m->chunks, CHUNKS * sizeof(*m->chunks));
	if (m->ram)
		munmap(m->ram, m->ram_size);
	free(m);
}
