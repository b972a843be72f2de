/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report.c - a report keeps order and values, and lost members show */
#include "report.h"

#include "support/unit.h"

static void members_keep_their_order_and_values(void)
{
	struct report *top = report_new(), *list, *m;

	CU_ASSERT_EQUAL(top->type, REPORT_OBJECT);
	report_str(top, "compat", "1.1");
	report_u64(top, "refcount-bits", UINT64_MAX);
	report_bool(top, "corrupt", true);
	list = report_list(top, "bitmaps");
	report_str(report_object(list, NULL), "name", "b0");
	CU_ASSERT_FALSE(report_failed(top));

	m = top->first;
	CU_ASSERT(m->type == REPORT_STR);
	CU_ASSERT_STRING_EQUAL(m->key, "compat");
	CU_ASSERT_STRING_EQUAL(m->str, "1.1");
	m = m->next;
	CU_ASSERT(m->type == REPORT_U64 && m->num == UINT64_MAX);
	m = m->next;
	CU_ASSERT(m->type == REPORT_BOOL && m->yes);
	m = m->next;
	CU_ASSERT(m == list && m == top->last && !m->next);
	CU_ASSERT(m->type == REPORT_LIST && m->first == m->last);
	m = m->first;
	CU_ASSERT(m->type == REPORT_OBJECT && !m->key);
	CU_ASSERT_STRING_EQUAL(m->first->str, "b0");
	report_free(top);
}

static void nothing_can_be_added_to_nothing(void)
{
	CU_ASSERT_PTR_NULL(report_str(NULL, "a", "b"));
	CU_ASSERT_PTR_NULL(report_u64(report_object(NULL, "x"), "a", 1));
	CU_ASSERT_PTR_NULL(report_bool(NULL, "a", true));
	CU_ASSERT(report_failed(NULL));
	report_free(NULL);
}

static void a_loss_below_is_seen_at_the_top(void)
{
	struct report *top = report_new();
	struct report *below = report_list(report_object(top, "a"), "b");

	below->failed = true;
	CU_ASSERT(report_failed(top));
	report_free(top);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "members keep their order and values",
		    members_keep_their_order_and_values },
		{ "nothing can be added to nothing",
		    nothing_can_be_added_to_nothing },
		{ "a loss below is seen at the top",
		    a_loss_below_is_seen_at_the_top },
		{ NULL, NULL }
	};

	return unit_run("report", tests);
}
