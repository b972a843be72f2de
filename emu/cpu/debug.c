/* SPDX-License-Identifier: GPL-2.0-or-later */
/* debug.c - which breakpoint an access hits */
#include "cpu/debug.h"

/* R/W field of DR7: 0 fetch, 1 write, 2 I/O, 3 read or write (17.2.4). */
static unsigned
kind_of(const struct cpu *c, unsigned n)
{
	return c->dr[7] >> (16 + 4 * n) & 3;
}

static unsigned
len_of(const struct cpu *c, unsigned n)
{
	static const uint8_t len[4] = { 1, 2, 8, 4 };

	return len[c->dr[7] >> (18 + 4 * n) & 3];
}

static bool
enabled(const struct cpu *c, unsigned n)
{
	return c->dr[7] >> (2 * n) & 3;
}

static bool
overlaps(const struct cpu *c, unsigned n, uint64_t at, unsigned len)
{
	uint64_t size = len_of(c, n), first = c->dr[n] & ~(size - 1);

	return at < first + size && first < at + len;
}

bool
debug_match(const struct cpu *c, uint64_t lin, unsigned len, bool write,
    uint32_t *hits)
{
	*hits = 0;
	for (unsigned n = 0; n < 4; n++) {
		unsigned kind = kind_of(c, n);

		if (enabled(c, n) && (kind == 3 || (kind == 1 && write)) &&
		    overlaps(c, n, lin, len))
			*hits |= 1u << n;
	}
	return *hits != 0;
}

uint32_t
debug_match_fetch(const struct cpu *c, uint64_t lin)
{
	uint32_t hits = 0;

	for (unsigned n = 0; n < 4; n++)
		if (enabled(c, n) && kind_of(c, n) == 0 && c->dr[n] == lin)
			hits |= 1u << n;
	return hits;
}

void
debug_check_io(struct cpu *c, uint16_t port, unsigned size)
{
	if (!debug_active(c) || !(c->cr4 & CR4_DE))
		return;
	for (unsigned n = 0; n < 4; n++)
		if (enabled(c, n) && kind_of(c, n) == 2 &&
		    overlaps(c, n, port, size))
			c->pending_db |= 1u << n;
}
