/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* client.c - the client's side of the handshake */
#include "client.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
	ANSWER_MS = 30000,	/* between a question and its answer */
	ALL_MS = 300000,	/* for everything */
	ANSWERS_LIMIT = 1024,	/* to one option, of those we pass over */
};

/* NBDMAGIC's second word where there are no options ("Oldstyle
 * negotiation"); then size, flags and 124 zeros. */
#define OLDSTYLE_MAGIC 0x00420281861253ull

static int broken(struct error *err, const char *what)
{
	return error_set(err, EPROTO, "%s", what);
}

/* ---- bytes */

static void set_deadline(struct client *c)
{
	const uint64_t now = clock_ms();

	c->conn.deadline_ms = min64(now + ANSWER_MS, c->end_ms);
}

static int receive(struct client *c, void *buf, size_t len, struct error *err)
{
	const int rc = conn_recv_all(&c->conn, buf, len);

	return rc < 0 ? error_errno(err, -rc, "Failed to read from server") :
	    0;
}

static int send_all(struct client *c, const void *buf, size_t len,
    struct error *err)
{
	const int rc = conn_send(&c->conn, buf, len);

	return rc < 0 ? error_errno(err, -rc, "Failed to write to server") :
	    0;
}

/* ---- options */

int client_ask(struct client *c, uint32_t option, const void *data,
    size_t len, struct error *err)
{
	struct nbd_option o;

	set_deadline(c);
	be64_put(&o.magic, NBD_OPTS_MAGIC);
	be32_put(&o.option, option);
	be32_put(&o.len, (uint32_t)len);
	if (send_all(c, &o, sizeof(o), err) < 0)
		return -err->code;
	return len ? send_all(c, data, len, err) : 0;
}

int client_answer(struct client *c, uint32_t option, struct answer *a,
    struct error *err)
{
	struct nbd_option_reply r;

	if (receive(c, &r, sizeof(r), err) < 0)
		return -err->code;
	if (be64_get(r.magic) != NBD_REP_MAGIC)
		return broken(err, "Unexpected option reply magic");
	if (be32_get(r.option) != option)
		return broken(err, "Unexpected option type in a reply");
	a->type = be32_get(r.type);
	a->len = be32_get(r.len);
	if (a->len > ANSWER_LIMIT)
		return error_set(err, EPROTO, "option reply of %u bytes is "
		    "too long", a->len);
	a->data[a->len] = '\0';
	return a->len ? receive(c, a->data, a->len, err) : 0;
}

static const char *option_name(uint32_t option)
{
	switch (option) {
	case NBD_OPT_LIST:
		return "list";
	case NBD_OPT_STARTTLS:
		return "starttls";
	case NBD_OPT_INFO:
		return "info";
	case NBD_OPT_GO:
		return "go";
	case NBD_OPT_LIST_META_CONTEXT:
		return "list meta context";
	}
	return "other";
}

/* What a server says may be anything: only what can be shown is. */
static void printable(char *to, size_t size, const uint8_t *text, size_t len)
{
	size_t n = 0;

	for (; n + 1 < size && n < len && text[n]; n++)
		to[n] = text[n] < ' ' || text[n] == 127 ? '?' : (char)text[n];
	to[n] = '\0';
}

int client_refused(uint32_t option, const struct answer *a,
    struct error *err)
{
	char said[256];
	const char *why;

	switch (a->type) {
	case NBD_REP_ERR_UNSUP:
		why = "Unsupported";
		break;
	case NBD_REP_ERR_POLICY:
		why = "Denied by server";
		break;
	case NBD_REP_ERR_INVALID:
		why = "Invalid parameters";
		break;
	case NBD_REP_ERR_PLATFORM:
		why = "Server lacks support";
		break;
	case NBD_REP_ERR_TLS_REQD:
		why = "TLS negotiation required";
		break;
	case NBD_REP_ERR_UNKNOWN:
		why = "Requested export not available";
		break;
	case NBD_REP_ERR_SHUTDOWN:
		why = "Server shutting down";
		break;
	case NBD_REP_ERR_BLOCK_SIZE_REQD:
		why = "Server requires block sizes to be asked for";
		break;
	default:
		why = a->type & NBD_REP_FLAG_ERROR ? "Unknown error" :
		    "Unexpected reply";
	}
	printable(said, sizeof(said), a->data, a->len);
	return error_set(err, a->type == NBD_REP_ERR_UNSUP ? ENOTSUP :
	    a->type == NBD_REP_ERR_UNKNOWN ? ENOENT : EINVAL,
	    "%s %s option %u (%s)%s%s%s", why,
	    a->type == NBD_REP_ERR_TLS_REQD ? "before" : "for", option,
	    option_name(option),
	    *said ? ": server reported: " : "", said,
	    a->type == NBD_REP_ERR_TLS_REQD ?
	    " (did you forget a valid tls-creds?)" : "");
}

/* ---- the greeting */

static int old_greeting(struct client *c, struct error *err)
{
	struct { be64 size; be32 flags; uint8_t zeroes[124]; } rest;

	if (receive(c, &rest, sizeof(rest), err) < 0)
		return -err->code;
	c->oldstyle = true;
	c->size = be64_get(rest.size);
	c->flags = be32_get(rest.flags) & 0xffff;
	return 0;
}

static int start_tls(struct client *c, struct tls *tls, const char *hostname,
    struct error *err)
{
	struct answer a;

	if (c->oldstyle || !c->fixed)
		return error_set(err, ENOTSUP, "Server does not support "
		    "STARTTLS");
	if (client_ask(c, NBD_OPT_STARTTLS, NULL, 0, err) < 0 ||
	    client_answer(c, NBD_OPT_STARTTLS, &a, err) < 0)
		return -err->code;
	if (a.type != NBD_REP_ACK)
		return client_refused(NBD_OPT_STARTTLS, &a, err);
	if (a.len)
		return broken(err, "Start TLS response was not zero length");
	set_deadline(c);
	return tls_connect(tls, &c->conn, hostname, err);
}

static int ask_structured(struct client *c, struct error *err)
{
	struct answer a;

	if (client_ask(c, NBD_OPT_STRUCTURED_REPLY, NULL, 0, err) < 0 ||
	    client_answer(c, NBD_OPT_STRUCTURED_REPLY, &a, err) < 0)
		return -err->code;
	c->structured = a.type == NBD_REP_ACK;
	return 0;
}

int client_begin(struct client *c, int fd, struct tls *tls,
    const char *hostname, bool structured, struct error *err)
{
	struct { be64 magic, version; } hello;
	be16 server_flags;
	be32 flags;

	*c = (struct client){ .end_ms = clock_ms() + ALL_MS };
	conn_init(&c->conn, fd);
	set_deadline(c);
	if (receive(c, &hello, sizeof(hello), err) < 0)
		return -err->code;
	if (be64_get(hello.magic) != NBD_MAGIC)
		return broken(err, "Bad initial magic received");
	if (be64_get(hello.version) == OLDSTYLE_MAGIC) {
		if (tls)
			return error_set(err, ENOTSUP,
			    "Server does not support STARTTLS");
		return old_greeting(c, err);
	}
	if (be64_get(hello.version) != NBD_OPTS_MAGIC)
		return broken(err, "Bad server magic received");
	if (receive(c, &server_flags, sizeof(server_flags), err) < 0)
		return -err->code;
	c->fixed = be16_get(server_flags) & NBD_FLAG_FIXED_NEWSTYLE;
	/* NO_ZEROES only matters to EXPORT_NAME, which is never asked. */
	be32_put(&flags, c->fixed ? NBD_FLAG_C_FIXED_NEWSTYLE : 0);
	if (send_all(c, &flags, sizeof(flags), err) < 0 ||
	    (tls && start_tls(c, tls, hostname, err) < 0))
		return -err->code;
	return c->fixed && structured ? ask_structured(c, err) : 0;
}

void client_end(struct client *c)
{
	struct error ignored;

	if (!c->oldstyle && c->fixed)
		client_ask(c, NBD_OPT_ABORT, NULL, 0, &ignored);
	conn_fini(&c->conn);
}

/* ---- INFO, GO */

void export_info_fini(struct export_info *e)
{
	free(e->description);
	while (e->context_count)
		free(e->contexts[--e->context_count]);
	free(e->contexts);
	*e = (struct export_info){ 0 };
}

static int take_info(const struct answer *a, struct export_info *e,
    bool *sized, struct error *err)
{
	const struct nbd_info_export *x = (const void *)a->data;
	const struct nbd_info_block_size *b = (const void *)a->data;

	if (a->len < 2)
		return broken(err, "Info reply is too short");
	switch (be16_get(x->type)) {
	case NBD_INFO_EXPORT:
		if (a->len != sizeof(*x))
			return broken(err, "Export info has a wrong length");
		e->size = be64_get(x->size);
		e->flags = be16_get(x->flags);
		if (e->size > INT64_MAX)
			return broken(err, "Export is too large");
		*sized = true;
		break;
	case NBD_INFO_BLOCK_SIZE:
		if (a->len != sizeof(*b))
			return broken(err, "Block sizes have a wrong length");
		e->min = be32_get(b->minimum);
		e->preferred = be32_get(b->preferred);
		e->max = be32_get(b->maximum);
		if (!e->min || (e->min & (e->min - 1)) || e->min > 65536 ||
		    e->preferred < e->min || e->max < e->min)
			return broken(err, "Block sizes make no sense");
		break;
	case NBD_INFO_DESCRIPTION:
		free(e->description);
		e->description = strdup((const char *)a->data + 2);
		if (!e->description)
			return error_errno(err, ENOMEM, "description");
		break;
	}
	return 0;
}

int client_info(struct client *c, uint32_t option, const char *name,
    struct export_info *e, struct error *err)
{
	static const uint16_t wanted[] = { NBD_INFO_DESCRIPTION,
	    NBD_INFO_BLOCK_SIZE };
	const size_t n = strlen(name), len = 4 + n + 2 + sizeof(wanted);
	uint8_t ask[4 + NBD_STRING_MAX + 2 + sizeof(wanted)];
	struct answer a;
	bool sized = false;

	*e = (struct export_info){ 0 };
	if (n > NBD_STRING_MAX)
		return broken(err, "Export name is too long");
	be32_put((be32 *)ask, (uint32_t)n);
	memcpy(ask + 4, name, n);
	be16_put((be16 *)(ask + 4 + n), ARRAY_LEN(wanted));
	for (unsigned i = 0; i < ARRAY_LEN(wanted); i++)
		be16_put((be16 *)(ask + 4 + n + 2 + 2 * i), wanted[i]);
	if (client_ask(c, option, ask, len, err) < 0)
		return -err->code;
	for (unsigned i = 0; i < ANSWERS_LIMIT; i++) {
		if (client_answer(c, option, &a, err) < 0)
			goto fail;
		if (a.type == NBD_REP_INFO) {
			if (take_info(&a, e, &sized, err) < 0)
				goto fail;
		} else if (a.type != NBD_REP_ACK) {
			client_refused(option, &a, err);
			goto fail;
		} else if (!sized) {
			broken(err, "Server did not say how large the export "
			    "is");
			goto fail;
		} else {
			return 0;
		}
	}
	broken(err, "Server says too much about an export");
fail:
	export_info_fini(e);
	return -err->code;
}
