/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * full.c - preallocation meets a full disk, and then the power goes: at every
 * moment leaks at worst, and the disk as it was
 *
 * The disk is full from an offset on: what lies behind is refused to be
 * written.  Where it ends is another place each time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "store/fault.h"
#include "support/guest.h"

enum { LARGE = 128 << 20, DATA = 300 << 10, STATES = 4000, TRIES = 72 };

static unsigned states, limit, failures, leaks;

static int check(struct store *s, const struct guest *g, struct error *err)
{
	struct open_args look = { .format = "qcow2", .for_check = true };
	struct image *img = s ? image_in(s, &look, NULL, err) : NULL;
	struct error ignored;
	struct check c = { 0 };
	struct image_info info = { .dirty = false };
	int rc = img ? image_info(img, &info, err) : -err->code;

	/* Lazy refcounts are made anew when it is next opened. */
	if (!rc && !info.dirty)
		rc = image_sound(img, err);
	image_info_fini(&info);
	rc = rc ? rc : guest_check(g, img, true, err);
	if (!rc && !img->format->check(img, &c, &ignored))
		leaks += c.leaks != 0;
	image_close(img, &ignored);
	states++;
	return rc;
}

struct kind {
	const char *create;
	uint64_t size;
	bool snapshot;
};

static int attempt(const struct kind *k, uint64_t room, const char *mode,
    struct error *err)
{
	struct open_args a = { .format = "qcow2", .writable = true };
	struct store *s = memory_open(0, err), *fault;
	AUTO_FREE uint8_t *data = malloc(DATA);
	struct fault_rule full = { .ops = FAULT_WRITE | FAULT_ZERO,
	    .event = -1, .len = 1ull << 60, .error = ENOSPC };
	struct error ignored;
	struct image *img;
	struct guest g;
	int rc, grown;

	guest_init(&g, k->size, LARGE);
	guest_pattern(data, 0, DATA, 1, false);
	guest_write(&g, 0, DATA, data);
	guest_flushed(&g);
	if ((rc = image_make(s, "qcow2", k->size, k->create, NULL, false,
	    err)) ||
	    !(img = image_in(store_lend(s, err), &a, NULL, err)))
		return -err->code;
	rc = image_write(img, data, DATA, 0, 0, err);
	if (image_close(img, err) || rc ||
	    (k->snapshot && store_snapshot(s, "then", err)))
		return -err->code;
	full.off = store_size(s) + room;
	fault = fault_open(s, err);
	if ((rc = fault_record(fault, err)) || (rc = fault_add(fault, &full,
	    err)) || !(img = image_in(store_lend(fault, err), &a, NULL, err)))
		return -err->code;
	grown = image_resize(img, LARGE, mode, &ignored);
	image_close(img, &ignored);
	/* At the end each step counts, so it is walked from there. */
	for (unsigned n = 0, step = fault_steps(fault); grown && !rc &&
	    n < limit / TRIES / 4 + 1 && step > 0; n++, step--)
		for (unsigned seed = 0; !rc && seed < 4; seed++)
			rc = check(fault_cut(fault, step, seed + 4 * step,
			    seed * 85, err), &g, err);
	store_close(fault, &ignored);
	guest_fini(&g);
	return rc;
}

int main(void)
{
	static const struct kind kinds[] = {
		{ "cluster_size=4k", 1 << 20, false },
		{ "cluster_size=4k", 1 << 20, true },
		/* No table yet where it begins. */
		{ "cluster_size=4k", 3 << 20, false },
		{ "cluster_size=64k", 1 << 20, true },
		{ "cluster_size=4k,lazy_refcounts=on", 1 << 20, false },
		{ "cluster_size=4k,refcount_bits=64", 3 << 20, false },
	};
	static const char *const modes[] = { "metadata", "falloc" };
	const char *states_wanted = getenv("CRASH_STATES");

	limit = states_wanted ? (unsigned)atoi(states_wanted) : STATES;

	for (unsigned k = 0; k < ARRAY_LEN(kinds); k++)
		for (unsigned m = 0; m < ARRAY_LEN(modes); m++)
			for (uint64_t room = 0; room < 16 << 20;
			    room = room * 5 + 7000) {
				struct error err = { 0 };

				if (!attempt(&kinds[k], room, modes[m],
				    &err))
					continue;
				failures++;
				printf("FAIL %s, %s, room %llu: %s\n",
				    kinds[k].create, modes[m],
				    (unsigned long long)room, err.text);
			}
	printf("%u states, %u with leaks, %u failures\n", states, leaks,
	    failures);
	return failures != 0;
}
