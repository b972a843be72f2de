/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store-fault.c - injected faults, and the states a power cut leaves */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "store/fault.h"
#include "support/unit.h"

static struct error err;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

static struct store *make(uint64_t size)
{
	struct store *under = memory_open(size, &err), *s;

	CU_ASSERT_PTR_NOT_NULL_FATAL(under);
	s = fault_open(under, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static void end(struct store *s)
{
	OK(store_close(s, &err));
}

static void fill(struct store *s, char c, uint64_t off, size_t len)
{
	char *buf = malloc(len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
	memset(buf, c, len);
	OK(store_pwrite(s, buf, len, off, EVENT_DATA, &err));
	free(buf);
}

static char byte_at(struct store *s, uint64_t off)
{
	char c = '?';

	OK(store_pread(s, &c, 1, off, EVENT_DATA, &err));
	return c;
}

/* ---- faults */

static void a_rule_hits_what_it_names(void)
{
	struct fault_rule r = {
		.ops = FAULT_WRITE, .event = EVENT_L2_UPDATE, .off = 100,
		.len = 10, .skip = 1, .count = 2, .error = ENOSPC,
	};
	struct store *s = make(4096);

	OK(fault_add(s, &r, &err));
#define WRITE(off, event) store_pwrite(s, "xy", 2, off, event, &err)
	OK(WRITE(100, EVENT_DATA));
	OK(WRITE(98, EVENT_L2_UPDATE));
	OK(WRITE(110, EVENT_L2_UPDATE));
	OK(WRITE(109, EVENT_L2_UPDATE));	/* skipped */
	CU_ASSERT_EQUAL(WRITE(99, EVENT_L2_UPDATE), -ENOSPC);
	CU_ASSERT_EQUAL(WRITE(104, EVENT_L2_UPDATE), -ENOSPC);
	OK(WRITE(104, EVENT_L2_UPDATE));
#undef WRITE
	CU_ASSERT_EQUAL(byte_at(s, 105), 'y');
	CU_ASSERT_EQUAL(byte_at(s, 100), 'x');
	end(s);
}

static void clearing_ends_all_rules(void)
{
	struct fault_rule r = { .ops = FAULT_ANY, .event = -1, .error = EIO };
	struct store *s = make(4096);
	char c;

	OK(fault_add(s, &r, &err));
	CU_ASSERT_EQUAL(store_pread(s, &c, 1, 0, EVENT_DATA, &err), -EIO);
	CU_ASSERT_EQUAL(store_zero(s, 0, 1, 0, &err), -EIO);
	CU_ASSERT_EQUAL(store_punch(s, 0, 1, &err), -EIO);
	CU_ASSERT_EQUAL(store_resize(s, 1, PREALLOC_OFF, &err), -EIO);
	fault_clear(s);
	OK(store_pread(s, &c, 1, 0, EVENT_DATA, &err));
	OK(store_zero(s, 0, 1, 0, &err));
	end(s);
}

static void look_at(void *arg)
{
	struct store **s = arg;

	CU_ASSERT_EQUAL(byte_at(*s, 0), 'a');
	*s = NULL;
}

static void the_hook_runs_before_the_write(void)
{
	struct store *s = make(4096), *seen = s;
	struct fault_rule r = {
		.ops = FAULT_WRITE, .event = -1, .count = 1, .hook = look_at,
		.hook_arg = &seen,
	};

	fill(s, 'a', 0, 1);
	OK(fault_add(s, &r, &err));
	fill(s, 'b', 0, 1);
	CU_ASSERT_PTR_NULL(seen);
	CU_ASSERT_EQUAL(byte_at(s, 0), 'b');
	end(s);
}

static void a_failed_flush_is_for_good(void)
{
	static const int codes[] = { EIO, ENOSPC };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct fault_rule r = {
			.ops = FAULT_SYNC, .event = -1, .count = 1,
			.error = codes[i],
		};
		struct store *s = make(4096);

		OK(store_sync(s, &err));
		fill(s, 'a', 0, 1);
		OK(store_sync(s, &err));
		OK(fault_add(s, &r, &err));
		/* Nothing to do, nothing to fail. */
		OK(store_sync(s, &err));
		fill(s, 'a', 0, 1);
		CU_ASSERT_EQUAL(store_sync(s, &err), -codes[i]);
		CU_ASSERT_EQUAL(store_sync(s, &err), -codes[i]);
		fill(s, 'a', 0, 1);
		CU_ASSERT_EQUAL(store_sync(s, &err), -codes[i]);
		end(s);
	}
}

static void a_failed_write_is_not(void)
{
	struct fault_rule r = {
		.ops = FAULT_WRITE, .event = -1, .count = 1, .error = ENOSPC,
	};
	struct store *s = make(4096);

	OK(fault_add(s, &r, &err));
	CU_ASSERT_EQUAL(store_pwrite(s, "a", 1, 0, EVENT_DATA, &err), -ENOSPC);
	OK(store_sync(s, &err));
	fill(s, 'a', 0, 1);
	OK(store_sync(s, &err));
	end(s);
}

static void write_again(void *arg)
{
	fill(arg, 'b', 0, 1);
}

static void a_write_during_a_flush_needs_another(void)
{
	struct store *s = make(4096);
	struct fault_rule r = {
		.ops = FAULT_SYNC, .event = -1, .count = 1,
		.hook = write_again, .hook_arg = s,
	};

	fill(s, 'a', 0, 1);
	OK(fault_add(s, &r, &err));
	OK(store_sync(s, &err));
	CU_ASSERT(atomic_load(&s->dirty));
	OK(store_sync(s, &err));
	CU_ASSERT(!atomic_load(&s->dirty));
	end(s);
}

static void zeros_are_written_where_there_is_no_better_way(void)
{
	struct fault_rule r = {
		.ops = FAULT_ZERO, .event = -1, .error = ENOTSUP,
	};
	struct store *s = make(0);

	fill(s, 'a', 0, 3 * MIB);
	OK(fault_add(s, &r, &err));
	CU_ASSERT_EQUAL(store_zero(s, 1, 2 * MIB, STORE_NO_FALLBACK, &err),
	    -ENOTSUP);
	CU_ASSERT_EQUAL(byte_at(s, 1), 'a');
	OK(store_zero(s, 1, 2 * MIB + 1, 0, &err));
	CU_ASSERT_EQUAL(byte_at(s, 0), 'a');
	CU_ASSERT_EQUAL(byte_at(s, 1), 0);
	CU_ASSERT_EQUAL(byte_at(s, MIB), 0);
	CU_ASSERT_EQUAL(byte_at(s, 2 * MIB + 1), 0);
	CU_ASSERT_EQUAL(byte_at(s, 2 * MIB + 2), 'a');
	end(s);
}

/* ---- power cuts */

static struct store *cut(struct store *s, unsigned steps, uint64_t seed,
    unsigned keep)
{
	struct store *c = fault_cut(s, steps, seed, keep, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	return c;
}

static void what_was_flushed_is_there_the_rest_may_be(void)
{
	struct store *s = make(0), *c;
	bool lost = false, torn = false;

	fill(s, 'a', 0, 8192);
	OK(fault_record(s, &err));
	fill(s, 'b', 0, 4096);
	OK(store_sync(s, &err));
	fill(s, 'c', 1024, 4096);
	CU_ASSERT_EQUAL(fault_steps(s), 3);
	CU_ASSERT(!fault_is_sync(s, 0));
	CU_ASSERT(fault_is_sync(s, 1));

	for (uint64_t seed = 0; seed < 200; seed++) {
		char old = 0, now;
		bool mixed = false;

		/* The write before the flush is not safe before it. */
		c = cut(s, 1, seed, 128);
		lost |= byte_at(c, 0) == 'a';
		end(c);

		c = cut(s, 3, seed, 128);
		CU_ASSERT_EQUAL(byte_at(c, 0), 'b');
		CU_ASSERT_EQUAL(byte_at(c, 1023), 'b');
		CU_ASSERT_EQUAL(byte_at(c, 5120), 'a');
		CU_ASSERT_EQUAL(store_size(c), 8192);
		for (uint64_t off = 1024; off < 5120; off += 512) {
			now = byte_at(c, off);
			CU_ASSERT(now == 'c' || now == (off < 4096 ? 'b' :
			    'a'));
			CU_ASSERT_EQUAL(byte_at(c, off + 511), now);
			mixed |= old && (old == 'c') != (now == 'c');
			old = now;
		}
		/* Odd seeds tear nothing. */
		CU_ASSERT(!mixed || !(seed & 1));
		torn |= mixed;
		end(c);

		c = cut(s, 3, seed, 0);
		CU_ASSERT_EQUAL(byte_at(c, 1024), 'b');
		end(c);
		c = cut(s, 3, seed, 256);
		CU_ASSERT_EQUAL(byte_at(c, 1024), 'c');
		CU_ASSERT_EQUAL(byte_at(c, 5119), 'c');
		end(c);
	}
	CU_ASSERT(lost && torn);
	end(s);
}

/* The same record, seed and step give the same state, in any order asked. */
static void a_state_can_be_had_again(void)
{
	enum { STEPS = 60, AREA = 200000 };
	static char first[STEPS + 1][AREA], again[AREA];
	static uint64_t size[STEPS + 1];
	struct store *s = make(AREA / 2), *c;
	unsigned seed = 5;

	OK(fault_record(s, &err));
	while (fault_steps(s) < STEPS) {
		uint64_t off = (uint64_t)rand_r(&seed) % (AREA - 20000);
		size_t len = 1 + (size_t)rand_r(&seed) % 20000;

		switch (rand_r(&seed) % 8) {
		case 0: OK(store_sync(s, &err)); break;
		case 1: OK(store_zero(s, off, len, 0, &err)); break;
		case 2: OK(store_punch(s, off, len, &err)); break;
		case 3:
			OK(store_resize(s, off, PREALLOC_OFF, &err));
			break;
		default: fill(s, (char)rand_r(&seed), off, len);
		}
	}
	for (unsigned n = 0; n <= STEPS; n++) {
		c = cut(s, n, n * 77, 100);
		size[n] = store_size(c);
		OK(store_pread(c, first[n], AREA, 0, EVENT_DATA, &err));
		end(c);
	}
	for (unsigned i = 0; i <= STEPS; i++) {
		unsigned n = i * 7 % (STEPS + 1);

		c = cut(s, n, n * 77, 100);
		CU_ASSERT_EQUAL(store_size(c), size[n]);
		OK(store_pread(c, again, AREA, 0, EVENT_DATA, &err));
		CU_ASSERT_EQUAL(memcmp(first[n], again, AREA), 0);
		end(c);
	}
	/* All kept is what is there now. */
	c = cut(s, STEPS, 1, 256);
	CU_ASSERT_EQUAL(store_size(c), store_size(s));
	OK(store_pread(c, first[0], AREA, 0, EVENT_DATA, &err));
	OK(store_pread(s, again, AREA, 0, EVENT_DATA, &err));
	CU_ASSERT_EQUAL(memcmp(first[0], again, AREA), 0);
	end(c);
	end(s);
}

static void a_lost_resize_takes_the_later_ones_with_it(void)
{
	struct store *s = make(10000), *c;
	unsigned seen[4] = { 0 };

	fill(s, 'a', 0, 10000);
	OK(fault_record(s, &err));
	OK(store_resize(s, 5000, PREALLOC_OFF, &err));
	OK(store_resize(s, 20000, PREALLOC_OFF, &err));
	fill(s, 'b', 15000, 100);
	fill(s, 'c', 100, 100);
	for (uint64_t seed = 0; seed < 200; seed++) {
		c = cut(s, 4, seed, 128);
		switch (store_size(c)) {
		case 10000:	/* neither */
			seen[0]++;
			CU_ASSERT_EQUAL(byte_at(c, 9999), 'a');
			break;
		case 5000:	/* the first */
			seen[1]++;
			CU_ASSERT_EQUAL(byte_at(c, 4999), 'a');
			break;
		case 20000:	/* both: no old bytes come back */
			seen[2]++;
			CU_ASSERT_EQUAL(byte_at(c, 4999), 'a');
			CU_ASSERT_EQUAL(byte_at(c, 9999), 0);
			seen[3] += byte_at(c, 15000) == 'b';
			break;
		default:
			CU_FAIL("a size there never was");
		}
		end(c);
	}
	for (int i = 0; i < 4; i++)
		CU_ASSERT(seen[i] > 0);
	CU_ASSERT(seen[3] < seen[2]);
	end(s);
}

static void a_write_past_the_end_grows_what_is_left(void)
{
	struct store *s = make(0), *c;
	bool shorter = false;

	OK(fault_record(s, &err));
	fill(s, 'a', 0, 5000);
	for (uint64_t seed = 0; seed < 100; seed += 2) {
		c = cut(s, 1, seed, 128);
		CU_ASSERT(store_size(c) <= 5000);
		CU_ASSERT(store_size(c) % 512 == 0 || store_size(c) == 5000);
		shorter |= store_size(c) < 5000 && store_size(c) > 0;
		end(c);
	}
	CU_ASSERT(shorter);
	end(s);
}

static void only_flushes_that_happened_are_barriers(void)
{
	struct fault_rule r = {
		.ops = FAULT_SYNC, .event = -1, .count = 1, .error = EIO,
	};
	struct store *under = memory_open(4096, &err), *s, *c;

	under->no_sync = true;
	s = fault_open(under, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	OK(fault_record(s, &err));
	fill(s, 'a', 0, 512);
	OK(store_sync(s, &err));
	under->no_sync = false;
	fill(s, 'b', 512, 512);
	OK(fault_add(s, &r, &err));
	CU_ASSERT_EQUAL(store_sync(s, &err), -EIO);
	for (unsigned i = 0; i < fault_steps(s); i++)
		CU_ASSERT(!fault_is_sync(s, i));
	c = cut(s, fault_steps(s), 2, 0);
	CU_ASSERT_EQUAL(byte_at(c, 0), 0);
	CU_ASSERT_EQUAL(byte_at(c, 512), 0);
	end(c);
	end(s);
}

static void thousands_of_states_are_cheap(void)
{
	struct store *s = make(0), *c;

	fill(s, 'a', 0, 32 * MIB);
	OK(fault_record(s, &err));
	for (unsigned i = 0; i < 100; i++) {
		fill(s, 'b', i * 300 * KIB, 4096);
		if (i % 5 == 4)
			OK(store_sync(s, &err));
	}
	/* Copying all of it for each would be 130 GiB. */
	for (unsigned i = 0; i < 4000; i++) {
		c = cut(s, i % (fault_steps(s) + 1), i, 128);
		CU_ASSERT_EQUAL(store_size(c), 32 * MIB);
		end(c);
	}
	end(s);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a rule hits what it names, so many times",
		    a_rule_hits_what_it_names },
		{ "clearing ends all rules", clearing_ends_all_rules },
		{ "the hook runs before the write",
		    the_hook_runs_before_the_write },
		{ "a failed flush is for good", a_failed_flush_is_for_good },
		{ "a failed write is not", a_failed_write_is_not },
		{ "a write during a flush needs another",
		    a_write_during_a_flush_needs_another },
		{ "zeros are written where there is no better way",
		    zeros_are_written_where_there_is_no_better_way },
		{ "what was flushed is there, the rest may be",
		    what_was_flushed_is_there_the_rest_may_be },
		{ "a state can be had again", a_state_can_be_had_again },
		{ "a lost resize takes the later ones with it",
		    a_lost_resize_takes_the_later_ones_with_it },
		{ "a write past the end grows what is left",
		    a_write_past_the_end_grows_what_is_left },
		{ "only flushes that happened are barriers",
		    only_flushes_that_happened_are_barriers },
		{ "thousands of states are cheap",
		    thousands_of_states_are_cheap },
		{ NULL, NULL }
	};

	return unit_run("faults and power cuts", tests);
}
