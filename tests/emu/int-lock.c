/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * int-lock.c - two processors count together and lose nothing
 *
 * Each adds to the same words in every locked way; without the lock some
 * would be lost.  Not one for TSan: the guest's plain accesses beside locked ones
 * are races of the guest.
 */
#include <pthread.h>
#include <stdio.h>

#include "cpu/step.h"
#include "support/unit.h"

#define TIMES 200000u
#define WORDS 0x200000u

static struct step_bench bench;
static struct cpu *second;

/*
 * rsi points to the words, rcx counts:
 * 1:	lock incl (%rsi)
 *	lock addq $3, 8(%rsi)
 *	mov $1, %eax
 *	lock xaddw %ax, 16(%rsi)
 *	mov 24(%rsi), %eax
 * 2:	lea 1(%rax), %edx
 *	lock cmpxchg %edx, 24(%rsi)
 *	jne 2b
 * 3:	mov $1, %eax		a lock by xchg, which needs no prefix
 *	xchg %eax, 32(%rsi)
 *	test %eax, %eax
 *	jne 3b
 *	incl 40(%rsi)
 *	movl $0, 32(%rsi)
 *	lock incl 61(%rsi)	not aligned, across 64 bytes
 *	dec %ecx
 *	jne 1b
 *	hlt
 */
static const uint8_t code[] = {
	0xf0, 0xff, 0x06,
	0xf0, 0x48, 0x83, 0x46, 0x08, 0x03,
	0xb8, 0x01, 0x00, 0x00, 0x00,
	0xf0, 0x66, 0x0f, 0xc1, 0x46, 0x10,
	0x8b, 0x46, 0x18,
	0x8d, 0x50, 0x01,
	0xf0, 0x0f, 0xb1, 0x56, 0x18,
	0x75, 0xf6,
	0xb8, 0x01, 0x00, 0x00, 0x00,
	0x87, 0x46, 0x20,
	0x85, 0xc0,
	0x75, 0xf4,
	0xff, 0x46, 0x28,
	0xc7, 0x46, 0x20, 0x00, 0x00, 0x00, 0x00,
	0xf0, 0xff, 0x46, 0x3d,
	0xff, 0xc9,
	0x75, 0xc1,
	0xf4,
};

/* 1: xchg %ebx, (%rsi); dec %ecx; jne 1b; hlt */
static const uint8_t swaps[] = { 0x87, 0x1e, 0xff, 0xc9, 0x75, 0xfa, 0xf4 };

static enum cpu_exit ended[2];
static pthread_barrier_t start;

static void *
run_second(void *arg)
{
	pthread_barrier_wait(&start);
	ended[1] = cpu_interp.run(second);
	return NULL;
}

static uint64_t
word(unsigned off, unsigned size)
{
	uint64_t v = 0;

	mem_read(bench.mem, WORDS + off, &v, size);
	return v;
}

/* Both from the same place, at the same time. */
static void
run_both(const uint8_t *bytes, unsigned len, uint32_t times)
{
	struct cpu_regs r;
	pthread_t thread;

	mem_write(bench.mem, 0x10000, bytes, len);
	cpu_interp.get(bench.cpu, &r);
	r.rip = 0x10000;
	r.gpr[RSI] = WORDS;
	r.gpr[RCX] = times;
	r.gpr[RBX] = 1;
	cpu_interp.set(bench.cpu, &r);
	r.gpr[RBX] = 2;
	cpu_interp.set(second, &r);
	pthread_barrier_init(&start, NULL, 2);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run_second,
	    NULL), 0);
	pthread_barrier_wait(&start);
	ended[0] = cpu_interp.run(bench.cpu);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&start);
	CU_ASSERT_EQUAL(ended[0], CPU_EXIT_HALT);
	CU_ASSERT_EQUAL(ended[1], CPU_EXIT_HALT);
}

static void
two_processors_lose_nothing(void)
{
	run_both(code, sizeof(code), TIMES);
	CU_ASSERT_EQUAL(word(0, 4), 2 * TIMES);
	CU_ASSERT_EQUAL(word(8, 8), 6 * TIMES);
	CU_ASSERT_EQUAL(word(16, 2), 2 * TIMES & 0xffff);
	CU_ASSERT_EQUAL(word(24, 4), 2 * TIMES);
	CU_ASSERT_EQUAL(word(40, 4), 2 * TIMES);
	CU_ASSERT_EQUAL(word(61, 4), 2 * TIMES);
}

/* Three tokens: one in memory, one in each register.  An exchange in two steps
 * makes two of one. */
static void
xchg_is_locked_without_the_prefix(void)
{
	uint32_t token = 4;
	struct cpu_regs a, b;

	mem_write(bench.mem, WORDS, &token, 4);
	run_both(swaps, sizeof(swaps), 10 * TIMES);
	cpu_interp.get(bench.cpu, &a);
	cpu_interp.get(second, &b);
	CU_ASSERT_EQUAL(a.gpr[RBX] | b.gpr[RBX] | word(0, 4), 7);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "two processors lose nothing", two_processors_lose_nothing },
		{ "xchg is locked without the prefix",
		    xchg_is_locked_without_the_prefix },
		{ NULL, NULL }
	};
	struct cpu_apic none = { 0 };
	struct error err;
	int failed;

	if (step_bench_init(&bench, "max", &err) < 0)
		goto fail;
	second = cpu_interp.new(bench.mem, bench.bus, bench.model, 1, &none,
	    &err);
	if (!second)
		goto fail;
	failed = unit_run("locks", tests);
	cpu_interp.free(second);
	step_bench_fini(&bench);
	return failed;
fail:
	fprintf(stderr, "%s\n", err.text);
	return 1;
}
