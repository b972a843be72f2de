/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* thread-crew.c - slow requests bring more threads, a quiet time sends them
 * home, and nobody looks when there is nothing to do */
#include "../../fuse/crew.c"

#include <poll.h>

#include "support/unit.h"

static struct crew crew;

static unsigned active(void)
{
	return atomic_load(&crew.active);
}

static bool kicked(void)
{
	struct pollfd p = { .fd = crew.kicked, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* A request of member 0, and a look after it. */
static int quick_request(void)
{
	crew_begin(&crew, 0);
	crew_end(&crew, 0);
	return crew_tick(&crew);
}

static void a_stuck_crew_grows_to_its_limit(void)
{
	CU_ASSERT(crew_init(&crew, 3));
	CU_ASSERT_EQUAL(active(), 1);
	crew_begin(&crew, 0);
	crew_tick(&crew);
	crew_tick(&crew);
	CU_ASSERT_EQUAL(active(), 2);
	/* The second has nothing yet: that is enough. */
	for (int i = 0; i < 10; i++)
		crew_tick(&crew);
	CU_ASSERT_EQUAL(active(), 2);
	crew_begin(&crew, 1);
	crew_tick(&crew);
	crew_tick(&crew);
	CU_ASSERT_EQUAL(active(), 3);
	crew_begin(&crew, 2);
	crew_tick(&crew);
	CU_ASSERT(crew_tick(&crew) > 0);
	CU_ASSERT_EQUAL(active(), 3);

	for (unsigned i = 0; i < 3; i++)
		crew_end(&crew, i);
	for (int i = 0; i < 3 * CALM * WINDOW; i++)
		quick_request();
	CU_ASSERT_EQUAL(active(), 1);
	crew_fini(&crew);
}

static void quick_requests_need_no_more(void)
{
	CU_ASSERT(crew_init(&crew, 3));
	for (int i = 0; i < 1000; i++)
		CU_ASSERT(quick_request() > 0);
	CU_ASSERT_EQUAL(active(), 1);
	crew_fini(&crew);
}

static void work_without_end_gets_the_processors(void)
{
	CU_ASSERT(crew_init(&crew, 3));
	crew.processors = 2;
	/* Never the same request, always one. */
	for (int i = 0; i < 2 * WINDOW; i++) {
		crew_begin(&crew, 0);
		crew_tick(&crew);
		crew_end(&crew, 0);
	}
	CU_ASSERT_EQUAL(active(), 2);
	for (int i = 0; i < 10 * WINDOW; i++) {
		crew_begin(&crew, 0);
		crew_begin(&crew, 1);
		crew_tick(&crew);
		crew_end(&crew, 1);
		crew_end(&crew, 0);
	}
	CU_ASSERT_EQUAL(active(), 2);
	crew_fini(&crew);
}

static void nobody_looks_until_there_is_something(void)
{
	int wait = 0;

	CU_ASSERT(crew_init(&crew, 2));
	for (int i = 0; i < IDLE + 1 && wait >= 0; i++)
		wait = crew_tick(&crew);
	CU_ASSERT_EQUAL(wait, -1);
	CU_ASSERT_FALSE(kicked());
	crew_begin(&crew, 0);
	CU_ASSERT(kicked());
	CU_ASSERT(crew_tick(&crew) > 0);
	CU_ASSERT_FALSE(kicked());
	/* While a request goes on, somebody does. */
	for (int i = 0; i < 10 * IDLE; i++)
		CU_ASSERT(crew_tick(&crew) > 0);
	crew_end(&crew, 0);
	crew_fini(&crew);
}

static void *serve(void *arg)
{
	const unsigned i = (unsigned)(size_t)arg;

	for (int n = 0; n < 20000; n++) {
		crew_wait(&crew, i);
		crew_begin(&crew, i);
		crew_end(&crew, i);
	}
	return NULL;
}

static void all_come_when_it_ends(void)
{
	pthread_t thread[4];

	CU_ASSERT(crew_init(&crew, 4));
	for (size_t i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, serve, (void *)i);
	for (int i = 0; i < 1000; i++)
		crew_tick(&crew);
	crew_all(&crew);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	CU_ASSERT_EQUAL(active(), 4);
	crew_fini(&crew);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a stuck crew grows to its limit, and shrinks",
		  a_stuck_crew_grows_to_its_limit },
		{ "quick requests need no more", quick_requests_need_no_more },
		{ "work without end gets the processors",
		  work_without_end_gets_the_processors },
		{ "nobody looks until there is something",
		  nobody_looks_until_there_is_something },
		{ "all come when it ends", all_come_when_it_ends },
		{ NULL, NULL }
	};

	return unit_run("crew", tests);
}
