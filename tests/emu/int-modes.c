/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * int-modes.c - integer instructions outside 64-bit mode, stacks and branches
 *
 * What the host cannot be asked for: decimal adjustments, PUSHA, BOUND, 16-bit
 * stacks and counters, and that a fault leaves everything as it was.  The
 * values are those of the SDM's pseudo code (volume 2).
 */
#include <stdio.h>

#include "cpu/step.h"
#include "support/unit.h"

#define CODE 0x1000u

static struct step_bench bench;
static struct step_fault fault;
static struct cpu_regs r;

/* Begins anew; r is what the instruction will find. */
static void
begin(unsigned bits)
{
	step_bench_mode(&bench, bits);
	cpu_interp.get(bench.cpu, &r);
	r.rip = CODE;
}

/* The vector it raised, or -1. */
static int
step(const char *code, unsigned len)
{
	bool good;

	mem_write(bench.mem, CODE, code, len);
	cpu_interp.set(bench.cpu, &r);
	good = interp_step(bench.cpu, &fault);
	cpu_interp.get(bench.cpu, &r);
	return good ? -1 : (int)fault.vector;
}
#define STEP(code) step(code, sizeof(code) - 1)

static uint64_t
word(uint64_t gpa, unsigned size)
{
	uint64_t v = 0;

	mem_read(bench.mem, gpa, &v, size);
	return v;
}

/* --- Decimals ------------------------------------------------------------------ */

static void
decimal(uint8_t opcode, uint16_t ax, uint32_t flags, uint16_t want,
    uint32_t mask, uint32_t want_flags)
{
	char code = (char)opcode;

	begin(32);
	r.gpr[RAX] = ax;
	r.rflags = flags | 2;
	CU_ASSERT_EQUAL(step(&code, 1), -1);
	CU_ASSERT_EQUAL(r.gpr[RAX], want);
	CU_ASSERT_EQUAL(r.rflags & mask, want_flags);
}

static void
decimals_are_adjusted(void)
{
	const uint32_t ca = FLAG_CF | FLAG_AF;

	/* DAA: 79 + 35 = AE -> 14, carry */
	decimal(0x27, 0xae, 0, 0x14, ca, ca);
	decimal(0x27, 0x2e, 0, 0x34, ca, FLAG_AF);
	decimal(0x27, 0x10, FLAG_CF, 0x70, ca, FLAG_CF);
	decimal(0x27, 0x42, 0, 0x42, ca, 0);
	/* DAS: 35 - 47 = EE with borrows -> 88 */
	decimal(0x2f, 0xee, ca, 0x88, ca, ca);
	/* 03 with AF: a borrow out of the first step stays */
	decimal(0x2f, 0x03, FLAG_AF, 0xfd, ca, ca);
	decimal(0x2f, 0x2e, 0, 0x28, ca, FLAG_AF);
	/* AAA, AAS */
	decimal(0x37, 0x010b, 0, 0x0201, ca, ca);
	decimal(0x37, 0x01f5, 0, 0x0105, ca, 0);
	decimal(0x37, 0x00fa, 0, 0x0200, ca, ca);
	decimal(0x3f, 0x020c, 0, 0x0106, ca, ca);
	decimal(0x3f, 0x0004, FLAG_AF, 0xfe0e, ca, ca);
	decimal(0x3f, 0x0204, 0, 0x0204, ca, 0);
}

static void
aam_divides_and_may_not_by_zero(void)
{
	begin(32);
	r.gpr[RAX] = 0x12345f;
	CU_ASSERT_EQUAL(STEP("\xd4\x0a"), -1);
	CU_ASSERT_EQUAL(r.gpr[RAX], 0x120905);
	begin(32);
	r.gpr[RAX] = 0x5f;
	CU_ASSERT_EQUAL(STEP("\xd4\x00"), EXC_DE);
	CU_ASSERT_EQUAL(r.gpr[RAX], 0x5f);
	CU_ASSERT_EQUAL(r.rip, CODE);
	begin(32);
	r.gpr[RAX] = 0x0905;
	CU_ASSERT_EQUAL(STEP("\xd5\x0a"), -1);
	CU_ASSERT_EQUAL(r.gpr[RAX], 95);
}

/* --- Division ------------------------------------------------------------------- */

static void
quotients_that_do_not_fit_are_faults(void)
{
	begin(64);		/* div %cl: FFFFh / 1 */
	r.gpr[RAX] = 0xffff;
	r.gpr[RCX] = 1;
	CU_ASSERT_EQUAL(STEP("\xf6\xf1"), EXC_DE);
	CU_ASSERT_EQUAL(r.gpr[RAX], 0xffff);
	begin(64);		/* idiv %ecx: -2^31 / -1 */
	r.gpr[RAX] = 0x80000000;
	r.gpr[RDX] = 0xffffffff;
	r.gpr[RCX] = 0xffffffff;
	CU_ASSERT_EQUAL(STEP("\xf7\xf9"), EXC_DE);
	begin(64);		/* idiv %rcx: -2^127 / -1 */
	r.gpr[RAX] = 0;
	r.gpr[RDX] = 1ull << 63;
	r.gpr[RCX] = ~0ull;
	CU_ASSERT_EQUAL(STEP("\x48\xf7\xf9"), EXC_DE);
	begin(64);		/* idiv %rcx: -2^63 / -1 */
	r.gpr[RAX] = 1ull << 63;
	r.gpr[RDX] = ~0ull;
	r.gpr[RCX] = ~0ull;
	CU_ASSERT_EQUAL(STEP("\x48\xf7\xf9"), EXC_DE);
	begin(64);		/* idiv %rcx: -2^63 * 2 / 2 fits */
	r.gpr[RAX] = 0;
	r.gpr[RDX] = ~0ull;
	r.gpr[RCX] = 2;
	CU_ASSERT_EQUAL(STEP("\x48\xf7\xf9"), -1);
	CU_ASSERT_EQUAL(r.gpr[RAX], 1ull << 63);
	CU_ASSERT_EQUAL(r.gpr[RDX], 0);
	begin(64);		/* div %rcx of 128 bits */
	r.gpr[RAX] = 5;
	r.gpr[RDX] = 6;
	r.gpr[RCX] = 7;
	CU_ASSERT_EQUAL(STEP("\x48\xf7\xf1"), -1);
	CU_ASSERT_EQUAL(r.gpr[RAX], 0xdb6db6db6db6db6e);
	CU_ASSERT_EQUAL(r.gpr[RDX], 3);
}

/* --- Stacks ---------------------------------------------------------------------- */

static void
sixteen_bit_stacks_wrap(void)
{
	begin(16);		/* push %eax at 0002: bytes from FFFE */
	r.gpr[RSP] = 0xabcd0004;
	r.gpr[RAX] = 0x11223344;
	CU_ASSERT_EQUAL(STEP("\x66\x50"), -1);
	CU_ASSERT_EQUAL(r.gpr[RSP], 0xabcd0000);
	CU_ASSERT_EQUAL(word(0, 4), 0x11223344);
	begin(16);		/* push %ax at 0: goes to FFFE */
	r.gpr[RSP] = 0xabcd0000;
	r.gpr[RAX] = 0x5566;
	CU_ASSERT_EQUAL(STEP("\x50"), -1);
	CU_ASSERT_EQUAL(r.gpr[RSP], 0xabcdfffe);
	CU_ASSERT_EQUAL(word(0xfffe, 2), 0x5566);
	begin(16);		/* pop it: SP is 0 again */
	r.gpr[RSP] = 0xabcdfffe;
	CU_ASSERT_EQUAL(STEP("\x5b"), -1);
	CU_ASSERT_EQUAL(r.gpr[RSP], 0xabcd0000);
	CU_ASSERT_EQUAL(r.gpr[RBX] & 0xffff, 0x5566);
}

static void
pusha_and_popa_mirror_each_other(void)
{
	begin(32);
	for (unsigned n = 0; n < 8; n++)
		if (n != RSP)
			r.gpr[n] = 0x1000 + n;
	CU_ASSERT_EQUAL(STEP("\x60"), -1);
	CU_ASSERT_EQUAL(r.gpr[RSP], 0x8000 - 32);
	CU_ASSERT_EQUAL(word(0x8000 - 4, 4), 0x1000);		/* eax */
	CU_ASSERT_EQUAL(word(0x8000 - 20, 4), 0x8000);		/* old esp */
	CU_ASSERT_EQUAL(word(0x8000 - 32, 4), 0x1007);		/* edi */
	r.rip = CODE;
	for (unsigned n = 0; n < 8; n++)
		if (n != RSP)
			r.gpr[n] = 0;
	CU_ASSERT_EQUAL(STEP("\x61"), -1);
	CU_ASSERT_EQUAL(r.gpr[RSP], 0x8000);
	for (unsigned n = 0; n < 8; n++)
		if (n != RSP)
			CU_ASSERT_EQUAL(r.gpr[n], 0x1000 + n);
}

static void
enter_copies_the_outer_frames(void)
{
	uint64_t outer[2] = { 0x7777, 0x6666 };

	begin(64);		/* enter $32, $3 */
	r.gpr[RBP] = 0x8800;
	mem_write(bench.mem, 0x8800 - 16, outer, 16);
	CU_ASSERT_EQUAL(STEP("\xc8\x20\x00\x03"), -1);
	CU_ASSERT_EQUAL(word(0x8000 - 8, 8), 0x8800);
	CU_ASSERT_EQUAL(word(0x8000 - 16, 8), 0x6666);	/* [rbp - 8] */
	CU_ASSERT_EQUAL(word(0x8000 - 24, 8), 0x7777);	/* [rbp - 16] */
	CU_ASSERT_EQUAL(word(0x8000 - 32, 8), 0x8000 - 8);
	CU_ASSERT_EQUAL(r.gpr[RBP], 0x8000 - 8);
	CU_ASSERT_EQUAL(r.gpr[RSP], 0x8000 - 32 - 32);
	r.rip = CODE;
	CU_ASSERT_EQUAL(STEP("\xc9"), -1);
	CU_ASSERT_EQUAL(r.gpr[RBP], 0x8800);
	CU_ASSERT_EQUAL(r.gpr[RSP], 0x8000);
}

static void
pop_addresses_with_the_new_stack_pointer(void)
{
	uint64_t v = 0x1122334455667788;

	begin(64);		/* popq 8(%rsp) */
	mem_write(bench.mem, 0x8000, &v, 8);
	CU_ASSERT_EQUAL(STEP("\x8f\x44\x24\x08"), -1);
	CU_ASSERT_EQUAL(r.gpr[RSP], 0x8008);
	CU_ASSERT_EQUAL(word(0x8010, 8), v);
	begin(64);		/* pop %rsp */
	CU_ASSERT_EQUAL(STEP("\x5c"), -1);
	CU_ASSERT_EQUAL(r.gpr[RSP], v);
	begin(64);		/* push %rsp: the old one */
	CU_ASSERT_EQUAL(STEP("\x54"), -1);
	CU_ASSERT_EQUAL(word(0x7ff8, 8), 0x8000);
}

/* --- Branches -------------------------------------------------------------------- */

static void
a_bad_target_is_a_fault_of_the_branch(void)
{
	uint64_t bad = 0x0000900000000000;

	begin(64);		/* call *%rax */
	r.gpr[RAX] = bad;
	CU_ASSERT_EQUAL(STEP("\xff\xd0"), EXC_GP);
	CU_ASSERT_EQUAL(r.gpr[RSP], 0x8000);
	CU_ASSERT_EQUAL(r.rip, CODE);
	begin(64);		/* ret */
	mem_write(bench.mem, 0x8000, &bad, 8);
	CU_ASSERT_EQUAL(STEP("\xc3"), EXC_GP);
	CU_ASSERT_EQUAL(r.gpr[RSP], 0x8000);
	begin(16);		/* loop past the limit: CX stays */
	r.seg[SEG_CS].limit = 0x1010;
	r.gpr[RCX] = 5;
	CU_ASSERT_EQUAL(STEP("\xe2\x40"), EXC_GP);
	CU_ASSERT_EQUAL(r.gpr[RCX], 5);
}

static void
counters_have_the_address_size(void)
{
	begin(64);		/* loop: rcx */
	r.gpr[RCX] = 0x100000000;
	CU_ASSERT_EQUAL(STEP("\xe2\x10"), -1);
	CU_ASSERT_EQUAL(r.gpr[RCX], 0xffffffff);
	CU_ASSERT_EQUAL(r.rip, CODE + 0x12);
	begin(64);		/* a32 loop: ecx 1 is the last */
	r.gpr[RCX] = 0x500000001;
	CU_ASSERT_EQUAL(STEP("\x67\xe2\x10"), -1);
	CU_ASSERT_EQUAL(r.gpr[RCX], 0);
	CU_ASSERT_EQUAL(r.rip, CODE + 3);
	begin(64);		/* jecxz */
	r.gpr[RCX] = 0x500000000;
	CU_ASSERT_EQUAL(STEP("\x67\xe3\x10"), -1);
	CU_ASSERT_EQUAL(r.rip, CODE + 0x13);
	begin(64);		/* jrcxz */
	r.gpr[RCX] = 0x500000000;
	CU_ASSERT_EQUAL(STEP("\xe3\x10"), -1);
	CU_ASSERT_EQUAL(r.rip, CODE + 2);
	begin(16);		/* loopne with ZF: down, not taken */
	r.gpr[RCX] = 0x70000;
	r.rflags |= FLAG_ZF;
	CU_ASSERT_EQUAL(STEP("\xe0\x10"), -1);
	CU_ASSERT_EQUAL(r.gpr[RCX], 0x7ffff);
	CU_ASSERT_EQUAL(r.rip, CODE + 2);
}

static void
bound_is_inclusive(void)
{
	int32_t limits[2] = { -5, 7 };

	for (int32_t n = -7; n < 10; n++) {
		begin(32);	/* bound %eax, (%ebx) */
		mem_write(bench.mem, 0x5000, limits, 8);
		r.gpr[RAX] = (uint32_t)n;
		r.gpr[RBX] = 0x5000;
		CU_ASSERT_EQUAL(STEP("\x62\x03"), n < -5 || n > 7 ?
		    EXC_BR : -1);
	}
}

static void
near_returns_release_parameters(void)
{
	uint64_t to = 0x1234;

	begin(64);
	mem_write(bench.mem, 0x8000, &to, 8);
	CU_ASSERT_EQUAL(STEP("\xc2\x10\x00"), -1);
	CU_ASSERT_EQUAL(r.rip, 0x1234);
	CU_ASSERT_EQUAL(r.gpr[RSP], 0x8018);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "decimals are adjusted", decimals_are_adjusted },
		{ "aam divides, and may not by zero",
		    aam_divides_and_may_not_by_zero },
		{ "quotients that do not fit are faults",
		    quotients_that_do_not_fit_are_faults },
		{ "16-bit stacks wrap", sixteen_bit_stacks_wrap },
		{ "pusha and popa mirror each other",
		    pusha_and_popa_mirror_each_other },
		{ "enter copies the outer frames",
		    enter_copies_the_outer_frames },
		{ "pop addresses with the new stack pointer",
		    pop_addresses_with_the_new_stack_pointer },
		{ "a bad target is a fault of the branch",
		    a_bad_target_is_a_fault_of_the_branch },
		{ "counters have the address size",
		    counters_have_the_address_size },
		{ "bound is inclusive", bound_is_inclusive },
		{ "near returns release parameters",
		    near_returns_release_parameters },
		{ NULL, NULL }
	};
	struct error err;

	if (step_bench_init(&bench, "max", &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	return unit_run("modes", tests);
}
