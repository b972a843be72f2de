/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slot.h - one transfer, and the wire it belongs to: for wire.c, which begins
 * and ends them, and answer.c, which looks at what comes in */
#ifndef MODULES_CURL_SLOT_H
#define MODULES_CURL_SLOT_H

#include <curl/curl.h>
#include <pthread.h>

#include "modules/curl/curl.h"

enum { CONNECTIONS = 8 };

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

/* Called by libcurl, with the slot as the last argument. */
size_t answer_header(char *line, size_t one, size_t len, void *arg);
size_t answer_data(char *data, size_t one, size_t len, void *arg);

/* The whole header is here: is the body what we want? */
int answer_check(struct slot *, struct error *);
bool answer_is_redirect(long status);
int answer_bad_status(long status, struct error *);
/* No answer, or not all of it: what has happened. */
int answer_failed(struct slot *, CURLcode, struct error *);

#endif
