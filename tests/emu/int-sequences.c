/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * int-sequences.c - blocks of integer instructions do what the host does
 *
 * Random straight pieces of code with short jumps forward run as blocks (with
 * handlers for single forms, fused pairs, flags not computed where nobody
 * looks), one instruction at a time, and natively.  Registers, memory and
 * flags are compared, but for flags the SDM leaves undefined, which are
 * looked up in the instruction table.  SEED=n runs others than the usual.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cpu/decode.h"
#include "cpu/model.h"
#include "emu/int-native.h"
#include "support/unit.h"

#define ROUNDS 6000
#define BASE (DATA + 0x800)	/* in rsi */

struct piece {
	uint8_t code[CODE_MAX];
	unsigned len;
	unsigned undefined;	/* flags, now */
};

/* Registers that may change: not rsp, rsi, rdi, nor r8, a small index.  Some
 * pieces use few of them, so that one instruction works on another's. */
static unsigned spread;

static unsigned
any_register(void)
{
	static const uint8_t all[] = { 0, 1, 2, 3, 5, 9, 10, 11, 12, 13, 14,
	    15 };

	return all[random_below(spread)];
}

/* ModRM and SIB for a register or [rsi + disp8], [rsi + r8 * 2^n + disp8]. */
struct rm {
	uint8_t bytes[4];
	unsigned n, rex;	/* B, X */
};

static struct rm
any_rm(bool memory)
{
	struct rm m = { 0 };
	unsigned reg;

	if (!memory) {
		reg = any_register();
		m.bytes[0] = 0xc0 | (reg & 7);
		m.n = 1;
		m.rex = reg >> 3;
	} else if (random_below(2)) {
		m.bytes[0] = 0x46;
		m.bytes[1] = (uint8_t)random_below(256);
		m.n = 2;
	} else {
		m.bytes[0] = 0x44;
		m.bytes[1] = (uint8_t)(random_below(4) << 6 | 6);
		m.bytes[2] = (uint8_t)random_below(256);
		m.n = 3;
		m.rex = 2;
	}
	return m;
}

/* One instruction: opcode of one or two bytes (0F xx), reg, rm, immediate. */
static unsigned
emit(uint8_t *p, unsigned size, unsigned opcode, unsigned reg,
    const struct rm *m, unsigned imm_bytes)
{
	uint8_t *start = p;
	uint64_t imm = random_value();
	/* without REX byte registers 4..7 are AH to BH */
	unsigned rex = (size == 8) << 3 | (reg >> 3) << 2 | m->rex;

	if (size == 2)
		*p++ = 0x66;
	if (rex || (size == 1 && random_below(2)))
		*p++ = (uint8_t)(0x40 | rex);
	if (opcode > 0xff)
		*p++ = 0x0f;
	*p++ = (uint8_t)opcode;
	*p++ = (uint8_t)(m->bytes[0] | (reg & 7) << 3);
	p = put_bytes(p, m->bytes + 1, m->n - 1);
	p = put_bytes(p, &imm, imm_bytes);
	return (unsigned)(p - start);
}

static unsigned
any_instruction(uint8_t *p)
{
	unsigned size = 1u << random_below(4);
	unsigned w = size > 1, wide = size > 1 ? size : 4;
	unsigned imm = size == 8 ? 4 : size, reg = any_register();
	struct rm m = any_rm(random_below(3) == 0), r = any_rm(false);

	switch (random_below(24)) {
	case 0: case 1: case 2:		/* 00..3B, both directions */
		return emit(p, size, random_below(8) * 8 +
		    random_below(2) * 2 + w, reg, &m, 0);
	case 3: case 4:
		return emit(p, size, 0x80 + w, random_below(8), &m, imm);
	case 5:
		return emit(p, wide, 0x83, random_below(8), &m, 1);
	case 6:				/* TEST */
		return emit(p, size, 0x84 + w, reg, &m, 0);
	case 7:
		return emit(p, size, 0xf6 + w, 0, &m, imm);
	case 8:				/* INC DEC */
		return emit(p, size, 0xfe + w, random_below(2), &m, 0);
	case 9:				/* NOT NEG MUL IMUL */
		return emit(p, size, 0xf6 + w, 2 + random_below(4), &m, 0);
	case 10: case 11:		/* shifts: by imm8, 1, CL */
		return emit(p, size, 0xc0 + w, random_below(8), &m, 1);
	case 12:
		return emit(p, size, 0xd0 + random_below(2) * 2 + w,
		    random_below(8), &m, 0);
	case 13:			/* MOV */
		return emit(p, size, 0x88 + random_below(2) * 2 + w, reg, &m,
		    0);
	case 14:
		return emit(p, size, 0xc6 + w, 0, &m, imm);
	case 15:			/* MOVZX MOVSX */
		return emit(p, wide, 0x1b6 + random_below(2) * 8 +
		    random_below(2), reg, &m, 0);
	case 16:			/* MOVSXD, LEA */
		m = any_rm(true);
		return emit(p, wide, random_below(2) ? 0x63 : 0x8d, reg, &m,
		    0);
	case 17:			/* CMOVcc */
		return emit(p, wide, 0x140 + random_below(16), reg, &m, 0);
	case 18:			/* SETcc */
		return emit(p, 1, 0x190 + random_below(16), 0, &m, 0);
	case 19:			/* IMUL of two and three */
		if (random_below(2))
			return emit(p, wide, 0x1af, reg, &m, 0);
		return emit(p, wide, 0x6b, reg, &m, 1);
	case 20:			/* BT BTS BTR BTC */
		if (random_below(2))
			return emit(p, wide, 0x1a3 + random_below(4) * 8, reg,
			    &r, 0);
		return emit(p, wide, 0x1ba, 4 + random_below(4), &m, 1);
	case 21:			/* SHLD SHRD, XADD CMPXCHG XCHG */
		switch (random_below(4)) {
		case 0:
			return emit(p, wide, 0x1a4 + random_below(2) * 8, reg,
			    &m, 1);
		case 1: return emit(p, size, 0x1c0 + w, reg, &m, 0);
		case 2: return emit(p, size, 0x1b0 + w, reg, &m, 0);
		default: return emit(p, size, 0x86 + w, reg, &m, 0);
		}
	case 22:			/* CBW.. CWD.., CLC STC CMC, LAHF */
		switch (random_below(4)) {
		case 0: p[0] = 0x48; p[1] = 0x98 + (uint8_t)random_below(2);
			return 2;
		case 1: p[0] = 0x98 + (uint8_t)random_below(2); return 1;
		case 2: p[0] = 0xf8 + (uint8_t)random_below(2); return 1;
		default: p[0] = 0xf5; return 1;
		}
	default:			/* PUSH and POP, BSF BSR */
		if (random_below(2))
			return emit(p, wide, 0x1bc + random_below(2), reg, &m,
			    0);
		reg = random_below(4);
		p[0] = (uint8_t)(0x50 + reg);
		p[1] = (uint8_t)(0x58 + (reg + 1) % 4);
		return 2;
	}
}

/* A register's copy and an operation on it: MOV d, s; op d, x (fast_pair.c).
 * The sizes differ now and then, and x may be d. */
static unsigned
any_pair(uint8_t *p)
{
	unsigned size = 4u << random_below(2), len;
	unsigned other = random_below(8) ? size : 12 - size;
	unsigned d = any_register(), s = any_register();
	unsigned x = random_below(4) ? any_register() : d;
	struct rm to = { .bytes = { (uint8_t)(0xc0 | (d & 7)) }, .n = 1,
		.rex = d >> 3 };

	len = emit(p, size, 0x89, s, &to, 0);
	switch (random_below(3)) {
	case 0:
		return len + emit(p + len, other, random_below(8) * 8 + 1, x,
		    &to, 0);
	case 1:
		return len + emit(p + len, other, 0x83, random_below(8), &to,
		    1);
	default:	/* by a count that is 0 at times */
		len += emit(p + len, other, 0xc1, random_below(8), &to, 1);
		if (random_below(4) == 0)
			p[len - 1] = 0;
		return len;
	}
}

/* What a condition looks at (SDM 2, appendix B). */
static unsigned
cond_reads(unsigned cond)
{
	static const uint16_t reads[8] = { FLAG_OF, FLAG_CF, FLAG_ZF,
	    FLAG_CF | FLAG_ZF, FLAG_SF, FLAG_PF, FLAG_SF | FLAG_OF,
	    FLAG_ZF | FLAG_SF | FLAG_OF };

	return reads[cond >> 1];
}

/* The flags undefined after these instructions; false if one of them looks at
 * one that is, or leaves a result that is undefined itself. */
static bool
follow(const uint8_t *p, unsigned len, unsigned *undefined)
{
	unsigned n;

	for (; len; p += n, len -= n) {
		struct insn i;
		const struct insn_desc *d;
		unsigned reads;

		n = (unsigned)decode(p, len, DECODE_64, true, 0,
		    cpu_model_features(bench.model), &i);
		if (n == DECODE_SHORT || i.id == INSN_UD)
			return false;
		d = &insn_descs[i.id];
		reads = d->reads == FLAGS_ARITH ? cond_reads(i.cond) :
		    d->reads;
		if (reads & *undefined)
			return false;
		/* SHLD and SHRD by more than 16: even the result */
		if ((i.id == INSN_SHLD_Ev_Gv_Ib || i.id ==
		    INSN_SHRD_Ev_Gv_Ib) && i.size == 2)
			return false;
		/* BSF and BSR of 0 leave the destination to the maker */
		if ((i.id == INSN_BSF_Gv_Ev || i.id == INSN_BSR_Gv_Ev) &&
		    i.size == 4)
			return false;
		/* Both written and undefined: by a count of 0 all stay. */
		if (!(d->writes & d->undefined))
			*undefined &= ~(unsigned)d->writes;
		*undefined |= d->undefined;
	}
	return true;
}

static void
append(struct piece *c)
{
	uint8_t *p = c->code + c->len;
	unsigned n, skipped = 0, undefined = c->undefined, cond;

	n = random_below(4) ? any_instruction(p) : any_pair(p);
	if (!follow(p, n, &undefined))
		return;
	cond = random_below(16);
	/* Often followed by a jump over another. */
	if (random_below(3) == 0 && !(cond_reads(cond) & undefined)) {
		unsigned after = undefined;

		skipped = any_instruction(p + n + 2);
		if (!follow(p + n + 2, skipped, &after))
			return;
		p[n] = (uint8_t)(0x70 + cond);
		p[n + 1] = (uint8_t)skipped;
		n += 2 + skipped;
		undefined |= after;
	}
	c->undefined = undefined;
	c->len += n;
}

static void
any_state(struct machine_state *s)
{
	for (unsigned n = 0; n < 16; n++)
		s->gpr[n] = random_value();
	s->gpr[RSI] = BASE;
	s->gpr[RDI] = BASE;
	s->gpr[8] = random_below(32);
	s->rflags = random64() & FLAGS_ARITH;
	memset(s->data, 0, sizeof(s->data));
	for (unsigned n = 0; n < 80; n++) {
		uint64_t v = random_value();

		memcpy(s->data + 0x780 + 8 * n, &v, 8);
	}
}

static bool
same(const struct machine_state *a, const struct machine_state *b,
    unsigned undefined)
{
	for (unsigned n = 0; n < 16; n++)
		if (n != RSP && a->gpr[n] != b->gpr[n])
			return false;
	return !((a->rflags ^ b->rflags) & FLAGS_ARITH & ~undefined) &&
	    memcmp(a->data, b->data, DATA_SIZE) == 0;
}

static void
tell(const char *who, const struct piece *c, const struct machine_state *in,
    const struct machine_state *a, const struct machine_state *b)
{
	printf("\n%s, undefined %x:\ncode", who, c->undefined);
	for (unsigned n = 0; n < c->len; n++)
		printf(" %02x", c->code[n]);
	printf("\nflags %lx: %lx, %lx\n", (unsigned long)in->rflags,
	    (unsigned long)a->rflags, (unsigned long)b->rflags);
	for (unsigned n = 0; n < 16; n++)
		printf("r%-2u %016lx: %016lx %016lx%s\n", n,
		    (unsigned long)in->gpr[n], (unsigned long)a->gpr[n],
		    (unsigned long)b->gpr[n],
		    n != RSP && a->gpr[n] != b->gpr[n] ? " <" : "");
	for (unsigned n = 0; n < DATA_SIZE; n++)
		if (a->data[n] != b->data[n])
			printf("data %x (%02x): %02x %02x\n", n, in->data[n],
			    a->data[n], b->data[n]);
}

/* One instruction at a time. */
static bool
run_steps(const struct piece *c, struct machine_state *s)
{
	struct step_fault fault;
	struct cpu_regs r;

	mem_write(bench.mem, CODE, c->code, c->len);
	mem_write(bench.mem, DATA, s->data, DATA_SIZE);
	cpu_interp.get(bench.cpu, &r);
	memcpy(r.gpr, s->gpr, sizeof(r.gpr));
	r.gpr[RSP] = 0x9000;
	r.rip = CODE;
	r.rflags = s->rflags | 2;
	cpu_interp.set(bench.cpu, &r);
	for (unsigned n = 0; n < 200 && bench.cpu->rip != CODE + c->len; n++)
		if (!interp_step(bench.cpu, &fault))
			return false;
	cpu_interp.get(bench.cpu, &r);
	memcpy(s->gpr, r.gpr, sizeof(r.gpr));
	s->rflags = r.rflags & 0xcd5;
	memcpy(s->data, bench.ram + DATA, DATA_SIZE);
	return r.rip == CODE + c->len;
}

static bool native;

static void
sequences_do_what_the_host_does(void)
{
	static struct machine_state in, block, step, host;
	unsigned long insns = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct piece c = { .len = 0 };
		unsigned target = 1 + random_below(16);

		spread = 2 + random_below(11);
		for (unsigned n = 0; n < target; n++)
			append(&c);
		any_state(&in);
		block = step = host = in;
		insns += c.len;
		if (!run_ours(c.code, c.len, &block) ||
		    !run_steps(&c, &step)) {
			tell("did not end", &c, &in, &block, &step);
			CU_FAIL("a piece ends");
			return;
		}
		if (!same(&block, &step, c.undefined)) {
			tell("block, steps", &c, &in, &block, &step);
			CU_FAIL("a block does what its instructions do");
			return;
		}
		if (!native)
			continue;
		run_native(c.code, c.len, &host);
		if (!same(&block, &host, c.undefined)) {
			tell("ours, host's", &c, &in, &block, &host);
			CU_FAIL("a block does what the host does");
			return;
		}
	}
	printf("(%lu bytes of code, %s) ", insns,
	    native ? "host compared" : "no host to compare with");
	CU_PASS("all the same");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "blocks do what their instructions and the host do",
		    sequences_do_what_the_host_does },
		{ NULL, NULL }
	};
	struct error err;

	if (getenv("SEED"))
		random_state ^= strtoull(getenv("SEED"), NULL, 0) << 7;
	if (step_bench_init(&bench, "max", &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	native = native_init();
	return unit_run("sequences", tests);
}
