/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* opts.c - options and sizes are read, and shown, as the peer does it */
#include "base/opts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "support/unit.h"

static void free_opts(struct opts **o)
{
	opts_free(*o);
}
#define AUTO_OPTS __attribute__((cleanup(free_opts)))

static struct opts *parsed(const char *text, const char *implied)
{
	struct opts *o = opts_new();
	struct error err;

	CU_ASSERT_EQUAL(opts_parse(o, text, implied, &err), 0);
	return o;
}

static void sizes_are_read(void)
{
	static const struct { const char *text; uint64_t bytes; } good[] = {
		{ "0", 0 }, { "12", 12 }, { "1k", 1024 }, { "1K", 1024 },
		{ "10b", 10 }, { "10B", 10 }, { "010", 10 }, { "010k", 10240 },
		{ "1m", MIB }, { "1G", GIB }, { "1t", TIB },
		{ "1P", 1024 * TIB }, { "1e", 1024 * 1024 * TIB },
		{ "7.9E", 9108079886394091136 }, { "15E", 15ull << 60 },
		{ "1.5G", 1610612736 }, { "1.1k", 1126 }, { "1.7k", 1741 },
		{ "3.2k", 3277 }, { "2.3G", 2469606195 }, { "5.k", 5120 },
		{ "0.00048828125k", 1 }, { "0.0004k", 0 },
		{ "1.", 1 }, { "1.0", 1 }, { "1.0b", 1 },
		{ "1.00000000000000000000000001k", 1024 },
		{ "0x1000", 4096 }, { "0X10", 16 }, { "0x10b", 267 },
		{ "0xE", 14 }, { "0x1000k", 4 * MIB },
		{ " 1", 1 }, { "\n+1k", 1024 },
		{ "18446744073709551615", UINT64_MAX },
		{ "0xffffffffffffffff", UINT64_MAX },
	};
	struct error err;

	for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
		uint64_t v = 1234567;
		int ret = size_parse(good[i].text, &v, &err);

		if (ret || v != good[i].bytes)
			printf("'%s' -> %d, %" PRIu64 "\n", good[i].text, ret,
			    v);
		CU_ASSERT_EQUAL(ret, 0);
		CU_ASSERT_EQUAL(v, good[i].bytes);
	}
}

static void what_is_no_size_is_refused(void)
{
	static const char *const bad[] = {
		"", "k", ".", ".5k", "1.5", "1.5b", "0.5", "-1", "-0", "-1k",
		"- 1", "+ 1", "+-1", "--1", "1 ", "1 k", "12x", "1kb", "1KiB",
		"1e3", "1.e3", "1.5e1k", "inf", "nan", "infk", "0x", "0xk",
		"0xg", "0x1.8k", "0x1p3", "1.5.5k", "1,5k", "1_000", "1k1",
		"0b1", "1\t", "k\302", "\1",
	};
	static const char *const huge[] = {
		"16E", "18446744073709551616", "99999999999999999999",
		"99999999999999999999k", "18446744073709551615k",
		"17592186044416M", "0x10000000000000000",
	};
	struct error err;
	uint64_t v = 7;

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		CU_ASSERT_EQUAL(size_parse(bad[i], &v, &err), -EINVAL);
	for (unsigned i = 0; i < ARRAY_LEN(huge); i++)
		CU_ASSERT_EQUAL(size_parse(huge[i], &v, &err), -ERANGE);
	CU_ASSERT_EQUAL(v, 7);
}

static void sizes_are_shown_with_three_digits(void)
{
	static const struct { uint64_t bytes; const char *text; } t[] = {
		{ 0, "0 B" }, { 512, "512 B" }, { 999, "999 B" },
		{ 1000, "0.977 KiB" }, { 1024, "1 KiB" }, { 1536, "1.5 KiB" },
		{ 65024, "63.5 KiB" }, { 200704, "196 KiB" },
		{ 1022976, "999 KiB" }, { 1024000, "0.977 MiB" },
		{ 1047552, "0.999 MiB" }, { 1048064, "1 MiB" },
		{ 1531392, "1.46 MiB" }, { 10480640, "10 MiB" },
		{ 16305664, "15.6 MiB" }, { 105381888, "100 MiB" },
		{ 1047947264, "999 MiB" }, { 1048051712, "1e+03 MiB" },
		{ 1048576000, "0.977 GiB" }, { 1610612736, "1.5 GiB" },
		{ 126419751936, "118 GiB" }, { 1357413075456, "1.23 TiB" },
		{ 2814749767106560, "2.5 PiB" }, { 1ull << 60, "1 EiB" },
		{ UINT64_MAX, "16 EiB" },
	};
	char buf[SIZE_TEXT];

	for (unsigned i = 0; i < ARRAY_LEN(t); i++)
		CU_ASSERT_STRING_EQUAL(size_text(buf, t[i].bytes), t[i].text);
}

static void key_value_text_is_taken_apart(void)
{
	AUTO_OPTS struct opts *o = parsed(
	    "driver=raw,file.filename=a,,b=c,,,,d,ro,nolock,empty=,", NULL);
	const char *key, *value;

	CU_ASSERT_STRING_EQUAL(opts_take(o, "driver"), "raw");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "file.filename"), "a,b=c,,d");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "ro"), "on");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "lock"), "off");
	CU_ASSERT_STRING_EQUAL(opts_unused(o), "empty");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "empty"), "");
	CU_ASSERT_PTR_NULL(opts_unused(o));
	CU_ASSERT_PTR_NULL(opts_take(o, "none"));
	CU_ASSERT(opts_at(o, 1, &key, &value));
	CU_ASSERT_STRING_EQUAL(key, "file.filename");
	CU_ASSERT_FALSE(opts_at(o, 5, &key, &value));
}

static void the_first_word_may_be_an_implied_value(void)
{
	AUTO_OPTS struct opts *a = parsed("no,,b,driver=raw", "id");
	AUTO_OPTS struct opts *b = parsed("driver=raw,x", "id");

	CU_ASSERT_STRING_EQUAL(opts_take(a, "id"), "no,b");
	CU_ASSERT_STRING_EQUAL(opts_take(a, "driver"), "raw");
	CU_ASSERT_FALSE(opts_has(b, "id"));
	CU_ASSERT_STRING_EQUAL(opts_take(b, "x"), "on");
}

static void empty_words_are_refused(void)
{
	AUTO_OPTS struct opts *o = opts_new();
	struct error err;

	CU_ASSERT_EQUAL(opts_parse(o, ",", NULL, &err), -EINVAL);
	CU_ASSERT_EQUAL(opts_parse(o, "a=1,b,,c=2", NULL, &err), -EINVAL);
	CU_ASSERT_EQUAL(opts_parse(o, "", NULL, &err), 0);
	CU_ASSERT_EQUAL(opts_parse(o, "=5", NULL, &err), 0);
	opts_take(o, "a");
	opts_take(o, "b");
	CU_ASSERT_STRING_EQUAL(opts_unused(o), "");
}

static void the_last_value_counts_and_older_ones_stay_readable(void)
{
	AUTO_OPTS struct opts *o = parsed("a=1,b=2,a=3", NULL);
	const char *three = opts_take(o, "a");
	struct error err;

	opts_take(o, "b");
	CU_ASSERT_STRING_EQUAL(three, "3");
	CU_ASSERT_EQUAL(opts_set(o, "a", "4", &err), 0);
	CU_ASSERT_STRING_EQUAL(three, "3");
	CU_ASSERT_STRING_EQUAL(opts_unused(o), "a");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "a"), "4");
}

static void typed_values_or_the_peers_words(void)
{
	static const char *const names[] = { "off", "metadata", NULL };
	AUTO_OPTS struct opts *o = parsed("y=yes,n=off,t=true,bad=ON,s=64k,"
	    "neg=-1,big=16E,u=0x10,oct=010,frac=1.5,"
	    "much=99999999999999999999,e=metadata,none=", NULL);
	struct error err;
	bool b = false;
	uint64_t v = 0;
	unsigned e = 9;

	CU_ASSERT(!opts_take_bool(o, "y", &b, &err) && b);
	CU_ASSERT(!opts_take_bool(o, "n", &b, &err) && !b);
	CU_ASSERT(!opts_take_bool(o, "t", &b, &err) && b);
	CU_ASSERT(!opts_take_bool(o, "absent", &b, &err) && b);
	CU_ASSERT_EQUAL(opts_take_bool(o, "bad", &b, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text,
	    "Parameter 'bad' expects 'on' or 'off'");
	CU_ASSERT(!opts_take_size(o, "s", &v, &err) && v == 65536);
	CU_ASSERT_EQUAL(opts_take_size(o, "neg", &v, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text,
	    "Parameter 'neg' expects a non-negative number below 2^64");
	CU_ASSERT_EQUAL(opts_take_size(o, "big", &v, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text,
	    "Value '16E' is out of range for parameter 'big'");
	CU_ASSERT(!opts_take_u64(o, "u", &v, &err) && v == 16);
	CU_ASSERT(!opts_take_u64(o, "oct", &v, &err) && v == 8);
	CU_ASSERT_EQUAL(opts_take_u64(o, "neg", &v, &err), -EINVAL);
	CU_ASSERT_EQUAL(opts_take_u64(o, "none", &v, &err), -EINVAL);
	CU_ASSERT_EQUAL(opts_take_u64(o, "frac", &v, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text,
	    "Parameter 'frac' expects a number");
	CU_ASSERT_EQUAL(opts_take_u64(o, "much", &v, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "Value '99999999999999999999' is "
	    "too large for parameter 'much'");
	CU_ASSERT(!opts_take_enum(o, "e", names, &e, &err) && e == 1);
	CU_ASSERT_EQUAL(opts_take_enum(o, "s", names, &e, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text,
	    "Parameter 's' does not accept value '64k'");
	CU_ASSERT_PTR_NULL(opts_unused(o));
}

static void a_prefix_becomes_a_set_of_its_own(void)
{
	AUTO_OPTS struct opts *o = parsed("file.a=1,file.b.c=2,filex=3,"
	    "backing=x", NULL);
	AUTO_OPTS struct opts *sub = opts_take_sub(o, "file");
	AUTO_OPTS struct opts *none = opts_take_sub(o, "other");

	CU_ASSERT(opts_has_prefix(o, "file"));
	CU_ASSERT(opts_has_prefix(o, "backing"));
	CU_ASSERT_FALSE(opts_has_prefix(o, "fil"));
	CU_ASSERT_STRING_EQUAL(opts_take(sub, "a"), "1");
	CU_ASSERT_STRING_EQUAL(opts_take(sub, "b.c"), "2");
	CU_ASSERT_PTR_NULL(opts_unused(sub));
	CU_ASSERT_PTR_NULL(opts_unused(none));
	CU_ASSERT_STRING_EQUAL(opts_unused(o), "filex");
}

#ifdef HAVE_JSONC

static void json_becomes_flat_keys(void)
{
	AUTO_OPTS struct opts *o = opts_new();
	struct error err;

	CU_ASSERT_EQUAL(opts_parse_json(o, "{\"driver\": 'qcow2',"
	    "'file': {'filename': 'a\\u00e9', \"x\": {\"y\": true}},"
	    "\"list\": [1, 1e2, {\"z\": 18446744073709551615}, -3],"
	    "\"ro\": false, \"half\": 1.5, \"backing\": null} ", &err), 0);
	CU_ASSERT_STRING_EQUAL(opts_take(o, "driver"), "qcow2");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "file.filename"), "a\303\251");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "file.x.y"), "on");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "list.0"), "1");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "list.1"), "100");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "list.2.z"),
	    "18446744073709551615");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "list.3"), "-3");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "ro"), "off");
	CU_ASSERT_STRING_EQUAL(opts_take(o, "half"), "1.5");
	CU_ASSERT(opts_is_null(o, "backing"));
	CU_ASSERT_FALSE(opts_is_null(o, "ro"));
	CU_ASSERT_STRING_EQUAL(opts_unused(o), "backing");
	CU_ASSERT_PTR_NULL(opts_take(o, "backing"));
	CU_ASSERT_PTR_NULL(opts_unused(o));
}

static void bad_json_is_refused(void)
{
	static const char *const bad[] = {
		"", " ", "{", "{}x", "{} {}", "[1]", "5", "\"x\"", "null",
		"{a:1}", "{\"a\"}", "{\"a\":{}}", "{\"a\":[]}", "{\"a\":tru}",
		"{\"a\":\"x\\u0000y\"}", "{\"a\":\"x}", "\377\377",
	};
	struct error err;

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_OPTS struct opts *o = opts_new();

		CU_ASSERT_EQUAL(opts_parse_json(o, bad[i], &err), -EINVAL);
		CU_ASSERT(strlen(err.text) > 0);
	}
}

static char *repeat(const char *head, const char *piece, unsigned n,
    const char *tail)
{
	char *text = malloc(strlen(head) + n * (strlen(piece) + 8) +
	    strlen(tail) + 1);
	char *p = stpcpy(text, head);

	for (unsigned i = 0; i < n; i++)
		p += sprintf(p, piece, i);
	strcpy(p, tail);
	return text;
}

static void json_is_bounded(void)
{
	AUTO_OPTS struct opts *o = opts_new();
	AUTO_FREE char *deep = repeat("{\"a\":", "[", 100000, "");
	AUTO_FREE char *nested = repeat("", "{\"a\":", 100, "1");
	AUTO_FREE char *many = repeat("{", "\"k%u\":1,", 5000, "\"z\":1}");
	AUTO_FREE char *list = repeat("{\"a\":[", "%u,", 100000, "1]}");
	AUTO_FREE char *big = repeat("{\"a\":\"", "xxxxxxxx", 1 << 17, "\"}");
	AUTO_FREE char *key = repeat("{\"", "kkkkkkkk", 128, "\":1}");
	struct error err;

	CU_ASSERT_EQUAL(opts_parse_json(o, deep, &err), -EINVAL);
	CU_ASSERT_EQUAL(opts_parse_json(o, nested, &err), -EINVAL);
	CU_ASSERT_EQUAL(opts_parse_json(o, key, &err), -EINVAL);
	CU_ASSERT_EQUAL(opts_parse_json(o, big, &err), -E2BIG);
	CU_ASSERT_EQUAL(opts_parse_json(o, many, &err), -E2BIG);
	CU_ASSERT_EQUAL(opts_parse_json(o, list, &err), -E2BIG);
}

#else

static void json_is_refused_in_one_line(void)
{
	AUTO_OPTS struct opts *o = opts_new();
	struct error err;

	CU_ASSERT_EQUAL(opts_parse_json(o, "{}", &err), -ENOTSUP);
	CU_ASSERT_STRING_EQUAL(err.text, "this build does not read JSON");
}

#endif

int main(void)
{
	static const struct unit_test tests[] = {
		{ "sizes are read", sizes_are_read },
		{ "what is no size is refused", what_is_no_size_is_refused },
		{ "sizes are shown with three digits",
		    sizes_are_shown_with_three_digits },
		{ "key=value text is taken apart",
		    key_value_text_is_taken_apart },
		{ "the first word may be an implied value",
		    the_first_word_may_be_an_implied_value },
		{ "empty words are refused", empty_words_are_refused },
		{ "the last value counts, and older ones stay readable",
		    the_last_value_counts_and_older_ones_stay_readable },
		{ "typed values, or the peer's words",
		    typed_values_or_the_peers_words },
		{ "a prefix becomes a set of its own",
		    a_prefix_becomes_a_set_of_its_own },
#ifdef HAVE_JSONC
		{ "JSON becomes flat keys", json_becomes_flat_keys },
		{ "bad JSON is refused", bad_json_is_refused },
		{ "JSON is bounded in depth, length, names and number",
		    json_is_bounded },
#else
		{ "JSON is refused in one line", json_is_refused_in_one_line },
#endif
		{ NULL, NULL }
	};

	return unit_run("opts", tests);
}
