/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* thread-codec.c - many threads unpack, and share one unit cache */
#include "codec.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "support/unit.h"

enum { THREADS = 4, ROUNDS = 3000, UNITS = 12, UNIT = 4096 };

static struct unit_cache *cache;
static const struct codec *codec;
static unsigned char packed[UNITS][2 * UNIT];
static size_t packed_len[UNITS];
static atomic_uint wrong, hits;

/* Each unit holds its number and nothing else, so a mix of two shows. */
static bool is_unit(const unsigned char *p, size_t len, unsigned n)
{
	while (len && *p == n) {
		p++;
		len--;
	}
	return !len;
}

static void *read_units(void *arg)
{
	struct store *store = (struct store *)&cache;
	unsigned char buf[UNIT];
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct error err;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned n = (unsigned)rand_r(&seed) % UNITS;

		if (unit_cache_get(cache, store, n, 64, UNIT - 64, buf)) {
			atomic_fetch_add(&hits, 1);
			if (!is_unit(buf, UNIT - 64, n))
				atomic_fetch_add(&wrong, 1);
			continue;
		}
		if (codec->unpack(buf, UNIT, packed[n], packed_len[n], &err) ||
		    !is_unit(buf, UNIT, n))
			atomic_fetch_add(&wrong, 1);
		unit_cache_put(cache, store, n, buf, UNIT);
		if (i % 100 == 0)
			unit_cache_flush(cache);
	}
	return NULL;
}

static void check(const struct codec *c)
{
	struct error err;
	struct packer *p = packer_new(c, CODEC_DEFAULT, &err);
	unsigned char unit[UNIT];
	pthread_t t[THREADS];

	if (!p)
		return;		/* not in this build */
	codec = c;
	cache = unit_cache_new();
	for (unsigned i = 0; i < UNITS; i++) {
		memset(unit, (int)i, UNIT);
		packed_len[i] = packer_pack(p, packed[i], sizeof(packed[i]),
		    unit, UNIT);
	}
	packer_free(p);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, read_units, (void *)(i + 1));
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
	CU_ASSERT(atomic_load(&hits) > 0);
	unit_cache_free(cache);
}

static void units_are_never_mixed(void)
{
	check(codec_deflate());
	check(codec_zstd());
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "units are never mixed", units_are_never_mixed },
		{ NULL, NULL }
	};

	return unit_run("codec under threads", tests);
}
