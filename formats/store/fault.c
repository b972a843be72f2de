/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fault.c - a store that fails, pauses or records as told; for tests
 *
 * The record is a list of steps on a copy of the contents.  A write becomes a
 * step when it has ended, a sync when it begins, and it is a barrier only if
 * it succeeded: so no write stands before a sync that did not cover it.
 *
 * A cut takes the contents as of the last barrier, shares their pages and
 * replays what came later, sector by sector as the dice say.  The contents of
 * the last barrier used are kept, so that cuts made in rising order replay
 * each step once.  The dice have no memory: what becomes of a sector depends
 * on the seed, the step and the sector alone.
 */
#include "store/fault.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/bytes.h"

enum {
	SECTOR = 512,
	COPY = 64 * 1024,
	FINE = 1024 * 1024,	/* zeros longer than this tear in pieces */
	COARSE = 64 * 1024,	/* of this size */
};

struct armed {
	struct fault_rule rule;
	unsigned seen, hits;
};

struct step {
	enum fault_op op;
	uint64_t off, len;	/* resize: off is the new size */
	uint8_t *data;		/* write: the bytes */
	bool extends;		/* reached past the end */
	bool barrier;		/* a sync that succeeded */
};

struct fault {
	struct store *under;
	pthread_mutex_t lock;	/* guards all below, and s->size; before the
				 * locks of the memory stores */
	struct armed *rules;
	unsigned n_rules;

	struct store *base;	/* contents when the record began; or NULL */
	struct step *steps;
	unsigned n_steps, max_steps;
	struct store *point;	/* contents after the first point_steps */
	unsigned point_steps;
};

/* ---- rules */

static bool matches(const struct fault_rule *r, enum fault_op op,
    enum store_event event, uint64_t off, uint64_t len)
{
	return (r->ops & op) && (r->event < 0 || r->event == (int)event) &&
	    (r->len == 0 ||
	    (off < r->off + r->len && r->off < off + len));
}

/* What the first rule that hits says; false: none. */
static bool find_rule(struct fault *f, enum fault_op op,
    enum store_event event, uint64_t off, uint64_t len,
    struct fault_rule *rule)
{
	LOCKED(&f->lock);
	for (unsigned i = 0; i < f->n_rules; i++) {
		struct armed *a = &f->rules[i];

		if (!matches(&a->rule, op, event, off, len) ||
		    a->seen++ < a->rule.skip ||
		    (a->rule.count && a->hits >= a->rule.count))
			continue;
		a->hits++;
		*rule = a->rule;
		return true;
	}
	return false;
}

static int obey(struct fault *f, enum fault_op op, enum store_event event,
    uint64_t off, uint64_t len, struct error *err)
{
	struct fault_rule r;

	if (!find_rule(f, op, event, off, len, &r))
		return 0;
	if (r.hook)
		r.hook(r.hook_arg);
	if (r.pause_ms) {
		struct timespec t = {
			.tv_sec = r.pause_ms / 1000,
			.tv_nsec = r.pause_ms % 1000 * 1000000l,
		};

		nanosleep(&t, NULL);
	}
	if (r.error)
		return error_errno(err, r.error, "injected fault (%s)",
		    store_event_name(event));
	return 0;
}

int fault_add(struct store *s, const struct fault_rule *rule,
    struct error *err)
{
	struct fault *f = s->state;
	struct armed *rules;

	LOCKED(&f->lock);
	rules = realloc(f->rules, (f->n_rules + 1) * sizeof(*rules));
	if (!rules)
		return error_set(err, ENOMEM, "no memory for a fault rule");
	f->rules = rules;
	rules[f->n_rules++] = (struct armed){ .rule = *rule };
	return 0;
}

void fault_clear(struct store *s)
{
	struct fault *f = s->state;

	LOCKED(&f->lock);
	free(f->rules);
	f->rules = NULL;
	f->n_rules = 0;
}

/* ---- recording */

/* A new last step, or NULL.  Under the lock. */
static struct step *add_step(struct fault *f)
{
	if (f->n_steps == f->max_steps) {
		unsigned max = f->max_steps ? 2 * f->max_steps : 64;
		struct step *steps = realloc(f->steps, max * sizeof(*steps));

		if (!steps)
			return NULL;
		f->steps = steps;
		f->max_steps = max;
	}
	memset(&f->steps[f->n_steps], 0, sizeof(*f->steps));
	return &f->steps[f->n_steps++];
}

static uint8_t *join(const struct iovec *iov, uint64_t len)
{
	uint8_t *data = malloc(len);

	if (data)
		iov_get(iov, 0, data, len);
	return data;
}

/* A step that has been done below: our size follows, the record grows.
 * Resize: off is the size. */
static int done(struct store *s, enum fault_op op, const struct iovec *iov,
    int n, uint64_t off, uint64_t len, struct error *err)
{
	struct fault *f = s->state;
	uint8_t *data = NULL;
	struct step *step;
	uint64_t old;

	LOCKED(&f->lock);
	old = store_size(s);
	atomic_store(&s->size, store_size(f->under));
	if (!f->base)
		return 0;
	if (op == FAULT_WRITE)
		data = join(iov, len);
	step = op != FAULT_WRITE || data ? add_step(f) : NULL;
	if (!step) {
		free(data);
		return error_set(err, ENOMEM, "no memory to record a step");
	}
	step->op = op;
	step->off = off;
	step->len = len;
	step->data = data;
	step->extends = op != FAULT_RESIZE && off + len > old;
	return 0;
}

static void forget(struct fault *f)
{
	struct error ignored;

	for (unsigned i = 0; i < f->n_steps; i++)
		free(f->steps[i].data);
	f->n_steps = 0;
	store_close(f->base, &ignored);
	store_close(f->point, &ignored);
	f->base = f->point = NULL;
	f->point_steps = 0;
}

static int copy_contents(struct store *from, struct store *to,
    struct error *err)
{
	uint64_t size = store_size(from), off = 0, run;
	AUTO_FREE uint8_t *buf = malloc(COPY);
	bool data;
	int ret = 0;

	if (!buf)
		return error_set(err, ENOMEM, "no memory to record");
	while (off < size && ret == 0) {
		ret = store_extent(from, off, size - off, &data, &run, err);
		if (ret < 0)
			break;
		if (data) {
			run = min64(run, COPY - off % COPY);
			ret = store_pread(from, buf, (size_t)run, off,
			    EVENT_DATA, err);
			if (ret == 0 && !bytes_are_zero(buf, (size_t)run))
				ret = store_pwrite(to, buf, (size_t)run, off,
				    EVENT_DATA, err);
		}
		off += run;
	}
	return ret;
}

int fault_record(struct store *s, struct error *err)
{
	struct fault *f = s->state;
	struct store *base = memory_open(store_size(f->under), err);
	struct error ignored;

	if (!base)
		return -err->code;
	if (copy_contents(f->under, base, err) < 0) {
		store_close(base, &ignored);
		return -err->code;
	}
	LOCKED(&f->lock);
	forget(f);
	f->base = base;
	return 0;
}

unsigned fault_steps(struct store *s)
{
	struct fault *f = s->state;

	LOCKED(&f->lock);
	return f->n_steps;
}

bool fault_is_sync(struct store *s, unsigned step)
{
	struct fault *f = s->state;

	LOCKED(&f->lock);
	return step < f->n_steps && f->steps[step].barrier;
}

/* ---- the states a power cut leaves */

struct dice {
	uint64_t seed;
	unsigned keep;		/* of 256 */
};

/* A well-mixed function of x (splitmix64). */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static bool keeps(const struct dice *d, unsigned step, uint64_t sector)
{
	if (d->seed & 1)
		sector = 0;
	return (mix(mix(d->seed ^ (uint64_t)step << 32) + sector) & 255) <
	    d->keep;
}

/* What changes of size that were lost took with them. */
struct cut {
	struct store *to;
	struct dice dice;
	bool resize_lost;
	uint64_t gone_from, gone_to; /* writes here are lost, */
	bool gone_all;		/* also those that reach past the end */
};

/* [from, to) of a step, which is kept; clipped to what is not gone. */
static int apply_run(struct cut *c, const struct step *step, uint64_t from,
    uint64_t to, struct error *err)
{
	if (from < c->gone_to && to > c->gone_from &&
	    (c->gone_all || !step->extends))
		to = min64(to, max64(from, c->gone_from));
	if (from >= to)
		return 0;
	if (step->op == FAULT_WRITE)
		return store_pwrite(c->to, step->data + (from - step->off),
		    (size_t)(to - from), from, EVENT_DATA, err);
	/* A punch ends where the store does. */
	if (step->op == FAULT_PUNCH)
		return store_punch(c->to, from, to - from, err);
	return store_zero(c->to, from, to - from, STORE_MAY_PUNCH, err);
}

static int apply_resize(struct cut *c, const struct step *step, bool kept,
    struct error *err)
{
	uint64_t now = store_size(c->to), size = step->off;

	if (kept && !c->resize_lost)
		return store_resize(c->to, size, PREALLOC_OFF, err);
	if (!c->resize_lost)
		c->gone_from = UINT64_MAX;
	c->resize_lost = true;
	c->gone_from = min64(c->gone_from, min64(now, size));
	c->gone_to = max64(c->gone_to, size < now ? UINT64_MAX : size);
	c->gone_all |= size < now;
	return 0;
}

/* The pieces of a step that the dice keep, neighbours in one go. */
static int apply(struct cut *c, const struct step *step, unsigned index,
    struct error *err)
{
	uint64_t end = step->off + step->len, from = step->off, at, next;
	uint64_t unit = step->op != FAULT_WRITE && step->len > FINE ?
	    COARSE : SECTOR;
	int ret = 0;

	if (step->op == FAULT_SYNC)
		return 0;
	if (step->op == FAULT_RESIZE)
		return apply_resize(c, step, keeps(&c->dice, index, 0), err);
	for (at = from; at < end && ret == 0; at = next) {
		next = min64(align_down(at, unit) + unit, end);
		if (keeps(&c->dice, index, at / unit))
			continue;
		if (from < at)
			ret = apply_run(c, step, from, at, err);
		from = next;
	}
	if (ret == 0 && from < end)
		ret = apply_run(c, step, from, end, err);
	return ret;
}

/* f->point becomes the contents after the first n steps, all of them kept. */
static int move_point(struct fault *f, unsigned n, struct error *err)
{
	struct cut all = { .dice = { .keep = 256 } };
	struct error ignored;
	int ret = 0;

	if (!f->point || f->point_steps > n) {
		struct store *point = memory_clone(f->base, err);

		if (!point)
			return -err->code;
		store_close(f->point, &ignored);
		f->point = point;
		f->point_steps = 0;
	}
	all.to = f->point;
	while (f->point_steps < n && ret == 0) {
		ret = apply(&all, &f->steps[f->point_steps], f->point_steps,
		    err);
		f->point_steps++;
	}
	if (ret < 0) {
		store_close(f->point, &ignored);
		f->point = NULL;
	}
	return ret;
}

struct store *fault_cut(struct store *s, unsigned steps, uint64_t seed,
    unsigned keep, struct error *err)
{
	struct fault *f = s->state;
	struct cut c = { .dice = { .seed = seed, .keep = keep } };
	struct error ignored;
	unsigned safe;
	int ret = 0;

	LOCKED(&f->lock);
	if (!f->base) {
		error_set(err, EINVAL, "nothing was recorded");
		return NULL;
	}
	steps = steps < f->n_steps ? steps : f->n_steps;
	for (safe = steps; safe && !f->steps[safe - 1].barrier; safe--)
		;
	if (move_point(f, safe, err) < 0)
		return NULL;
	c.to = memory_clone(f->point, err);
	if (!c.to)
		return NULL;
	for (unsigned i = safe; i < steps && ret == 0; i++)
		ret = apply(&c, &f->steps[i], i, err);
	if (ret < 0) {
		store_close(c.to, &ignored);
		return NULL;
	}
	/* It has just been read from a disk. */
	atomic_store(&c.to->dirty, false);
	return c.to;
}

/* ---- the store */

static int fault_preadv(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct fault *f = s->state;
	int ret = obey(f, FAULT_READ, event, off, iov_total(iov, n), err);

	return ret < 0 ? ret : store_preadv(f->under, iov, n, off, event, err);
}

static int fault_pwritev(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct fault *f = s->state;
	uint64_t len = iov_total(iov, n);
	int ret = obey(f, FAULT_WRITE, event, off, len, err);

	if (ret == 0)
		ret = store_pwritev(f->under, iov, n, off, event, err);
	return ret < 0 ? ret : done(s, FAULT_WRITE, iov, n, off, len, err);
}

static int fault_zero(struct store *s, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	struct fault *f = s->state;
	int ret = obey(f, FAULT_ZERO, EVENT_DATA, off, len, err);

	if (ret == 0)
		ret = store_zero(f->under, off, len, flags, err);
	return ret < 0 ? ret : done(s, FAULT_ZERO, NULL, 0, off, len, err);
}

static int fault_punch(struct store *s, uint64_t off, uint64_t len,
    struct error *err)
{
	struct fault *f = s->state;
	int ret = obey(f, FAULT_PUNCH, EVENT_DATA, off, len, err);

	if (ret == 0)
		ret = store_punch(f->under, off, len, err);
	return ret < 0 ? ret : done(s, FAULT_PUNCH, NULL, 0, off, len, err);
}

static int fault_sync(struct store *s, struct error *err)
{
	struct fault *f = s->state;
	int ret = obey(f, FAULT_SYNC, EVENT_DATA, 0, 0, err);
	bool recorded = false;
	unsigned at = 0;

	if (ret < 0)
		return ret;
	pthread_mutex_lock(&f->lock);
	if (f->base && !f->under->no_sync) {
		struct step *step = add_step(f);

		if (step) {
			step->op = FAULT_SYNC;
			recorded = true;
			at = f->n_steps - 1;
		} else {
			ret = error_set(err, ENOMEM,
			    "no memory to record a step");
		}
	}
	pthread_mutex_unlock(&f->lock);
	if (ret == 0)
		ret = store_sync(f->under, err);
	if (ret == 0 && recorded) {
		LOCKED(&f->lock);
		if (at < f->n_steps)
			f->steps[at].barrier = true;
	}
	return ret;
}

static int fault_resize(struct store *s, uint64_t size,
    enum store_prealloc prealloc, struct error *err)
{
	struct fault *f = s->state;
	int ret = obey(f, FAULT_RESIZE, EVENT_DATA, size, 1, err);

	if (ret == 0)
		ret = store_resize(f->under, size, prealloc, err);
	return ret < 0 ? ret : done(s, FAULT_RESIZE, NULL, 0, size, 0, err);
}

static int fault_extent(struct store *s, uint64_t off, uint64_t len,
    bool *data, uint64_t *run, struct error *err)
{
	struct fault *f = s->state;

	return store_extent(f->under, off, len, data, run, err);
}

static int fault_stat(struct store *s, struct store_stat *st,
    struct error *err)
{
	struct fault *f = s->state;

	return store_stat(f->under, st, err);
}

static int fault_close(struct store *s, struct error *err)
{
	struct fault *f = s->state;
	int ret = 0;

	if (f) {
		ret = store_close(f->under, err);
		forget(f);
		free(f->steps);
		free(f->rules);
		pthread_mutex_destroy(&f->lock);
		free(f);
	}
	return ret;
}

static const struct store_ops fault_ops = {
	.name = "fault",
	.preadv = fault_preadv,
	.pwritev = fault_pwritev,
	.zero = fault_zero,
	.punch = fault_punch,
	.sync = fault_sync,
	.resize = fault_resize,
	.extent = fault_extent,
	.stat = fault_stat,
	.close = fault_close,
};

struct store *fault_open(struct store *under, struct error *err)
{
	struct store *s = store_new(&fault_ops, under->name);
	struct fault *f = s ? calloc(1, sizeof(*f)) : NULL;

	if (!f) {
		store_close(s, err);
		error_set(err, ENOMEM, "no memory for a store");
		return NULL;
	}
	pthread_mutex_init(&f->lock, NULL);
	f->under = under;
	s->state = f;
	s->align = under->align;
	s->writable = under->writable;
	atomic_store(&s->size, store_size(under));
	atomic_store(&s->dirty, atomic_load(&under->dirty));
	return s;
}
