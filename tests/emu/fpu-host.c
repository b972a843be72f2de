/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu-host.c - every x87, MMX, SSE and AVX form does what the host does
 *
 * All opcodes of the maps are decoded in turn, with registers and with memory;
 * those that are of this kind run natively, on a page of their own between a
 * stub that loads all state and one that saves it, and by our handlers, on the
 * same random state.  FPU_ROUNDS says how often each; SEED which numbers.
 */
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "cpu/bind.h"
#include "cpu/decode.h"
#include "cpu/fp.h"
#include "cpu/step.h"
#include "support/guest.h"
#include "support/unit.h"

/* --- Native execution ---------------------------------------------------- */

#define AREA 1024
#define MEM_SIZE 1152	/* an XSAVE area fits, aligned */
/* One XSAVE area in its standard format. */
struct area {
	uint16_t fcw, fsw;
	uint8_t ftw, pad;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mask;
	uint8_t st[8][16], xmm[16][16], rest[96];
	uint64_t header[8];
	uint8_t ymm[16][16];
	uint8_t room[AREA - 832];
} __attribute__((aligned(64)));

struct area native_in, native_out;
uint64_t native_gpr[16], native_flags, native_sp;
void *native_code;
void native_go(void), native_back(void);

/* Registers but RSP are the instruction's; what the stub itself needs is in
 * memory. */
__asm__(
".text\n"
"native_go:\n"
"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
"	mov %rsp, native_sp(%rip)\n"
"	mov $7, %eax; xor %edx, %edx\n"
"	lea native_in(%rip), %rcx\n"
"	xrstor (%rcx)\n"
"	push native_flags(%rip); popf\n"
"	mov native_gpr(%rip), %rax\n"
"	mov 8+native_gpr(%rip), %rcx\n"
"	mov 16+native_gpr(%rip), %rdx\n"
"	mov 24+native_gpr(%rip), %rbx\n"
"	mov 40+native_gpr(%rip), %rbp\n"
"	mov 48+native_gpr(%rip), %rsi\n"
"	mov 56+native_gpr(%rip), %rdi\n"
"	mov 64+native_gpr(%rip), %r8\n"
"	jmp *native_code(%rip)\n"
"native_back:\n"
"	mov native_sp(%rip), %rsp\n"
"	mov %rax, native_gpr(%rip)\n"
"	mov %rcx, 8+native_gpr(%rip)\n"
"	mov %rdx, 16+native_gpr(%rip)\n"
"	mov %rbx, 24+native_gpr(%rip)\n"
"	mov %rbp, 40+native_gpr(%rip)\n"
"	mov %rsi, 48+native_gpr(%rip)\n"
"	mov %rdi, 56+native_gpr(%rip)\n"
"	mov %r8, 64+native_gpr(%rip)\n"
"	pushf; pop native_flags(%rip)\n"
"	mov $7, %eax; xor %edx, %edx\n"
"	lea native_out(%rip), %rcx\n"
"	xsave (%rcx)\n"
"	fninit; vzeroupper; ldmxcsr native_default(%rip)\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
"	ret\n"
"	.balign 4\n"
"native_default: .long 0x1f80\n");

static int native_vector;

static void
caught(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	native_vector = (int)u->uc_mcontext.gregs[REG_TRAPNO];
	u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)native_back;
	u->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

static void
native_start(void)
{
	static uint8_t stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_sigaction = caught,
		.sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&alt, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	native_code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
native_run(const uint8_t *bytes, unsigned n)
{
	static const uint8_t jump[6] = { 0xff, 0x25 };
	uint8_t *p = native_code;
	uintptr_t back = (uintptr_t)native_back;

	memcpy(p, bytes, n);
	memcpy(p + n, jump, 6);		/* jmp *0(%rip) */
	memcpy(p + n + 6, &back, 8);
	memset(native_out.header, 0, sizeof(native_out.header));
	native_vector = -1;
	native_go();
}

/* --- Random state -------------------------------------------------------- */

static struct dice dice;

static uint64_t
any(void)
{
	return dice_mix(dice.state++);
}

/* Numbers that are worth trying; others are random bits. */
static void
fill(uint8_t *p, unsigned n)
{
	static const uint32_t f[] = {
		0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
		0x7fc00000, 0xffc12345, 0x7f812345, 0xff800001, 1, 0x80000001,
		0x007fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff,
		0x4f000000, 0xcf000000, 0x5f000000, 0x3f000000, 0xbfc00000,
		0x33800000, 0x34000000, 0x387fc000, 0x477ff000,
	};
	static const uint64_t d[] = {
		0, 1ull << 63, 0x3ff0000000000000, 0xbff0000000000000,
		0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
		0xfff8123456789abc, 0x7ff0000000000001, 0xfff7ffffffffffff,
		1, 0x8000000000000001, 0x000fffffffffffff, 0x0010000000000000,
		0x7fefffffffffffff, 0xffefffffffffffff, 0x41e0000000000000,
		0xc1e0000000000000, 0x43e0000000000000, 0x3fe0000000000000,
		0x36a0000000000000, 0x380fffffe0000000, 0x47efffffefffffff,
		0x3ca0000000000000,
	};
	unsigned kind = any() % 8, k;

	for (k = 0; k < n; k += 8) {
		uint64_t q = any();

		switch (kind) {
		case 0:
			break;
		case 1:		/* floats of all kinds */
		case 2:
			q = (uint64_t)f[any() % 26] << 32 | f[any() % 26];
			if (any() % 4 == 0)
				q ^= any() & 0x0000ffff0000ffff;
			break;
		case 3:		/* of like size */
			q = (q & 0x83ffffff83ffffff) | 0x3c0000003c000000;
			break;
		case 4:
		case 5:
			q = d[any() % 24];
			if (any() % 4 == 0)
				q ^= any() & 0xffffffff;
			break;
		case 6:
			q = (q & 0x807fffffffffffff) | 0x3f80000000000000;
			break;
		default:	/* small integers */
			q &= 0x0000ff03001f0f01;
			break;
		}
		memcpy(p + k, &q, 8);
	}
}

/* 80 bits; rarely an unsupported format. */
static void
fill80(uint8_t *p)
{
	static const uint64_t man[] = {
		1ull << 63, ~0ull, 0xc000000000000000, 0x8000000000000001,
		0xc000000000000001, 0xfffffffffffff800, 0x8000010000000000,
	};
	uint64_t m = any() % 2 ? man[any() % 7] : any() | 1ull << 63;
	uint16_t e;

	switch (any() % 8) {
	case 0: e = 0x7fff; break;
	case 1: e = 0; m &= any() % 2 ? ~(1ull << 63) : ~0ull; break;
	case 2: e = 0; m = 0; break;
	case 3: e = 0x3fff + any() % 70; break;
	case 4: e = any() & 0x7fff; m = any() % 4 ? m : any(); break;
	case 5: e = 0x7f00 + any() % 255; break;
	case 6: e = any() % 128; break;
	default: e = 0x3fe0 + any() % 64; break;
	}
	e |= (uint16_t)(any() << 15);
	memcpy(p, &m, 8);
	memcpy(p + 8, &e, 2);
	memset(p + 10, 0, 6);
}

struct state {
	struct area a;
	uint64_t gpr[16];
	uint32_t flags;
	uint8_t mem[MEM_SIZE];
};

static bool open_too;		/* exceptions unmasked, too */

static void
random_state(struct state *s)
{
	unsigned k;

	memset(s, 0, sizeof(*s));
	s->a.fcw = 0x40 | (any() & 0x0f00);
	if ((s->a.fcw & 0x300) == 0x100)
		s->a.fcw |= 0x200;
	s->a.fcw |= open_too && any() % 2 ? any() & 0x3f : 0x3f;
	s->a.fsw = any() & 0x7f00;
	/* No exception pending, but rarely. */
	s->a.fsw |= any() & 0x7f & (any() % 32 ? s->a.fcw : 0x3f);
	if (s->a.fsw & ~s->a.fcw & 0x3f)
		s->a.fsw |= 0x8080;
	s->a.ftw = any() % 4 ? 0xff : any();
	if (any() % 3 == 0)
		s->a.ftw &= ~(1u << (((s->a.fsw >> 11) + 7) & 7));
	s->a.mxcsr = (any() & 0xe07f) | (any() % 4 ? 0 : 0);
	if (any() % 2)
		s->a.mxcsr &= ~0x8040u;
	s->a.mxcsr |= open_too ? any() & any() & 0x1f80 : 0x1f80;
	s->a.header[0] = 7;
	for (k = 0; k < 8; k++)
		fill80(s->a.st[k]);
	for (k = 0; k < 16; k++) {
		fill(s->a.xmm[k], 16);
		fill(s->a.ymm[k], 16);
		s->gpr[k] = any();
		if (any() % 3 == 0)
			s->gpr[k] = any() % 40 - 20;
	}
	s->flags = 0x202 | (any() & FLAGS_ARITH);
	fill(s->mem, 64);
	fill(s->mem + 64, 64);
	fill(s->mem + 128, 128);
	if (any() % 3 == 0)
		fill80(s->mem + 64);
}

/* --- Ours ---------------------------------------------------------------- */

static struct step_bench bench;
#define GUEST_MEM 0x20000u

static void
stop(struct cpu *c, const struct insn *i)
{
}

static void
to_cpu(struct cpu *c, const struct state *s)
{
	unsigned top = s->a.fsw >> 11 & 7, k;

	for (k = 0; k < 16; k++) {
		memcpy(c->vec[k], s->a.xmm[k], 16);
		memcpy(c->vec[k] + 16, s->a.ymm[k], 16);
		c->gpr[k] = s->gpr[k];
	}
	for (k = 0; k < 8; k++)
		memcpy(c->fpr[(top + k) & 7], s->a.st[k], 16);
	c->fcw = s->a.fcw;
	c->fsw = s->a.fsw;
	c->ftw = s->a.ftw;
	c->mxcsr = s->a.mxcsr;
	c->fip = c->fdp = c->fop = 0;
	flags_put(&c->flags, s->flags);
	memcpy(bench.ram + GUEST_MEM, s->mem, MEM_SIZE);
}

static void
from_cpu(const struct cpu *c, struct state *s)
{
	unsigned top = c->fsw >> 11 & 7, k;

	for (k = 0; k < 16; k++) {
		memcpy(s->a.xmm[k], c->vec[k], 16);
		memcpy(s->a.ymm[k], c->vec[k] + 16, 16);
		s->gpr[k] = c->gpr[k];
	}
	for (k = 0; k < 8; k++)
		memcpy(s->a.st[k], c->fpr[(top + k) & 7], 16);
	s->a.fcw = c->fcw;
	s->a.fsw = c->fsw;
	s->a.ftw = c->ftw;
	s->a.mxcsr = c->mxcsr;
	s->flags = flags_get(&c->flags);
	memcpy(s->mem, bench.ram + GUEST_MEM, MEM_SIZE);
}

static int
our_run(struct insn *code, unsigned count, struct state *s)
{
	struct cpu *c = bench.cpu;
	volatile int vector = -1;

	to_cpu(c, s);
	code[count].run = stop;
	c->gpr[REG_BLOCK] = 0x1000;
	fp_enter(c);
	if (_setjmp(*(jmp_buf *)(void *)&c->unwind) == 0)
		code[0].run(c, code);
	else
		vector = c->fault.vector;
	fp_leave(c);
	from_cpu(c, s);
	return vector;
}

/* --- What is compared ---------------------------------------------------- */

static unsigned n_forms, n_runs, n_wrong;

/* Ours alone: it is not compared.  Host-only instructions come out as UD. */
static bool
is_ours(const struct insn *i)
{
	const struct insn_desc *d = &insn_descs[i->id];
	static const char *const left[] = {
		"x_xsetbv", "x_xgetbv", "x_sfence", "x_lfence", "x_mfence",
		"x_prefetch", "x_movnti", "x_crc32", "x_popcnt", "x_pause",
		"x_clflush",
	};
	unsigned k;

	for (k = 0; k < sizeof(left) / sizeof(left[0]); k++)
		if (strcmp(d->exec, left[k]) == 0)
			return false;
	switch (d->feature) {
	case FEAT_FPU: case FEAT_MMX: case FEAT_SSE: case FEAT_SSE2:
	case FEAT_SSE3: case FEAT_SSSE3: case FEAT_SSE41: case FEAT_SSE42:
	case FEAT_AES: case FEAT_PCLMUL: case FEAT_SHA: case FEAT_AVX:
	case FEAT_AVX2: case FEAT_FMA: case FEAT_F16C: case FEAT_FXSR:
	case FEAT_XSAVE: case FEAT_XSAVEOPT: case FEAT_XSAVEC:
		return true;
	default:
		return false;
	}
}

static bool
is_x87(const struct insn *i)
{
	return insn_descs[i->id].exec[2] == 'f' &&
	    insn_descs[i->id].feature <= FEAT_SSE3 &&
	    (insn_descs[i->id].feature == FEAT_FPU ||
	    strcmp(insn_descs[i->id].exec, "x_fisttp") == 0);
}

/* Instructions that load or store state: what lies at p, so that it is mostly
 * valid. */
static bool
is_state(const char *exec)
{
	return strstr(exec, "save") || strstr(exec, "rstor") ||
	    strstr(exec, "env");
}

static void
random_area(uint8_t *p, struct state *s, const char *exec)
{
	uint64_t header[8] = { any() & 7 };
	unsigned k;

	for (k = 0; k < 832; k += 32)
		fill(p + k, 32);
	for (k = 0; k < 8; k++)
		fill80(p + 32 + 16 * k);
	p[26] &= ~2;		/* AMD's MXCSR bit 17 */
	if (any() % 8) {
		p[26] = p[27] = 0;
		p[25] |= open_too ? 0 : 0x1f;
		p[24] |= open_too ? 0 : 0x80;
	}
	if (!open_too)
		p[0] |= 0x3f;
	p[1] &= 0x0f;
	if ((p[1] & 3) == 1)
		p[1] = 0;
	if (any() % 2 && strstr(exec, "rstor"))
		header[1] = 1ull << 63 | (any() % 4 ? 7 : any() & 7);
	if (any() % 8 == 0)
		header[any() % 8] |= 1ull << (any() % 2 ? 40 : 3);
	memcpy(p + 512, header, 64);
	s->gpr[RAX] = any() % 2 ? 7 : any() & 7;
	s->gpr[RDX] = 0;
	for (k = 0; k < 16; k++) {
		if (s->a.fsw & 1)
			memset(s->a.xmm[k], 0, 16);
		if (s->a.fsw & 2)
			memset(s->a.ymm[k], 0, 16);
	}
	if (any() % 2)
		s->a.mxcsr = 0x1f80;
}

/* Pointers to the last instruction and its operand are not compared: which
 * of them are kept differs. */
static void
blank_pointers(struct state *s, unsigned at, const char *exec, unsigned size)
{
	if (strstr(exec, "fnst") || !strcmp(exec, "x_fnsave"))
		memset(s->mem + at + (size == 2 ? 6 : 12), 0,
		    size == 2 ? 8 : 16);
	else
		memset(s->mem + at + 6, 0, 18);
	/* AMD's MXCSR has a bit more. */
	if (!strcmp(exec + 2, "fxsave") || !strncmp(exec + 2, "xsave", 5))
		s->mem[at + 30] &= ~2;
}

/* C0, C2, C3 as far as the instruction defines them. */
static unsigned
defined_cc(const char *exec)
{
	if (strstr(exec, "com") || !strcmp(exec, "x_ftst"))
		return strstr(exec, "comi") && exec[2] == 'f' &&
		    strcmp(exec, "x_ficom") && strcmp(exec, "x_ficomp") ?
		    0 : 0x4500;
	if (!strcmp(exec, "x_fxam") || !strncmp(exec, "x_fprem", 7) ||
	    !strcmp(exec, "x_fldcw") || !strcmp(exec, "x_fnstsw") ||
	    !strcmp(exec, "x_fnstcw") || is_state(exec))
		return 0x4500;
	if (!strcmp(exec, "x_fsin") || !strcmp(exec, "x_fcos") ||
	    !strcmp(exec, "x_fptan") || !strcmp(exec, "x_fsincos"))
		return 0x400;
	return 0;
}

static void
hex(const char *what, const void *v, unsigned n)
{
	const uint8_t *p = v;

	printf("  %s", what);
	while (n--)
		printf("%02x", p[n]);
	printf("\n");
}

static bool
compare(const struct insn *i, const struct state *before,
    const struct state *n, const struct state *o, int nv, int ov,
    const uint8_t *bytes, unsigned len, const char *how)
{
	const struct insn_desc *d = &insn_descs[i->id];
	unsigned cc = 0x3a00 | 0xff | 0x8000 | defined_cc(d->exec), k;
	uint32_t fl = FLAGS_ARITH & ~d->undefined;
	bool same = nv == ov, x87 = is_x87(i);
	uint32_t mx;

	if (x87 && strstr(d->exec, "comi") && !strstr(d->exec, "ficom"))
		cc &= ~0x200u;		/* SDM clears C1, AMD's do not */
	if (nv >= 0)
		cc &= ~0x4700u;
	for (k = 0; k < 16; k++) {
		same &= !memcmp(n->a.xmm[k], o->a.xmm[k], 16);
		same &= !memcmp(n->a.ymm[k], o->a.ymm[k], 16);
		same &= n->gpr[k] == o->gpr[k] || k == 4 || k > 8;
	}
	for (k = 0; k < 8; k++)
		same &= !memcmp(n->a.st[k], o->a.st[k], 10);
	same &= n->a.fcw == o->a.fcw && n->a.ftw == o->a.ftw;
	same &= !((n->a.fsw ^ o->a.fsw) & (x87 ? cc : 0xffff));
	/* Of unmasked underflow and overflow PE says whether the result is
	 * exact with its exponent wrapped; we do not compute that. */
	mx = nv == 19 && n->a.mxcsr & 0x18 ? 0x20 : 0;
	same &= (n->a.mxcsr | mx) == (o->a.mxcsr | mx);
	same &= !((n->flags ^ o->flags) & fl);
	same &= !memcmp(n->mem, o->mem, MEM_SIZE);
	if (same)
		return true;
	if (n_wrong++ < (getenv("FPU_SHOW") ? 100000u : 40u)) {
		printf("%s %s (%s): vector %d, ours %d\n  ", d->mnemonic,
		    d->operands, how, nv, ov);
		for (k = 0; k < len; k++)
			printf("%02x ", bytes[k]);
		printf("\n  mxcsr %04x: %04x %04x  flags %x: %x %x\n",
		    before->a.mxcsr, n->a.mxcsr, o->a.mxcsr, before->flags,
		    n->flags & FLAGS_ARITH, o->flags);
		printf("  fcw %04x: %04x %04x fsw %04x: %04x %04x ftw "
		    "%02x: %02x %02x\n", before->a.fcw, n->a.fcw, o->a.fcw,
		    before->a.fsw, n->a.fsw, o->a.fsw, before->a.ftw,
		    n->a.ftw, o->a.ftw);
		for (k = 0; k < 16; k++) {
			if (k > 4 && !memcmp(n->a.xmm[k], o->a.xmm[k], 16) &&
			    !memcmp(n->a.ymm[k], o->a.ymm[k], 16))
				continue;
			if (x87 || (k && k > 3))
				continue;
			printf("  xmm%u", k);
			hex("", before->a.ymm[k], 16);
			hex("       ", before->a.xmm[k], 16);
			if (memcmp(n->a.xmm[k], o->a.xmm[k], 16) ||
			    memcmp(n->a.ymm[k], o->a.ymm[k], 16)) {
				hex("  host ", n->a.ymm[k], 16);
				hex("       ", n->a.xmm[k], 16);
				hex("  ours ", o->a.ymm[k], 16);
				hex("       ", o->a.xmm[k], 16);
			}
		}
		for (k = 0; k < 8 && (x87 || memcmp(n->a.st, o->a.st, 128));
		    k++) {
			bool bad = memcmp(n->a.st[k], o->a.st[k], 10);

			if (k > 2 && !bad)
				continue;
			printf("  st%u", k);
			hex("", before->a.st[k], 10);
			if (bad) {
				hex("  host ", n->a.st[k], 10);
				hex("  ours ", o->a.st[k], 10);
			}
		}
		for (k = 0; k < MEM_SIZE; k++)
			if (n->mem[k] != o->mem[k])
				printf("  byte %u %02x: %02x %02x\n", k,
				    before->mem[k], n->mem[k], o->mem[k]);
		for (k = 0; k < 9; k++)
			if (n->gpr[k] != o->gpr[k] && k != 4)
				printf("  r%u %llx: %llx %llx\n", k,
				    (unsigned long long)before->gpr[k],
				    (unsigned long long)n->gpr[k],
				    (unsigned long long)o->gpr[k]);
		if (i->flags & INSN_MEM) {
			hex("mem ", before->mem + 64, 32);
			if (memcmp(n->mem, o->mem, MEM_SIZE)) {
				hex("host", n->mem + 64, 32);
				hex("ours", o->mem + 64, 32);
			}
		}
	}
	return false;
}

/* --- One form ------------------------------------------------------------ */

static uint8_t *native_mem;
static const struct cpu_features everything = {
	~0ull & ~CPU_FEATURES_NO_VEX
};

static void
try_form(const uint8_t *bytes, const struct insn *i, unsigned rounds)
{
	cpu_exec *generic = bind_generic(i), *quick = fp_bind(i, generic);
	static struct state before, n, o;
	struct insn code[2] = { *i };
	uint8_t text[16];
	const char *exec = insn_descs[i->id].exec;
	bool gather = strstr(exec, "gather");
	unsigned wide = strstr(exec, "gatherq") ? 8 : 4;
	int nv, ov;

	n_forms++;
	for (unsigned r = 0; r < rounds; r++) {
		/* AMD's SHA takes operands of any alignment, SDM does not. */
		unsigned off = any() % 4 || strstr(exec, "sha1") ||
		    strstr(exec, "sha256") ? 64 : 64 + any() % 16;
		uint64_t base;

		random_state(&before);
		memcpy(text, bytes, i->len);
		if (i->opd[1].kind == OPD_IMM || i->opd[2].kind == OPD_IMM ||
		    i->opd[3].kind == OPD_IMM) {
			text[i->len - 1] = code[0].imm = any() % 4 ?
			    any() & 0xff : any() & 0x1f;
		}
		if (gather)
			for (unsigned k = 0; k < 16; k++) {
				/* xmm2: sixteen bits that stay in memory */
				before.a.xmm[2][k] &= k % wide ? 0 : 0x7c;
				before.a.ymm[2][k] &= k % wide ? 0 : 0x7c;
			}
		if (is_state(exec)) {
			/* RAX is where the mask is: memory is at RBX */
			off = any() % 4 ? 64 : any() % 2 ? 80 : off;
			random_area(before.mem + off, &before, exec);
		}
		base = off;
		if (insn_descs[i->id].exec[2] == 'm' &&
		    strstr(insn_descs[i->id].exec, "maskmov"))
			before.gpr[RDI] = base;

		/* MXCSR bit 17 is AMD's. */
		if (strstr(exec, "ldmxcsr"))
			before.mem[base + 2] &= ~2;
		n = o = before;
		native_in = before.a;
		memcpy(native_gpr, before.gpr, sizeof(native_gpr));
		if (i->flags & INSN_MEM)
			native_gpr[i->base & 15] =
			    (uintptr_t)native_mem + base;
		native_flags = before.flags;
		memcpy(native_mem, before.mem, MEM_SIZE);
		native_run(text, i->len);
		nv = native_vector;
		n.a = native_out;
		memcpy(n.gpr, native_gpr, sizeof(native_gpr));
		n.flags = (uint32_t)native_flags;
		memcpy(n.mem, native_mem, MEM_SIZE);
		n_runs++;

		if (i->flags & INSN_MEM) {
			o.gpr[i->base & 15] = GUEST_MEM + base;
			if (n.gpr[i->base & 15] == (uintptr_t)native_mem + base)
				n.gpr[i->base & 15] = GUEST_MEM + base;
		}
		code[0].run = r % 2 && quick ? quick : generic;
		ov = our_run(code, 1, &o);
		if (is_state(exec)) {
			blank_pointers(&n, base, exec, i->size);
			blank_pointers(&o, base, exec, i->size);
		}
		if (!compare(i, &before, &n, &o, nv, ov, text, i->len,
		    r % 2 && quick ? "quick" : "generic"))
			break;
	}
}

/* Bytes of one form, if they decode to one that is ours and new. */
static void
try_bytes(const uint8_t *bytes, unsigned rounds)
{
	struct insn i;

	if (decode(bytes, 15, DECODE_64, true, 0, &everything, &i) == 0)
		return;
	if (i.id == INSN_UD || i.id == INSN_TOO_LONG || !is_ours(&i))
		return;
	try_form(bytes, &i, rounds);
}

/* ModRM bytes that are tried: registers 1 and 2, memory at RBX, both also
 * with the middle field as an opcode; [RAX + xmm2] for gathers. */
static void
try_modrm(uint8_t *p, unsigned at, bool group, unsigned rounds)
{
	unsigned reg;

	memset(p + at, 0, 16);
	for (reg = group ? 0 : 1; reg < (group ? 8 : 2); reg++) {
		p[at] = 0xc2 | reg << 3;
		try_bytes(p, rounds);
		p[at] = reg << 3 | 3;	/* [RBX] */
		try_bytes(p, rounds);
	}
}

static unsigned
rounds_of(unsigned usual)
{
	const char *s = getenv("FPU_ROUNDS");

	return s ? (unsigned)atoi(s) : usual;
}

static void
legacy_forms(unsigned rounds)
{
	static const uint8_t prefixes[4] = { 0, 0x66, 0xf3, 0xf2 };
	uint8_t p[32];
	unsigned pp, w, map, op, at;

	for (pp = 0; pp < 4; pp++)
	for (w = 0; w < 2; w++)
	for (map = 0; map < 3; map++)
	for (op = 0; op < 256; op++) {
		at = 0;
		if (prefixes[pp])
			p[at++] = prefixes[pp];
		if (w)
			p[at++] = 0x48;
		p[at++] = 0x0f;
		if (map)
			p[at++] = map == 1 ? 0x38 : 0x3a;
		p[at++] = op;
		try_modrm(p, at, map == 0 && ((op >= 0x71 && op <= 0x73) ||
		    op == 0xae || op == 0xc7), rounds);
	}
}

static void
vex_forms(unsigned rounds)
{
	uint8_t p[32];
	unsigned pp, w, l, map, op;

	for (pp = 0; pp < 4; pp++)
	for (w = 0; w < 2; w++)
	for (l = 0; l < 2; l++)
	for (map = 1; map < 4; map++)
	for (op = 0; op < 256; op++) {
		bool group = map == 1 && op >= 0x71 && op <= 0x73;
		struct insn i;

		p[0] = 0xc4;
		p[1] = 0xe0 | map;
		/* vvvv: 3, or none */
		p[2] = w << 7 | (15 - 3) << 3 | l << 2 | pp;
		p[3] = op;
		try_modrm(p, 4, group || (map == 1 && op == 0xae), rounds);
		if (map == 2 && op >= 0x90 && op <= 0x93) {
			p[4] = 0x0c;
			p[5] = 0x10;
			try_bytes(p, rounds);
		}
		p[2] |= 15 << 3;
		p[4] = 0xca;
		if (decode(p, 15, DECODE_64, true, 0, &everything, &i) &&
		    i.opd[1].kind == OPD_VEC && i.opd[2].kind == OPD_VEC &&
		    i.opd[1].off == 0 && i.opd[0].off != 0)
			continue;	/* register 0 for register 3 */
		try_modrm(p, 4, group || (map == 1 && op == 0xae), rounds);
	}
}

static void
x87_forms(unsigned rounds)
{
	uint8_t p[32] = { 0 };
	unsigned op, modrm;

	for (op = 0xd8; op < 0xe0; op++) {
		for (modrm = 0; modrm < 8; modrm++) {
			p[0] = 0x66;
			p[1] = op;
			p[2] = modrm << 3 | 3;
			try_bytes(p, rounds);
			try_bytes(p + 1, rounds);
		}
		for (modrm = 0xc0; modrm < 0x100; modrm++) {
			p[0] = op;
			p[1] = modrm;
			try_bytes(p, rounds);
		}
	}
	p[0] = 0x9b;
	try_bytes(p, rounds);
}

/* Rows of x87 instructions between registers: what one leaves to be asked for
 * later another must find.  Condition codes that are not defined are left. */
static void
x87_rows(unsigned rounds)
{
	enum { ROW = 8 };
	static struct state before, n, o;
	struct insn code[ROW + 1];
	uint8_t text[ROW * 2 + 16] = { 0 };
	unsigned k, len;
	int ov;

	while (rounds--) {
		for (k = len = 0; k < ROW; ) {
			const char *exec;

			text[len] = 0xd8 | any() % 8;
			text[len + 1] = 0xc0 | any() % 64;
			if (decode(text + len, 15, DECODE_64, true, len,
			    &everything, &code[k]) != 2 || !is_x87(&code[k]))
				continue;
			exec = insn_descs[code[k].id].exec;
			/* C1 after FCOMI differs; FNINIT is seldom */
			if (!strncmp(exec, "x_fcomi", 7) ||
			    !strncmp(exec, "x_fucomi", 8) ||
			    (!strcmp(exec, "x_fninit") && any() % 8))
				continue;
			code[k].run = bind_generic(&code[k]);
			k++;
			len += 2;
		}
		random_state(&before);
		before.a.ftw = 0xff >> any() % 4;
		n = o = before;
		native_in = before.a;
		memcpy(native_gpr, before.gpr, sizeof(native_gpr));
		native_flags = before.flags;
		native_run(text, len);
		n.a = native_out;
		memcpy(n.gpr, native_gpr, sizeof(native_gpr));
		n.flags = (uint32_t)native_flags;
		/* FNSTSW may have put such codes into AX */
		ov = our_run(code, ROW, &o);
		n.gpr[RAX] &= ~0x4500ull;
		o.gpr[RAX] &= ~0x4500ull;
		n_runs++;
		if (!compare(&code[ROW - 1], &before, &n, &o, native_vector,
		    ov, text, len, "row"))
			break;
	}
	n_forms += 100;
}

static void
run(void (*each)(unsigned), unsigned rounds, bool open, bool baseline)
{
	unsigned wrong = n_wrong;

	n_forms = n_runs = 0;
	open_too = open;
	fp_host_baseline(baseline);
	each(rounds);
	fp_host_baseline(false);
	printf("    %u forms, %u runs\n", n_forms, n_runs);
	CU_ASSERT_EQUAL(n_wrong, wrong);
	CU_ASSERT(n_forms >= 100);
}

static void rows(void) { run(x87_rows, rounds_of(100) * 100, false, false); }
static void rows_open(void) { run(x87_rows, rounds_of(100) * 50, true, false); }
static void sse(void) { run(legacy_forms, rounds_of(30), false, false); }
static void avx(void) { run(vex_forms, rounds_of(20), false, false); }
static void x87(void) { run(x87_forms, rounds_of(100), false, false); }
static void sse_open(void) { run(legacy_forms, rounds_of(20), true, false); }
static void avx_open(void) { run(vex_forms, rounds_of(10), true, false); }
static void x87_open(void) { run(x87_forms, rounds_of(150), true, false); }
static void sse_in_c(void) { run(legacy_forms, rounds_of(40), false, true); }
static void avx_in_c(void) { run(vex_forms, rounds_of(20), false, true); }

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "x87", x87 },
		{ "x87, exceptions unmasked", x87_open },
		{ "rows of x87", rows },
		{ "rows of x87, exceptions unmasked", rows_open },
		{ "MMX and SSE", sse },
		{ "MMX and SSE, exceptions unmasked", sse_open },
		{ "AVX", avx },
		{ "AVX, exceptions unmasked", avx_open },
		{ "MMX and SSE on a host of SSE2", sse_in_c },
		{ "AVX on a host of SSE2", avx_in_c },
		{ NULL, NULL }
	};
	const char *seed = getenv("SEED");
	struct error err;

	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
		printf("the host has no AVX2 and FMA to compare with\n");
		return 77;
	}
	dice.state = dice_mix(seed ? strtoull(seed, NULL, 0) : 1);
	if (step_bench_init(&bench, "max", &err) < 0) {
		printf("%s\n", err.text);
		return 1;
	}
	native_start();
	native_mem = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return unit_run("x87 and vectors against the host", tests);
}
