/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* thread-gate.c - nobody is inside while the gate is shut */
#include "base/gate.h"

#include <stdbool.h>
#include <unistd.h>

#include "support/unit.h"

enum { READERS = 4, WRITERS = 2, ROUNDS = 300 };

static struct gate gate;
static atomic_bool done;
static atomic_uint passed, wrong;

/* Plain on purpose: only the gate keeps readers and writers apart, and the
 * thread sanitizer sees it. */
static unsigned left, right;

static void *pass_often(void *arg)
{
	while (!atomic_load(&done)) {
		gate_enter(&gate);
		if (left != right)
			atomic_fetch_add(&wrong, 1);
		gate_leave(&gate);
		atomic_fetch_add(&passed, 1);
	}
	return NULL;
}

static void *shut_often(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned before = atomic_load(&passed);

		gate_shut(&gate);
		left++;
		if (i % 50 == 0)
			usleep(1000);
		right++;
		gate_open(&gate);
		/* Whoever waited comes in before the gate shuts again. */
		while (i % 10 == 0 && atomic_load(&passed) == before)
			usleep(10);
	}
	return NULL;
}

static void exclusive_means_alone_and_nobody_starves(void)
{
	pthread_t reader[READERS], writer[WRITERS];

	gate_init(&gate);
	for (unsigned i = 0; i < READERS; i++)
		pthread_create(&reader[i], NULL, pass_often, NULL);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_create(&writer[i], NULL, shut_often, NULL);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writer[i], NULL);
	atomic_store(&done, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(reader[i], NULL);
	CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
	CU_ASSERT_EQUAL(left, WRITERS * ROUNDS);
	CU_ASSERT_EQUAL(left, right);
	CU_ASSERT(atomic_load(&passed) > 0);
	gate_fini(&gate);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "exclusive means alone, and nobody starves",
		    exclusive_means_alone_and_nobody_starves },
		{ NULL, NULL }
	};

	return unit_run("gate under threads", tests);
}
