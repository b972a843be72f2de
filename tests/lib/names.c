/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names.c - what parts of a name with a scheme stand for */
#include "base/names.h"

#include <stdlib.h>
#include <string.h>

#include "support/unit.h"

/* The text is as long as it says, and nothing may be read behind it. */
static const char *unescaped(const char *text, size_t len)
{
	static char last[64];
	char *exact = malloc(len ? len : 1), *s;

	CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
	memcpy(exact, text, len);
	s = name_unescape(exact, len);
	free(exact);
	if (!s)
		return NULL;
	snprintf(last, sizeof(last), "%s", s);
	free(s);
	return last;
}

#define IS(text, expected) \
	CU_ASSERT_STRING_EQUAL(unescaped(text, strlen(text)), expected)
#define REFUSED(text) CU_ASSERT_PTR_NULL(unescaped(text, strlen(text)))

static void escapes_are_bytes(void)
{
	IS("", "");
	IS("a+b/c", "a+b/c");
	IS("%41%62c", "Abc");
	IS("%2f%2F", "//");
	IS("%ff", "\xff");
	IS("%2541", "%41");
	IS("a%01", "a\x01");
	CU_ASSERT_STRING_EQUAL(unescaped("ab%41", 2), "ab");
}

static void what_is_no_text_is_refused(void)
{
	REFUSED("%");
	REFUSED("a%4");
	REFUSED("%4g");
	REFUSED("%g4");
	REFUSED("%+1");
	REFUSED("% 1");
	REFUSED("%00");
	REFUSED("a%00b");
	REFUSED("%%41");
	CU_ASSERT_PTR_NULL(unescaped("%41", 2));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "escapes are bytes", escapes_are_bytes },
		{ "what is no text is refused", what_is_no_text_is_refused },
		{ NULL, NULL }
	};

	return unit_run("names", tests);
}
