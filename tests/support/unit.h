/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unit.h - a CUnit program of one suite; a test's name is its claim */
#ifndef SUPPORT_UNIT_H
#define SUPPORT_UNIT_H

#include <CUnit/Basic.h>

struct unit_test {
	const char *claim;	/* NULL ends the list */
	void (*run)(void);
};

/* Exit code for main(): 0 when every claim holds. */
static inline int unit_run(const char *suite, const struct unit_test *t)
{
	unsigned failed;
	CU_pSuite s;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	s = CU_add_suite(suite, NULL, NULL);
	for (; s && t->claim; t++)
		if (!CU_add_test(s, t->claim, t->run))
			s = NULL;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	failed = !s || CU_basic_run_tests() != CUE_SUCCESS ||
	    CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed ? 1 : 0;
}

#endif
