/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu-states.h - registers and memory to run an instance of a form in
 *
 * form_state() makes both at random, and then so that most memory operands lie
 * in the data pages (aligned, not aligned, across two, into what cannot be
 * written, into nothing), most branches in the code page.  x87 and SSE values
 * are often zeros, infinities, NaNs, denormals and such; now and then an
 * exception is not masked.
 */
#ifndef CPU_STATES_H
#define CPU_STATES_H

#include "cpu-forms.h"
#include "cpu-native.h"
#include "cpu/flags.h"
#include "cpu/state.h"

static uint64_t
some_integer(void)
{
	static const uint64_t edges[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
		0x80000000, 0xffffffff, 0x7fffffffffffffff,
		0x8000000000000000, 0xffffffffffffffff, 0x80, 31, 32, 63, 64,
	};

	switch (below(5)) {
	case 0: return edges[below(sizeof edges / sizeof *edges)];
	case 1: return rnd() >> below(64);
	case 2: return below(70);
	default: return rnd();
	}
}

static float
some_float(void)
{
	static const uint32_t edges[] = {
		0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
		0x7fc00000, 0xffc00000, 0x7fa00001, 0x00000001, 0x807fffff,
		0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000, 0x5f000000,
		0x3f000000, 0x40400000, 0x4b800001,
	};
	uint32_t v = below(3) ? (uint32_t)rnd() :
	    edges[below(sizeof edges / sizeof *edges)];
	float f;

	if (below(3) == 0)
		v = 0x3f800000 + (uint32_t)(below(0x4000000)) - 0x2000000;
	memcpy(&f, &v, 4);
	return f;
}

static void
put_double(uint8_t *p)
{
	static const uint64_t edges[] = {
		0, 1ull << 63, 0x3ff0000000000000, 0xbff0000000000000,
		0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
		0xfff8000000000000, 0x7ff4000000000001, 1, 0x800fffffffffffff,
		0x0010000000000000, 0x7fefffffffffffff, 0x41e0000000000000,
		0x43e0000000000000, 0xc3e0000000000000, 0x3fe0000000000000,
		0x4330000000000001, 0x36a0000000000000, 0x47f0000000000000,
	};
	uint64_t v = below(3) ? rnd() :
	    edges[below(sizeof edges / sizeof *edges)];

	if (below(3) == 0)
		v = 0x3ff0000000000000 + (rnd() >> 8) - (1ull << 55);
	memcpy(p, &v, 8);
}

static void
put_extended(uint8_t *p)
{
	static const uint16_t exponents[] = {
		0, 0, 1, 0x3fff, 0x3ffe, 0x4000, 0x401e, 0x403e, 0x7ffe, 0x7fff,
		0x7fff, 0x3f80, 0x3c00, 0x407f, 0x43ff, 0x3fbf,
	};
	static const uint64_t mantissas[] = {
		0, 1, 1ull << 63, 3ull << 62, ~0ull, 1ull << 62,
		0x8000000000000001, 0xffffffff00000000,
		0xc000000000000001, 0xc90fdaa22168c235,
	};
	uint64_t m = below(2) ? rnd() | 1ull << 63 :
	    mantissas[below(sizeof mantissas / sizeof *mantissas)];
	uint16_t e = below(3) ? 0x3fff + below(80) - 40 :
	    exponents[below(sizeof exponents / sizeof *exponents)];

	if (e && e < 0x7fff && chance(96))
		m |= 1ull << 63;
	e |= (rnd() >> 30 & 1) << 15;
	memcpy(p, &m, 8);
	memcpy(p + 8, &e, 2);
}

/* Any n bytes, of one kind or another. */
static void
fill(uint8_t *p, unsigned n)
{
	unsigned kind = below(6);

	for (unsigned k = 0; k < n; k += 8) {
		uint64_t v = rnd();
		float f[2];

		switch (kind) {
		case 0:
			f[0] = some_float();
			f[1] = some_float();
			memcpy(&v, f, 8);
			break;
		case 1:
			put_double((uint8_t *)&v);
			break;
		case 2:
			v = some_integer();
			break;
		case 3:	/* text, for strings */
			v = 0x6161616161616161 + (v & 0x0303030301030303);
			if (chance(20))
				v &= ~(0xffull << 8 * below(8));
			break;
		}
		memcpy(p + k, &v, n - k < 8 ? n - k : 8);
	}
}

static void
fp_state(struct machine *m)
{
	struct fp_image *x = &m->fp;

	memset(x, 0, sizeof *x);
	x->fcw = 0x7f | below(4) << 8 | below(4) << 10 |
	    (chance(30) ? 0 : 0x340);
	if (chance(12))
		x->fcw &= ~(1u << below(6));
	x->fcw |= 0x40;
	x->fsw = (chance(30) ? rnd() & 0x477f & ~0x3f : 0) | below(8) << 11 |
	    (chance(20) ? rnd() & 0x3f : 0);
	x->fsw &= 0x7f7f;
	if (x->fsw & ~x->fcw & 0x3f)
		x->fsw |= 0x8080;
	x->ftw = chance(60) ? 0xff : (uint8_t)rnd();
	x->mxcsr = 0x1f80 | (uint32_t)below(4) << 13 |
	    (chance(20) ? 0x8000 : 0) | (chance(20) ? 0x40 : 0) |
	    (chance(30) ? (uint32_t)rnd() & 0x3f : 0);
	if (chance(10))
		x->mxcsr &= ~(0x80u << below(6));
	for (unsigned n = 0; n < 8; n++)
		put_extended(x->st[n]);
	for (unsigned n = 0; n < 16; n++) {
		fill(x->xmm[n], 16);
		fill(m->ymm_high[n], 16);
	}
}

/* An address for an operand of size bytes. */
static uint64_t
some_address(unsigned size)
{
	unsigned align = size >= 64 ? 64 : size >= 32 ? 32 : size >= 16 ? 16 :
	    size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;

	switch (below(20)) {
	case 0:		/* across two pages */
		return DATA_AT + 0x1000 * (1 + below(2)) - 1 - below(size);
	case 1:		/* into the page that cannot be written */
		return DATA_AT + DATA_WRITABLE - below(size + 1);
	case 2:		/* out of all pages */
		return DATA_AT + DATA_SIZE - below(size + 1);
	case 3: case 4: case 5:
		return DATA_AT + 0x100 + below(DATA_WRITABLE - 0x400);
	default:
		return (DATA_AT + 0x100 + below(DATA_WRITABLE - 0x400)) &
		    ~(uint64_t)(align - 1);
	}
}

/* The instruction's RIP: 16-bit code has a segment that begins at CODE_AT. */
static uint64_t
start_of(const struct instance *f)
{
	return f->bits == 16 ? INSN_AT - CODE_AT : INSN_AT;
}

static uint64_t
some_target(const struct instance *f)
{
	return chance(90) ? start_of(f) - 0x700 + below(0x600) :
	    some_integer();
}

/* A linear address as an offset in the segment of 16-bit code. */
static uint64_t
offset_of(const struct instance *f, uint64_t at)
{
	return f->bits == 16 ? at - (at >= STACK_AT ? STACK_AT : DATA_AT) : at;
}

/* Makes the memory operand lie at target: by its base, its index, or its
 * displacement, whatever it has. */
static void
aim(struct instance *f, struct machine *m, uint64_t target)
{
	struct insn *i = &f->i;
	uint64_t disp = (uint64_t)i->disp, rest, v;
	bool vsib = strstr(insn_descs[i->id].encoding, "/vsib");
	unsigned index = vsib ? REG_ZERO : i->index;
	unsigned reg = REG_ZERO;

	target = offset_of(f, target);
	rest = target - disp;
	if (i->base < 16 && i->base != index) {
		reg = i->base;
		v = rest - (index < 16 ? m->gpr[index] << i->scale : 0);
	} else if (i->base < 16) {
		reg = i->base;
		v = (uint64_t)((int64_t)rest / (1 + (1 << i->scale)));
	} else if (index < 16) {
		reg = index;
		v = (uint64_t)((int64_t)rest >> i->scale);
	}
	if (reg < 16) {
		if (i->asize == 4)
			v = (uint32_t)v | (f->bits == 64 ? rnd() << 32 : 0);
		else if (i->asize == 2)
			v = (uint16_t)v | (uint32_t)rnd() << 16;
		m->gpr[reg] = v;
		return;
	}
	v = i->base == REG_BLOCK ? target - (start_of(f) + f->len) : target;
	if (f->disp_size)
		memcpy(f->b + f->disp_at, &v, f->disp_size);
}

static void
put_stack(struct machine *m, uint64_t at, uint64_t value, unsigned size)
{
	if (at >= STACK_AT && at + size <= STACK_AT + STACK_SIZE)
		memcpy(m->stack + (at - STACK_AT), &value, size);
}

static void
put_data(struct machine *m, uint64_t at, const void *value, unsigned size)
{
	if (at >= DATA_AT && at + size <= DATA_AT + DATA_SIZE)
		memcpy(m->data + (at - DATA_AT), value, size);
}

static void
form_state(struct instance *f, struct machine *m)
{
	const struct insn_desc *d = &insn_descs[f->i.id];
	const struct operand *mem = NULL;
	uint64_t target = 0, stack;

	for (unsigned n = 0; n < 16; n++)
		m->gpr[n] = some_integer();
	m->gpr[RSP] = offset_of(f, STACK_AT + 0x1000 + 8 * below(64) +
	    (chance(10) ? below(8) : 0));
	if (chance(80))
		m->gpr[RBP] = offset_of(f, STACK_AT + 0x1000 + 8 * below(128));
	if (chance(90)) {
		m->gpr[RSI] = offset_of(f, some_address(64));
		m->gpr[RDI] = offset_of(f, some_address(64));
		m->gpr[RBX] = offset_of(f, some_address(256));
	}
	if (f->bits == 16 && chance(5))
		m->gpr[RSP] = below(8);		/* wraps */
	if (chance(60))
		m->gpr[RDX] = chance(50) ? below(4) : -(uint64_t)below(4);
	if (chance(50) || is_string_form(f->i.id))
		m->gpr[RCX] = below(50);
	m->rip = start_of(f);
	m->rflags = 0x202 | (rnd() & (FLAGS_ARITH | FLAG_DF));
	if (chance(70))
		m->rflags &= ~(uint64_t)FLAG_DF;
	fp_state(m);
	for (unsigned n = 0; n < DATA_SIZE; n += 256)
		fill(m->data + n, 256);
	fill(m->stack, STACK_SIZE);

	/* bit offsets that stay in the pages */
	if (!strncmp(d->exec, "x_bt", 4) && f->i.opd[1].kind == OPD_GPR &&
	    chance(80))
		m->gpr[f->i.opd[1].off / 8] = (uint64_t)(int64_t)(int)
		    (below(8000) - 4000);
	for (unsigned n = 0; n < 4; n++)
		if (f->i.opd[n].kind == OPD_MEM && !mem)
			mem = &f->i.opd[n];
	if (mem && f->i.id == INSN_XLAT_BBb) {
		if (chance(10))
			m->gpr[RBX] = some_integer();
	} else if (mem && strstr(d->operands, "BD")) {
		m->gpr[RDI] = offset_of(f, some_address(mem->size));
	} else if (mem && !is_string_form(f->i.id)) {
		target = some_address(mem->size ? mem->size : 512);
		if (f->bits == 16 && f->i.seg == SEG_SS)
			target = STACK_AT + 0x100 + (target - DATA_AT) / 3;
		aim(f, m, target);
	}
	if (strstr(d->encoding, "/vsib"))
		for (unsigned n = 0; n < 32; n += 4) {
			int32_t v = (int)below(200) - 100;
			uint8_t *x = f->i.index < 16 ? n < 16 ?
			    m->fp.xmm[f->i.index] + n :
			    m->ymm_high[f->i.index] + n - 16 : NULL;

			if (x && (chance(95)))
				memcpy(x, &v, 4);
			/* sign of qword indices */
			if (x && n & 4 && d->mnemonic[strlen(d->mnemonic) - 2]
			    == 'q')
				memset(x, x[-1] & 0x80 ? 0xff : 0, 4);
		}
	stack = m->gpr[RSP] + (f->bits == 16 ? STACK_AT : 0);
	/* where it goes */
	if (f->i.opd[0].kind == OPD_REL) {
		int32_t v = f->i.opd[0].size == 1 ?
		    (int)(20 + below(100)) * (chance(50) ? 1 : -1) :
		    (int)(40 + below(1700)) * (chance(50) ? 1 : -1);

		memcpy(f->b + f->len - f->i.opd[0].size, &v,
		    f->i.opd[0].size);
	} else if (!strcmp(d->exec, "x_jmp") || !strcmp(d->exec, "x_call")) {
		uint64_t to = some_target(f);

		if (mem && target >= STACK_AT)
			put_stack(m, target, to, 8);
		else if (mem)
			put_data(m, target, &to, 8);
		else if (f->i.opd[0].off / 8 != RSP)
			m->gpr[f->i.opd[0].off / 8] = to;
	} else if (!strcmp(d->exec, "x_ret")) {
		put_stack(m, stack, some_target(f), f->i.size);
	} else if (!strcmp(d->exec, "x_popf")) {
		/* no single steps, alignment checks, nested tasks; ID stays,
		 * since a signal's frame does not load it */
		uint64_t v = rnd() & ~(uint64_t)(FLAG_TF | FLAG_AC | FLAG_NT |
		    FLAG_ID);

		put_stack(m, stack, v, 8);
	} else if (mem && (!strcmp(d->exec, "x_fldenv") ||
	    !strcmp(d->exec, "x_frstor"))) {
		put_data(m, target, &(uint32_t){ m->fp.fcw }, 4);
	} else if (mem && !strcmp(d->exec, "x_fxrstor")) {
		struct fp_image x = m->fp;

		x.mxcsr |= chance(10) ? 0x10000 : 0;
		put_data(m, target, &x, sizeof x);
	} else if (mem && !strcmp(d->exec, "x_ldmxcsr")) {
		uint32_t v = (uint32_t)rnd() & (chance(80) ? 0xffff : ~0u);

		put_data(m, target, &v, 4);
	} else if (mem && mem->size == 10) {
		uint8_t v[16];

		put_extended(v);
		if (!strcmp(d->exec, "x_fbld"))
			for (unsigned n = 0; n < 10; n++)
				v[n] = below(10) << 4 | below(10);
		put_data(m, target, v, 10);
	}
	if (f->bits != 64)
		for (unsigned n = 0; n < 16; n++)
			m->gpr[n] = n < 8 ? (uint32_t)m->gpr[n] : 0;
}

#endif
