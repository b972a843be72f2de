/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error.c - what an error says, and that it fits */
#include "base/error.h"

#include <string.h>

#include "support/unit.h"

static void texts_are_put_together(void)
{
	struct error err;

	CU_ASSERT_EQUAL(error_set(&err, EINVAL, "table at %d", 7), -EINVAL);
	CU_ASSERT_EQUAL(err.code, EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "table at 7");
	CU_ASSERT_EQUAL(error_prefix(&err, "file '%s'", "a"), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "file 'a': table at 7");
	CU_ASSERT_EQUAL(error_errno(&err, ENOENT, "open %s", "b"), -ENOENT);
	CU_ASSERT_STRING_EQUAL(err.text,
	    "open b: No such file or directory");
}

static void long_texts_are_cut(void)
{
	struct error err;
	char name[5000];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	error_set(&err, EIO, "%s", name);
	CU_ASSERT_EQUAL(strlen(err.text), sizeof(err.text) - 1);
	error_errno(&err, EIO, "%s", name);
	CU_ASSERT_EQUAL(strlen(err.text), sizeof(err.text) - 1);
	error_set(&err, EIO, "end");
	CU_ASSERT_EQUAL(error_prefix(&err, "%s", name), -EIO);
	CU_ASSERT_EQUAL(strlen(err.text), sizeof(err.text) - 1);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "texts are put together", texts_are_put_together },
		{ "long texts are cut", long_texts_are_cut },
		{ NULL, NULL }
	};

	return unit_run("error", tests);
}
