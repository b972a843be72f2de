/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * create.c - a power cut while an image is made, filled or given another
 * backing name leaves nothing that opens and is wrong
 *
 *	create [-n STATES]
 *
 * Every state of each: an image being created either does not open or is
 * whole; one being converted to does not open before its end; one that is
 * renamed has the old names or the new, and all its extensions.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "copy.h"
#include "qcow2/disk.h"
#include "store/fault.h"
#include "support/guest.h"

enum { SIZE = 700 * 1024 + 512 };

static struct {
	unsigned states, limit, failures;
} run = { .limit = 100000 };

static const char *const kinds[] = {
	"cluster_size=512", "cluster_size=4k", "cluster_size=64k",
	"cluster_size=4k,preallocation=metadata",
	"cluster_size=512,preallocation=full,refcount_bits=64",
	"cluster_size=4k,compat=0.10", "cluster_size=4k,refcount_bits=1",
	"cluster_size=16k,extended_l2=on,preallocation=falloc",
	"cluster_size=4k,lazy_refcounts=on,compression_type=zstd",
	"cluster_size=512,compat=0.10,preallocation=metadata",
};

static void fail(const char *what, unsigned step, uint64_t seed,
    const struct error *err)
{
	run.failures++;
	printf("FAIL %s, step %u, dice %" PRIu64 ": %s\n", what, step, seed,
	    err->text);
}

static struct store *new_fault(struct error *err)
{
	struct store *s = fault_open(memory_open(0, err), err);

	if (!s || fault_record(s, err))
		abort();
	return s;
}

/* Calls see() for states of all steps of a record, or of some. */
static void each_cut(struct store *fault, unsigned from,
    int (*see)(struct store *, bool last, void *, struct error *), void *arg,
    const char *what)
{
	static const unsigned keeps[] = { 256, 0, 128, 64, 128, 230 };
	unsigned steps = fault_steps(fault), most = run.limit / 150 + 6;
	unsigned every = steps * ARRAY_LEN(keeps) / most + 1;
	struct error err;

	for (unsigned n = from; n <= steps; n += n + every < steps ? every :
	    1)
		for (unsigned i = 0; i < ARRAY_LEN(keeps); i++) {
			uint64_t seed = n * 100 + i;
			struct store *s = fault_cut(fault, n, seed, keeps[i],
			    &err);

			run.states++;
			if (!s || see(s, n == steps, arg, &err)) {
				fail(what, n, seed, &err);
				return;
			}
		}
}

/* ---- create, and convert */

struct goal {
	struct guest guest;	/* what it reads as when it is whole */
	unsigned opened;
};

static int see_whole(struct store *s, bool last, void *arg,
    struct error *err)
{
	struct open_args a = { .format = "qcow2" };
	struct goal *g = arg;
	struct image *img = image_in(s, &a, NULL, err);
	struct image_info info;
	struct error ignored;
	int rc;

	if (!img)
		return last ? error_prefix(err, "at the end") : 0;
	g->opened++;
	rc = image_info(img, &info, err);
	if (!rc && !info.dirty)
		rc = image_sound(img, err);
	if (!rc)
		rc = guest_check(&g->guest, img, true, err);
	image_info_fini(&info);
	image_close(img, &ignored);
	return rc ? error_prefix(err, "it opens") : 0;
}

static void creating(const char *options)
{
	struct error err = { 0 };
	struct store *s = new_fault(&err);
	struct goal g = { .opened = 0 };

	guest_init(&g.guest, SIZE, SIZE);
	if (image_make(s, "qcow2", SIZE, options, NULL, false, &err))
		fail(options, 0, 0, &err);
	else
		each_cut(s, 0, see_whole, &g, options);
	guest_fini(&g.guest);
	store_close(s, &err);
}

static int convert(struct store *s, const char *options, bool pack,
    struct image *source, struct error *err)
{
	struct open_args a = { .format = "qcow2", .writable = true,
	    .incomplete = true };
	struct copy_source cs = { .image = source, .len = SIZE };
	struct copy_args ca = { .sources = &cs, .source_count = 1,
	    .threads = 3, .pack = pack, .sparse = 4096,
	    .target_zero = true };
	struct error ignored;
	int rc = image_make(s, "qcow2", SIZE, options, NULL, true, err);

	if (rc)
		return rc;
	ca.target = image_in(store_lend(s, err), &a, NULL, err);
	if (!ca.target)
		return -err->code;
	rc = copy_run(&ca, NULL, err);
	if (!rc)
		rc = image_finish(ca.target, err);
	if (image_close(ca.target, rc ? &ignored : err) && !rc)
		rc = -err->code;
	return rc;
}

static void converting(const char *options, bool pack)
{
	struct open_args a = { .format = "raw" };
	struct error err = { 0 };
	struct store *s = new_fault(&err), *from = memory_open(SIZE, &err);
	struct goal g = { .opened = 0 };
	struct image *source;

	guest_init(&g.guest, SIZE, SIZE);
	guest_pattern(g.guest.now + 20000, 20000, 300000, 1, true);
	guest_pattern(g.guest.now + 500000, 500000, SIZE - 500000, 2, false);
	if (store_pwrite(from, g.guest.now, SIZE, 0, EVENT_DATA, &err))
		abort();
	source = image_in(from, &a, NULL, &err);
	if (!source || convert(s, options, pack, source, &err))
		fail(options, 0, 0, &err);
	else
		each_cut(s, 0, see_whole, &g, options);
	image_close(source, &err);
	guest_fini(&g.guest);
	store_close(s, &err);
}

/* ---- names in the header */

enum { STRANGE = 0x12345678, STRANGE_LEN = 600 };

struct names {
	const char *before, *after;	/* NULL: none */
	bool strange;			/* an extension nobody knows */
};

static bool same_name(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Is the strange extension in the header as it was? */
static int see_strange(struct store *s, struct error *err)
{
	uint8_t head[4096], want[STRANGE_LEN];
	struct qcow2_disk_ext x;
	size_t at;

	if (store_pread(s, head, sizeof(head), 0, EVENT_DATA, err))
		return -err->code;
	guest_pattern(want, 0, sizeof(want), 77, false);
	at = be32_get(((struct qcow2_disk_header *)head)->header_len);
	for (; at + sizeof(x) < sizeof(head); at += sizeof(x) +
	    align_up(be32_get(x.len), 8)) {
		memcpy(&x, head + at, sizeof(x));
		if (be32_get(x.type) == EXT_END)
			break;
		if (be32_get(x.type) == STRANGE &&
		    be32_get(x.len) == STRANGE_LEN &&
		    at + sizeof(x) + STRANGE_LEN <= sizeof(head) &&
		    !memcmp(head + at + sizeof(x), want, STRANGE_LEN))
			return 0;
	}
	return error_set(err, EIO, "the unknown extension is lost");
}

static int see_names(struct store *s, bool last, void *arg,
    struct error *err)
{
	struct open_args a = { .format = "qcow2", .no_backing = true };
	const struct names *n = arg;
	struct error ignored;
	struct image *img;
	int rc = n->strange ? see_strange(s, err) : 0;

	if (rc) {
		store_close(s, &ignored);
		return rc;
	}
	img = image_in(s, &a, NULL, err);
	if (!img)
		return -err->code;
	if (!same_name(img->backing_name, n->after) &&
	    (last || !same_name(img->backing_name, n->before)))
		rc = error_set(err, EIO, "backing name is '%.80s'",
		    img->backing_name ? img->backing_name : "");
	else if (img->backing_name && !same_name(img->backing_format, "raw"))
		rc = error_set(err, EIO, "backing format is '%s'",
		    img->backing_format ? img->backing_format : "");
	if (!rc)
		rc = image_sound(img, err);
	image_close(img, &ignored);
	return rc;
}

/* Adds it by hand: behind the header, before all others. */
static void add_strange(struct store *s)
{
	uint8_t *head = calloc(1, 8192);
	struct qcow2_disk_header *h = (void *)head;
	struct qcow2_disk_ext x;
	struct error err;
	size_t at, room = sizeof(x) + align_up(STRANGE_LEN, 8);

	if (!head || store_pread(s, head, 4096, 0, EVENT_DATA, &err))
		abort();
	at = be32_get(h->header_len);
	memmove(head + at + room, head + at, 4096 - room - at);
	be32_put(&x.type, STRANGE);
	be32_put(&x.len, STRANGE_LEN);
	memcpy(head + at, &x, sizeof(x));
	guest_pattern(head + at + sizeof(x), 0, STRANGE_LEN, 77, false);
	memset(head + at + sizeof(x) + STRANGE_LEN, 0,
	    room - sizeof(x) - STRANGE_LEN);
	if (be64_get(h->backing_offset))
		be64_put(&h->backing_offset, be64_get(h->backing_offset) +
		    room);
	if (store_pwrite(s, head, 4096, 0, EVENT_DATA, &err) ||
	    store_sync(s, &err))
		abort();
	free(head);
}

static void renaming(const char *options, const struct names *n)
{
	struct open_args a = { .format = "qcow2", .writable = true,
	    .no_backing = true };
	struct error err = { 0 };
	struct store *s = new_fault(&err);
	struct image *img;
	char what[200];

	snprintf(what, sizeof(what), "%s: %zu to %zu bytes of name%s",
	    options, n->before ? strlen(n->before) : 0, n->after ?
	    strlen(n->after) : 0, n->strange ? ", extension" : "");
	if (image_make(s, "qcow2", SIZE, options, n->before, false, &err)) {
		fail(what, 0, 0, &err);
		goto out;
	}
	if (n->strange)
		add_strange(s);
	if (fault_record(s, &err))
		abort();
	img = image_in(store_lend(s, &err), &a, NULL, &err);
	if (!img) {
		fail(what, 0, 0, &err);
		goto out;
	}
	if (image_set_backing(img, n->after, n->after ? "raw" : NULL, &err)) {
		/* A small cluster may have no room for the two. */
		if (err.code != ENOSPC)
			fail(what, 0, 0, &err);
	} else {
		each_cut(s, 0, see_names, (void *)n, what);
	}
	image_close(img, &err);
out:
	store_close(s, &err);
}

static void all_names(void)
{
	static const unsigned lengths[] = { 0, 3, 40, 230, 450, 1000 };
	static const char *const options[] = { "cluster_size=512",
	    "cluster_size=512,compat=0.10", "cluster_size=4k",
	    "cluster_size=64k", "cluster_size=4k,compat=0.10" };
	char before[1024], after[1024];

	for (unsigned o = 0; o < ARRAY_LEN(options); o++)
		for (unsigned i = 0; i < 36; i++) {
			bool strange = i % 2 && o >= 2 &&
			    !strstr(options[o], "compat");
			unsigned b = lengths[i / 6], f = lengths[i % 6];
			struct names n = { b ? before : NULL, f ? after :
			    NULL, strange };

			if (o < 2 && (b > 230 || f > 230))
				continue;
			memset(before, 'b', b);
			before[b] = '\0';
			memset(after, 'a', f);
			after[f] = '\0';
			renaming(options[o], &n);
		}
}

int main(int argc, char **argv)
{
	const char *states = getenv("CRASH_STATES");
	int c;

	if (states)
		run.limit = (unsigned)atoi(states);
	while ((c = getopt(argc, argv, "n:")) != -1) {
		if (c != 'n')
			return 2;
		run.limit = (unsigned)atoi(optarg);
	}
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		creating(kinds[i]);
		if (!strstr(kinds[i], "preallocation")) {
			converting(kinds[i], false);
			converting(kinds[i], true);
		}
	}
	all_names();
	printf("%u states, %u failures\n", run.states, run.failures);
	return run.failures != 0;
}
