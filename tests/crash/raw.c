/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * raw.c - after a power cut a raw image has all that was flushed
 *
 *	raw [-s SEED] [-n STATES] [-v]
 *
 * As qcow2.c does it: a seed is a workload on a recording store; states that
 * a cut could leave are opened and compared with the model.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "store/fault.h"
#include "support/guest.h"

enum { STATES = 2000, OPS = 40, SIZE = 300 * 1024 + 512, MAX = 512 * 1024,
	LONGEST = 70 * 1024 };

static struct {
	uint64_t seed;
	unsigned states, limit, failures;
	bool verbose, one;
} run;

struct work {
	uint64_t seed;
	struct dice dice;
	struct store *fault;
	struct image *image;
	struct guest guest;
	uint64_t seq, state;
	unsigned op;
	const char *what;
	uint64_t off, len;
	uint8_t buf[LONGEST];
};

static void fail(struct work *w, const char *where, const struct error *err)
{
	run.failures++;
	printf("FAIL seed %" PRIu64 ", operation %u (%s %" PRIu64 "+%" PRIu64
	    "), %s: %s\n", w->seed, w->op, w->what, w->off, w->len, where,
	    err->text);
}

static int look(struct work *w, unsigned step, uint64_t seed, unsigned keep,
    struct error *err)
{
	struct open_args a = { .format = "raw" };
	struct store *s = fault_cut(w->fault, step, seed, keep, err);
	struct image *img = s ? image_in(s, &a, NULL, err) : NULL;
	struct error ignored;
	int rc;

	if (!img)
		return -err->code;
	rc = guest_check(&w->guest, img, false, err);
	image_close(img, &ignored);
	return rc;
}

static bool cut_at(struct work *w, unsigned step)
{
	static const unsigned keeps[] = { 256, 128, 0, 64, 200 };
	uint64_t seed = w->seed * 1000 + w->state++;
	unsigned keep = keeps[seed % ARRAY_LEN(keeps)];
	struct error err = { 0 };
	char where[100];

	run.states++;
	if (!look(w, step, seed, keep, &err))
		return true;
	snprintf(where, sizeof(where), "step %u of %u, dice %" PRIu64
	    ", keep %u", step, fault_steps(w->fault), seed, keep);
	fail(w, where, &err);
	return false;
}

static int reopen(struct work *w, struct error *err)
{
	struct open_args a = { .format = "raw", .writable = true,
	    .unmap = true };
	struct store *s;

	if (w->image && image_close(w->image, err)) {
		w->image = NULL;
		return -err->code;
	}
	s = store_lend(w->fault, err);
	w->image = s ? image_in(s, &a, NULL, err) : NULL;
	return w->image ? 0 : -err->code;
}

static int resize(struct work *w, struct error *err)
{
	int rc;

	w->len = GUEST_SECTOR * (1 + dice_below(&w->dice,
	    MAX / GUEST_SECTOR));
	w->off = w->guest.size;
	rc = image_resize(w->image, w->len, NULL, err);
	guest_resize(&w->guest, w->len);
	return rc;
}

static int operate(struct work *w, bool *flushes, struct error *err)
{
	unsigned pick = (unsigned)dice_below(&w->dice, 20);
	bool fua = pick == 0;
	int rc;

	*flushes = fua;
	w->off = dice_below(&w->dice, w->guest.size);
	w->len = 1 + dice_below(&w->dice, dice_below(&w->dice, 2) ? LONGEST :
	    1500);
	w->len = min64(w->len, w->guest.size - w->off);
	if (pick < 9) {
		w->what = fua ? "write FUA" : "write";
		guest_pattern(w->buf, w->off, w->len, ++w->seq, false);
		rc = image_write(w->image, w->buf, w->len, w->off,
		    fua ? IO_FUA : 0, err);
		guest_write(&w->guest, w->off, w->len, w->buf);
		return rc;
	}
	if (pick < 12) {
		w->what = "zero";
		rc = image_zero(w->image, w->off, w->len, pick & 1 ?
		    IO_MAY_UNMAP : 0, err);
		guest_write(&w->guest, w->off, w->len, NULL);
		return rc;
	}
	if (pick < 14) {
		w->what = "discard";
		rc = image_discard(w->image, w->off, w->len, err);
		return rc ? rc : guest_adopt(&w->guest, w->image, w->off,
		    w->len, err);
	}
	if (pick < 16) {
		w->what = "resize";
		return resize(w, err);
	}
	*flushes = true;
	w->what = pick < 19 ? "flush" : "close and open";
	return pick < 19 ? image_flush(w->image, err) : reopen(w, err);
}

static bool step(struct work *w)
{
	unsigned before = fault_steps(w->fault), after;
	struct error err = { 0 };
	bool flushes;

	if (operate(w, &flushes, &err)) {
		fail(w, "itself", &err);
		return false;
	}
	if (run.verbose)
		printf("  %u: %s %" PRIu64 "+%" PRIu64 "\n", w->op, w->what,
		    w->off, w->len);
	after = fault_steps(w->fault);
	for (unsigned s = before + 1; s <= after && !(flushes && s == after);
	    s++)
		if (!cut_at(w, s) || !cut_at(w, s))
			return false;
	if (flushes)
		guest_flushed(&w->guest);
	return !flushes || cut_at(w, after);
}

static void workload(uint64_t seed)
{
	struct work *w = calloc(1, sizeof(*w));
	struct error err = { 0 };
	struct store *s = memory_open(SIZE, &err);

	if (!w || !s)
		abort();
	w->seed = seed;
	w->dice.state = dice_mix(seed);
	w->what = "opening";
	guest_init(&w->guest, SIZE, MAX);
	w->fault = fault_open(s, &err);
	if (run.verbose)
		printf("seed %" PRIu64 "\n", seed);
	if (!w->fault || fault_record(w->fault, &err) || reopen(w, &err)) {
		fail(w, "itself", &err);
	} else {
		while (w->op < OPS && (run.one || run.states < run.limit) &&
		    step(w))
			w->op++;
		if (!run.failures && guest_check(&w->guest, w->image, true,
		    &err))
			fail(w, "at the end", &err);
	}
	image_close(w->image, &err);
	store_close(w->fault, &err);
	guest_fini(&w->guest);
	free(w);
}

int main(int argc, char **argv)
{
	const char *states = getenv("CRASH_STATES");
	int c;

	run.limit = states ? (unsigned)atoi(states) / 4 : STATES;
	while ((c = getopt(argc, argv, "s:n:v")) != -1)
		switch (c) {
		case 's':
			run.seed = strtoull(optarg, NULL, 0);
			run.one = true;
			break;
		case 'n':
			run.limit = (unsigned)atoi(optarg);
			run.one = false;
			break;
		case 'v':
			run.verbose = true;
			break;
		default:
			fprintf(stderr, "usage: raw [-s SEED] [-n STATES] "
			    "[-v]\n");
			return 2;
		}
	if (run.one)
		workload(run.seed);
	else
		for (uint64_t s = 0; run.states < run.limit &&
		    run.failures < 10; s++)
			workload(s);
	printf("%u states, %u failures\n", run.states, run.failures);
	return run.failures != 0;
}
