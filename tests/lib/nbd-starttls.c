/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbd-starttls.c - a server that wants TLS says nothing in the clear, and takes
 * nothing for TLS that was sent in the clear */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/nbd_client.h"
#include "support/unit.h"

#define IS(call, value) CU_ASSERT_EQUAL(call, value)

static struct nbd_disk disk;
static struct nbd_client c;

static void begin(void)
{
	nbd_connect(&c, &disk.server);
	nbd_hello(&c, 3);
}

static void everything_else_wants_tls(void)
{
	static const uint32_t options[] = { NBD_OPT_LIST, NBD_OPT_INFO,
	    NBD_OPT_GO, NBD_OPT_STRUCTURED_REPLY, NBD_OPT_LIST_META_CONTEXT,
	    NBD_OPT_SET_META_CONTEXT, NBD_OPT_EXTENDED_HEADERS, 4, 99 };

	begin();
	for (unsigned i = 0; i < ARRAY_LEN(options); i++) {
		IS(nbd_ask(&c, options[i], NULL, 0), NBD_REP_ERR_TLS_REQD);
		IS(nbd_ask(&c, options[i], "\0\0\0\4disk\0\0", 10),
		    NBD_REP_ERR_TLS_REQD);
	}
	IS(nbd_ask(&c, NBD_OPT_STARTTLS, "x", 1), NBD_REP_ERR_INVALID);
	IS(nbd_ask(&c, NBD_OPT_ABORT, NULL, 0), NBD_REP_ACK);
	CU_ASSERT_FALSE(nbd_close(&c));
	begin();
	nbd_option(&c, NBD_OPT_EXPORT_NAME, "disk", 4);
	CU_ASSERT(nbd_is_dropped(&c));
	CU_ASSERT_FALSE(nbd_close(&c));
}

/* All in one piece, so that it is there when the option is looked at. */
static void what_follows_in_the_clear_ends_it(void)
{
	struct nbd_option two[2];

	for (unsigned i = 0; i < 2; i++) {
		be64_put(&two[i].magic, NBD_OPTS_MAGIC);
		be32_put(&two[i].option, i ? NBD_OPT_LIST : NBD_OPT_STARTTLS);
		be32_put(&two[i].len, 0);
	}
	begin();
	nbd_send(&c, two, sizeof(two));
	CU_ASSERT(nbd_is_dropped(&c));
	CU_ASSERT_FALSE(nbd_close(&c));
}

static void what_is_no_tls_ends_it(void)
{
	begin();
	IS(nbd_ask(&c, NBD_OPT_STARTTLS, NULL, 0), NBD_REP_ACK);
	nbd_option(&c, NBD_OPT_LIST, NULL, 0);
	/* An alert may come first. */
	while (!nbd_is_dropped(&c))
		;
	CU_ASSERT_FALSE(nbd_close(&c));
}

static void half_a_tls_handshake_meets_the_deadline(void)
{
	disk.server.handshake_ms = 200;
	begin();
	IS(nbd_ask(&c, NBD_OPT_STARTTLS, NULL, 0), NBD_REP_ACK);
	nbd_send(&c, "\x16\x03\x01\x02", 4);
	while (!nbd_is_dropped(&c))
		;
	CU_ASSERT_FALSE(nbd_close(&c));
	disk.server.handshake_ms = 10000;
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "everything else wants TLS", everything_else_wants_tls },
		{ "what follows in the clear ends it",
		    what_follows_in_the_clear_ends_it },
		{ "what is no TLS ends it", what_is_no_tls_ends_it },
		{ "half a TLS handshake meets the deadline",
		    half_a_tls_handshake_meets_the_deadline },
		{ 0 }
	};
	struct opts *objects = opts_new();
	struct error err;
	int rc;

	if (!objects || opts_parse(objects, "t.qom-type=tls-creds-anon,"
	    "t.endpoint=server", NULL, &err))
		return 1;
	nbd_disk_open(&disk, "raw", 1 << 20, NULL);
	disk.server.tls = tls_new(objects, "t", NULL, &err);
	if (!disk.server.tls) {
		printf("no TLS here: %s\n", err.text);
		nbd_disk_close(&disk);
		opts_free(objects);
		return 77;
	}
	rc = unit_run("nbd-starttls", tests);
	tls_free(disk.server.tls);
	nbd_disk_close(&disk);
	opts_free(objects);
	return rc;
}
