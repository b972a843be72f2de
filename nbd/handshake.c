/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * handshake.c - options haggling, up to the transmission phase
 *
 * "Fixed newstyle negotiation" and "Option types".  Nothing is read ahead:
 * what follows an option stays in the socket, so that no byte sent in the
 * clear can be taken for one that came by TLS.
 *
 * The whole of it has one deadline; options are few and short, and a client
 * that is not known yet costs no more than one option and its reply.
 */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

/* One option being answered. */
struct option_msg {
	struct session *s;
	uint32_t option;
	const uint8_t *data;		/* len bytes, then a NUL */
	size_t len;
	size_t pos;			/* up to here it has been looked at */
};

/* What handle() says besides 0 (go on) and -errno (drop the client). */
enum { TRANSMIT = 1 };

struct export *server_find(const struct server *server, const char *name,
    size_t len)
{
	for (unsigned i = 0; i < server->export_count; i++) {
		struct export *e = &server->exports[i];

		if (strlen(e->name) == len && !memcmp(e->name, name, len))
			return e;
	}
	return NULL;
}

uint16_t export_flags(const struct session *s, const struct export *e)
{
	unsigned flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH |
	    NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_CACHE;

	if (e->read_only)
		flags |= NBD_FLAG_READ_ONLY;
	else
		flags |= NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES |
		    NBD_FLAG_SEND_FAST_ZERO;
	if (e->multi_conn)
		flags |= NBD_FLAG_CAN_MULTI_CONN;
	if (s->mode != REPLY_SIMPLE)
		flags |= NBD_FLAG_SEND_DF;
	if (s->mode == REPLY_EXTENDED && s->contexts_of == e &&
	    s->context_count)
		flags |= NBD_FLAG_BLOCK_STATUS_PAYLOAD;
	return (uint16_t)flags;
}

/* ---- replies: gathered, sent with the last one of an option */

enum { GATHER_MAX = 32 << 10 };

/* Head and tail of one reply's data. */
static int reply(struct option_msg *m, uint32_t type, const void *head,
    size_t head_len, const void *tail, size_t tail_len)
{
	struct replies *r = &m->s->out;
	struct nbd_option_reply *h;
	bool last = type == NBD_REP_ACK || (type & NBD_REP_FLAG_ERROR);
	int rc = 0;

	if (area_need(&r->area, r->len + sizeof(*h) + head_len + tail_len))
		return -ENOMEM;
	h = (void *)(r->area.at + r->len);
	be64_put(&h->magic, NBD_REP_MAGIC);
	be32_put(&h->option, m->option);
	be32_put(&h->type, type);
	be32_put(&h->len, (uint32_t)(head_len + tail_len));
	if (head_len)
		memcpy(h + 1, head, head_len);
	if (tail_len)
		memcpy((char *)(h + 1) + head_len, tail, tail_len);
	r->len += sizeof(*h) + head_len + tail_len;
	if (last || r->len > GATHER_MAX) {
		rc = conn_send(&m->s->conn, r->area.at, r->len);
		r->len = 0;
	}
	return rc;
}

static int ack(struct option_msg *m)
{
	return reply(m, NBD_REP_ACK, NULL, 0, NULL, 0);
}

static int refuse(struct option_msg *m, uint32_t type, const char *text)
{
	session_say(m->s, "option %u refused: %s", m->option, text);
	return reply(m, type, text, strlen(text), NULL, 0);
}

/* ---- the data of an option */

static bool get_be16(struct option_msg *m, uint32_t *v)
{
	be16 b;

	if (m->len - m->pos < sizeof(b))
		return false;
	memcpy(&b, m->data + m->pos, sizeof(b));
	m->pos += sizeof(b);
	*v = be16_get(b);
	return true;
}

static bool get_be32(struct option_msg *m, uint32_t *v)
{
	be32 b;

	if (m->len - m->pos < sizeof(b))
		return false;
	memcpy(&b, m->data + m->pos, sizeof(b));
	m->pos += sizeof(b);
	*v = be32_get(b);
	return true;
}

/* A string with its length in front. */
static bool get_string(struct option_msg *m, const char **at, uint32_t *len)
{
	if (!get_be32(m, len) || *len > m->len - m->pos)
		return false;
	*at = (const char *)m->data + m->pos;
	m->pos += *len;
	return true;
}

/* Reads the name of an export at the front of the data.  NULL: *rc says what
 * came of answering that there is none. */
static struct export *get_export(struct option_msg *m, int *rc)
{
	char text[NBD_STRING_MAX];
	struct export *e;
	const char *name;
	uint32_t len;

	if (!get_string(m, &name, &len)) {
		*rc = refuse(m, NBD_REP_ERR_INVALID,
		    "option has inconsistent lengths");
		return NULL;
	}
	if (len > NBD_STRING_MAX) {
		*rc = refuse(m, NBD_REP_ERR_INVALID,
		    "export name is too long");
		return NULL;
	}
	e = server_find(m->s->server, name, len);
	if (!e) {
		/* The peer's words: its users look for them. */
		snprintf(text, sizeof(text), "export '%.*s' not present",
		    (int)len, name);
		*rc = refuse(m, NBD_REP_ERR_UNKNOWN, text);
	}
	return e;
}

/* ---- into the transmission phase */

static void forget_contexts(struct session *s)
{
	free(s->contexts);
	s->contexts = NULL;
	s->context_count = 0;
	s->contexts_of = NULL;
}

/* May the client come in?  Waiting for that does not count. */
static bool admit(struct session *s)
{
	uint64_t before = clock_ms();
	bool in = !s->server->admit ||
	    s->server->admit(s->server->admit_arg, s->conn.fd);

	if (s->conn.deadline_ms)
		s->conn.deadline_ms += clock_ms() - before;
	return in && !atomic_load(&s->server->stopping);
}

static void choose(struct session *s, struct export *e)
{
	s->export = e;
	if (s->contexts_of != e)
		forget_contexts(s);
}

/* No way to say no, but to leave. */
static int export_name(struct option_msg *m)
{
	static const uint8_t zeroes[NBD_EXPORT_ZEROES];
	struct session *s = m->s;
	struct nbd_export_reply r;
	struct iovec iov[2] = { { &r, sizeof(r) },
	    { (void *)zeroes, sizeof(zeroes) } };
	struct export *e = NULL;
	int rc;

	if (m->len <= NBD_STRING_MAX)
		e = server_find(s->server, (const char *)m->data, m->len);
	if (!e)
		session_say(s, "no such export");
	/* The extension asks for NBD_OPT_GO. */
	if (!e || s->mode == REPLY_EXTENDED || !admit(s))
		return -EPROTO;
	choose(s, e);
	be64_put(&r.size, e->size);
	be16_put(&r.flags, export_flags(s, e));
	rc = conn_sendv(&s->conn, iov, s->no_zeroes ? 1 : 2, false);
	return rc ? rc : TRANSMIT;
}

static int put_string(struct option_msg *m, unsigned info, const char *text)
{
	be16 type;

	be16_put(&type, info);
	return reply(m, NBD_REP_INFO, &type, sizeof(type), text,
	    strlen(text));
}

/* NBD_OPT_INFO and NBD_OPT_GO; what nobody asked for is sent as the peer
 * does: description, block sizes. */
static int info_or_go(struct option_msg *m)
{
	struct session *s = m->s;
	struct nbd_info_block_size sizes;
	struct nbd_info_export info;
	bool want_name = false;
	struct export *e;
	uint32_t n, what;
	int rc = 0;

	if (!(e = get_export(m, &rc)))
		return rc;
	if (!get_be16(m, &n) || m->len - m->pos != n * sizeof(be16))
		return refuse(m, NBD_REP_ERR_INVALID,
		    "option has inconsistent lengths");
	while (get_be16(m, &what))
		want_name |= what == NBD_INFO_NAME;

	if (m->option == NBD_OPT_GO && !admit(s))
		return refuse(m, NBD_REP_ERR_SHUTDOWN,
		    "server takes no more clients");
	if (want_name && (rc = put_string(m, NBD_INFO_NAME, e->name)))
		return rc;
	if (e->description && (rc = put_string(m, NBD_INFO_DESCRIPTION,
	    e->description)))
		return rc;
	be16_put(&sizes.type, NBD_INFO_BLOCK_SIZE);
	be32_put(&sizes.minimum, 1);
	be32_put(&sizes.preferred, 4096);
	be32_put(&sizes.maximum, NBD_PAYLOAD_MAX);
	rc = reply(m, NBD_REP_INFO, &sizes, sizeof(sizes), NULL, 0);
	if (rc)
		return rc;
	be16_put(&info.type, NBD_INFO_EXPORT);
	be64_put(&info.size, e->size);
	be16_put(&info.flags, export_flags(s, e));
	if ((rc = reply(m, NBD_REP_INFO, &info, sizeof(info), NULL, 0)) ||
	    (rc = ack(m)))
		return rc;
	if (m->option == NBD_OPT_INFO)
		return 0;
	choose(s, e);
	return TRANSMIT;
}

/* ---- the other options */

static int list(struct option_msg *m)
{
	const struct server *server = m->s->server;
	int rc = 0;

	for (unsigned i = 0; i < server->export_count && !rc; i++) {
		const struct export *e = &server->exports[i];
		const char *text = e->description ? e->description : "";
		size_t len = strlen(e->name);
		char head[sizeof(be32) + NBD_STRING_MAX];

		if (len > NBD_STRING_MAX)
			continue;
		be32_put((be32 *)head, (uint32_t)len);
		memcpy(head + sizeof(be32), e->name, len);
		rc = reply(m, NBD_REP_SERVER, head, sizeof(be32) + len, text,
		    strlen(text));
	}
	return rc ? rc : ack(m);
}

static int starttls(struct option_msg *m)
{
	struct session *s = m->s;
	struct error err;
	char byte;
	int rc;

	if (!s->server->tls)
		return refuse(m, NBD_REP_ERR_POLICY, "TLS not configured");
	if (s->conn.tls)
		return refuse(m, NBD_REP_ERR_INVALID, "TLS is in use already");
	/* Who sends more before our answer wants it taken for what comes by
	 * TLS (CVE-2021-3716). */
	if (recv(s->conn.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		session_say(s, "data in the clear after STARTTLS");
		return -EPROTO;
	}
	if ((rc = ack(m)))
		return rc;
	rc = tls_accept(s->server->tls, &s->conn, &err);
	if (rc) {
		session_say(s, "%s", err.text);
		return -EPROTO;
	}
	/* "the server MUST NOT preserve any negotiation state" */
	s->mode = REPLY_SIMPLE;
	forget_contexts(s);
	return 0;
}

static int structured_reply(struct option_msg *m)
{
	if (m->s->mode == REPLY_EXTENDED)
		return refuse(m, NBD_REP_ERR_EXT_HEADER_REQD,
		    "extended headers already negotiated");
	if (m->s->mode == REPLY_STRUCTURED)
		return refuse(m, NBD_REP_ERR_INVALID,
		    "structured replies already negotiated");
	m->s->mode = REPLY_STRUCTURED;
	return ack(m);
}

static int extended_headers(struct option_msg *m)
{
	if (m->s->mode == REPLY_EXTENDED)
		return refuse(m, NBD_REP_ERR_INVALID,
		    "extended headers already negotiated");
	m->s->mode = REPLY_EXTENDED;
	return ack(m);
}

/* Which of its contexts do the queries ask for?  Marks them; false where the
 * data are not what they should be. */
static bool read_queries(struct option_msg *m, const struct export *e,
    bool *wanted)
{
	bool listing = m->option == NBD_OPT_LIST_META_CONTEXT;
	unsigned limit = context_limit(e);
	const char *query;
	uint32_t n, len;

	if (!get_be32(m, &n))
		return false;
	for (unsigned id = 0; id < limit && listing && !n; id++)
		wanted[id] = true;
	for (; n; n--) {
		if (!get_string(m, &query, &len))
			return false;
		for (unsigned id = 0; id < limit; id++)
			wanted[id] |= len <= NBD_STRING_MAX &&
			    context_matches(e, id, query, len, listing);
	}
	return m->pos == m->len;
}

static int meta_context(struct option_msg *m)
{
	bool set = m->option == NBD_OPT_SET_META_CONTEXT;
	char text[sizeof(be32) + NBD_STRING_MAX + 1];
	struct session *s = m->s;
	struct export *e;
	bool *wanted;
	int rc = 0;

	/* "replaces all previously-set metadata contexts (including when this
	 * command fails)" */
	if (set)
		forget_contexts(s);
	if (set && s->mode == REPLY_SIMPLE)
		return refuse(m, NBD_REP_ERR_INVALID,
		    "structured replies have not been negotiated");
	if (!(e = get_export(m, &rc)))
		return rc;
	wanted = calloc(context_limit(e), sizeof(*wanted));
	if (set)
		s->contexts = calloc(context_limit(e), sizeof(*s->contexts));
	if (!wanted || (set && !s->contexts)) {
		free(wanted);
		return -ENOMEM;
	}
	if (!read_queries(m, e, wanted)) {
		free(wanted);
		return refuse(m, NBD_REP_ERR_INVALID,
		    "option has inconsistent lengths");
	}
	for (uint32_t id = 0; id < context_limit(e) && !rc; id++) {
		size_t len;

		if (!wanted[id] || !context_offered(e, id))
			continue;
		be32_put((be32 *)text, set ? id : 0);
		len = context_name(e, id, text + sizeof(be32),
		    sizeof(text) - sizeof(be32));
		if (len > NBD_STRING_MAX)
			continue;
		if (set)
			s->contexts[s->context_count++] = id;
		rc = reply(m, NBD_REP_META_CONTEXT, text, sizeof(be32) + len,
		    NULL, 0);
	}
	free(wanted);
	if (set)
		s->contexts_of = e;
	return rc ? rc : ack(m);
}

static int handle(struct option_msg *m)
{
	struct session *s = m->s;

	if (atomic_load(&s->server->stopping) && m->option != NBD_OPT_ABORT &&
	    m->option != NBD_OPT_EXPORT_NAME)
		return refuse(m, NBD_REP_ERR_SHUTDOWN,
		    "server is shutting down");
	if (s->server->tls && !s->conn.tls) {
		if (m->option == NBD_OPT_EXPORT_NAME)
			return -EPROTO;
		if (m->option != NBD_OPT_STARTTLS &&
		    m->option != NBD_OPT_ABORT)
			return refuse(m, NBD_REP_ERR_TLS_REQD,
			    "this server wants TLS");
	}
	/* These have no data. */
	if (m->len && (m->option == NBD_OPT_LIST ||
	    m->option == NBD_OPT_STARTTLS ||
	    m->option == NBD_OPT_STRUCTURED_REPLY ||
	    m->option == NBD_OPT_EXTENDED_HEADERS))
		return refuse(m, NBD_REP_ERR_INVALID,
		    "option has unexpected data");
	switch (m->option) {
	case NBD_OPT_EXPORT_NAME:
		return export_name(m);
	case NBD_OPT_ABORT:
		ack(m);
		return -ECONNRESET;
	case NBD_OPT_LIST:
		return list(m);
	case NBD_OPT_STARTTLS:
		return starttls(m);
	case NBD_OPT_INFO:
	case NBD_OPT_GO:
		return info_or_go(m);
	case NBD_OPT_STRUCTURED_REPLY:
		return structured_reply(m);
	case NBD_OPT_EXTENDED_HEADERS:
		return extended_headers(m);
	case NBD_OPT_LIST_META_CONTEXT:
	case NBD_OPT_SET_META_CONTEXT:
		return meta_context(m);
	default:
		return refuse(m, NBD_REP_ERR_UNSUP, "unknown option");
	}
}

/* ---- the whole */

static int greet(struct session *s, bool *fixed)
{
	struct nbd_greeting hello;
	uint32_t flags;
	be32 answer;
	int rc;

	be64_put(&hello.magic, NBD_MAGIC);
	be64_put(&hello.version, NBD_OPTS_MAGIC);
	be16_put(&hello.flags, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	if ((rc = conn_send(&s->conn, &hello, sizeof(hello))) ||
	    (rc = conn_recv_all(&s->conn, &answer, sizeof(answer))))
		return rc;
	flags = be32_get(answer);
	*fixed = flags & NBD_FLAG_C_FIXED_NEWSTYLE;
	s->no_zeroes = flags & NBD_FLAG_C_NO_ZEROES;
	if (flags & ~(NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES)) {
		session_say(s, "unknown client flags %#x", flags);
		return -EPROTO;
	}
	return 0;
}

/* One option from its header to its last reply. */
static int haggle(struct session *s, bool fixed)
{
	struct option_msg m = { .s = s };
	struct nbd_option h;
	uint8_t *data;
	int rc = conn_recv_all(&s->conn, &h, sizeof(h));

	if (rc)
		return rc;
	m.option = be32_get(h.option);
	m.len = be32_get(h.len);
	if (be64_get(h.magic) != NBD_OPTS_MAGIC) {
		session_say(s, "option does not begin with the magic number");
		return -EPROTO;
	}
	if (!fixed && m.option != NBD_OPT_EXPORT_NAME) {
		session_say(s, "option %u without fixed newstyle", m.option);
		return -EPROTO;
	}
	if (m.len > OPTION_LEN_MAX) {
		session_say(s, "option %u has %zu bytes", m.option, m.len);
		return -EPROTO;
	}
	data = malloc(m.len + 1);
	if (!data)
		return -ENOMEM;
	data[m.len] = '\0';
	m.data = data;
	rc = conn_recv_all(&s->conn, data, m.len);
	if (!rc)
		rc = handle(&m);
	free(data);
	return rc;
}

static int negotiate(struct session *s)
{
	bool fixed;
	int rc = greet(s, &fixed);

	for (unsigned n = 0; !rc; n++) {
		if (n == OPTIONS_MAX) {
			session_say(s, "more than %u options", OPTIONS_MAX);
			return -EPROTO;
		}
		rc = haggle(s, fixed);
	}
	return rc;
}

int handshake(struct session *s)
{
	int rc;

	if (s->server->handshake_ms)
		s->conn.deadline_ms = clock_ms() +
		    s->server->handshake_ms;
	rc = negotiate(s);
	s->conn.deadline_ms = 0;
	area_free(&s->out.area);
	if (rc == TRANSMIT)
		return 0;
	if (rc == -ETIMEDOUT)
		session_say(s, "client did not finish the handshake in time");
	else if (rc != -ECONNRESET && rc != -EPROTO)
		session_say(s, "handshake failed: %s", strerror(-rc));
	return rc ? rc : -EPROTO;
}
