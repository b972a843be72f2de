/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* thread-bits.c - the sparse set is read while it grows */
#include "base/bits.h"

#include <pthread.h>

#include "support/unit.h"

enum { READERS = 3, STEPS = 20000 };

static struct bits set;
static atomic_bool done;
static atomic_uint lost;

/* Numbers in the order added: far apart, so that the tree grows under the
 * readers, and always more of them. */
static uint64_t number(uint64_t i)
{
	return (i * 7919 << i % 20) & ((1ull << 54) - 1);
}

static atomic_uint added;

static void *read_all(void *arg)
{
	while (!atomic_load(&done)) {
		unsigned n = atomic_load(&added);

		for (unsigned i = n > 50 ? n - 50 : 0; i < n; i++)
			if (!bits_any(&set, number(i), 1))
				atomic_fetch_add(&lost, 1);
		bits_any(&set, 0, 1 << 20);
	}
	return NULL;
}

static void what_was_added_is_seen_by_all(void)
{
	pthread_t t[READERS];
	struct error err;

	bits_init(&set);
	for (unsigned i = 0; i < READERS; i++)
		pthread_create(&t[i], NULL, read_all, NULL);
	for (unsigned i = 0; i < STEPS; i++) {
		if (bits_add(&set, number(i), 1, NULL, &err) < 0)
			break;
		atomic_store(&added, i + 1);
		if (i % 16 == 0)
			bits_remove(&set, (1ull << 53) + i, 3);
	}
	atomic_store(&done, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(atomic_load(&added), STEPS);
	CU_ASSERT_EQUAL(atomic_load(&lost), 0);
	bits_fini(&set);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "what was added is seen by all",
		    what_was_added_is_seen_by_all },
		{ NULL, NULL }
	};

	return unit_run("bits under threads", tests);
}
