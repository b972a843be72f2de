/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * answer.c - what a server says, held to what it was asked
 *
 * Status 206 and a Content-Range that is ours, seen before a byte of the body
 * is taken (a server that does not do ranges would send us all of the file
 * each time); the length, ETag and Last-Modified of the first answer, or else
 * the file has changed.  No encodings are asked for, and none is taken.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "modules/curl/slot.h"

enum { PAGE_MAX = 16 << 10 };	/* of a redirect, thrown away */

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

size_t answer_header(char *line, size_t one, size_t len, void *arg)
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

bool answer_is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 ||
	    status == 307 || status == 308;
}

int answer_bad_status(long status, struct error *err)
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

int answer_check(struct slot *s, struct error *err)
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
		return answer_bad_status(s->status, err);
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

size_t answer_data(char *data, size_t one, size_t len, void *arg)
{
	struct slot *s = arg;
	struct fetch *f = s->f;
	size_t left = len;

	if (!s->checked)
		curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &s->status);
	if (answer_is_redirect(s->status))	/* a page for people */
		return (s->page += len) > PAGE_MAX ? 0 : len;
	if (!s->checked && answer_check(s, &f->err))
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

int answer_failed(struct slot *s, CURLcode code, struct error *err)
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
