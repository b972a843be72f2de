/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire.c - ranges of one URL, several at once
 *
 * One thread drives all transfers, over connections that are kept.  A transfer
 * that breaks off goes on where it stopped, a few times and after pauses that
 * double; so does one that the server was too busy for.
 *
 * What comes in is looked at in answer.c.
 *
 * Where the first request was led to (redirects), the later ones go at once,
 * so that all come from one mirror; when that place says no, since its address
 * was good for some minutes only, we begin at the front again.  Credentials go
 * to the host they were given for, and to no other.
 */
#include <ctype.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "modules/curl/slot.h"

enum {
	TRIES = 5,
	PAUSE_MS = 250,		/* before the second try */
	PAUSE_MAX_MS = 10000,	/* what Retry-After may say */
	REDIRECTS = 10,
	MORSEL = 64 << 10,	/* so much in one try is progress */
	SLOW = 1024,		/* bytes a second: slower is a stall */
};

void wire_args_fini(struct wire_args *a)
{
	char *const strings[] = { a->url, a->user, a->password, a->proxy_user,
	    a->proxy_password, a->cookie, a->ca, a->cert, a->key };

	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		if (strings[i])
			explicit_bzero(strings[i], strlen(strings[i]));
		free(strings[i]);
	}
}

/* "https://host:port", in lower case and with the port; "" when in doubt. */
static void host_of(const char *url, char *host, size_t size)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *name = NULL, *port = NULL;

	*host = '\0';
	if (u && !curl_url_set(u, CURLUPART_URL, url, CURLU_URLENCODE) &&
	    !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
	    !curl_url_get(u, CURLUPART_HOST, &name, 0) &&
	    !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) &&
	    snprintf(host, size, "%s://%s:%s", scheme, name, port) >=
	    (int)size)
		*host = '\0';
	for (; *host; host++)
		*host = tolower((unsigned char)*host);
	curl_free(scheme);
	curl_free(name);
	curl_free(port);
	curl_url_cleanup(u);
}

/* ---- transfers */

static void set_credentials(struct slot *s, bool ours)
{
	const struct wire_args *a = &s->w->args;
	CURL *c = s->easy;

	curl_easy_setopt(c, CURLOPT_USERNAME, ours ? a->user : NULL);
	curl_easy_setopt(c, CURLOPT_PASSWORD, ours ? a->password : NULL);
	curl_easy_setopt(c, CURLOPT_COOKIE, ours ? a->cookie : NULL);
	curl_easy_setopt(c, CURLOPT_SSLCERT, ours ? a->cert : NULL);
	curl_easy_setopt(c, CURLOPT_SSLKEY, ours ? a->key : NULL);
	curl_easy_setopt(c, CURLOPT_HTTPAUTH, s->w->auth);
}

static bool prepare(struct slot *s)
{
	const struct wire_args *a = &s->w->args;
	CURL *c = s->easy = curl_easy_init();

	if (!c)
		return false;
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	/* Several connections are what makes ranges come in parallel. */
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "cowbird/" COWBIRD_VERSION);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)a->timeout);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)a->timeout);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, (long)a->verify);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, a->verify ? 2L : 0L);
	if (a->ca)
		curl_easy_setopt(c, CURLOPT_CAINFO, a->ca);
	if (a->proxy_user)
		curl_easy_setopt(c, CURLOPT_PROXYUSERNAME, a->proxy_user);
	if (a->proxy_password)
		curl_easy_setopt(c, CURLOPT_PROXYPASSWORD, a->proxy_password);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, answer_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, answer_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(c, CURLOPT_PRIVATE, s);
	return true;
}

static const char *url_of(const struct slot *s)
{
	return s->url ? s->url : s->w->led_to && !s->from_front ?
	    s->w->led_to : s->w->args.url;
}

/* Is this the host that credentials were given for? */
static bool own_host(const struct wire *w, const char *url)
{
	char host[sizeof(w->host)];

	host_of(url, host, sizeof(host));
	return *host && !strcmp(host, w->host);
}

/* Asks for what is missing of the slot's fetch. */
static int begin(struct slot *s, struct error *err)
{
	struct wire *w = s->w;
	struct fetch *f = s->f;
	const char *url = url_of(s);
	char range[64];

	if (w->changed.code) {
		*err = w->changed;
		return -err->code;
	}
	if (!s->easy && !prepare(s))
		return error_errno(err, ENOMEM, "reading");
	snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64,
	    f->off + f->done, f->off + f->len - 1);
	curl_easy_setopt(s->easy, CURLOPT_URL, url);
	curl_easy_setopt(s->easy, CURLOPT_RANGE, range);
	set_credentials(s, own_host(w, url));
	s->checked = false;
	s->before = f->done;
	s->page = 0;
	s->status = 0;
	f->err.code = 0;
	if (curl_multi_add_handle(w->multi, s->easy))
		return error_errno(err, ENOMEM, "reading");
	s->running = true;
	return 0;
}

static void finish(struct slot *s)
{
	struct fetch *f = s->f;

	free(s->url);
	s->url = NULL;
	s->f = NULL;
	f->ended(f);
}

/* May another try help?  While nothing was ever read a name or a port that is
 * not there is rather a mistake. */
static bool transient(const struct slot *s, CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
		return s->w->known;
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_PARTIAL_FILE:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		return true;
	default:
		return s->status == 408 || s->status == 429 ||
		    s->status == 500 ||
		    (s->status >= 502 && s->status <= 504);
	}
}

static void learn(struct slot *s)
{
	struct wire *w = s->w;
	long avail = 0;

	w->known = true;
	w->version = s->version;
	/* Later requests need not be refused first to learn it. */
	curl_easy_getinfo(s->easy, CURLINFO_HTTPAUTH_AVAIL, &avail);
	if (avail & CURLAUTH_DIGEST)
		w->auth = CURLAUTH_DIGEST;
	else if (avail & CURLAUTH_BASIC)
		w->auth = CURLAUTH_BASIC;
	if (s->url || s->from_front) {
		free(w->led_to);
		w->led_to = s->url;
		s->url = NULL;
	}
}

static bool has_scheme(const char *url, const char *scheme)
{
	size_t n = strlen(scheme);

	return !strncasecmp(url, scheme, n) && !strncmp(url + n, "://", 3);
}

/* What was asked for over TLS does not come without it. */
static int redirect(struct slot *s, struct error *err)
{
	const char *from = url_of(s);
	char *to = NULL;

	curl_easy_getinfo(s->easy, CURLINFO_REDIRECT_URL, &to);
	if (!to)
		return answer_bad_status(s->status, err);
	if (++s->hops > REDIRECTS)
		return error_set(err, ELOOP, "the server redirects more than "
		    "%d times", REDIRECTS);
	if (!has_scheme(to, "https") &&
	    (!has_scheme(to, "http") || has_scheme(from, "https")))
		return error_set(err, EPROTO, "the server redirects to '%.*s',"
		    " which is not followed from %s",
		    (int)min64(strcspn(to, "?#@"), 200), to,
		    has_scheme(from, "https") ? "https" : "http");
	to = strdup(to);
	if (!to)
		return error_errno(err, ENOMEM, "reading");
	free(s->url);
	s->url = to;
	s->at_ms = 0;
	return 0;
}

/* Another try, after a while; false: there were enough. */
static bool again(struct slot *s)
{
	curl_off_t after = 0;
	int64_t ms = PAUSE_MS << s->tries;

	if (++s->tries == TRIES || s->w->changed.code)
		return false;
	curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &after);
	if (after > 0)
		ms = max64(ms, min64((uint64_t)after * 1000, PAUSE_MAX_MS));
	s->at_ms = clock_ms() + ms;
	s->hops = 0;
	free(s->url);
	s->url = NULL;
	return true;
}

static bool empty_file(struct slot *s)
{
	curl_off_t length = -1;

	curl_easy_getinfo(s->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
	    &length);
	/* It has no ranges: 416 and a size, or 200 and nothing. */
	return !s->w->known && ((s->status == 416 && s->has_size &&
	    !s->version.size) || (s->status == 200 && !length));
}

/* All that was sent is here and good. */
static void arrived(struct slot *s)
{
	struct wire *w = s->w;
	struct fetch *f = s->f;

	if (!w->known || s->from_front)
		learn(s);
	s->from_front = false;
	if (f->done == f->len || f->off + f->done == w->version.size)
		finish(s);
	else if (f->done - s->before >= MORSEL)
		s->at_ms = 0;	/* a shorter range than asked for: go on */
	else if (!again(s)) {
		error_set(&f->err, EIO, "the server sends too little of what "
		    "it was asked for");
		finish(s);
	}
}

/* A transfer has ended, one way or another. */
static void ended(struct slot *s, CURLcode code)
{
	struct fetch *f = s->f;

	s->running = false;
	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &s->status);
	if (answer_is_redirect(s->status)) {
		f->err.code = 0;
		if (redirect(s, &f->err))
			finish(s);
		return;
	}
	if ((!code || s->status == 416) && empty_file(s)) {
		f->err.code = 0;
		s->version.size = 0;
		learn(s);
		finish(s);
		return;
	}
	if (!code && !s->checked)	/* there was no body */
		answer_check(s, &f->err);
	if (!code && !f->err.code) {
		arrived(s);
		return;
	}
	/* Where redirects led to before may have been good for a while only. */
	if (s->w->led_to && !s->from_front && (s->status == 401 ||
	    s->status == 403 || s->status == 404 || s->status == 410)) {
		s->from_front = true;
		s->at_ms = 0;
		return;
	}
	if (transient(s, f->err.code ? CURLE_OK : code)) {
		if (f->done - s->before >= MORSEL) {
			s->tries = 0;
			s->at_ms = 0;
			return;
		}
		if (again(s))
			return;
	}
	if (!f->err.code)
		answer_failed(s, code, &f->err);
	finish(s);
}

/* ---- the thread */

static struct fetch *next_fetch(struct wire *w)
{
	struct fetch *f;
	LOCKED(&w->lock);

	f = w->queue;
	if (f && !(w->queue = f->next))
		w->queue_end = &w->queue;
	return f;
}

/* Gives work to idle slots; returns how long to wait at most. */
static int start_slots(struct wire *w)
{
	int wait = 60000;
	int64_t now = clock_ms();

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct slot *s = &w->slot[i];

		if (!s->f && (s->f = next_fetch(w))) {
			s->w = w;
			s->tries = s->hops = 0;
			s->from_front = false;
			s->at_ms = now;
		}
		if (!s->f || s->running)
			continue;
		if (s->at_ms > now)
			wait = min64(wait, s->at_ms - now);
		else if (begin(s, &s->f->err)) {
			finish(s);
			wait = 0;
		}
	}
	return wait;
}

static bool stopped(struct wire *w)
{
	LOCKED(&w->lock);

	return w->stop;
}

static void *drive(void *arg)
{
	struct wire *w = arg;
	struct fetch *f;

	while (!stopped(w)) {
		int left, wait = start_slots(w);
		bool any = false;
		CURLMsg *m;

		curl_multi_perform(w->multi, &left);
		while ((m = curl_multi_info_read(w->multi, &left))) {
			CURLcode code = m->data.result;
			struct slot *s;

			if (m->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE,
			    &s);
			curl_multi_remove_handle(w->multi, s->easy);
			ended(s, code);
			any = true;
		}
		if (!any)
			curl_multi_poll(w->multi, NULL, 0, wait, NULL);
	}
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct slot *s = &w->slot[i];

		if (s->running)
			curl_multi_remove_handle(w->multi, s->easy);
		if (s->f) {
			error_set(&s->f->err, EINTR, "interrupted");
			finish(s);
		}
	}
	while ((f = next_fetch(w))) {
		error_set(&f->err, EINTR, "interrupted");
		f->ended(f);
	}
	return NULL;
}

void wire_submit(struct wire *w, struct fetch *f)
{
	pthread_mutex_lock(&w->lock);
	f->next = NULL;
	*w->queue_end = f;
	w->queue_end = &f->next;
	pthread_mutex_unlock(&w->lock);
	curl_multi_wakeup(w->multi);
}

/* ---- opening and closing */

struct waiting {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void first_ended(struct fetch *f)
{
	struct waiting *wait = f->arg;
	LOCKED(&wait->lock);

	wait->done = true;
	pthread_cond_signal(&wait->cond);
}

static int fetch_first(struct wire *w, uint8_t *buf, size_t size,
    struct error *err)
{
	struct waiting wait = { PTHREAD_MUTEX_INITIALIZER,
	    PTHREAD_COND_INITIALIZER, false };
	struct fetch f = { .len = size, .parts = &buf, .part_size = size,
	    .ended = first_ended, .arg = &wait };

	wire_submit(w, &f);
	pthread_mutex_lock(&wait.lock);
	while (!wait.done)
		pthread_cond_wait(&wait.cond, &wait.lock);
	pthread_mutex_unlock(&wait.lock);
	*err = f.err;
	return -f.err.code;
}

struct wire *wire_open(struct wire_args *args, uint8_t *first,
    size_t first_size, uint64_t *size, struct error *err)
{
	struct wire *w = calloc(1, sizeof(*w));
	int code;

	if (!w) {
		wire_args_fini(args);
		error_errno(err, ENOMEM, "opening");
		return NULL;
	}
	w->args = *args;
	w->queue_end = &w->queue;
	w->auth = CURLAUTH_BASIC | CURLAUTH_DIGEST;
	pthread_mutex_init(&w->lock, NULL);
	host_of(args->url, w->host, sizeof(w->host));
	w->slot[0].w = w;
	/* A handle first: that makes the library ready, once. */
	if (!prepare(&w->slot[0]) || !(w->multi = curl_multi_init())) {
		error_errno(err, ENOMEM, "opening");
		goto fail;
	}
	curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS);
	code = pthread_create(&w->thread, NULL, drive, w);
	if (code) {
		error_errno(err, code, "opening");
		goto fail;
	}
	w->started = true;
	if (fetch_first(w, first, first_size, err))
		goto fail;
	*size = w->version.size;
	return w;
fail:
	wire_close(w);
	return NULL;
}

void wire_close(struct wire *w)
{
	if (w->started) {
		pthread_mutex_lock(&w->lock);
		w->stop = true;
		pthread_mutex_unlock(&w->lock);
		curl_multi_wakeup(w->multi);
		pthread_join(w->thread, NULL);
	}
	for (unsigned i = 0; i < CONNECTIONS; i++)
		curl_easy_cleanup(w->slot[i].easy);
	if (w->multi)
		curl_multi_cleanup(w->multi);
	pthread_mutex_destroy(&w->lock);
	wire_args_fini(&w->args);
	free(w->led_to);
	free(w);
}
