/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu-host.c - every form of the table does what the host's processor does
 *
 * Random instances of each form, run natively and by the interpreter from the
 * same registers, flags, memory, x87 and SSE state; compared are registers,
 * flags that are defined, memory, and the fault with its error code.  At CPL 3,
 * in 64-bit code, 32-bit code with flat segments, 16-bit code with small ones.
 *
 * Then rows of several instructions, run as blocks.
 *
 * Not compared: what skipped[] names, and forms whose feature the host lacks.
 * x87's last instruction and operand pointers differ among processors.
 *
 * HOST_TESTS=N runs N instances of each form, HOST_FORM=TEXT only forms whose
 * mnemonic or handler is TEXT, HOST_SEED another sequence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)
#include "cpu-native.h"
#include "cpu-states.h"
#include "cpu/disasm.h"
#include "cpu/model.h"
#include "cpu/paging.h"
#include "cpu/step.h"

/* What cannot be run here, by handler, and why. */
static const struct {
	const char *exec, *why;
} skipped[] = {
	{ "x_syscall", "enters the host's kernel" },
	{ "x_sysenter", "enters the host's kernel" },
	{ "x_int", "enters the host's kernel" },
	{ "x_int1", "enters the host's kernel" },
	{ "x_int3", "ends every test" },
	{ "x_into", "enters the host's kernel" },
	{ "x_iret", "selectors" }, { "x_retf", "selectors" },
	{ "x_callf", "selectors" }, { "x_jmpf", "selectors" },
	{ "x_mov_seg", "selectors" }, { "x_pop_seg", "selectors" },
	{ "x_push_seg", "selectors" }, { "x_lds", "selectors" },
	{ "x_les", "selectors" }, { "x_lss", "selectors" },
	{ "x_lfs", "selectors" }, { "x_lgs", "selectors" },
	{ "x_lar", "selectors" }, { "x_lsl", "selectors" },
	{ "x_verr", "selectors" }, { "x_verw", "selectors" },
	{ "x_sgdt", "UMIP is the host's choice" },
	{ "x_sidt", "UMIP is the host's choice" },
	{ "x_sldt", "UMIP is the host's choice" },
	{ "x_str", "UMIP is the host's choice" },
	{ "x_smsw", "UMIP is the host's choice" },
	{ "x_cpuid", "differs" }, { "x_rdtsc", "differs" },
	{ "x_rdtscp", "differs" }, { "x_rdpmc", "the host's choice" },
	{ "x_rdrand", "random" }, { "x_rdseed", "random" },
	{ "x_xgetbv", "differs" },
	{ "x_rdfsbase", "the C library's" }, { "x_rdgsbase", "differs" },
	{ "x_wrfsbase", "the C library's" }, { "x_wrgsbase", "differs" },
	{ "x_xsave", "components of the host's" },
	{ "x_xsaveopt", "components of the host's" },
	{ "x_xsavec", "components of the host's" },
	{ "x_xrstor", "components of the host's" },
	{ "x_monitor", "the model has none" },
	{ "x_mwait", "the model has none" },
};

static struct step_bench bench;
static unsigned failures;

/* --- Ours ---------------------------------------------------------------- */

#define TABLES_AT 0x3c0000u

static void
map_page(uint64_t at, uint64_t flags)
{
	uint64_t e = at | flags;

	memcpy(bench.ram + TABLES_AT + 0x3000 + (at >> 12) * 8, &e, 8);
}

/* The same pages as native_init() maps. */
static void
make_tables(void)
{
	uint64_t user = 0x67;	/* present, writable, user, accessed, dirty */

	memset(bench.ram + TABLES_AT, 0, 0x5000);
	for (unsigned level = 0; level < 3; level++) {
		uint64_t e = (TABLES_AT + 0x1000 * (level + 1)) | user;

		memcpy(bench.ram + TABLES_AT + 0x1000 * level, &e, 8);
	}
	memcpy(bench.ram + TABLES_AT + 0x2008,
	    &(uint64_t){ (TABLES_AT + 0x4000) | user }, 8);
	map_page(CODE_AT, user);
	for (unsigned at = 0; at < DATA_SIZE; at += 0x1000)
		map_page(DATA_AT + at, at < DATA_WRITABLE ? user : user & ~2u);
	for (unsigned at = 0; at < STACK_SIZE; at += 0x1000)
		map_page(STACK_AT + at, user);
}

static void
ours_mode(unsigned bits)
{
	struct cpu *c = bench.cpu;

	step_bench_mode(&bench, 64);
	make_tables();
	c->cr3 = TABLES_AT;
	c->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	for (unsigned n = 0; n < 6; n++) {
		struct cpu_segment *g = &c->seg[n];

		if (bits == 16) {
			g->selector = n == SEG_CS ? CODE16 : n == SEG_SS ?
			    STACK16 : DATA16;
			g->base = n == SEG_CS ? CODE_AT : n == SEG_SS ?
			    STACK_AT : DATA_AT;
			g->limit = (n == SEG_CS ? 0x10000 : n == SEG_SS ?
			    STACK_SIZE : DATA_SIZE) - 1;
			g->attr = n == SEG_CS ? 0xfb : 0xf3;
		} else {
			g->selector = n != SEG_CS ? DATA32 : bits == 64 ?
			    0x33 : CODE32;
			g->base = 0;
			g->limit = 0xffffffff;
			g->attr = n != SEG_CS ? 0xc0f3 : bits == 64 ? 0xa0fb :
			    0xc0fb;
		}
	}
	/* as native_run() fills it */
	for (unsigned n = 0; n < CODE_SIZE; n++)
		mem_write(bench.mem, CODE_AT + n, &(uint8_t){ 0xcc }, 1);
	c->tr.limit = 0;	/* no I/O permissions */
	c->cpl = 3;
	paging_flush_all(c);
	cpu_mode_changed(c);
}

static void
ours_load(const struct machine *m)
{
	struct cpu *c = bench.cpu;
	unsigned top = m->fp.fsw >> 11 & 7;

	memcpy(c->gpr, m->gpr, sizeof m->gpr);
	c->rip = m->rip;
	cpu_set_eflags(c, (uint32_t)m->rflags | 0x202, ~0u);
	c->fcw = m->fp.fcw;
	c->fsw = m->fp.fsw;
	c->ftw = m->fp.ftw;
	c->fop = m->fp.fop;
	c->fip = c->fdp = 0;
	c->mxcsr = m->fp.mxcsr;
	for (unsigned n = 0; n < 8; n++)
		memcpy(c->fpr[(top + n) & 7], m->fp.st[n], 16);
	for (unsigned n = 0; n < 16; n++) {
		memcpy(c->vec[n], m->fp.xmm[n], 16);
		memcpy(c->vec[n] + 16, m->ymm_high[n], 16);
	}
	memcpy(bench.ram + DATA_AT, m->data, DATA_SIZE);
	memcpy(bench.ram + STACK_AT, m->stack, STACK_SIZE);
}

static void
ours_take(struct machine *m)
{
	const struct cpu *c = bench.cpu;
	unsigned top = c->fsw >> 11 & 7;

	memcpy(m->gpr, c->gpr, sizeof m->gpr);
	m->rip = c->rip;
	m->rflags = cpu_eflags(c);
	m->fp.fcw = c->fcw;
	m->fp.fsw = c->fsw;
	m->fp.ftw = c->ftw;
	m->fp.mxcsr = c->mxcsr;
	for (unsigned n = 0; n < 8; n++)
		memcpy(m->fp.st[n], c->fpr[(top + n) & 7], 16);
	for (unsigned n = 0; n < 16; n++) {
		memcpy(m->fp.xmm[n], c->vec[n], 16);
		memcpy(m->ymm_high[n], c->vec[n] + 16, 16);
	}
	memcpy(m->data, bench.ram + DATA_AT, DATA_SIZE);
	memcpy(m->stack, bench.ram + STACK_AT, STACK_SIZE);
}

static void
ours_run(const struct instance *f, struct machine *m, struct outcome *o)
{
	struct cpu *c = bench.cpu;
	struct step_fault fault;
	unsigned steps = 0;
	uint8_t code[32];

	memset(code, 0xcc, sizeof code);
	memcpy(code, f->b, f->len);
	mem_write(bench.mem, INSN_AT, code, sizeof code);
	ours_load(m);
	c->cr2 = 0;
	*o = (struct outcome){ .vector = -1 };
	/* strings may stop on their way */
	do
		if (!interp_step(c, &fault)) {
			o->vector = (int)fault.vector;
			o->error = fault.has_error ? fault.error : 0;
			o->cr2 = c->cr2;
			break;
		}
	while (c->rip == m->rip && ++steps < 10000);
	ours_take(m);
}

/* --- Comparing ----------------------------------------------------------- */

struct difference {
	char text[200];
};

static bool
differ(struct difference *d, const char *what, uint64_t ours, uint64_t host)
{
	size_t n = strlen(d->text);

	if (ours == host)
		return false;
	if (n < sizeof d->text - 60)
		snprintf(d->text + n, sizeof d->text - n,
		    " %s %llx (host %llx)", what, (unsigned long long)ours,
		    (unsigned long long)host);
	return true;
}

static bool
differ_bytes(struct difference *d, const char *what, unsigned which,
    const uint8_t *ours, const uint8_t *host, unsigned n)
{
	size_t at = strlen(d->text);

	if (!memcmp(ours, host, n))
		return false;
	if (at > sizeof d->text - 20)
		return true;
	at += (size_t)snprintf(d->text + at, sizeof d->text - at, " %s%u ",
	    what, which);
	for (unsigned k = n; k-- && at < sizeof d->text - 3;)
		at += (size_t)snprintf(d->text + at, sizeof d->text - at,
		    "%02x", ours[k]);
	if (at < sizeof d->text - 8)
		at += (size_t)snprintf(d->text + at, sizeof d->text - at,
		    " (host ");
	for (unsigned k = n; k-- && at < sizeof d->text - 3;)
		at += (size_t)snprintf(d->text + at, sizeof d->text - at,
		    "%02x", host[k]);
	return true;
}

/* Flags the manual leaves open; what they then are is not looked at. */
static uint32_t
flags_compared(const struct instance *f)
{
	return (FLAGS_ARITH & ~(uint32_t)insn_descs[f->i.id].undefined) |
	    FLAG_DF | FLAG_AC | FLAG_NT;
}

static void
forget_byte(struct machine *m, uint64_t at)
{
	if (at - DATA_AT < DATA_SIZE)
		m->data[at - DATA_AT] = 0;
	else if (at - STACK_AT < STACK_SIZE)
		m->stack[at - STACK_AT] = 0;
}

/* Bytes of memory that hold x87's pointers. */
static void
forget_pointers(const struct instance *f, const struct machine *before,
    struct machine *m)
{
	const char *exec = insn_descs[f->i.id].exec;
	uint64_t at = (f->i.base < 16 ? before->gpr[f->i.base] : 0) +
	    ((f->i.index < 16 ? before->gpr[f->i.index] : 0) << f->i.scale) +
	    (uint64_t)f->i.disp;
	unsigned from, to;

	if (f->i.base == REG_BLOCK)
		at += INSN_AT;
	at &= f->i.amask;
	if (f->bits == 16)
		at += f->i.seg == SEG_SS ? STACK_AT : DATA_AT;
	if (!strcmp(exec, "x_fnstenv") || !strcmp(exec, "x_fnsave")) {
		from = f->i.size == 2 ? 6 : 12;
		to = f->i.size == 2 ? 14 : 28;
	} else if (!strcmp(exec, "x_fxsave")) {
		from = 6;
		to = 24;
		/* MXCSR_MASK; reserved and free bytes at the end */
		for (unsigned n = 28; n < 512; n = n == 31 ? 416 : n + 1)
			forget_byte(m, at + n);
	} else {
		return;
	}
	for (unsigned n = from; n < to; n++)
		forget_byte(m, at + n);
}

static bool
is_any(const char *exec, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(exec, *list))
			return true;
	return false;
}

/* A fault in the last bytes of the address space. */
static bool
wraps(const struct outcome *o, unsigned bits)
{
	uint64_t last = bits == 64 ? ~0ull : 0xffffffff;

	return o->vector == EXC_PF && last - o->cr2 < 64;
}

/*
 * Processors differ where the manuals leave room, or from the manual (the host
 * may be AMD's, the tables follow the SDM).  Such differences are taken out of
 * both states; true: nothing is left to compare.
 */
static bool
let_off(const struct instance *f, struct machine *a, struct outcome *oa,
    struct machine *b, struct outcome *ob)
{
	static const char *const two_faults[] = {
		"x_cmps", "x_movs", "x_enter", NULL,
	};
	static const char *const leaves_c1[] = {
		"x_fcmovb", "x_fcmove", "x_fcmovbe", "x_fcmovu", "x_fcmovnb",
		"x_fcmovne", "x_fcmovnbe", "x_fcmovnu", "x_fcomi", "x_fucomi",
		"x_fcomip", "x_fucomip", "x_ffree", "x_ffreep", NULL,
	};
	static const char *const codes_open[] = {
		"x_fprem", "x_fprem1", "x_fptan", "x_fsin", "x_fcos",
		"x_fsincos", NULL,
	};
	const struct insn_desc *d = &insn_descs[f->i.id];
	bool both = oa->vector >= 0 && ob->vector >= 0;
	bool mmx = f->i.opd[0].kind == OPD_MMX || f->i.opd[1].kind == OPD_MMX ||
	    !strncmp(d->mnemonic, "cvtpi2", 6);

	/* which of two operands is looked at first */
	if (both && is_any(d->exec, two_faults))
		return true;
	/* whether bytes under a mask of zeros are looked at */
	if (!strncmp(d->exec, "x_maskmov", 9) && ob->vector >= 0)
		return true;
	/* an operand that goes on from the highest address at the lowest:
	 * beyond a limit, not canonical, or just a page that is not there */
	if (both && (wraps(oa, f->bits) || wraps(ob, f->bits)))
		return true;
	/* VEX.W outside 64-bit mode: says nothing, or AMD's #UD */
	if (f->bits != 64 && ob->vector == EXC_UD && f->i.prefix & PREFIX_VEX &&
	    (!strcmp(d->exec, "x_pextrd") || !strcmp(d->exec, "x_pinsrd")))
		return true;
	/* MOVSXD of 16 bits reads 16 (SDM), or 32 as any other */
	if (f->i.id == INSN_MOVSXD_Gv_Ez && f->i.size == 2 && ob->vector >= 0)
		return true;
	/* whether a selector that stays is written */
	if (!strcmp(d->exec, "x_arpl") && oa->vector == EXC_PF)
		return true;
	/* alignment: AMD asks for none */
	if (!strncmp(d->exec, "x_sha", 5) && oa->vector == EXC_GP &&
	    ob->vector != EXC_GP)
		return true;
	/* what is there of the kernel's addresses, shows in the error code */
	if (both && ob->cr2 >> 47)
		oa->error = ob->error = 0;
	/* where in a large operand it was noticed */
	if (both && f->i.opd[0].kind == OPD_MEM && (!f->i.opd[0].size ||
	    f->i.opd[0].size == 10))
		return true;
	/* MMX: AMD's x87 state changes before a fault, and with CVTPI2PS from
	 * memory (SDM: it does not) */
	if (mmx && (both || (!strncmp(d->mnemonic, "cvtpi2", 6) &&
	    f->i.flags & INSN_MEM))) {
		a->fp.fsw = b->fp.fsw;
		a->fp.ftw = b->fp.ftw;
		memcpy(a->fp.st, b->fp.st, sizeof a->fp.st);
	}
	/* C1: cleared (SDM), or left alone */
	if (is_any(d->exec, leaves_c1)) {
		a->fp.fsw &= ~0x200;
		b->fp.fsw &= ~0x200;
	}
	/* C0 C2 C3 after a stack fault */
	if (is_any(d->exec, codes_open) && (a->fp.fsw & b->fp.fsw & 0x41) ==
	    0x41) {
		a->fp.fsw &= ~0x4500;
		b->fp.fsw &= ~0x4500;
	}
	/* the mask of a gather that faults: extended from its signs, or not */
	if (strstr(d->encoding, "/vsib") && both) {
		unsigned reg = f->i.opd[2].off / 32, n = f->i.opd[1].size;

		for (unsigned k = n - 1; k < 32; k += n) {
			uint8_t *pa = k < 16 ? &a->fp.xmm[reg][k] :
			    &a->ymm_high[reg][k - 16];
			uint8_t *pb = k < 16 ? &b->fp.xmm[reg][k] :
			    &b->ymm_high[reg][k - 16];

			memset(pa - n + 1, *pa & 0x80 ? 0xff : 0, n);
			memset(pb - n + 1, *pb & 0x80 ? 0xff : 0, n);
		}
	}
	/* comparisons whose invalid operand is not masked: nothing is set (SDM,
	 * FCOM, FCOMI), or unordered */
	if ((!strncmp(d->exec, "x_fcom", 6) ||
	    !strncmp(d->exec, "x_ficom", 7) ||
	    !strncmp(d->exec, "x_fucom", 7)) &&
	    (a->fp.fsw & b->fp.fsw & 0x81) == 0x81) {
		a->fp.fsw &= ~0x4500;
		b->fp.fsw &= ~0x4500;
		a->rflags = b->rflags;
	}
	/* PE beside an underflow or overflow that is not masked */
	if (both && oa->vector == EXC_XM && a->fp.mxcsr & b->fp.mxcsr & 0x18) {
		a->fp.mxcsr &= ~0x20u;
		b->fp.mxcsr &= ~0x20u;
	}
	return false;
}

static bool
compare(const struct instance *f, struct machine *a, struct outcome *oa,
    struct machine *b, struct outcome *ob, struct difference *d)
{
	static const char names[16][4] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	};
	bool bad = false;

	d->text[0] = 0;
	if (let_off(f, a, oa, b, ob))
		return false;
	bad |= differ(d, "vector", (uint64_t)oa->vector, (uint64_t)ob->vector);
	if (!bad && oa->vector >= 0) {
		bad |= differ(d, "error", oa->error, ob->error);
		if (oa->vector == EXC_PF)
			bad |= differ(d, "cr2", oa->cr2, ob->cr2);
	}
	bad |= differ(d, "rip", a->rip, b->rip);
	bad |= differ(d, "flags", a->rflags & flags_compared(f),
	    b->rflags & flags_compared(f));
	for (unsigned n = 0; n < (f->bits == 64 ? 16 : 8); n++)
		bad |= differ(d, names[n], f->bits == 64 ? a->gpr[n] :
		    (uint32_t)a->gpr[n], f->bits == 64 ? b->gpr[n] :
		    (uint32_t)b->gpr[n]);
	bad |= differ(d, "mxcsr", a->fp.mxcsr, b->fp.mxcsr);
	bad |= differ(d, "fcw", a->fp.fcw, b->fp.fcw);
	bad |= differ(d, "fsw", a->fp.fsw, b->fp.fsw);
	bad |= differ(d, "ftw", a->fp.ftw, b->fp.ftw);
	for (unsigned n = 0; n < 8; n++)
		bad |= differ_bytes(d, "st", n, a->fp.st[n], b->fp.st[n], 10);
	for (unsigned n = 0; n < (f->bits == 64 ? 16 : 8); n++) {
		bad |= differ_bytes(d, "xmm", n, a->fp.xmm[n], b->fp.xmm[n],
		    16);
		if (native.has_avx)
			bad |= differ_bytes(d, "ymmh", n, a->ymm_high[n],
			    b->ymm_high[n], 16);
	}
	for (unsigned n = 0; n < DATA_SIZE; n += 16)
		bad |= differ_bytes(d, "mem", DATA_AT + n, a->data + n,
		    b->data + n, 16);
	for (unsigned n = 0; n < STACK_SIZE; n += 16)
		bad |= differ_bytes(d, "mem", STACK_AT + n, a->stack + n,
		    b->stack + n, 16);
	return bad;
}

/* --- All forms ----------------------------------------------------------- */

static bool
host_has(enum cpu_feature which)
{
	static const struct {
		uint32_t leaf, subleaf;
		uint8_t reg, bit;
	} where[] = {
		[FEAT_NONE] = { 0, 0, 0, 0 },
#define F(id, name, leaf, subleaf, reg, bit) \
		[FEAT_##id] = { leaf, subleaf, reg, bit },
		CPU_FEATURES(F)
#undef F
	};
	unsigned r[4];

	return which == FEAT_NONE || (__get_cpuid_count(where[which].leaf,
	    where[which].subleaf, &r[0], &r[1], &r[2], &r[3]) &&
	    r[where[which].reg] >> where[which].bit & 1);
}

struct counts {
	unsigned forms, runs, faults, failed_forms, failed_runs;
	unsigned skipped, lacking, impossible;
};

static bool
is_skipped(unsigned id)
{
	/* the host may itself run under a hypervisor */
	if (!strncmp(insn_descs[id].mnemonic, "vm", 2) &&
	    !strcmp(insn_descs[id].exec, "x_ud"))
		return true;
	for (unsigned n = 0; n < sizeof skipped / sizeof *skipped; n++)
		if (!strcmp(insn_descs[id].exec, skipped[n].exec))
			return true;
	return id <= INSN_TOO_LONG;
}

static void
show(const struct instance *f, const struct difference *d)
{
	char text[DISASM_MAX];

	disasm(&f->i, form_mode(f->bits), start_of(f), text, sizeof text);
	printf("\n  %u ", f->bits);
	for (unsigned n = 0; n < f->len; n++)
		printf("%02x", f->b[n]);
	printf(" %s:%s", text, d->text);
}

static void
run_form(unsigned id, unsigned bits, unsigned runs, struct counts *n)
{
	static struct machine start, ours, host;
	unsigned failed = 0, done = 0;

	for (unsigned k = 0; k < runs; k++) {
		struct instance f;
		struct difference d;
		struct outcome o, h;
		unsigned len;

		if (!form_make(id, bits, cpu_model_features(bench.model), &f))
			break;
		form_state(&f, &start);
		/* displacements may have changed */
		len = decode(f.b, sizeof f.b, form_mode(bits), false, 0,
		    cpu_model_features(bench.model), &f.i);
		if (f.i.id != id || len != f.len)
			continue;
		/* PREFETCH of a register: AMD's #UD, a NOP elsewhere */
		if (f.i.id == INSN_NOP_Ev && f.i.opd[0].kind == OPD_GPR)
			continue;
		memcpy(&ours, &start, sizeof ours);
		memcpy(&host, &start, sizeof host);
		native_run(f.b, f.len, bits, &host, &h);
		ours_run(&f, &ours, &o);
		done++;
		n->faults += h.vector >= 0;
		forget_pointers(&f, &start, &ours);
		forget_pointers(&f, &start, &host);
		if (compare(&f, &ours, &o, &host, &h, &d)) {
			if (failed++ < 2)
				show(&f, &d);
		}
	}
	if (!done) {
		n->impossible++;
		return;
	}
	n->forms++;
	n->runs += done;
	n->failed_runs += failed;
	n->failed_forms += failed > 0;
	if (failed)
		printf("\n  ^ %s (%s): %u of %u", insn_descs[id].mnemonic,
		    insn_descs[id].exec, failed, done);
}

static bool
is_wanted(unsigned id)
{
	const char *form = getenv("HOST_FORM");

	return !form || !strcmp(form, insn_descs[id].mnemonic) ||
	    !strcmp(form, insn_descs[id].exec);
}

/* In 64-bit code all that there is; otherwise what 64-bit code lacks, and a
 * part of the rest. */
static void
run_all(unsigned bits, unsigned runs)
{
	struct counts n = { 0 };

	ours_mode(bits);
	for (unsigned id = 0; id < INSN_N; id++) {
		unsigned some = runs;

		if (!is_wanted(id))
			continue;
		if (bits != 64 && !strstr(insn_descs[id].encoding, "i64"))
			some = (runs + 3) / 4;
		if (is_skipped(id))
			n.skipped++;
		else if (!host_has(insn_descs[id].feature) ||
		    (strchr(insn_descs[id].encoding, 'V') &&
		    !native.has_avx))
			n.lacking++;
		else
			run_form(id, bits, some, &n);
	}
	printf("\n%u bits: %u forms in %u runs (%u faults), not compared: %u "
	    "named in skipped[], %u the host lacks, %u not in this mode; "
	    "%u forms differ, %u runs\n", bits, n.forms, n.runs, n.faults,
	    n.skipped, n.lacking, n.impossible, n.failed_forms,
	    n.failed_runs);
	failures += n.failed_forms;
}

/* --- Several in a row ---------------------------------------------------- */

/*
 * Up to seven instructions and a branch run as blocks: choices that the
 * interpreter makes for neighbours, flags that are not computed until they are
 * asked for, flat stacks.  Their memory lies at fixed addresses.
 */
struct row {
	uint8_t b[160];
	unsigned len;
	struct instance last;	/* for compare() */
	unsigned undefined;	/* flags that nobody may read now */
};

static bool
fits_row(unsigned id, unsigned bits)
{
	static const char *const not[] = {
		"x_xlat", "x_popf", "x_pushf", "x_enter", "x_leave",
		"x_maskmovdqu", "x_maskmovq", "x_cmpxchg8b", "x_ldmxcsr",
		"x_arpl", NULL,
	};
	const struct insn_desc *d = &insn_descs[id];

	/* NOP_Ev: PREFETCH of a register, see run_form() */
	if (is_skipped(id) || id == INSN_NOP_Ev ||
	    d->bits & (DESC_ENDS | DESC_CPL0) ||
	    !host_has(d->feature) || is_any(d->exec, not) ||
	    is_string_form(id) || strchr(d->operands, 'O') ||
	    strstr(d->encoding, "/vsib") || strstr(d->operands, "ST"))
		return false;
	switch (d->feature) {
	case FEAT_NONE: case FEAT_CMOV: case FEAT_POPCNT: case FEAT_MOVBE:
	case FEAT_BMI1: case FEAT_BMI2: case FEAT_ADX: case FEAT_LZCNT:
		return true;
	case FEAT_SSE: case FEAT_SSE2:
		return d->operands[0] && !strchr(d->operands, 'P') &&
		    !strchr(d->operands, 'Q') && !strchr(d->operands, 'N');
	default:
		return false;
	}
}

static bool
row_add(struct row *r, unsigned id, unsigned bits)
{
	const struct insn_desc *d = &insn_descs[id];
	struct instance f;
	uint64_t v;

	if (d->reads & r->undefined ||
	    !form_make(id, bits, cpu_model_features(bench.model), &f))
		return false;
	/* bit offsets in registers reach far from their operand */
	if (!strncmp(d->exec, "x_bt", 4) && f.i.flags & INSN_MEM &&
	    f.i.opd[1].kind == OPD_GPR)
		return false;
	if (f.i.flags & INSN_MEM) {
		if (f.disp_size != 4)
			return false;
		v = (DATA_AT + 0x100 + below(DATA_WRITABLE - 0x200)) &
		    ~(uint64_t)31;
		if (f.i.base == REG_BLOCK)
			v -= INSN_AT + r->len + f.len;
		memcpy(f.b + f.disp_at, &v, 4);
	}
	if (f.i.opd[0].kind == OPD_REL) {
		int32_t to = 40 + (int)below(60);

		memcpy(f.b + f.len - f.i.opd[0].size, &to, f.i.opd[0].size);
	}
	/* a shift whose count is 0 writes none */
	if (!(d->writes & d->undefined))
		r->undefined &= ~(unsigned)d->writes;
	r->undefined |= d->undefined;
	memcpy(r->b + r->len, f.b, f.len);
	r->len += f.len;
	r->last = f;
	return true;
}

static void
row_make(struct row *r, unsigned bits, const uint16_t *ids, unsigned n)
{
	static const uint16_t ends[] = {
		INSN_Jcc_Jb, INSN_Jcc_Jb, INSN_Jcc_Jb, INSN_Jcc_Jz,
		INSN_LOOP_Jb, INSN_LOOPE_Jb, INSN_JMP_Jb, INSN_CALL_Jz,
	};
	static const uint16_t before[] = {
		INSN_CMP_Ev_Gv, INSN_CMP_Ev_Ibs, INSN_CMP_Ev_Iz,
		INSN_CMP_Eb_Ib, INSN_CMP_Eb_Gb, INSN_CMP_Gv_Ev,
		INSN_TEST_Ev_Gv, INSN_TEST_Eb_Gb, INSN_TEST_Ev_Iz,
		INSN_DEC_Ev, INSN_INC_Ev, INSN_SUB_Ev_Gv, INSN_ADD_Ev_Ibs,
		INSN_AND_Ev_Ibs, INSN_SUB_Ev_Ibs, INSN_CMP_AL_Ib,
	};
	unsigned want = 1 + below(6);

	memset(r, 0, sizeof *r);
	while (want--)
		row_add(r, ids[below(n)], bits);
	if (chance(60))
		row_add(r, before[below(sizeof before / 2)], bits);
	if (chance(70))
		row_add(r, ends[below(sizeof ends / 2)], bits);
	if (!r->len)
		row_add(r, INSN_NOP, bits);
}

static void
ours_run_row(const struct row *r, struct machine *m, struct outcome *o)
{
	struct cpu *c = bench.cpu;
	struct step_fault fault;
	uint8_t code[sizeof r->b + 1];

	memset(code, 0xcc, sizeof code);
	memcpy(code, r->b, r->len);
	mem_write(bench.mem, INSN_AT, code, sizeof code);
	ours_load(m);
	c->cr2 = 0;
	*o = (struct outcome){ .vector = NATIVE_HANGS };
	if (interp_run_to_fault(c, &fault)) {
		o->vector = (int)fault.vector;
		o->error = fault.has_error ? fault.error : 0;
		o->cr2 = c->cr2;
	}
	ours_take(m);
	/* the INT3 behind it, as native_signal() has it */
	if (o->vector == EXC_BP) {
		m->rip--;
		o->vector = -1;
	} else if ((o->vector == EXC_PF || o->vector == EXC_GP) &&
	    m->rip - INSN_AT >= r->len) {
		o->vector = -1;
	}
}

static void
run_rows(unsigned bits, unsigned runs)
{
	static struct machine start, ours, host;
	static uint16_t ids[INSN_N];
	unsigned n = 0, failed = 0, faults = 0, flags;

	ours_mode(bits);
	for (unsigned id = 0; id < INSN_N; id++)
		if (fits_row(id, bits))
			ids[n++] = (uint16_t)id;
	form_fixed_addresses = true;
	for (unsigned k = 0; k < runs; k++) {
		struct instance plain = { .bits = bits };
		struct difference d;
		struct outcome o, h;
		struct row r;

		row_make(&r, bits, ids, n);
		form_state(&plain, &start);
		start.fp.mxcsr |= 0x1f80;
		memcpy(&ours, &start, sizeof ours);
		memcpy(&host, &start, sizeof host);
		native_run(r.b, r.len, bits, &host, &h);
		ours_run_row(&r, &ours, &o);
		faults += h.vector >= 0;
		/* flags that the last ones left undefined; at a fault it is
		 * not known which was the last */
		flags = h.vector >= 0 ? FLAGS_ARITH : r.undefined;
		host.rflags = (host.rflags & ~(uint64_t)flags) |
		    (ours.rflags & flags);
		r.last.i.id = INSN_NOP;
		r.last.bits = bits;
		if (compare(&r.last, &ours, &o, &host, &h, &d) &&
		    failed++ < 10) {
			printf("\n  %u ", bits);
			for (unsigned b = 0; b < r.len; b++)
				printf("%02x", r.b[b]);
			printf(":%s", d.text);
		}
	}
	form_fixed_addresses = false;
	printf("\n%u bits: %u rows of %u forms (%u faults), %u differ\n", bits,
	    runs, n, faults, failed);
	failures += failed;
}

int
main(void)
{
	const char *more = getenv("HOST_TESTS"), *seed = getenv("HOST_SEED");
	unsigned runs = more ? (unsigned)strtoul(more, NULL, 0) : 24;
	struct error err;

#ifdef __SANITIZE_ADDRESS__
	printf("ASan's shadow lies where nothing is to be mapped\n");
	return 77;
#endif
	if (seed)
		form_seed ^= strtoull(seed, NULL, 0) * 0x9e3779b97f4a7c15ull;
	if (!native_init()) {
		printf("cannot map low memory or catch signals here\n");
		return 77;
	}
	if (step_bench_init(&bench, "max", &err) < 0) {
		printf("%s\n", err.text);
		return 1;
	}
	if (!getenv("HOST_FORM")) {
		run_rows(64, runs * 200);
		run_rows(32, runs * 100);
	}
	run_all(64, runs);
	run_all(32, runs);
	if (native.has_16)
		run_all(16, runs);
	else
		printf("no 16-bit segments to be had here\n");
	step_bench_fini(&bench);
	return failures ? 1 : 0;
}
#else
int
main(void)
{
	printf("the host is no x86-64 Linux\n");
	return 77;
}
#endif
