/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbd-handshake.c - every option, answered as the protocol document says */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/nbd_client.h"
#include "support/unit.h"

enum { SIZE = 1 << 20, FLAGS_RW = 0x0c6d, FLAGS_RO = 0x040f };

#define IS(call, value) CU_ASSERT_EQUAL(call, value)
#define SAYS(c, text) CU_ASSERT_STRING_EQUAL((c)->data, text)

static struct nbd_disk disk;
static struct nbd_client c;

static void begin(uint32_t flags)
{
	nbd_connect(&c, &disk.server);
	nbd_hello(&c, flags);
}

static void listing_gives_names_and_descriptions(void)
{
	begin(3);
	nbd_option(&c, NBD_OPT_LIST, NULL, 0);
	IS(nbd_option_reply(&c), NBD_REP_SERVER);
	IS(c.len, 8);
	CU_ASSERT_FALSE(memcmp(c.data, "\0\0\0\4disk", 8));
	IS(nbd_option_reply(&c), NBD_REP_ACK);
	disk.export.description = (char *)"what it is";
	nbd_option(&c, NBD_OPT_LIST, NULL, 0);
	IS(nbd_option_reply(&c), NBD_REP_SERVER);
	CU_ASSERT_FALSE(memcmp(c.data, "\0\0\0\4diskwhat it is", 18));
	IS(nbd_option_reply(&c), NBD_REP_ACK);
	disk.export.description = NULL;
	IS(nbd_ask(&c, NBD_OPT_LIST, "x", 1), NBD_REP_ERR_INVALID);
	CU_ASSERT_FALSE(nbd_close(&c));
}

static void abort_is_acknowledged_and_ends(void)
{
	begin(3);
	IS(nbd_ask(&c, NBD_OPT_ABORT, "why", 3), NBD_REP_ACK);
	CU_ASSERT(nbd_is_dropped(&c));
	CU_ASSERT_FALSE(nbd_close(&c));
}

static void unknown_options_are_refused_and_skipped(void)
{
	begin(3);
	IS(nbd_ask(&c, 4, NULL, 0), NBD_REP_ERR_UNSUP);
	IS(nbd_ask(&c, 99, "abcdefgh", 8), NBD_REP_ERR_UNSUP);
	IS(nbd_ask(&c, 0xffffffff, NULL, 0), NBD_REP_ERR_UNSUP);
	IS(nbd_ask(&c, NBD_OPT_STARTTLS, NULL, 0), NBD_REP_ERR_POLICY);
	IS(nbd_ask(&c, NBD_OPT_LIST, NULL, 0), NBD_REP_ACK);
	nbd_close(&c);
}

/* All NBD_REP_INFO of an INFO: "TYPE/LEN " for each. */
static void infos(uint32_t option, const uint16_t *ask, uint16_t n,
    char *text, size_t size)
{
	uint8_t data[100] = { 0, 0, 0, 4, 'd', 'i', 's', 'k', 0, (uint8_t)n };

	for (unsigned i = 0; i < n; i++)
		be16_put((be16 *)(data + 10 + 2 * i), ask[i]);
	nbd_option(&c, option, data, 10 + 2 * n);
	text[0] = '\0';
	while (nbd_option_reply(&c) == NBD_REP_INFO) {
		size_t used = strlen(text);

		snprintf(text + used, size - used, "%u/%zu ",
		    be16_get(*(be16 *)c.data), c.len);
	}
}

static void info_tells_all_that_is_asked(void)
{
	static const uint16_t all[] = { 0, 1, 2, 3, 77 };
	char text[100];

	disk.export.description = (char *)"words";
	begin(3);
	infos(NBD_OPT_INFO, NULL, 0, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "2/7 3/14 0/12 ");
	infos(NBD_OPT_INFO, all, 5, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "1/6 2/7 3/14 0/12 ");
	IS(c.type, NBD_REP_ACK);
	disk.export.description = NULL;
	infos(NBD_OPT_GO, all, 5, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "1/6 3/14 0/12 ");
	CU_ASSERT(nbd_close(&c));
}

static void wrong_infos_are_refused(void)
{
	static const uint8_t long_name[] = { 0, 0, 0, 9, 'x', 0, 0 };
	static const uint8_t few[] = { 0, 0, 0, 0, 0, 2, 0, 1 };
	static const uint8_t trailing[] = { 0, 0, 0, 0, 0, 0, 7 };
	uint8_t name[4 + 4097 + 2] = { 0, 0, 16, 1 };

	begin(3);
	IS(nbd_go(&c, NBD_OPT_INFO, "nope", NULL, 0), NBD_REP_ERR_UNKNOWN);
	SAYS(&c, "export 'nope' not present");
	IS(nbd_go(&c, NBD_OPT_GO, "dis", NULL, 0), NBD_REP_ERR_UNKNOWN);
	IS(nbd_go(&c, NBD_OPT_GO, "disk2", NULL, 0), NBD_REP_ERR_UNKNOWN);
	IS(nbd_ask(&c, NBD_OPT_INFO, "abc", 3), NBD_REP_ERR_INVALID);
	IS(nbd_ask(&c, NBD_OPT_GO, long_name, 7), NBD_REP_ERR_INVALID);
	disk.export.name[0] = '\0';
	IS(nbd_ask(&c, NBD_OPT_GO, few, 8), NBD_REP_ERR_INVALID);
	IS(nbd_ask(&c, NBD_OPT_GO, trailing, 7), NBD_REP_ERR_INVALID);
	disk.export.name[0] = 'd';
	IS(nbd_ask(&c, NBD_OPT_GO, name, sizeof(name)), NBD_REP_ERR_INVALID);
	IS(nbd_go(&c, NBD_OPT_GO, "disk", NULL, 0), NBD_REP_ACK);
	CU_ASSERT(nbd_close(&c));
}

static void flags_say_what_the_export_can(void)
{
	struct {
		bool read_only, multi, structured;
		uint16_t flags;
	} t[] = {
		{ false, false, false, FLAGS_RW },
		{ true, false, false, FLAGS_RO },
		{ false, true, false, FLAGS_RW | 0x100 },
		{ true, true, true, FLAGS_RO | 0x180 },
	};

	for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
		disk.export.read_only = t[i].read_only;
		disk.export.multi_conn = t[i].multi;
		nbd_start(&c, &disk.server, "disk",
		    t[i].structured ? NBD_STRUCTURED : NBD_SIMPLE, NULL);
		IS(c.flags, t[i].flags);
		IS(c.size, SIZE);
		nbd_close(&c);
	}
	disk.export.read_only = disk.export.multi_conn = false;
	/* Filters only where there is something to filter. */
	nbd_start(&c, &disk.server, "disk", NBD_EXTENDED, NULL);
	IS(c.flags, FLAGS_RW | 0x80);
	nbd_close(&c);
	nbd_start(&c, &disk.server, "disk", NBD_EXTENDED, "base:allocation");
	IS(c.flags, FLAGS_RW | 0x1080);
	nbd_close(&c);
}

static void export_name_is_answered_with_and_without_zeroes(void)
{
	struct nbd_export_reply *r;
	uint8_t buf[134];

	for (unsigned flags = 0; flags <= 3; flags++) {
		size_t len = flags & 2 ? 10 : 134;
		struct nbd_message m;

		begin(flags);
		nbd_option(&c, NBD_OPT_EXPORT_NAME, "disk", 4);
		for (size_t got = 0; got < len; ) {
			ssize_t n = read(c.fd, buf + got, len - got);

			CU_ASSERT_FATAL(n > 0);
			got += (size_t)n;
		}
		r = (void *)buf;
		IS(be64_get(r->size), SIZE);
		IS(be16_get(r->flags), FLAGS_RW);
		nbd_request(&c, NBD_CMD_FLUSH, 0, 9, 0, 0);
		m = nbd_message(&c);
		CU_ASSERT(!m.eof && m.simple && m.cookie == 9 && !m.error);
		CU_ASSERT(nbd_close(&c));
	}
	begin(3);
	nbd_option(&c, NBD_OPT_EXPORT_NAME, "nope", 4);
	CU_ASSERT(nbd_is_dropped(&c));
	CU_ASSERT_FALSE(nbd_close(&c));
	/* The extension asks for GO. */
	begin(3);
	nbd_ask(&c, NBD_OPT_EXTENDED_HEADERS, NULL, 0);
	nbd_option(&c, NBD_OPT_EXPORT_NAME, "disk", 4);
	CU_ASSERT(nbd_is_dropped(&c));
	nbd_close(&c);
}

static void without_fixed_newstyle_there_is_only_a_name(void)
{
	begin(0);
	nbd_option(&c, NBD_OPT_LIST, NULL, 0);
	CU_ASSERT(nbd_is_dropped(&c));
	nbd_close(&c);
}

static void reply_forms_are_negotiated_once(void)
{
	begin(3);
	IS(nbd_ask(&c, NBD_OPT_STRUCTURED_REPLY, "x", 1),
	    NBD_REP_ERR_INVALID);
	IS(nbd_ask(&c, NBD_OPT_STRUCTURED_REPLY, NULL, 0), NBD_REP_ACK);
	IS(nbd_ask(&c, NBD_OPT_STRUCTURED_REPLY, NULL, 0),
	    NBD_REP_ERR_INVALID);
	IS(nbd_ask(&c, NBD_OPT_EXTENDED_HEADERS, "x", 1),
	    NBD_REP_ERR_INVALID);
	IS(nbd_ask(&c, NBD_OPT_EXTENDED_HEADERS, NULL, 0), NBD_REP_ACK);
	IS(nbd_ask(&c, NBD_OPT_EXTENDED_HEADERS, NULL, 0),
	    NBD_REP_ERR_INVALID);
	IS(nbd_ask(&c, NBD_OPT_STRUCTURED_REPLY, NULL, 0),
	    NBD_REP_ERR_EXT_HEADER_REQD);
	nbd_close(&c);
}

static void contexts_are_listed_and_set_by_query(void)
{
	struct export_bitmap maps[] = { { (char *)"a", NULL },
	    { (char *)"b:c", NULL } };
	static const struct {
		const char *query[6], *list, *set;
	} t[] = {
		{ { NULL }, "0=base:allocation 0=qemu:allocation-depth "
		    "0=qemu:dirty-bitmap:a 0=qemu:dirty-bitmap:b:c ", "" },
		{ { "base:" }, "0=base:allocation ", "" },
		{ { "qemu:" }, "0=qemu:allocation-depth "
		    "0=qemu:dirty-bitmap:a 0=qemu:dirty-bitmap:b:c ", "" },
		{ { "qemu:dirty-bitmap:" }, "0=qemu:dirty-bitmap:a "
		    "0=qemu:dirty-bitmap:b:c ", "" },
		{ { "qemu:dirty-bitmap:b:c", "base:allocation" },
		    "0=base:allocation 0=qemu:dirty-bitmap:b:c ",
		    "0=base:allocation 3=qemu:dirty-bitmap:b:c " },
		{ { "qemu:allocation-depth", "qemu:allocation-depth" },
		    "0=qemu:allocation-depth ", "1=qemu:allocation-depth " },
		{ { "base", "qemu:dirty-bitmap", "x:", "", "base:alloc" },
		    "", "" },
	};
	char names[500];

	disk.export.bitmaps = maps;
	disk.export.bitmap_count = 2;
	disk.export.allocation_depth = true;
	begin(3);
	IS(nbd_contexts(&c, NBD_OPT_LIST_META_CONTEXT, "disk", t[1].query,
	    names, sizeof(names)), NBD_REP_ACK);
	CU_ASSERT_STRING_EQUAL(names, t[1].list);
	IS(nbd_contexts(&c, NBD_OPT_SET_META_CONTEXT, "disk", t[1].query,
	    names, sizeof(names)), NBD_REP_ERR_INVALID);
	nbd_ask(&c, NBD_OPT_STRUCTURED_REPLY, NULL, 0);
	for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
		IS(nbd_contexts(&c, NBD_OPT_LIST_META_CONTEXT, "disk",
		    t[i].query, names, sizeof(names)), NBD_REP_ACK);
		CU_ASSERT_STRING_EQUAL(names, t[i].list);
		IS(nbd_contexts(&c, NBD_OPT_SET_META_CONTEXT, "disk",
		    t[i].query, names, sizeof(names)), NBD_REP_ACK);
		CU_ASSERT_STRING_EQUAL(names, t[i].set);
	}
	IS(nbd_contexts(&c, NBD_OPT_SET_META_CONTEXT, "nope", t[0].query,
	    names, sizeof(names)), NBD_REP_ERR_UNKNOWN);
	IS(nbd_ask(&c, NBD_OPT_SET_META_CONTEXT, "\0\0\0\4disk\0\0\0\1", 12),
	    NBD_REP_ERR_INVALID);
	IS(nbd_ask(&c, NBD_OPT_SET_META_CONTEXT,
	    "\0\0\0\4disk\0\0\0\1\0\0\0\x10""base:allocation", 31),
	    NBD_REP_ERR_INVALID);
	IS(nbd_ask(&c, NBD_OPT_LIST_META_CONTEXT, "\0\0\0\4disk\0\0\0\0xx",
	    14), NBD_REP_ERR_INVALID);
	nbd_close(&c);
	disk.export.bitmap_count = 0;
	disk.export.allocation_depth = false;
	begin(3);
	IS(nbd_contexts(&c, NBD_OPT_LIST_META_CONTEXT, "disk", t[0].query,
	    names, sizeof(names)), NBD_REP_ACK);
	CU_ASSERT_STRING_EQUAL(names, "0=base:allocation ");
	nbd_close(&c);
}

static void failed_set_leaves_no_contexts(void)
{
	const char *query[] = { "base:allocation", NULL };
	char text[100];

	begin(3);
	nbd_ask(&c, NBD_OPT_STRUCTURED_REPLY, NULL, 0);
	nbd_contexts(&c, NBD_OPT_SET_META_CONTEXT, "disk", query, text,
	    sizeof(text));
	nbd_ask(&c, NBD_OPT_SET_META_CONTEXT, "abc", 3);
	IS(nbd_go(&c, NBD_OPT_GO, "disk", NULL, 0), NBD_REP_ACK);
	c.mode = NBD_STRUCTURED;
	CU_ASSERT_STRING_EQUAL(nbd_status(&c, 0, 0, 512, text, sizeof(text)),
	    "error 22");
	nbd_close(&c);
}

/* Two exports: what was selected for one does not hold for the other. */
static void contexts_are_those_of_the_export(void)
{
	struct export two[2] = { disk.export, disk.export };
	struct server server = disk.server;
	const char *query[] = { "base:allocation", NULL };
	char text[100];

	two[1].name = (char *)"";
	server.exports = two;
	server.export_count = 2;
	nbd_connect(&c, &server);
	nbd_hello(&c, 3);
	nbd_ask(&c, NBD_OPT_STRUCTURED_REPLY, NULL, 0);
	nbd_contexts(&c, NBD_OPT_SET_META_CONTEXT, "disk", query, text,
	    sizeof(text));
	IS(nbd_go(&c, NBD_OPT_GO, "", NULL, 0), NBD_REP_ACK);
	c.mode = NBD_STRUCTURED;
	CU_ASSERT_STRING_EQUAL(nbd_status(&c, 0, 0, 512, text, sizeof(text)),
	    "error 22");
	nbd_close(&c);
}

static void a_stopping_server_lets_nobody_in(void)
{
	begin(3);
	IS(nbd_ask(&c, NBD_OPT_LIST, NULL, 0), NBD_REP_ACK);
	atomic_store(&disk.server.stopping, true);
	IS(nbd_ask(&c, NBD_OPT_LIST, NULL, 0), NBD_REP_ERR_SHUTDOWN);
	IS(nbd_go(&c, NBD_OPT_GO, "disk", NULL, 0), NBD_REP_ERR_SHUTDOWN);
	IS(nbd_ask(&c, NBD_OPT_ABORT, NULL, 0), NBD_REP_ACK);
	CU_ASSERT_FALSE(nbd_close(&c));
	atomic_store(&disk.server.stopping, false);
}

static bool nobody(void *arg, int fd)
{
	++*(unsigned *)arg;
	return false;
}

static void the_listener_has_the_last_word(void)
{
	unsigned asked = 0;

	disk.server.admit = nobody;
	disk.server.admit_arg = &asked;
	begin(3);
	IS(nbd_go(&c, NBD_OPT_INFO, "disk", NULL, 0), NBD_REP_ACK);
	IS(asked, 0);
	IS(nbd_go(&c, NBD_OPT_GO, "disk", NULL, 0), NBD_REP_ERR_SHUTDOWN);
	IS(asked, 1);
	CU_ASSERT_FALSE(nbd_close(&c));
	begin(3);
	nbd_option(&c, NBD_OPT_EXPORT_NAME, "disk", 4);
	CU_ASSERT(nbd_is_dropped(&c));
	CU_ASSERT_FALSE(nbd_close(&c));
	disk.server.admit = NULL;
}

int main(void)
{
	static char name[] = "disk";
	static const struct unit_test tests[] = {
		{ "listing gives names and descriptions",
		    listing_gives_names_and_descriptions },
		{ "abort is acknowledged, and ends",
		    abort_is_acknowledged_and_ends },
		{ "unknown options are refused and skipped",
		    unknown_options_are_refused_and_skipped },
		{ "info tells all that is asked",
		    info_tells_all_that_is_asked },
		{ "wrong infos are refused", wrong_infos_are_refused },
		{ "flags say what the export can",
		    flags_say_what_the_export_can },
		{ "export name is answered with and without zeroes",
		    export_name_is_answered_with_and_without_zeroes },
		{ "without fixed newstyle there is only a name",
		    without_fixed_newstyle_there_is_only_a_name },
		{ "reply forms are negotiated once",
		    reply_forms_are_negotiated_once },
		{ "contexts are listed and set by query",
		    contexts_are_listed_and_set_by_query },
		{ "a failed set leaves no contexts",
		    failed_set_leaves_no_contexts },
		{ "contexts are those of the export",
		    contexts_are_those_of_the_export },
		{ "a stopping server lets nobody in",
		    a_stopping_server_lets_nobody_in },
		{ "the listener has the last word",
		    the_listener_has_the_last_word },
		{ 0 }
	};
	int rc;

	nbd_disk_open(&disk, "raw", SIZE, NULL);
	disk.export.name = name;
	rc = unit_run("nbd-handshake", tests);
	nbd_disk_close(&disk);
	return rc;
}
