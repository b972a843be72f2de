/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire.c - ranges of one URL, several at once
 *
 * One thread drives all transfers, over connections that are kept.  A transfer
 * that breaks off goes on where it stopped, a few times and after pauses that
 * double; so does one that the server was too busy for.
 *
 * Every answer is held to what was asked: status 206 and a Content-Range that
 * is ours, seen before a byte of the body is taken (a server that does not do
 * ranges would send us all of the file each time); the length, ETag and
 * Last-Modified of the first answer, or else the file has changed.  No
 * encodings are asked for, and none is taken.
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
#include <time.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "modules/curl/curl.h"

enum {
	CONNECTIONS = 8,
	TRIES = 5,
	PAUSE_MS = 250,		/* before the second try */
	PAUSE_MAX_MS = 10000,	/* what Retry-After may say */
	REDIRECTS = 10,
	PAGE_MAX = 16 << 10,
	MORSEL = 64 << 10,	/* so much in one try is progress */
	SLOW = 1024,		/* bytes a second: slower is a stall */
};

/* What says which version of the file an answer is of. */
struct version {
	char etag[256], modified[64];
	uint64_t size;
};

struct slot {
	struct wire *w;
	CURL *easy;
	struct fetch *f;	/* NULL: idle */
	bool running;		/* else it waits until at_ms */
	int64_t at_ms;
	unsigned tries, hops;
	char *url;		/* redirected to; NULL: not in this try */
	bool from_front;	/* not where redirects led to before */
	size_t before;		/* fetched when this try began */
	size_t page;		/* of a redirect, thrown away */
	/* of the answer that is coming in */
	long status;
	struct version version;
	uint64_t first, last;	/* Content-Range */
	bool has_range, has_size, no_ranges, encoded, checked;
};

struct wire {
	struct wire_args args;
	char host[300];		/* scheme, host and port of args.url */
	CURLM *multi;
	struct slot slot[CONNECTIONS];
	char *led_to;		/* by redirects; NULL: nowhere else */
	long auth;		/* what the server wants, once known */
	bool known;		/* version is */
	struct version version;
	struct error changed;	/* for good */

	pthread_t thread;
	bool started;
	pthread_mutex_t lock;	/* guards all below */
	struct fetch *queue, **queue_end;
	bool stop;
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

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
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

/* ---- the header of an answer */

/* "bytes 0-1023/4096", or with a star for the range or the size. */
static void take_range(struct slot *s, const char *v)
{
	int n = 0;

	if (sscanf(v, "bytes %" SCNu64 "-%" SCNu64 "/%n", &s->first, &s->last,
	    &n) == 2 && n)
		s->has_range = true;
	else if (sscanf(v, "bytes */%n", &n) == EOF || !n)
		return;
	s->has_size = isdigit((unsigned char)v[n]);
	s->version.size = s->has_size ? strtoull(v + n, NULL, 10) : 0;
}

/* Of a file that is stored so some servers say that it is encoded. */
static bool is_gzip(const char *url)
{
	size_t n = strcspn(url, "?#");

	return n > 3 && !strncmp(url + n - 3, ".gz", 3);
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct slot *s = arg;
	char text[512], *v;
	size_t n = len < sizeof(text) ? len : sizeof(text) - 1;

	memcpy(text, line, n);
	while (n && isspace((unsigned char)text[n - 1]))
		n--;
	text[n] = '\0';
	if (!strncmp(text, "HTTP/", 5)) {	/* another answer begins */
		memset(&s->version, 0, sizeof(s->version));
		s->has_range = s->has_size = s->no_ranges = false;
		s->encoded = s->checked = false;
		return len;
	}
	if (!(v = strchr(text, ':')))
		return len;
	*v++ = '\0';
	v += strspn(v, " \t");
	if (!strcasecmp(text, "Content-Range"))
		take_range(s, v);
	else if (!strcasecmp(text, "Accept-Ranges"))
		s->no_ranges = !strcasecmp(v, "none");
	else if (!strcasecmp(text, "Content-Encoding"))
		s->encoded = strcasecmp(v, "identity") &&
		    !(is_gzip(s->w->args.url) && (!strcasecmp(v, "gzip") ||
		    !strcasecmp(v, "x-gzip")));
	else if (!strcasecmp(text, "ETag"))
		snprintf(s->version.etag, sizeof(s->version.etag), "%s", v);
	else if (!strcasecmp(text, "Last-Modified"))
		snprintf(s->version.modified, sizeof(s->version.modified),
		    "%s", v);
	return len;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 ||
	    status == 307 || status == 308;
}

static int bad_status(long status, struct error *err)
{
	static const struct {
		long status;
		int code;
		const char *text;
	} known[] = {
		{ 401, EACCES, " (it wants a user name and password)" },
		{ 403, EACCES, " (forbidden)" },
		{ 404, ENOENT, " (not found)" },
		{ 407, EACCES, " (the proxy wants a user name and password)" },
		{ 410, ENOENT, " (gone)" },
		{ 429, EBUSY, " (too many requests)" },
		{ 500, EIO, " (internal error)" },
		{ 502, EIO, " (bad gateway)" },
		{ 503, EBUSY, " (unavailable)" },
		{ 504, EIO, " (gateway timeout)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].status == status)
			return error_set(err, known[i].code,
			    "the server answers with HTTP status %ld%s",
			    status, known[i].text);
	return error_set(err, EIO, "the server answers with HTTP status %ld",
	    status);
}

/* Is it the version of the file that the first answer was of? */
static int check_version(struct wire *w, const struct slot *s,
    struct error *err)
{
	const struct version *a = &w->version, *b = &s->version;
	const char *what = NULL;

	if (!w->known)
		return 0;
	if (a->size != b->size)
		what = "length";
	else if (strcmp(a->etag, b->etag))
		what = "ETag";
	else if (strcmp(a->modified, b->modified))
		what = "date";
	if (!what)
		return 0;
	error_set(&w->changed, ESTALE, "the file on the server has changed "
	    "while it was open (its %s is another)", what);
	*err = w->changed;
	return -err->code;
}

/* The whole header is here: is the body what we want? */
static int check_header(struct slot *s, struct error *err)
{
	struct wire *w = s->w;
	const struct fetch *f = s->f;
	uint64_t from = f->off + f->done, end = f->off + f->len;

	s->checked = true;
	if (s->status == 200)
		return error_set(err, ENOTSUP, "the server cannot send parts "
		    "of the file: it ignores range requests (HTTP status 200)"
		    );
	if (s->status != 206)
		return bad_status(s->status, err);
	if (s->no_ranges && !w->args.force_range)
		return error_set(err, ENOTSUP, "the server says that it does "
		    "not do ranges (Accept-Ranges: none; force-range=on asks "
		    "for them all the same)");
	if (s->encoded)
		return error_set(err, ENOTSUP, "the server sends the file "
		    "encoded (Content-Encoding), which was not asked for");
	if (!s->has_range || !s->has_size || s->version.size > SIZE_LIMIT)
		return error_set(err, EIO, "the server does not say which part "
		    "of the file it sends, or how long that is");
	if (check_version(w, s, err))
		return -err->code;
	if (s->first != from || s->last < from || s->last >= end ||
	    s->last >= s->version.size)
		return error_set(err, EIO, "the server sends another part of "
		    "the file than was asked for");
	return 0;
}

static size_t on_data(char *data, size_t one, size_t len, void *arg)
{
	struct slot *s = arg;
	struct fetch *f = s->f;
	size_t left = len;

	if (!s->checked)
		curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &s->status);
	if (is_redirect(s->status))	/* a page for people */
		return (s->page += len) > PAGE_MAX ? 0 : len;
	if (!s->checked && check_header(s, &f->err))
		return 0;
	if (len > s->last + 1 - (f->off + f->done)) {
		error_set(&f->err, EIO,
		    "the server sends more than it was asked for");
		return 0;
	}
	while (left) {
		size_t in = f->done % f->part_size;
		size_t n = min64(left, f->part_size - in);

		memcpy(f->parts[f->done / f->part_size] + in, data, n);
		f->done += n;
		data += n;
		left -= n;
	}
	return len;
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
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
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

static int why(struct slot *s, CURLcode code, struct error *err)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return error_set(err, ETIMEDOUT, "the server does not answer, "
		    "or too slowly (timeout %u s)", s->w->args.timeout);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return error_set(err, ENOENT, "there is no host of that name");
	case CURLE_COULDNT_CONNECT:
		return error_set(err, ECONNREFUSED,
		    "cannot connect to the server");
	case CURLE_PARTIAL_FILE:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		return error_set(err, ECONNRESET, "the connection to the "
		    "server breaks off");
	case CURLE_SSL_CONNECT_ERROR:
		return error_set(err, EPROTO,
		    "the server does not speak TLS as it should");
	case CURLE_PEER_FAILED_VERIFICATION:
		return error_set(err, EACCES, "the certificate of the server "
		    "is not trusted, or not its own (sslverify=off does not "
		    "look)");
	case CURLE_SSL_CACERT_BADFILE:
		return error_set(err, EACCES,
		    "the certificates of trust cannot be read");
	default:
		return error_set(err, EIO, "%s", curl_easy_strerror(code));
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
		return bad_status(s->status, err);
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
	s->at_ms = now_ms() + ms;
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
	if (is_redirect(s->status)) {
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
		check_header(s, &f->err);
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
		why(s, code, &f->err);
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
	int64_t now = now_ms();

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
