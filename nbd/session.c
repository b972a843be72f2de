/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * session.c - one connection from accept to close
 *
 * The loop: receive what there is, serve all of it, send the replies.  A
 * client with one request under way costs three system calls for each; one
 * with many shares two of them.
 */
#include "session.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void session_say(struct session *s, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (!s->server->say)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	s->server->say(s->server->say_arg, line);
}

static int serve_one(struct session *s, const struct request *req)
{
	bool others = request_waiting(s) || helpers_busy(&s->helpers);
	bool alone = !others && !s->out.len;
	int rc;

	if (atomic_load(&s->server->stopping))
		return reply_error(&s->out, req, NBD_ESHUTDOWN,
		    "server is shutting down");
	if (req->type != NBD_CMD_READ)
		s->wrote |= req->type == NBD_CMD_WRITE ||
		    req->type == NBD_CMD_WRITE_ZEROES ||
		    req->type == NBD_CMD_TRIM;
	if (s->batches && !alone && (rc = batch_serve(s, req)) != -EAGAIN)
		return rc;
	rc = serve_request(&s->out, req, alone);
	if (rc != -EAGAIN || alone)
		return rc;
	if (others && !helpers_give(s, req))
		return 0;
	/* It is for us after all: those before it are answered first. */
	rc = replies_send(&s->out);
	return rc ? rc : serve_request(&s->out, req, true);
}

/* A client that says nothing keeps no memory. */
static void rest(struct session *s)
{
	if (s->pos == s->end) {
		s->pos = s->end = 0;
		area_free(&s->in);
	}
	area_free(&s->payload);
	area_free(&s->batch);
	area_free(&s->out.area);
}

static int receive(struct session *s, bool *resting)
{
	int rc = replies_send(&s->out);

	if (rc)
		return rc;
	if (atomic_load(&s->server->stopping))
		return -ESHUTDOWN;
	rc = request_receive(s);
	if (rc == -EAGAIN) {
		rest(s);
		*resting = true;
		conn_patience(&s->conn, 0);
		return 0;
	}
	if (*resting)
		conn_patience(&s->conn, SILENCE_MS);
	*resting = false;
	return rc;
}

/* Replies do not wait for the end of what was received: the client works on
 * some of them while we go on with the rest. */
static int transmit(struct session *s)
{
	bool resting = false;
	unsigned served = 0;
	struct request req;
	int rc;

	conn_patience(&s->conn, SILENCE_MS);
	for (;;) {
		rc = request_take(s, &req);
		if (rc == 1) {
			rc = serve_one(s, &req);
			served++;
		} else if (rc == -EAGAIN) {
			rc = receive(s, &resting);
		}
		if (!s->out.len)
			served = 0;
		if (!rc && (s->out.len >= SEND_AT || served == SEND_EACH))
			rc = replies_send(&s->out);
		if (rc)
			return rc;
	}
}

static void say_end(struct session *s, int rc)
{
	if (rc != -ESHUTDOWN && rc != -ECONNRESET && rc != -EPROTO)
		session_say(s, "connection lost: %s", strerror(-rc));
}

bool session_run(struct server *server, int fd)
{
	struct session s = { .server = server };
	struct error err;
	sigset_t pipe;
	bool served;
	int rc;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	pthread_mutex_init(&s.send_lock, NULL);
	helpers_init(&s.helpers);
	replies_init(&s.out, &s);
	conn_init(&s.conn, fd);
	s.conn.stopping = &server->stopping;

	served = !handshake(&s);
	if (served) {
		s.batches = batch_wanted(s.export->image);
		rc = transmit(&s);
		replies_send(&s.out);
		say_end(&s, rc);
	}
	helpers_fini(&s.helpers);
	/* What it wrote and did not flush is not promised; but it may be the
	 * last who was interested. */
	if (s.wrote && image_flush(s.export->image, &err))
		session_say(&s, "%s", err.text);
	conn_fini(&s.conn);
	area_free(&s.in);
	area_free(&s.payload);
	area_free(&s.batch);
	area_free(&s.out.area);
	free(s.contexts);
	pthread_mutex_destroy(&s.send_lock);
	return served;
}
