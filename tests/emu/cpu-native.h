/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu-native.h - one instruction on the host's own processor
 *
 * No stub loads and saves registers: a signal's frame holds all of them.  An
 * INT3 enters the handler; it writes the state to begin with into the frame
 * and returns, so that the kernel loads it and the instruction runs; the INT3
 * behind it, or the fault it causes, enters the handler again, which takes the
 * state from the frame and puts back what was there at first.
 *
 * The instruction and its memory lie at the same low addresses here as in the
 * emulator's machine (below 4 MiB), mapped alike.  32-bit code runs in Linux's
 * own flat segments, 16-bit code in segments of the LDT that begin at these
 * places and end with them.  Linux on x86-64 only.
 */
#ifndef CPU_NATIVE_H
#define CPU_NATIVE_H

#include <asm/ldt.h>
#include <cpuid.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE_AT 0x100000u	/* one page, readable and writable */
#define CODE_SIZE 0x1000u
#define DATA_AT 0x200000u	/* three pages, then one that is read-only */
#define DATA_SIZE 0x4000u
#define DATA_WRITABLE 0x3000u
#define STACK_AT 0x300000u
#define STACK_SIZE 0x2000u
#define INSN_AT (CODE_AT + 0x800)

/* Selectors of 16-bit code, data and stack; of 32-bit code and data. */
#define CODE16 0x07
#define DATA16 0x0f
#define STACK16 0x17
#define CODE32 0x23
#define DATA32 0x2b

/* x87 and SSE as FXSAVE has them (SDM 1, table 10-2), upper halves of YMM. */
struct fp_image {
	uint16_t fcw, fsw;
	uint8_t ftw, zero;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16];
	uint8_t xmm[16][16];
	uint8_t rest[96];
};
_Static_assert(sizeof(struct fp_image) == 512, "FXSAVE");

struct machine {
	uint64_t gpr[16], rip, rflags;
	struct fp_image fp;
	uint8_t ymm_high[16][16];
	uint8_t data[DATA_SIZE], stack[STACK_SIZE];
};

/* How it ended. */
struct outcome {
	int vector;		/* -1: went well; NATIVE_HANGS */
	uint32_t error;
	uint64_t cr2;
};
#define NATIVE_HANGS 255

static struct native {
	enum { NATIVE_IDLE, NATIVE_ENTER, NATIVE_RUN } phase;
	struct machine *m;
	struct outcome *out;
	unsigned bits;
	unsigned runs, ticked;	/* the run that was under way a tick ago */
	gregset_t gregs;	/* before */
	uint8_t fp[8192] __attribute__((aligned(64)));
	size_t fp_size;
	bool has_avx;
	bool has_16;		/* 16-bit segments can be had */
	uint64_t start;		/* RIP of the instruction */
	unsigned len;
	uint8_t *data;		/* DATA_AT's pages, all writable */
} native;

/* Order of gregs against ours. */
static const int native_greg[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

#define XSAVE_HEADER 512
#define XSAVE_YMM 576		/* SDM 1, 13.4.2: CPUID 0Dh, leaf 2 */

static void
native_load(ucontext_t *u)
{
	const struct machine *m = native.m;
	uint8_t *fp = (uint8_t *)u->uc_mcontext.fpregs;
	greg_t *g = u->uc_mcontext.gregs;
	uint64_t has, selectors, cs, ss;
	uint32_t words[4];

	memcpy(native.gregs, g, sizeof native.gregs);
	/* sw_reserved: magic, size of all, features, size of the area */
	memcpy(words, fp + 464, sizeof words);
	native.fp_size = words[0] == 0x46505853 ? words[1] : 512;
	if (native.fp_size > sizeof native.fp)
		native.fp_size = sizeof native.fp;
	memcpy(native.fp, fp, native.fp_size);
	memcpy(fp, &m->fp, 28);		/* not MXCSR_MASK */
	memcpy(fp + 32, m->fp.st, 384);
	if (native.has_avx) {
		memcpy(&has, fp + XSAVE_HEADER, 8);
		has |= 7;
		memcpy(fp + XSAVE_HEADER, &has, 8);
		memcpy(fp + XSAVE_YMM, m->ymm_high, 256);
	}
	for (unsigned n = 0; n < 16; n++)
		g[native_greg[n]] = (greg_t)m->gpr[n];
	g[REG_RIP] = (greg_t)m->rip;
	g[REG_EFL] = (greg_t)(m->rflags | 0x202);
	native.start = m->rip;
	if (native.bits != 64) {
		cs = native.bits == 32 ? CODE32 : CODE16;
		ss = native.bits == 32 ? DATA32 : STACK16;
		selectors = (uint64_t)g[REG_CSGSFS] & 0x0000ffffffff0000;
		g[REG_CSGSFS] = (greg_t)(selectors | cs | ss << 48);
		u->uc_flags |= 6;	/* SS is there, and is to be loaded */
	}
}

static void
native_take(ucontext_t *u)
{
	struct machine *m = native.m;
	uint8_t *fp = (uint8_t *)u->uc_mcontext.fpregs;
	greg_t *g = u->uc_mcontext.gregs;
	uint64_t has;

	for (unsigned n = 0; n < 16; n++)
		m->gpr[n] = (uint64_t)g[native_greg[n]];
	m->rip = (uint64_t)g[REG_RIP];
	m->rflags = (uint64_t)g[REG_EFL];
	memcpy(&m->fp, fp, sizeof m->fp);
	memset(m->ymm_high, 0, 256);
	if (native.has_avx) {
		memcpy(&has, fp + XSAVE_HEADER, 8);
		if (has & 4)
			memcpy(m->ymm_high, fp + XSAVE_YMM, 256);
	}
	memcpy(fp, native.fp, native.fp_size);
	memcpy(g, native.gregs, sizeof native.gregs);
}

static void
native_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	struct outcome *o = native.out;
	const greg_t *g = u->uc_mcontext.gregs;

	if (sig == SIGALRM) {
		if (native.phase != NATIVE_RUN ||
		    native.ticked != native.runs ||
		    (uint64_t)g[REG_RIP] - native.start >= native.len) {
			native.ticked = native.runs;
			return;
		}
		o->vector = NATIVE_HANGS;
	} else if (native.phase == NATIVE_ENTER) {
		native.phase = NATIVE_RUN;
		native_load(u);
		return;
	} else if (native.phase != NATIVE_RUN) {
		signal(sig, SIG_DFL);	/* a bug of the test's own */
		return;
	} else {
		o->vector = (int)g[REG_TRAPNO];
		o->error = (uint32_t)g[REG_ERR];
		o->cr2 = (uint64_t)g[REG_CR2];
	}
	native.phase = NATIVE_IDLE;
	native_take(u);
	/* The INT3 behind it, or one it jumped to; a fetch from a page that is
	 * no code: the instruction itself went well. */
	if (o->vector == 3) {
		native.m->rip--;
		o->vector = -1;
	} else if ((o->vector == 14 || o->vector == 13) &&
	    native.m->rip - native.start >= native.len) {
		o->vector = -1;
	}
}

static bool
native_segment(unsigned n, unsigned base, unsigned size, bool code)
{
	struct user_desc d = {
		.entry_number = n, .base_addr = base, .limit = size - 1,
		.contents = code ? 2 : 0, .useable = 1,
	};

	return syscall(SYS_modify_ldt, 0x11, &d, sizeof d) == 0;
}

/* false: cannot be done here. */
static bool
native_init(void)
{
	static const int signals[] = {
		SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGALRM,
	};
	static uint8_t stack[1 << 16];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction sa = {
		.sa_sigaction = native_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};
	struct itimerval tick = { { 0, 300000 }, { 0, 300000 } };
	int shared = MAP_SHARED | MAP_FIXED_NOREPLACE;
	int private = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	const struct {
		uintptr_t at, size, from;
		int prot, flags;
	} maps[] = {
		{ CODE_AT, CODE_SIZE, 0, PROT_READ | PROT_WRITE | PROT_EXEC,
		    private },
		{ STACK_AT, STACK_SIZE, 0, PROT_READ | PROT_WRITE, private },
		{ DATA_AT, DATA_WRITABLE, 0, PROT_READ | PROT_WRITE, shared },
		{ DATA_AT + DATA_WRITABLE, DATA_SIZE - DATA_WRITABLE,
		    DATA_WRITABLE, PROT_READ, shared },
	};
	unsigned a, b, c, d;
	int fd = memfd_create("cpu-native", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, DATA_SIZE))
		return false;
	for (unsigned n = 0; n < sizeof maps / sizeof *maps; n++)
		if (mmap((void *)maps[n].at, maps[n].size, maps[n].prot,
		    maps[n].flags, maps[n].flags & MAP_ANONYMOUS ? -1 : fd,
		    (off_t)maps[n].from) != (void *)maps[n].at)
			return false;
	native.data = mmap(NULL, DATA_SIZE, PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (native.data == MAP_FAILED)
		return false;
	/* there from the start, so that a first fault is the last, too */
	for (unsigned at = 0; at < DATA_SIZE; at += 0x1000)
		(void)*(volatile uint8_t *)(uintptr_t)(DATA_AT + at);
	native.has_avx = __get_cpuid(1, &a, &b, &c, &d) && c >> 28 & 1 &&
	    c >> 27 & 1;
	native.has_16 = native_segment(0, CODE_AT, 0x10000, true) &&
	    native_segment(1, DATA_AT, DATA_SIZE, false) &&
	    native_segment(2, STACK_AT, STACK_SIZE, false);
	sigaddset(&sa.sa_mask, SIGALRM);
	if (sigaltstack(&ss, NULL))
		return false;
	for (unsigned n = 0; n < sizeof signals / sizeof *signals; n++)
		if (sigaction(signals[n], &sa, NULL))
			return false;
	return !setitimer(ITIMER_REAL, &tick, NULL);
}

/* Runs the instruction (or several) of len bytes at INSN_AT in m; changes m. */
static void
native_run(const uint8_t *insn, unsigned len, unsigned bits, struct machine *m,
    struct outcome *o)
{
	uint8_t *code = (uint8_t *)(uintptr_t)CODE_AT;
	uint8_t *stack = (uint8_t *)(uintptr_t)STACK_AT;

	memset(code, 0xcc, CODE_SIZE);
	memcpy((uint8_t *)(uintptr_t)INSN_AT, insn, len);
	memcpy(native.data, m->data, DATA_SIZE);
	memcpy(stack, m->stack, STACK_SIZE);
	native.m = m;
	native.out = o;
	native.bits = bits;
	native.len = len;
	native.runs++;
	/* 64-bit code does not mind */
	asm volatile("mov %0, %%ds; mov %0, %%es" : :
	    "r" (bits == 16 ? DATA16 : DATA32));
	native.phase = NATIVE_ENTER;
	asm volatile("int3" : : : "memory");
	memcpy(m->data, native.data, DATA_SIZE);
	memcpy(m->stack, stack, STACK_SIZE);
}

#endif
