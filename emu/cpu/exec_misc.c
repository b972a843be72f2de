/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_misc.c - hints, fences, random numbers
 *
 * SDM 2: NOP PAUSE CLFLUSH LFENCE MFENCE SFENCE RDRAND RDSEED.
 */
#include <sched.h>
#include <sys/random.h>

#include "cpu/ops.h"
#include "cpu/table.h"

EXEC(x_nop) { }

/* A processor that spins may wait for one whose thread is not running: after
 * some turns it makes room. */
static NOINLINE void
pause_host(void)
{
	static __thread unsigned turns;

	if (++turns % 32 == 0)
		sched_yield();
#ifdef __x86_64__
	else
		__builtin_ia32_pause();
#endif
}

EXEC(x_pause) { pause_host(); }

/* Guest memory is coherent; what is left is that the address may fault. */
static NOINLINE void
flush_line(struct cpu *c, const struct insn *i)
{
	cpu_probe(c, i, cpu_linear(c, i, 1, TLB_READ), 1, TLB_READ);
}
EXEC(x_clflush) { flush_line(c, i); }

EXEC(x_lfence) { atomic_signal_fence(memory_order_seq_cst); }
EXEC(x_sfence) { atomic_signal_fence(memory_order_seq_cst); }
EXEC(x_mfence) { atomic_thread_fence(memory_order_seq_cst); }

/* The host's numbers, fetched by the dozen.  CF says that there was one
 * (SDM 2, RDRAND); without, the destination is 0. */
static NOINLINE void
random_number(struct cpu *c, const struct insn *i)
{
	static _Thread_local uint64_t pool[32];
	static _Thread_local unsigned left;
	uint64_t v = 0;
	bool ok = true;

	if (left == 0) {
		ok = getrandom(pool, sizeof(pool), GRND_NONBLOCK) ==
		    (ssize_t)sizeof(pool);
		left = ok ? 32 : 0;
	}
	if (ok) {
		v = pool[--left];
		pool[left] = 0;
	}
	gpr_put(c, i->opd[0].off, v, i->size);
	flags_put(&c->flags, ok ? FLAG_CF : 0);
}
EXEC(x_rdrand) { random_number(c, i); }
EXEC(x_rdseed) { random_number(c, i); }
