/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bind.c - chooses the handlers of a block's instructions
 *
 * The table names a handler for each form; fast_*.c have better ones for
 * many.  A block is gone through backwards, to know which flags are looked at
 * before they are overwritten: where none of those that an instruction sets
 * is, it need not set them.  Whatever may fault, and the end of the block,
 * counts as looking at all.
 */
#include <pthread.h>

#include "cpu/bind.h"
#include "cpu/fast.h"
#include "cpu/fp.h"

static cpu_exec *const generic[INSN_N] = {
#define INSN(id, mnemonic, encoding, operands, feature, flags, exec) \
	[INSN_##id] = exec,
#include "cpu/insn.tab"
#undef INSN
};

static const struct fast *fast_of[INSN_N];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
enter(const struct fast *f)
{
	for (; f->slow; f++)
		for (unsigned id = 0; id < INSN_N; id++)
			if (generic[id] == f->slow)
				fast_of[id] = f;
}

static void
enter_all(void)
{
	enter(fast_alu);
	enter(fast_move);
	enter(fast_shift);
	enter(fast_flow);
}

cpu_exec *
bind_generic(const struct insn *i)
{
	return generic[i->id];
}

static cpu_exec *
choose(struct insn *i, const struct bind *b)
{
	const struct fast *f = fast_of[i->id];
	cpu_exec *run = NULL;

	/* SDM 3A, 9.1.2.1: locked without the prefix */
	if (generic[i->id] == x_xchg && i->flags & INSN_MEM)
		i->prefix |= PREFIX_LOCK;
	if (f)
		run = f->pick(i, b);
	else
		run = fp_bind(i, generic[i->id]);
	return run ? run : generic[i->id];
}

/* Cannot fault, does not end the block. */
static bool
is_pure(const struct insn *i)
{
	const struct fast *f = fast_of[i->id];

	return f && f->pure &&
	    (!(i->flags & INSN_MEM) || f->slow == x_lea || f->slow == x_nop);
}

/* Flags it overwrites whatever happens.  Those both written and undefined
 * depend on a count, which may be 0. */
static uint16_t
overwrites(const struct insn *i, const struct insn_desc *d)
{
	if (!d->writes)
		return 0;
	return d->writes & d->undefined ? 0 : d->writes | d->undefined;
}

void
bind_block(struct insn *first, unsigned n, bool flat)
{
	unsigned live = FLAGS_ARITH;
	const struct insn *next = NULL;
	bool next_dead = false, next_jumps = false;

	pthread_once(&once, enter_all);
	while (n--) {
		struct insn *i = &first[n];
		const struct insn_desc *d = &insn_descs[i->id];
		struct bind b = { .next = next, .flat = flat,
			.next_dead = next_dead, .next_jumps = next_jumps };

		b.dead = !(live & (d->writes | d->undefined));
		i->run = choose(i, &b);
		live = is_pure(i) ?
		    (live & ~(unsigned)overwrites(i, d)) | d->reads :
		    FLAGS_ARITH;
		next_dead = b.dead;
		next_jumps = next && generic[next->id] == x_jcc;
		next = i;
	}
}
