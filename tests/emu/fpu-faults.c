/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu-faults.c - when x87 and vector instructions fault, and what has changed
 * by then: nothing, but for gathers
 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "cpu/bind.h"
#include "cpu/decode.h"
#include "cpu/fp.h"
#include "cpu/step.h"
#include "support/unit.h"

static struct step_bench bench;
static struct cpu *c;
static const struct cpu_features everything = {
	~0ull & ~CPU_FEATURES_NO_VEX
};

static void stop(struct cpu *cpu, const struct insn *i) { }

static void begin(void)
{
	struct error err;

	CU_ASSERT_EQUAL_FATAL(step_bench_init(&bench, "max", &err), 0);
	c = bench.cpu;
	c->fcw = 0x37f;
	c->mxcsr = 0x1f80;
}

static void end(void)
{
	step_bench_fini(&bench);
}

/* Runs one 64-bit instruction; the vector it raises or -1.  Both handlers, if
 * there are two, must agree. */
static int run(const char *bytes, unsigned n)
{
	struct insn i[2];
	int volatile vector[2] = { -1, -1 };
	unsigned volatile k;
	static struct cpu before;

	CU_ASSERT_EQUAL(decode((const uint8_t *)bytes, n, DECODE_64, true, 0,
	    &everything, &i[0]), n);
	CU_ASSERT_NOT_EQUAL(i[0].id, INSN_UD);
	before = *c;
	for (k = 0; k < 2; k++) {
		i[0].run = bind_generic(&i[0]);
		if (k && !(i[0].run = fp_bind(&i[0], i[0].run)))
			break;
		i[1].run = stop;
		if (k)
			*c = before;
		fp_enter(c);
		if (_setjmp(*(jmp_buf *)(void *)&c->unwind) == 0)
			i[0].run(c, i);
		else
			vector[k] = c->fault.vector;
		fp_leave(c);
		if (k)
			CU_ASSERT_EQUAL(vector[0], vector[1]);
	}
	return vector[0];
}
#define RUN(bytes) run(bytes, sizeof(bytes) - 1)

#define ADDPS "\x0f\x58\xc1"
#define VADDPS "\xc5\xf0\x58\xc2"
#define VPADDB "\xc5\xf5\xfc\xc2"
#define PADDB_MM "\x0f\xfc\xc1"
#define PXOR "\x66\x0f\xef\xc1"
#define FADD "\xd8\xc1"
#define FWAIT "\x9b"
#define FNSTSW "\xdf\xe0"
#define FNINIT "\xdb\xe3"
#define FXSAVE "\x0f\xae\x03"
#define XSAVE "\x0f\xae\x23"
#define LDMXCSR "\x0f\xae\x13"
#define XGETBV "\x0f\x01\xd0"
#define MOVNTI "\x0f\xc3\x03"

static void control_registers_forbid(void)
{
	begin();
	c->gpr[RBX] = 0x20000;
	c->gpr[RCX] = 0;
	c->cr0 |= CR0_TS;
	CU_ASSERT_EQUAL(RUN(ADDPS), EXC_NM);
	CU_ASSERT_EQUAL(RUN(PXOR), EXC_NM);
	CU_ASSERT_EQUAL(RUN(VADDPS), EXC_NM);
	CU_ASSERT_EQUAL(RUN(PADDB_MM), EXC_NM);
	CU_ASSERT_EQUAL(RUN(FADD), EXC_NM);
	CU_ASSERT_EQUAL(RUN(FNSTSW), EXC_NM);
	CU_ASSERT_EQUAL(RUN(FXSAVE), EXC_NM);
	CU_ASSERT_EQUAL(RUN(XSAVE), EXC_NM);
	CU_ASSERT_EQUAL(RUN(LDMXCSR), EXC_NM);
	CU_ASSERT_EQUAL(RUN(XGETBV), -1);
	CU_ASSERT_EQUAL(RUN(FWAIT), -1);
	c->cr0 |= CR0_MP;
	CU_ASSERT_EQUAL(RUN(FWAIT), EXC_NM);
	/* #UD goes first */
	c->cr4 &= ~CR4_OSFXSR;
	CU_ASSERT_EQUAL(RUN(ADDPS), EXC_UD);
	CU_ASSERT_EQUAL(RUN(FXSAVE), EXC_NM);
	c->cr4 |= CR4_OSFXSR;
	c->cr0 &= ~(CR0_TS | CR0_MP);
	c->cr0 |= CR0_EM;
	CU_ASSERT_EQUAL(RUN(ADDPS), EXC_UD);
	CU_ASSERT_EQUAL(RUN(PADDB_MM), EXC_UD);
	CU_ASSERT_EQUAL(RUN(FADD), EXC_NM);
	CU_ASSERT_EQUAL(RUN(FNINIT), EXC_NM);
	CU_ASSERT_EQUAL(RUN(FWAIT), -1);
	CU_ASSERT_EQUAL(RUN(VADDPS), -1);
	c->cr0 &= ~CR0_EM;
	c->cr4 &= ~CR4_OSXSAVE;
	CU_ASSERT_EQUAL(RUN(VADDPS), EXC_UD);
	CU_ASSERT_EQUAL(RUN(XSAVE), EXC_UD);
	CU_ASSERT_EQUAL(RUN(XGETBV), EXC_UD);
	c->cr4 |= CR4_OSXSAVE;
	c->xcr0 = 3;
	CU_ASSERT_EQUAL(RUN(VPADDB), EXC_UD);
	c->xcr0 = 7;
	CU_ASSERT_EQUAL(RUN(VPADDB), -1);
	end();
}

static unsigned ferrs;
static void ferr(void *opaque) { ferrs++; }

/* 1 / 0 with ZE unmasked waits for the next instruction that waits. */
static void x87_exceptions_wait(void)
{
	begin();
	c->apic.ferr = ferr;
	c->cr0 |= CR0_NE;
	c->fcw = 0x37b;
	c->ftw = 0;
	CU_ASSERT_EQUAL(RUN("\xd9\xe8"), -1);	/* fld1 */
	CU_ASSERT_EQUAL(RUN("\xd9\xee"), -1);	/* fldz */
	CU_ASSERT_EQUAL(RUN("\xdc\xf9"), -1);	/* fdiv st(1), st */
	CU_ASSERT_EQUAL(c->fsw & 0x8084, 0x8084);
	CU_ASSERT_EQUAL(RUN(FNSTSW), -1);
	CU_ASSERT_EQUAL(c->gpr[RAX] & 0x8084, 0x8084);
	CU_ASSERT_EQUAL(RUN(FWAIT), EXC_MF);
	CU_ASSERT_EQUAL(RUN(FADD), EXC_MF);
	CU_ASSERT_EQUAL(RUN(PADDB_MM), EXC_MF);
	CU_ASSERT_EQUAL(RUN(ADDPS), -1);
	CU_ASSERT_EQUAL(ferrs, 0);
	/* the old way: FERR#, and on */
	c->cr0 &= ~CR0_NE;
	CU_ASSERT_EQUAL(RUN(FWAIT), -1);
	CU_ASSERT_EQUAL(ferrs, 1);
	c->cr0 |= CR0_NE;
	CU_ASSERT_EQUAL(RUN("\xdb\xe2"), -1);	/* fnclex */
	CU_ASSERT_EQUAL(c->fsw & 0x80ff, 0);
	CU_ASSERT_EQUAL(RUN(FWAIT), -1);
	/* unmasking what has happened is enough */
	c->fcw = 0x37f;
	CU_ASSERT_EQUAL(RUN("\xdc\xf9"), -1);
	CU_ASSERT_EQUAL(RUN(FWAIT), -1);
	c->gpr[RBX] = 0x20000;
	memcpy(bench.ram + 0x20000, "\x60\x03", 2);
	CU_ASSERT_EQUAL(RUN("\xd9\x2b"), -1);	/* fldcw [rbx] */
	CU_ASSERT_EQUAL(RUN(FWAIT), EXC_MF);
	end();
}

static void simd_exceptions(void)
{
	const float one = 1, zero = 0;
	float v;

	begin();
	c->mxcsr = 0x1f80 & ~0x200u;		/* ZE open */
	memset(c->vec, 0, sizeof(c->vec));
	memcpy(c->vec[0], &one, 4);
	memcpy(c->vec[1], &zero, 4);
	CU_ASSERT_EQUAL(RUN("\xf3\x0f\x5e\xc1"), EXC_XM); /* divss */
	memcpy(&v, c->vec[0], 4);
	CU_ASSERT_EQUAL(v, one);
	CU_ASSERT_EQUAL(c->mxcsr & 0x3f, 4);
	c->cr4 &= ~CR4_OSXMMEXCPT;
	CU_ASSERT_EQUAL(RUN("\xf3\x0f\x5e\xc1"), EXC_UD);
	end();
}

/* The pages from 2 MiB on are not there: a table of 4 KiB pages is. */
static void unmap_half(void)
{
	uint64_t *pdpt, *pd, e;

	memcpy(&e, bench.ram + c->cr3, 8);
	pdpt = (uint64_t *)(bench.ram + (e & ~0xfffull));
	pd = (uint64_t *)(bench.ram + 0x100000);
	memset(pd, 0, 4096);
	pd[0] = 0xe7;				/* 2 MiB at 0 */
	pdpt[0] = 0x100000 | 7;
}

#define EDGE 0x200000u
static bool all(const uint8_t *p, unsigned n, uint8_t v)
{
	while (n--)
		if (*p++ != v)
			return false;
	return true;
}

static void page_faults_change_nothing(void)
{
	static const struct {
		const char *bytes;
		unsigned n, size;
	} stores[] = {
		{ "\x0f\x11\x03", 3, 16 },		/* movups */
		{ "\xc5\xfc\x11\x03", 4, 32 },		/* vmovups ymm */
		{ "\x0f\x13\x03", 3, 8 },		/* movlps */
		{ "\xdd\x1b", 2, 8 },			/* fstp m64 */
		{ "\xdb\x3b", 2, 10 },			/* fstp m80 */
		{ "\xdf\x33", 2, 10 },			/* fbstp */
		{ "\xd9\x33", 2, 28 },			/* fnstenv */
		{ "\xdd\x33", 2, 108 },			/* fnsave */
		{ "\x0f\xae\x03", 3, 512 },		/* fxsave */
		{ "\x0f\xae\x23", 3, 832 },		/* xsave */
		{ "\x0f\x7e\x03", 3, 4 },		/* movd mm */
		{ "\xc4\xe3\x7d\x1d\x03\x00", 6, 16 },	/* vcvtps2ph */
	};
	unsigned k, fsw, ftw;

	begin();
	unmap_half();
	memset(bench.ram + 0x1ff000, 0x55, 4096);
	c->ftw = 0xff;
	c->fsw = 0x0800;
	c->gpr[RAX] = 7;
	c->gpr[RDX] = 0;
	for (k = 0; k < sizeof(stores) / sizeof(stores[0]); k++) {
		/* half of it, or as much as alignment leaves */
		unsigned half = stores[k].size > 500 ? 64 * 4 :
		    (stores[k].size + 1) / 2;

		c->gpr[RBX] = EDGE - half;
		fsw = c->fsw;
		ftw = c->ftw;
		CU_ASSERT_EQUAL(run(stores[k].bytes, stores[k].n), EXC_PF);
		CU_ASSERT_EQUAL(c->cr2, EDGE);
		CU_ASSERT_EQUAL(c->fsw, fsw);
		CU_ASSERT_EQUAL(c->ftw, ftw);
		CU_ASSERT(all(bench.ram + 0x1ff000, 4096, 0x55));
	}
	/* a load */
	memset(c->vec, 0x33, sizeof(c->vec));
	c->gpr[RBX] = EDGE - 16;
	CU_ASSERT_EQUAL(RUN("\xc5\xfc\x10\x03"), EXC_PF);
	CU_ASSERT(all(c->vec[0], 32, 0x33));
	end();
}

static void masked_bytes_are_not_touched(void)
{
	static const uint8_t one[32] = { [3] = 0x80 };

	begin();
	unmap_half();
	memset(bench.ram + 0x1ff000, 0x55, 4096);
	memset(c->vec, 0x33, sizeof(c->vec));
	memcpy(c->vec[1], one, 32);
	c->gpr[RBX] = c->gpr[RDI] = EDGE - 4;
	/* maskmovdqu xmm0, xmm1: byte 3 alone */
	CU_ASSERT_EQUAL(RUN("\x66\x0f\xf7\xc1"), -1);
	CU_ASSERT(all(bench.ram + EDGE - 4, 3, 0x55));
	CU_ASSERT_EQUAL(bench.ram[EDGE - 1], 0x33);
	/* vmaskmovps [rbx], ymm1, ymm0; vmaskmovps ymm2, ymm1, [rbx] */
	CU_ASSERT_EQUAL(RUN("\xc4\xe2\x75\x2e\x03"), -1);
	CU_ASSERT(all(bench.ram + EDGE - 4, 4, 0x33));
	CU_ASSERT_EQUAL(RUN("\xc4\xe2\x75\x2c\x13"), -1);
	CU_ASSERT(all(c->vec[2], 4, 0x33));
	CU_ASSERT(all(c->vec[2] + 4, 28, 0));
	c->vec[1][7] = 0x80;
	CU_ASSERT_EQUAL(RUN("\xc4\xe2\x75\x2e\x03"), EXC_PF);
	end();
}

/* vpgatherdd ymm0, [rbx + ymm1 * 4], ymm2: what was done before the fault
 * stays, and its mask is cleared. */
static void gathers_go_on(void)
{
	uint32_t index[8] = { 0, 1, 2, 3, 0x1000, 5, 6, 7 }, k, v;

	begin();
	unmap_half();
	for (k = 0; k < 0x400; k++)
		memcpy(bench.ram + 0x1ff000 + 4 * k, &k, 4);
	memset(c->vec, 0xff, sizeof(c->vec));
	memcpy(c->vec[1], index, 32);
	c->gpr[RBX] = 0x1ff000;
	CU_ASSERT_EQUAL(RUN("\xc4\xe2\x6d\x90\x04\x8b"), EXC_PF);
	for (k = 0; k < 4; k++) {
		memcpy(&v, c->vec[0] + 4 * k, 4);
		CU_ASSERT_EQUAL(v, k);
	}
	CU_ASSERT(all(c->vec[0] + 16, 16, 0xff));
	CU_ASSERT(all(c->vec[2], 16, 0));
	CU_ASSERT(all(c->vec[2] + 16, 16, 0xff));
	index[4] = 4;
	memcpy(c->vec[1], index, 32);
	CU_ASSERT_EQUAL(RUN("\xc4\xe2\x6d\x90\x04\x8b"), -1);
	memcpy(&v, c->vec[0] + 16, 4);
	CU_ASSERT_EQUAL(v, 4);
	CU_ASSERT(all(c->vec[2], 32, 0));
	end();
}

static void alignment(void)
{
	begin();
	c->gpr[RBX] = 0x20008;
	CU_ASSERT_EQUAL(RUN("\x0f\x28\x03"), EXC_GP);		/* movaps */
	CU_ASSERT_EQUAL(RUN("\x0f\x58\x03"), EXC_GP);		/* addps */
	CU_ASSERT_EQUAL(RUN("\xc5\xf0\x58\x03"), -1);		/* vaddps */
	CU_ASSERT_EQUAL(RUN("\xc5\xf8\x28\x03"), EXC_GP);	/* vmovaps */
	c->gpr[RBX] = 0x20010;
	CU_ASSERT_EQUAL(RUN("\xc5\xf8\x28\x03"), -1);
	CU_ASSERT_EQUAL(RUN("\xc5\xfc\x28\x03"), EXC_GP);	/* of ymm */
	CU_ASSERT_EQUAL(RUN("\xc5\xfd\xe7\x03"), EXC_GP);	/* vmovntdq */
	CU_ASSERT_EQUAL(RUN(FXSAVE), -1);
	CU_ASSERT_EQUAL(RUN(XSAVE), EXC_GP);
	end();
}

/* XCR0 takes what there is and makes sense, at CPL 0. */
static void xsetbv(void)
{
	static const uint64_t bad[] = { 0, 2, 5, 6, 0xf, 1ull << 32 | 7 };
	unsigned k;

	begin();
	c->gpr[RCX] = 0;
	for (k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
		c->gpr[RAX] = (uint32_t)bad[k];
		c->gpr[RDX] = bad[k] >> 32;
		CU_ASSERT_EQUAL(RUN("\x0f\x01\xd1"), EXC_GP);
		CU_ASSERT_EQUAL(c->xcr0, 7);
	}
	c->gpr[RAX] = 3;
	c->gpr[RDX] = 0;
	c->gpr[RCX] = 1;
	CU_ASSERT_EQUAL(RUN("\x0f\x01\xd1"), EXC_GP);
	CU_ASSERT_EQUAL(RUN(XGETBV), EXC_GP);
	c->gpr[RCX] = 0;
	CU_ASSERT_EQUAL(RUN(XGETBV), -1);
	CU_ASSERT_EQUAL(c->gpr[RAX], 7);
	end();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "control registers forbid", control_registers_forbid },
		{ "x87 exceptions wait", x87_exceptions_wait },
		{ "SIMD exceptions leave the destination", simd_exceptions },
		{ "page faults change nothing", page_faults_change_nothing },
		{ "masked bytes are not touched",
		    masked_bytes_are_not_touched },
		{ "gathers go on where they stopped", gathers_go_on },
		{ "alignment", alignment },
		{ "XSETBV", xsetbv },
		{ NULL, NULL }
	};

	return unit_run("x87 and vector faults", tests);
}
