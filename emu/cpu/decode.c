/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decode.c - from bytes to struct insn
 *
 * Prefixes, then the opcode chooses a slot, key and features choose a form in
 * it, then ModRM, SIB and displacement, then each operand by its letter.
 * Bytes are read without looking for their end: where fewer than PAD are
 * there they are copied and zeros appended, and what was decoded counts only
 * if it lies before the end.  No instruction reaches past PAD: prefixes stop
 * at the 15th byte, and what follows an opcode has at most 18 bytes.
 *
 * SDM is the Intel manual, sections of volume 2 unless said otherwise.
 */
#include "cpu/decode.h"

#include <string.h>

#define PAD 48

/* Prefixes, as bits. */
enum {
	P_REX = 1, P_66, P_67, P_F2, P_F3, P_LOCK, P_ES, P_CS, P_SS, P_DS,
	P_FS, P_GS,
};

static const uint8_t prefix_of[256] = {
	[0x26] = P_ES, [0x2e] = P_CS, [0x36] = P_SS, [0x3e] = P_DS,
	[0x64] = P_FS, [0x65] = P_GS, [0x66] = P_66, [0x67] = P_67,
	[0xf0] = P_LOCK, [0xf2] = P_F2, [0xf3] = P_F3,
	[0x40 ... 0x4f] = P_REX,
};

struct decoder {
	const uint8_t *p;
	unsigned at;		/* bytes taken */
	struct insn *i;
	bool is_long, flat;
	uint8_t rex;		/* W R X B as in REX; VEX's, too */
	bool has_rex;		/* REX itself: SPL rather than AH */
	uint8_t vvvv;
	bool l256;
	uint8_t modrm, opcode;
	uint8_t seg;		/* override, or SEG_N */
	uint8_t asize_bits;	/* 0 1 2: 16, 32, 64 */
	uint8_t column;		/* of type_sizes */
	bool rip_relative;
};

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

/* Sizes by type; columns: operand size 2 4 8 (0..2), + 4 if VEX.L, + 8 in
 * 64-bit mode. */
#define SIZES4(a, b, c) a, b, c, 0
#define SIZES(a, b, c) { SIZES4(a, b, c), SIZES4(a, b, c), \
	SIZES4(a, b, c), SIZES4(a, b, c) }
static const uint8_t type_sizes[TYPE_N][16] = {
	[TYPE_b] = SIZES(1, 1, 1), [TYPE_w] = SIZES(2, 2, 2),
	[TYPE_d] = SIZES(4, 4, 4), [TYPE_q] = SIZES(8, 8, 8),
	[TYPE_dq] = SIZES(16, 16, 16), [TYPE_qq] = SIZES(32, 32, 32),
	[TYPE_v] = SIZES(2, 4, 8), [TYPE_z] = SIZES(2, 4, 4),
	[TYPE_y] = SIZES(4, 4, 8), [TYPE_t] = SIZES(10, 10, 10),
	[TYPE_a] = SIZES(4, 8, 16), [TYPE_p] = SIZES(4, 6, 10),
	[TYPE_r] = { SIZES4(4, 4, 4), SIZES4(4, 4, 4),
		SIZES4(8, 8, 8), SIZES4(8, 8, 8) },
	[TYPE_s] = { SIZES4(6, 6, 6), SIZES4(6, 6, 6),
		SIZES4(10, 10, 10), SIZES4(10, 10, 10) },
	[TYPE_x] = { SIZES4(16, 16, 16), SIZES4(32, 32, 32),
		SIZES4(16, 16, 16), SIZES4(32, 32, 32) },
};

/* Little-endian, 1 to 8 bytes. */
static inline uint64_t
take(struct decoder *d, unsigned size)
{
	uint64_t v;

	memcpy(&v, d->p + d->at, 8);
	d->at += size;
	return v << (64 - 8 * size) >> (64 - 8 * size);
}

static inline uint64_t
take_signed(struct decoder *d, unsigned size)
{
	uint64_t v;

	memcpy(&v, d->p + d->at, 8);
	d->at += size;
	return (uint64_t)((int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size));
}

/* --- Memory operands ----------------------------------------------------- */

static inline void
set_segment(struct decoder *d, unsigned def)
{
	struct insn *i = d->i;
	unsigned seg = d->seg != SEG_N ? d->seg : def;

	i->flags |= INSN_MEM;
	/* 64-bit mode: only FS and GS have bases (SDM 1, 3.4.4).  CS is not to
	 * be written to and perhaps not to be read, however flat it is. */
	if (d->is_long ? seg < SEG_FS : d->flat && seg < SEG_FS &&
	    seg != SEG_CS) {
		i->seg = SEG_FLAT;
	} else {
		i->seg = seg;
		i->flags |= INSN_CHECKED;
	}
}

/* SDM 2.1.5, table 2-1 */
static void
take_memory16(struct decoder *d)
{
	static const uint8_t regs[8][2] = {
		{ 3, 6 }, { 3, 7 }, { 5, 6 }, { 5, 7 },	/* BX+SI ... BP+DI */
		{ 6, REG_ZERO }, { 7, REG_ZERO }, { 5, REG_ZERO },
		{ 3, REG_ZERO },
	};
	struct insn *i = d->i;
	unsigned mod = d->modrm >> 6, rm = d->modrm & 7;

	i->base = regs[rm][0];
	i->index = regs[rm][1];
	if (mod == 0 && rm == 6) {
		i->base = REG_ZERO;
		i->disp = (int64_t)take_signed(d, 2);
	} else if (mod) {
		i->disp = (int64_t)take_signed(d, mod);
	}
	set_segment(d, i->base == 5 ? SEG_SS : SEG_DS);
}

/* SDM 2.1.5, tables 2-2 and 2-3; 2.2.1 */
static void
take_memory(struct decoder *d, bool vsib)
{
	struct insn *i = d->i;
	unsigned mod = d->modrm >> 6, rm = d->modrm & 7;
	unsigned base = rm, index, sib;

	if (!d->asize_bits) {
		take_memory16(d);
		return;
	}
	i->base = rm | (d->rex & REX_B) << 3;
	if (rm == 4) {
		sib = (unsigned)take(d, 1);
		base = sib & 7;
		i->base = base | (d->rex & REX_B) << 3;
		index = (sib >> 3 & 7) | (d->rex & REX_X) << 2;
		if (vsib || index != 4) {
			i->index = index;
			i->scale = sib >> 6;
		}
	}
	if (mod == 0 && base == 5) {
		i->disp = (int64_t)take_signed(d, 4);
		i->base = REG_ZERO;
		if (d->is_long && rm == 5) {
			i->base = REG_BLOCK;
			d->rip_relative = true;
		}
	} else if (mod == 1) {
		i->disp = (int64_t)take_signed(d, 1);
	} else if (mod == 2) {
		i->disp = (int64_t)take_signed(d, 4);
	}
	set_segment(d, i->base == 4 || i->base == 5 ? SEG_SS : SEG_DS);
}

/* --- Operands ------------------------------------------------------------ */

static inline void
put_imm(struct decoder *d, struct operand *o, uint64_t value, unsigned size,
    bool second)
{
	o->size = size;
	if (second) {
		o->kind = OPD_IMM2;
		d->i->imm2 = value;
	} else {
		o->kind = OPD_IMM;
		d->i->imm = value;
	}
}

/* X, Y, O, BB, BD: memory without ModRM */
static void
put_string(struct decoder *d, struct operand *o, unsigned from, unsigned size)
{
	struct insn *i = d->i;

	o->kind = OPD_MEM;
	o->size = size;
	if (from == FROM_O) {
		i->disp = (int64_t)take(d, 2u << d->asize_bits);
		set_segment(d, SEG_DS);
	} else if (from == FROM_BB || from == FROM_BD) {
		i->base = from == FROM_BB ? 3 : 7;
		set_segment(d, SEG_DS);
	} else if (from == FROM_X) {
		i->base = 6;
		set_segment(d, SEG_DS);
	} else if (i->base != 6) {	/* Y alone: ES, whatever is said */
		i->base = 7;
		d->seg = SEG_N;
		set_segment(d, SEG_ES);
	}
}

/* A register, or the memory operand, whose address is already there. */
static inline void
put_register(const struct decoder *d, const struct form_operand *fo,
    struct operand *o, const uint8_t *numbers)
{
	unsigned n = numbers[fo->number] & fo->mask;

	if (fo->or_memory && d->modrm < 0xc0) {
		o->kind = OPD_MEM;
		o->size = type_sizes[fo->mem_type][d->column];
		return;
	}
	o->kind = fo->kind;
	o->size = type_sizes[fo->reg_type][d->column];
	o->off = fo->fixed + (n << fo->shift);
	if (fo->reg_type == TYPE_b && fo->shift == 3 && !d->has_rex &&
	    n - 4 < 4)
		o->off -= 31;		/* AH CH DH BH: 1 9 17 25 */
}

/* Anything else; false: #UD. */
static bool
take_operand(struct decoder *d, const struct form_operand *fo,
    struct operand *o, bool second)
{
	unsigned size = type_sizes[fo->reg_type][d->column];
	unsigned reg = (d->modrm >> 3 & 7) | (d->rex & REX_R) << 1;
	struct insn *i = d->i;

	switch ((enum operand_from)fo->from) {
	case FROM_I:
		/* Iz is sign-extended (SDM 2.2.1.5), Iv has all its bytes */
		if (fo->reg_type == TYPE_z)
			put_imm(d, o, take_signed(d, size), i->size, second);
		else
			put_imm(d, o, take(d, size), size, second);
		break;
	case FROM_IS:
		put_imm(d, o, take_signed(d, 1), i->size, second);
		break;
	case FROM_ONE:
		put_imm(d, o, 1, 1, false);
		break;
	case FROM_J:
		o->kind = OPD_REL;
		o->size = size;
		i->imm = take_signed(d, size);	/* the rest in decode() */
		break;
	case FROM_A:
		o->kind = OPD_FAR;
		o->size = size;
		i->imm = take(d, i->size);
		i->imm2 = (uint16_t)take(d, 2);
		break;
	case FROM_L:	/* outside 64-bit mode bit 7 says nothing */
		o->kind = OPD_VEC;
		o->size = size;
		o->off = (unsigned)take(d, 1) >> 4 & (d->is_long ? 15 : 7);
		o->off *= 32;
		break;
	case FROM_O: case FROM_X: case FROM_Y: case FROM_BB: case FROM_BD:
		put_string(d, o, fo->from, size);
		break;
	case FROM_S:	/* MOV only; CS is no destination */
		if ((reg & 7) > SEG_GS || (o == i->opd && (reg & 7) == SEG_CS))
			return false;
		o->kind = OPD_SEG;
		o->size = size;
		o->off = reg & 7;
		break;
	case FROM_C:	/* 0 2 3 4 8 exist (SDM 3, 2.5) */
		if (reg > 8 || !(0x11d >> reg & 1))
			return false;
		o->kind = OPD_CR;
		o->size = size;
		o->off = reg;
		break;
	case FROM_D:
		if (reg > 7)
			return false;
		o->kind = OPD_DR;
		o->size = size;
		o->off = reg;
		break;
	default:
		break;
	}
	return true;
}

/* All operands of a form; false: #UD. */
static inline bool
take_operands(struct decoder *d, const struct form *f)
{
	const uint8_t numbers[4] = {
		[NUMBER_REG] = (d->modrm >> 3 & 7) | (d->rex & REX_R) << 1,
		[NUMBER_RM] = (d->modrm & 7) | (d->rex & REX_B) << 3,
		[NUMBER_VVVV] = d->vvvv,
		[NUMBER_OPCODE] = (d->opcode & 7) | (d->rex & REX_B) << 3,
	};
	struct operand *o = d->i->opd;

	for (unsigned n = 0; n < 4 && f->opd[n].from; n++)
		if (f->opd[n].kind)
			put_register(d, &f->opd[n], &o[n], numbers);
		else if (!take_operand(d, &f->opd[n], &o[n],
		    n && o[n - 1].kind == OPD_IMM))
			return false;
	return true;
}

/* --- Instructions -------------------------------------------------------- */

/* The VEX prefix whose first byte is taken (SDM 2.3.5); the map, and pp in
 * *pp; -1: #UD. */
static int
take_vex(struct decoder *d, unsigned first, unsigned *pp)
{
	unsigned b = (unsigned)take(d, 1), map = 1;

	d->rex = b & 0x80 ? 0 : REX_R;
	if (first == 0xc4) {
		map = b & 31;
		d->rex |= (b & 0x40 ? 0 : REX_X) | (b & 0x20 ? 0 : REX_B);
		b = (unsigned)take(d, 1);
		d->rex |= b & 0x80 ? REX_W : 0;
	}
	d->vvvv = ~(b >> 3) & 15;
	d->l256 = b & 4;
	*pp = b & 3;
	if (!d->is_long)	/* eight registers; B says nothing */
		d->rex &= REX_W;
	return map >= 1 && map <= 3 ? (int)map - 1 + MAP_VEX : -1;
}

static unsigned
decode_bad(struct insn *i, unsigned id, unsigned len, unsigned pos)
{
	*i = (struct insn){
		.id = id, .len = len, .pos = pos, .flags = INSN_ENDS,
		.base = REG_ZERO, .index = REG_ZERO, .seg = SEG_FLAT,
		.amask = ~0ull, .size = 4, .asize = 8,
	};
	return len;
}

/* Gathers: destination, index and mask are three registers. */
static bool
gather_is_wrong(const struct insn *i)
{
	unsigned dst = i->opd[0].off / 32, mask = i->opd[2].off / 32;

	return dst == mask || dst == i->index || mask == i->index;
}

/* The form that fits, UD if none. */
static inline const struct form *
choose(const struct slot *s, uint32_t key, uint64_t has)
{
	const uint16_t *list = &form_lists[s->list];
	const struct form *f;

	if (s->group)
		list = &form_lists[list[(key >> 3 & 7) |
		    (key & KEY_MOD3 ? 8 : 0)]];
	do
		f = &forms[*list++];
	while ((key & f->mask) != f->value || !(has >> f->feature & 1));
	return f;
}

static unsigned
decode_padded(struct decoder *d, enum decode_bits bits, uint64_t has,
    bool no_vex, uint16_t pos)
{
	struct insn *i = d->i;
	unsigned b, prefix, osize_bits, asize_bits, pp, rep = 0;
	unsigned prefixes = 0;
	const struct form *f;
	const struct slot *s;
	int map = MAP_1;
	uint32_t key;
	bool is_vex = false;

	for (;;) {
		b = d->p[d->at++];
		prefix = prefix_of[b];
		if (prefix <= P_REX) {
			if (!prefix || !d->is_long)
				break;
			/* counts only right before the opcode (SDM 2.2.1) */
			if (prefix_of[d->p[d->at]]) {
				if (d->at >= INSN_BYTES_MAX)
					return decode_bad(i, INSN_TOO_LONG,
					    INSN_BYTES_MAX, pos);
				continue;
			}
			d->rex = b;
			d->has_rex = true;
			b = d->p[d->at++];
			break;
		}
		prefixes |= 1u << prefix;
		if (prefix >= P_ES) {
			/* 64-bit mode: ES CS SS DS are as if not there */
			if (!d->is_long || prefix >= P_FS)
				d->seg = prefix - P_ES;
		} else if (prefix == P_F2 || prefix == P_F3) {
			rep = prefix;
		}
		if (d->at >= INSN_BYTES_MAX)
			return decode_bad(i, INSN_TOO_LONG, INSN_BYTES_MAX,
			    pos);
	}

	pp = rep ? (rep == P_F3 ? 2 : 3) : prefixes >> P_66 & 1;
	if ((b & 0xfe) == 0xc4 && (d->is_long || d->p[d->at] >= 0xc0)) {
		if (prefixes & (1u << P_66 | 1u << P_F2 | 1u << P_F3 |
		    1u << P_LOCK) || d->has_rex || no_vex)
			/* the byte that was looked at is needed to see it */
			return decode_bad(i, INSN_UD, ++d->at, pos);
		map = take_vex(d, b, &pp);
		if (map < 0)
			return decode_bad(i, INSN_UD, d->at, pos);
		b = d->p[d->at++];
		is_vex = true;
	} else if (b == 0x0f) {
		b = d->p[d->at++];
		map = MAP_0F;
		if (b == 0x38 || b == 0x3a) {
			map = b == 0x38 ? MAP_0F38 : MAP_0F3A;
			b = d->p[d->at++];
		}
	}
	d->opcode = b;

	osize_bits = bits == DECODE_16 ? prefixes >> P_66 & 1 :
	    (d->is_long && d->rex & REX_W) ? 2 : !(prefixes >> P_66 & 1);
	asize_bits = prefixes >> P_67 & 1;
	asize_bits = bits == DECODE_64 ? 2 - asize_bits :
	    bits == DECODE_32 ? 1 - asize_bits : asize_bits;
	d->asize_bits = asize_bits;

	key = (d->rex & REX_W ? KEY_W : 0) | (d->l256 ? KEY_L : 0) |
	    (d->is_long ? KEY_LONG : 0) | (d->rex & REX_B ? KEY_REX_B : 0) |
	    KEY_OSIZE(osize_bits) | KEY_ASIZE(asize_bits);
	s = &slots[SLOT(map, pp, b)];
	if (s->modrm) {
		d->modrm = d->p[d->at++];
		key |= d->modrm | (d->modrm >= 0xc0 ? KEY_MOD3 : 0);
	}
	f = choose(s, key, has);
	if (f->id == INSN_UD)
		return decode_bad(i, INSN_UD, d->at, pos);
	if (is_vex && ((f->how & FORM_NEEDS_AVX && !(has >> FEAT_AVX & 1)) ||
	    (!(f->how & FORM_VVVV) && d->vvvv)))
		return decode_bad(i, INSN_UD, d->at, pos);
	if (is_vex && !d->is_long)
		d->vvvv &= 7;

	if (d->is_long && f->how & (FORM_D64 | FORM_F64))
		osize_bits = osize_bits == 0 && f->how & FORM_D64 ? 0 : 2;
	d->column = osize_bits | (d->l256 && f->how & FORM_L ? 4 : 0) |
	    (d->is_long ? 8 : 0);

	memset(i, 0, sizeof *i);
	i->id = f->id;
	i->pos = pos;
	i->base = i->index = REG_ZERO;
	i->seg = SEG_FLAT;
	i->asize = 2u << asize_bits;
	i->amask = asize_bits == 2 ? ~0ull :
	    asize_bits == 1 ? 0xffffffffull : 0xffffull;
	i->cond = b & 15;
	i->flags = f->bits & DESC_ENDS ? INSN_ENDS : 0;
	i->prefix = (prefixes & 1u << P_LOCK ? PREFIX_LOCK : 0) |
	    (prefixes & 1u << P_66 ? PREFIX_OPSIZE : 0) |
	    (prefixes & 1u << P_67 ? PREFIX_ADSIZE : 0) |
	    (d->is_long && d->rex & REX_W ? PREFIX_W : 0) |
	    (d->has_rex ? PREFIX_REX : 0) | (is_vex ? PREFIX_VEX : 0) |
	    (!rep || f->how & FORM_REP ? 0 :
	    rep == P_F3 ? PREFIX_REP : PREFIX_REPNE);

	switch ((enum size_from)f->size_from) {
	case SIZE_EFFECTIVE:
		i->size = 2u << osize_bits;
		break;
	case SIZE_OPERAND: {
		const struct form_operand *fo = &f->opd[f->size_operand];

		i->size = type_sizes[fo->reg_type][d->column];
		break;
	}
	case SIZE_VECTOR:
		i->size = f->how & FORM_L256 ||
		    (f->how & FORM_L && d->l256) ? 32 : 16;
		break;
	case SIZE_MMX:
		i->size = 8;
		break;
	}

	if (s->modrm) {
		if (f->how & FORM_ANY_MOD)
			d->modrm |= 0xc0;
		else if (d->modrm < 0xc0) {
			if (f->how & FORM_VSIB && ((d->modrm & 7) != 4 ||
			    !asize_bits))
				return decode_bad(i, INSN_UD, d->at, pos);
			take_memory(d, f->how & FORM_VSIB);
		}
	}
	if (!take_operands(d, f))
		return decode_bad(i, INSN_UD, d->at, pos);

	/* LOCK: on what writes its memory operand alone (SDM, LOCK). */
	if (prefixes & 1u << P_LOCK && (!(f->bits & DESC_LOCK) ||
	    i->opd[0].kind != OPD_MEM))
		return decode_bad(i, INSN_UD, d->at, pos);
	if (f->how & FORM_VSIB && gather_is_wrong(i))
		return decode_bad(i, INSN_UD, d->at, pos);

	i->len = d->at;
	if (i->opd[0].kind == OPD_REL)
		i->imm += pos + d->at;
	if (d->rip_relative)
		i->disp += pos + d->at;
	return d->at;
}

unsigned
decode(const uint8_t *bytes, unsigned avail, enum decode_bits bits, bool flat,
    uint16_t pos, const struct cpu_features *features, struct insn *i)
{
	uint8_t padded[PAD];
	struct decoder d = {
		.p = bytes, .i = i, .is_long = bits == DECODE_64,
		.flat = flat, .seg = SEG_N,
	};
	uint64_t has = features->bits;

	table_init();
	/* All have what needs no feature. */
	has |= 1ull << FEAT_NONE;
	if (!d.is_long)
		has |= 1ull << FEAT_LAHF;
	if (avail < PAD) {
		memset(padded, 0, sizeof padded);
		memcpy(padded, bytes, avail);
		d.p = padded;
	}
	decode_padded(&d, bits, has,
	    features->bits & CPU_FEATURES_NO_VEX, pos);
	/* Up to 15 bytes are needed to see that there are too many. */
	if (d.at > avail && avail < INSN_BYTES_MAX)
		return DECODE_SHORT;
	/* Even of what is no instruction. */
	if (d.at > INSN_BYTES_MAX)
		decode_bad(i, INSN_TOO_LONG, INSN_BYTES_MAX, pos);
	return i->len;
}
