/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * codemap.c - which lines of guest memory processors hold decoded code of
 *
 * Per page: the 64-byte lines that were decoded by any processor that still
 * holds code of the page, and who these are.  A processor takes itself off;
 * the last one clears the lines.  So while it is on, its lines stay, and it
 * may look whether they are there without the lock.
 *
 * Pages are kept by chunks of 2 MiB, made when code is first seen in one.
 * There are as many as the machine's RAM needs and some; code in more of them
 * (device memory that the guest moves about) is tracked by one that says
 * "everywhere": slow, but right, and bounded.
 */
#include "core/codemap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/auto.h"
#include "core/mem.h"

#define CHUNK_BITS 21
#define CHUNKS (1ull << (MEM_BITS - CHUNK_BITS))
#define PAGES (1u << (CHUNK_BITS - PAGE_BITS))

struct chunk {
	atomic_uint_least64_t lines[PAGES];
	atomic_uchar cpus[PAGES];
	struct chunk *next;
};

struct codemap {
	_Atomic(struct chunk *) *chunks;	/* [CHUNKS], read without lock */
	pthread_mutex_t lock;	/* add and drop; the innermost of all */
	struct chunk *all;
	unsigned left;		/* chunks that may still be made */
	struct chunk everywhere;
};

struct codemap *
codemap_new(uint64_t ram_size)
{
	struct codemap *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	pthread_mutex_init(&m->lock, NULL);
	m->left = (unsigned)(ram_size >> CHUNK_BITS) + 64;
	for (unsigned i = 0; i < PAGES; i++)
		atomic_store(&m->everywhere.lines[i], UINT64_MAX);
	m->chunks = mmap(NULL, CHUNKS * sizeof(*m->chunks),
	    PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->chunks == MAP_FAILED) {
		m->chunks = NULL;
		codemap_free(m);
		return NULL;
	}
	return m;
}

void
codemap_free(struct codemap *m)
{
	if (!m)
		return;
	while (m->all) {
		struct chunk *c = m->all;

		m->all = c->next;
		free(c);
	}
	if (m->chunks)
		munmap(m->chunks, CHUNKS * sizeof(*m->chunks));
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static struct chunk *
chunk_of(const struct codemap *m, uint64_t frame)
{
	uint64_t i = frame / PAGES;

	return i < CHUNKS ? atomic_load_explicit(&m->chunks[i],
	    memory_order_acquire) : NULL;
}

/* Lock held. */
static struct chunk *
chunk_make(struct codemap *m, uint64_t frame)
{
	struct chunk *c = m->left ? calloc(1, sizeof(*c)) : NULL;

	if (c) {
		m->left--;
		c->next = m->all;
		m->all = c;
	} else {
		c = &m->everywhere;
	}
	atomic_store(&m->chunks[frame / PAGES], c);
	return c;
}

bool
codemap_add(struct codemap *m, uint64_t frame, uint64_t lines, unsigned cpu)
{
	unsigned i = frame % PAGES;
	unsigned char bit = (unsigned char)(1u << cpu);
	struct chunk *c = chunk_of(m, frame);
	bool made = false;

	if (frame / PAGES >= CHUNKS)
		return false;
	if (c && atomic_load(&c->cpus[i]) & bit &&
	    !(lines & ~atomic_load(&c->lines[i])))
		return false;
	LOCKED(&m->lock);
	c = chunk_of(m, frame);
	if (!c) {
		c = chunk_make(m, frame);
		made = true;
	}
	/* All its pages have code from then on. */
	if (c == &m->everywhere)
		return made;
	atomic_fetch_or(&c->cpus[i], bit);
	return !atomic_fetch_or(&c->lines[i], lines);
}

void
codemap_drop(struct codemap *m, uint64_t frame, unsigned cpu)
{
	unsigned i = frame % PAGES;
	unsigned char bit = (unsigned char)(1u << cpu);
	struct chunk *c = chunk_of(m, frame);

	if (!c || c == &m->everywhere)
		return;
	LOCKED(&m->lock);
	if (atomic_fetch_and(&c->cpus[i], (unsigned char)~bit) == bit)
		atomic_store(&c->lines[i], 0);
}

uint64_t
codemap_lines(const struct codemap *m, uint64_t frame)
{
	const struct chunk *c = chunk_of(m, frame);

	return c ? atomic_load_explicit(&c->lines[frame % PAGES],
	    memory_order_acquire) : 0;
}

bool
codemap_has(const struct codemap *m, uint64_t frame)
{
	return codemap_lines(m, frame) != 0;
}

void
codemap_written(struct codemap *m, uint64_t gpa, uint64_t len,
    void (*hit)(void *opaque, uint64_t frame, uint64_t lines), void *opaque)
{
	const uint64_t limit = 1ull << MEM_BITS;
	uint64_t end, next;

	if (gpa >= limit)
		return;
	end = len < limit - gpa ? gpa + len : limit;
	for (; gpa < end; gpa = next) {
		uint64_t frame = gpa >> PAGE_BITS, lines;
		const struct chunk *c = chunk_of(m, frame);

		if (!c) {
			next = (gpa | ((1ull << CHUNK_BITS) - 1)) + 1;
			continue;
		}
		next = (gpa | (PAGE_SIZE - 1)) + 1;
		lines = atomic_load(&c->lines[frame % PAGES]) &
		    mem_lines(gpa, (next < end ? next : end) - gpa);
		if (lines)
			hit(opaque, frame, lines);
	}
}
