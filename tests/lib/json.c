/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json.c - the writer's layout and escapes, byte by byte */
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "support/unit.h"

static char *written(bool pretty, void (*write_it)(struct json *))
{
	char *text = NULL;
	size_t len;
	struct json j;
	FILE *out = open_memstream(&text, &len);

	json_init(&j, out, pretty);
	write_it(&j);
	CU_ASSERT_EQUAL(json_end(&j), 0);
	fclose(out);
	return text;
}

static void write_all_kinds(struct json *j)
{
	json_object(j, NULL);
	json_u64(j, "size", UINT64_MAX);
	json_list(j, "list");
	json_object(j, NULL);
	json_bool(j, "yes", true);
	json_close(j, '}');
	json_str(j, NULL, "x");
	json_list(j, NULL);
	json_close(j, ']');
	json_close(j, ']');
	json_object(j, "none");
	json_close(j, '}');
	json_bool(j, "dirty-flag", false);
	json_close(j, '}');
}

static void pretty_is_the_peers_layout(void)
{
	AUTO_FREE char *text = written(true, write_all_kinds);

	CU_ASSERT_STRING_EQUAL(text,
	    "{\n"
	    "    \"size\": 18446744073709551615,\n"
	    "    \"list\": [\n"
	    "        {\n"
	    "            \"yes\": true\n"
	    "        },\n"
	    "        \"x\",\n"
	    "        [\n"
	    "        ]\n"
	    "    ],\n"
	    "    \"none\": {\n"
	    "    },\n"
	    "    \"dirty-flag\": false\n"
	    "}\n");
}

static void otherwise_all_is_on_one_line(void)
{
	AUTO_FREE char *text = written(false, write_all_kinds);

	CU_ASSERT_STRING_EQUAL(text,
	    "{\"size\": 18446744073709551615, "
	    "\"list\": [{\"yes\": true}, \"x\", []], \"none\": {}, "
	    "\"dirty-flag\": false}\n");
}

static const char *subject;

static void write_subject(struct json *j)
{
	json_str(j, NULL, subject);
}

/* Pairs of text and what stands between the quotes. */
static void check_escapes(const char *const pairs[][2], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		AUTO_FREE char *text = NULL;
		size_t len;

		subject = pairs[i][0];
		text = written(true, write_subject);
		len = strlen(text);
		CU_ASSERT(len >= 3);
		text[len - 2] = '\0';
		CU_ASSERT_STRING_EQUAL(text + 1, pairs[i][1]);
	}
}

static void strings_are_escaped(void)
{
	static const char *const pairs[][2] = {
		{ "plain ap'lt<>&=/ text", "plain ap'lt<>&=/ text" },
		{ "q\"\\", "q\\\"\\\\" },
		{ "\b\f\n\r\t", "\\b\\f\\n\\r\\t" },
		{ "a\x01\x1f\x7f z", "a\\u0001\\u001F\\u007F z" },
		{ "\xc3\xa9\xe2\x82\xac", "\\u00E9\\u20AC" },
		{ "\xf0\x9f\x98\x80", "\\uD83D\\uDE00" },
		{ "\xc2\x80\xe2\x80\xa8", "\\u0080\\u2028" },
		{ "\xf4\x8f\xbf\xbd", "\\uDBFF\\uDFFD" },
	};

	check_escapes(pairs, ARRAY_LEN(pairs));
}

static void what_is_not_utf8_becomes_one_mark_for_each_sequence(void)
{
	static const char *const pairs[][2] = {
		{ "\xff\xfe", "\\uFFFD\\uFFFD" },
		{ "t\xe2\x82", "t\\uFFFD" },
		{ "t\xe2\x82x", "t\\uFFFDx" },
		{ "\xe2(\xa1", "\\uFFFD(\\uFFFD" },
		{ "\x80\x80z", "\\uFFFD\\uFFFDz" },
		{ "\xc0\xafz", "\\uFFFDz" },
		{ "\xe0\x80\xafz", "\\uFFFDz" },
		{ "\xf0\x80\x80\xafz", "\\uFFFDz" },
		{ "\xed\xa0\x80z", "\\uFFFDz" },
		{ "\xef\xbf\xbe\xef\xbf\xbf", "\\uFFFD\\uFFFD" },
		{ "\xef\xb7\x90", "\\uFFFD" },
		{ "\xf0\x9f\xbf\xbe", "\\uFFFD" },
		{ "\xf4\x90\x80\x80z", "\\uFFFDz" },
		{ "\xf8\x88\x80\x80\x80z", "\\uFFFDz" },
		{ "\xfc\x84\x80\x80\x80\x80z", "\\uFFFDz" },
		{ "\xfc\x84\x80", "\\uFFFD" },
		{ "\xf0\x9f\xffz", "\\uFFFD\\uFFFDz" },
		{ "\xf0\xc3\xa9z", "\\uFFFD\\u00E9z" },
	};

	check_escapes(pairs, ARRAY_LEN(pairs));
}

static void a_full_disk_is_told_at_the_end(void)
{
	FILE *out = fopen("/dev/full", "w");
	struct json j;

	if (!out)
		return;
	json_init(&j, out, true);
	write_all_kinds(&j);
	CU_ASSERT_EQUAL(json_end(&j), -ENOSPC);
	fclose(out);
}

static void depth_has_no_limit(void)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct json j;

	json_init(&j, out, false);
	for (unsigned i = 0; i < 1000; i++)
		json_list(&j, NULL);
	for (unsigned i = 0; i < 1000; i++)
		json_close(&j, ']');
	json_end(&j);
	fclose(out);
	CU_ASSERT_EQUAL(len, 2001);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "pretty is the peer's layout", pretty_is_the_peers_layout },
		{ "otherwise all is on one line",
		    otherwise_all_is_on_one_line },
		{ "strings are escaped", strings_are_escaped },
		{ "what is not UTF-8 becomes one mark for each sequence",
		    what_is_not_utf8_becomes_one_mark_for_each_sequence },
		{ "a full disk is told at the end",
		    a_full_disk_is_told_at_the_end },
		{ "depth has no limit", depth_has_no_limit },
		{ NULL, NULL }
	};

	return unit_run("json", tests);
}
