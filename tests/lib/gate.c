/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate.c - the gate as one thread sees it */
#include "base/gate.h"

#include "support/unit.h"

static unsigned inside(struct gate *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < GATE_LANES; i++)
		n += atomic_load(&g->lane[i].in);
	return n;
}

static void entering_counts_and_leaving_counts_back(void)
{
	struct gate g;

	gate_init(&g);
	gate_enter(&g);
	gate_enter(&g);
	CU_ASSERT_EQUAL(inside(&g), 2);
	gate_leave(&g);
	gate_leave(&g);
	CU_ASSERT_EQUAL(inside(&g), 0);
	gate_fini(&g);
}

static void an_empty_gate_shuts_at_once_and_opens_again(void)
{
	struct gate g;

	gate_init(&g);
	for (unsigned i = 0; i < 3; i++) {
		gate_shut(&g);
		CU_ASSERT_EQUAL(atomic_load(&g.shut), 1);
		gate_open(&g);
		CU_ASSERT_EQUAL(atomic_load(&g.shut), 0);
		gate_enter(&g);
		gate_leave(&g);
	}
	gate_fini(&g);
}

static void lanes_do_not_share_a_cache_line(void)
{
	CU_ASSERT(sizeof(((struct gate *)0)->lane[0]) >= 64);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "entering counts, and leaving counts back",
		    entering_counts_and_leaving_counts_back },
		{ "an empty gate shuts at once and opens again",
		    an_empty_gate_shuts_at_once_and_opens_again },
		{ "lanes do not share a cache line",
		    lanes_do_not_share_a_cache_line },
		{ NULL, NULL }
	};

	return unit_run("gate", tests);
}
