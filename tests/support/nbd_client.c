/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbd_client.c - see nbd_client.h */
#include "support/nbd_client.h"

#include "support/guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "nbd client: %s\n", what);
	abort();
}

/* ---- a server */

void nbd_disk_use(struct nbd_disk *d, const char *format, struct store *s)
{
	struct open_args a = { .format = format, .writable = true,
	    .unmap = true };
	struct error err;

	*d = (struct nbd_disk){ .export = { .name = (char *)"disk" } };
	if (!(d->export.image = image_in(s, &a, NULL, &err)))
		die(err.text);
	d->export.size = d->export.image->size;
	d->server.exports = &d->export;
	d->server.export_count = 1;
	d->server.handshake_ms = 10000;
}

void nbd_disk_open(struct nbd_disk *d, const char *format, uint64_t size,
    const char *create_options)
{
	struct error err;
	struct store *s = memory_open(0, &err);

	if (!s || image_make(s, format, size, create_options, NULL, false,
	    &err))
		die(err.text);
	nbd_disk_use(d, format, s);
}

void nbd_disk_close(struct nbd_disk *d)
{
	struct error err;

	if (image_close(d->export.image, &err))
		die(err.text);
}

/* ---- connection */

static void *serve_session(void *arg)
{
	struct nbd_client *c = arg;

	c->served = session_run(c->server, c->server_fd);
	close(c->server_fd);
	return NULL;
}

void nbd_connect(struct nbd_client *c, struct server *server)
{
	struct timeval patience = { .tv_sec = 20 };
	pthread_attr_t attr;
	int fd[2];

	*c = (struct nbd_client){ .server = server };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		die("no sockets");
	c->fd = fd[0];
	c->server_fd = fd[1];
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience));
	/* As much as sessions say they need, and what sanitizers do. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 512 << 10);
	if (pthread_create(&c->thread, &attr, serve_session, c))
		die("no thread");
	pthread_attr_destroy(&attr);
}

bool nbd_outlast(struct nbd_client *c)
{
	pthread_join(c->thread, NULL);
	if (c->fd >= 0)
		close(c->fd);
	free(c->data);
	c->data = NULL;
	return c->served;
}

bool nbd_close(struct nbd_client *c)
{
	close(c->fd);
	c->fd = -1;
	return nbd_outlast(c);
}

void nbd_send(struct nbd_client *c, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = send(c->fd, buf, len, MSG_NOSIGNAL);

		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return;		/* the next read finds out */
		if (n < 0)
			die("cannot send");
		buf = (const char *)buf + n;
		len -= (size_t)n;
	}
}

/* False: closed. */
static bool take(struct nbd_client *c, void *buf, size_t len)
{
	while (len) {
		ssize_t n = recv(c->fd, buf, len, 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return false;
		if (n < 0)
			die(errno == EAGAIN ? "no answer" : "cannot receive");
		buf = (char *)buf + n;
		len -= (size_t)n;
	}
	return true;
}

static bool take_data(struct nbd_client *c, size_t len)
{
	free(c->data);
	c->data = malloc(len + 1);
	if (!c->data)
		die("no memory");
	c->data[len] = '\0';
	c->len = len;
	return take(c, c->data, len);
}

bool nbd_is_dropped(struct nbd_client *c)
{
	char byte;

	return !take(c, &byte, 1);
}

/* ---- handshake */

void nbd_hello(struct nbd_client *c, uint32_t flags)
{
	struct nbd_greeting hello;
	be32 answer;

	if (!take(c, &hello, sizeof(hello)) ||
	    be64_get(hello.magic) != NBD_MAGIC ||
	    be64_get(hello.version) != NBD_OPTS_MAGIC ||
	    be16_get(hello.flags) != 3)
		die("wrong greeting");
	be32_put(&answer, flags);
	nbd_send(c, &answer, sizeof(answer));
}

void nbd_option(struct nbd_client *c, uint32_t option, const void *data,
    size_t len)
{
	struct nbd_option h;

	be64_put(&h.magic, NBD_OPTS_MAGIC);
	be32_put(&h.option, option);
	be32_put(&h.len, (uint32_t)len);
	nbd_send(c, &h, sizeof(h));
	nbd_send(c, data, len);
}

uint32_t nbd_option_reply(struct nbd_client *c)
{
	struct nbd_option_reply h;

	if (!take(c, &h, sizeof(h)))
		return c->type = 0;
	if (be64_get(h.magic) != NBD_REP_MAGIC)
		die("wrong magic of a reply to an option");
	c->type = be32_get(h.type);
	if (!take_data(c, be32_get(h.len)))
		die("half a reply to an option");
	return c->type;
}

static bool is_last(uint32_t type)
{
	return !type || type == NBD_REP_ACK || (type & NBD_REP_FLAG_ERROR);
}

uint32_t nbd_ask(struct nbd_client *c, uint32_t option, const void *data,
    size_t len)
{
	nbd_option(c, option, data, len);
	while (!is_last(nbd_option_reply(c)))
		;
	return c->type;
}

static uint8_t *put32(uint8_t *at, uint32_t v)
{
	be32_put((be32 *)at, v);
	return at + 4;
}

static uint8_t *put_string(uint8_t *at, const char *s)
{
	at = put32(at, (uint32_t)strlen(s));
	memcpy(at, s, strlen(s));
	return at + strlen(s);
}

uint32_t nbd_contexts(struct nbd_client *c, uint32_t option,
    const char *export, const char *const *queries, char *names, size_t size)
{
	uint8_t data[8192], *at = put_string(data, export);
	unsigned n = 0;

	while (queries[n])
		n++;
	at = put32(at, n);
	while (*queries)
		at = put_string(at, *queries++);
	nbd_option(c, option, data, (size_t)(at - data));
	names[0] = '\0';
	while (!is_last(nbd_option_reply(c))) {
		size_t used = strlen(names);

		snprintf(names + used, size - used, "%u=%s ",
		    be32_get(*(be32 *)c->data), c->data + 4);
	}
	return c->type;
}

uint32_t nbd_go(struct nbd_client *c, uint32_t option, const char *export,
    const uint16_t *infos, unsigned n)
{
	uint8_t data[8192], *at = put_string(data, export);

	be16_put((be16 *)at, (uint16_t)n);
	at += 2;
	for (unsigned i = 0; i < n; i++, at += 2)
		be16_put((be16 *)at, infos[i]);
	nbd_option(c, option, data, (size_t)(at - data));
	while (!is_last(nbd_option_reply(c))) {
		const struct nbd_info_export *e = (void *)c->data;

		if (c->len != sizeof(*e) || be16_get(e->type))
			continue;
		c->size = be64_get(e->size);
		c->flags = be16_get(e->flags);
	}
	return c->type;
}

void nbd_start(struct nbd_client *c, struct server *server,
    const char *export, enum nbd_mode mode, const char *context)
{
	const char *queries[] = { context, NULL };
	char names[100];

	nbd_connect(c, server);
	nbd_hello(c, 3);
	c->mode = mode;
	if (mode != NBD_SIMPLE && nbd_ask(c, mode == NBD_EXTENDED ?
	    NBD_OPT_EXTENDED_HEADERS : NBD_OPT_STRUCTURED_REPLY, NULL, 0) !=
	    NBD_REP_ACK)
		die("no such replies");
	if (context && nbd_contexts(c, NBD_OPT_SET_META_CONTEXT, export,
	    queries, names, sizeof(names)) != NBD_REP_ACK)
		die("no such context");
	if (nbd_go(c, NBD_OPT_GO, export, NULL, 0) != NBD_REP_ACK)
		die("may not go");
}

/* ---- transmission */

void nbd_request(struct nbd_client *c, unsigned type, unsigned flags,
    uint64_t cookie, uint64_t off, uint64_t len)
{
	struct nbd_extended_request r;
	struct nbd_request *compact = (void *)&r;

	be32_put(&r.magic, c->mode == NBD_EXTENDED ?
	    NBD_EXTENDED_REQUEST_MAGIC : NBD_REQUEST_MAGIC);
	be16_put(&r.flags, (uint16_t)flags);
	be16_put(&r.type, (uint16_t)type);
	be64_put(&r.cookie, cookie);
	be64_put(&r.off, off);
	if (c->mode == NBD_EXTENDED)
		be64_put(&r.len, len);
	else
		be32_put(&compact->len, (uint32_t)len);
	nbd_send(c, &r, c->mode == NBD_EXTENDED ? sizeof(r) :
	    sizeof(*compact));
}

struct nbd_message nbd_message(struct nbd_client *c)
{
	struct nbd_message m = { .eof = true };
	struct nbd_extended_reply h;
	struct nbd_structured_reply *chunk = (void *)&h;
	struct nbd_simple_reply *simple = (void *)&h;
	uint32_t magic;

	if (!take(c, &h, sizeof(*simple)))
		return m;
	m.eof = false;
	m.cookie = be64_get(h.cookie);
	magic = be32_get(h.magic);
	if (magic == NBD_SIMPLE_REPLY_MAGIC) {
		if (c->mode == NBD_EXTENDED)
			die("simple reply with extended headers");
		m.simple = m.done = true;
		m.error = be32_get(simple->error);
		return m;
	}
	m.type = be16_get(h.type);
	m.done = be16_get(h.flags) & NBD_REPLY_FLAG_DONE;
	if (magic == NBD_STRUCTURED_REPLY_MAGIC && c->mode == NBD_STRUCTURED) {
		take(c, &chunk->len, sizeof(chunk->len));
		m.len = be32_get(chunk->len);
	} else if (magic == NBD_EXTENDED_REPLY_MAGIC &&
	    c->mode == NBD_EXTENDED) {
		take(c, &h.off, sizeof(h) - sizeof(*simple));
		m.off = be64_get(h.off);
		m.len = be64_get(h.len);
	} else {
		die("wrong magic of a reply");
	}
	if (m.len > NBD_PAYLOAD_MAX + 8)
		die("chunk too long");
	if (!take_data(c, m.len))
		m.eof = true;
	if (m.type & 1u << 15) {
		const struct nbd_chunk_error *e = (void *)c->data;

		if (m.len < sizeof(*e) || be16_get(e->len) +
		    sizeof(*e) > m.len || !be32_get(e->error))
			die("error chunk makes no sense");
		m.error = be32_get(e->error);
	}
	return m;
}

/* One chunk of the answer to a READ: its place in buf; bytes covered. */
static uint64_t place(struct nbd_client *c, const struct nbd_message *m,
    uint8_t *buf, uint64_t off, uint64_t len)
{
	const struct nbd_chunk_hole *hole = (void *)c->data;
	uint64_t at, n;

	if (m->type == NBD_REPLY_TYPE_NONE)
		return 0;
	if (!buf || m->len < 9)
		die("unexpected chunk");
	at = be64_get(hole->off);
	n = m->type == NBD_REPLY_TYPE_OFFSET_HOLE ? be32_get(hole->len) :
	    m->len - 8;
	if (!n || at < off || !range_ok(at - off, n, len))
		die("chunk out of bounds");
	if (m->type == NBD_REPLY_TYPE_OFFSET_HOLE)
		memset(buf + (at - off), 0, n);
	else if (m->type == NBD_REPLY_TYPE_OFFSET_DATA)
		memcpy(buf + (at - off), c->data + 8, n);
	else
		die("unexpected type of chunk");
	return n;
}

uint32_t nbd_answer(struct nbd_client *c, uint64_t cookie, void *buf,
    uint64_t off, uint64_t len)
{
	uint32_t error = 0;
	uint64_t got = 0;
	struct nbd_message m;

	do {
		m = nbd_message(c);
		if (m.eof)
			return NBD_ESHUTDOWN;
		if (m.cookie != cookie)
			die("answer to another request");
		if (c->mode == NBD_EXTENDED && m.off != off)
			die("answer with another offset");
		if (m.error)
			error = m.error;
		else if (m.simple && buf && len)
			got += take(c, buf, len) ? len : 0;
		else if (!m.simple)
			got += place(c, &m, buf, off, len);
	} while (!m.done);
	if (!error && buf && got != len)
		die("data are missing");
	return error;
}

uint32_t nbd_command(struct nbd_client *c, unsigned type, unsigned flags,
    uint64_t off, uint64_t len, void *buf)
{
	static _Thread_local uint64_t cookie = 0x1122334455667788;
	bool write = type == NBD_CMD_WRITE;

	if (write && c->mode == NBD_EXTENDED)
		flags |= NBD_CMD_FLAG_PAYLOAD_LEN;
	nbd_request(c, type, flags, ++cookie, off, len);
	if (write)
		nbd_send(c, buf, len);
	return nbd_answer(c, cookie, type == NBD_CMD_READ ? buf : NULL, off,
	    len);
}

const char *nbd_status(struct nbd_client *c, unsigned flags, uint64_t off,
    uint64_t len, char *text, size_t size)
{
	bool ext = c->mode == NBD_EXTENDED;
	struct nbd_message m;
	const uint8_t *at;
	size_t used = 0;

	nbd_request(c, NBD_CMD_BLOCK_STATUS, flags, 5, off, len);
	m = nbd_message(c);
	text[0] = '\0';
	if (m.eof || m.error || !m.done) {
		snprintf(text, size, m.eof ? "eof" : m.error ? "error %u" :
		    "more than one chunk", m.error);
		return text;
	}
	if (m.type != (ext ? NBD_REPLY_TYPE_BLOCK_STATUS_EXT :
	    NBD_REPLY_TYPE_BLOCK_STATUS))
		die("not a block status");
	at = c->data + (ext ? 8 : 4);
	if (ext && be32_get(*(be32 *)(c->data + 4)) * 16 + 8 != m.len)
		die("wrong count of descriptors");
	for (; at < c->data + m.len; at += ext ? 16 : 8)
		used += (size_t)snprintf(text + used, size - used, "%llu:%u ",
		    (unsigned long long)(ext ? be64_get(*(be64 *)at) :
		    be32_get(*(be32 *)at)), ext ?
		    (unsigned)be64_get(*(be64 *)(at + 8)) :
		    be32_get(*(be32 *)(at + 4)));
	return text;
}
