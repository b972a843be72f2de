/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.c - insn.tab as arrays: descriptions, and what decode.c works with
 *
 * The strings of the table are taken apart once, at the first table_init().
 * Every opcode of every map has four slots, one per mandatory prefix; a slot
 * has a list of forms, of which decode() takes the first that fits.  Lists of
 * groups (opcodes that ModRM extends) are split by ModRM.reg and mod, so that
 * few are longer than two.
 */
#include "cpu/table.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/flags.h"

/* The words of the table's sixth column. */
enum {
	C = FLAG_CF, P = FLAG_PF, A = FLAG_AF, Z = FLAG_ZF, S = FLAG_SF,
	O = FLAG_OF, ALL = FLAGS_ARITH,
	LOCK = DESC_LOCK << 12, ENDS = DESC_ENDS << 12,
	CPL0 = DESC_CPL0 << 12, ALIGN = DESC_ALIGN << 12,
};
/* In one number: bits 0..11 written, 12..15 DESC_*, then undefined, read. */
#define W(flags) ((uint64_t)(flags))
#define U(flags) ((uint64_t)(flags) << 16)
#define R(flags) ((uint64_t)(flags) << 32)

const struct insn_desc insn_descs[INSN_N] = {
#define INSN(id, name, code, opds, feat, flags, handler)		\
	{								\
		.mnemonic = name, .encoding = code, .operands = opds,	\
		.exec = #handler, .feature = FEAT_##feat,		\
		.bits = ((flags) >> 12) & 15, .writes = (flags) & ALL,	\
		.undefined = ((uint64_t)(flags) >> 16) & ALL,		\
		.reads = ((uint64_t)(flags) >> 32) & ALL,		\
	},
#include "cpu/insn.tab"
#undef INSN
};
#undef W
#undef U
#undef R

#define LISTS_MAX 32768

struct form forms[INSN_N];
struct slot slots[MAP_N * 4 * 256];
uint16_t form_lists[LISTS_MAX];

/* A form as it is read from the table. */
struct parsed {
	int map;
	unsigned pp;		/* bit n: allowed with prefix n (as VEX.pp) */
	bool exact;		/* names its mandatory prefix */
	unsigned opcode, n_opcodes;	/* n: 8 for +r, 16 for +cc */
	bool modrm;
};
static struct parsed parsed[INSN_N];

/* The table is part of the program: a mistake in it is a mistake in it. */
static _Noreturn void
table_wrong(unsigned id, const char *word)
{
	fprintf(stderr, "insn.tab: %s \"%s\" \"%s\": %s\n",
	    insn_descs[id].mnemonic, insn_descs[id].encoding,
	    insn_descs[id].operands, word);
	abort();
}

/* --- Operands ------------------------------------------------------------ */

static const struct {
	char name[3];
	uint8_t type;
} types[] = {
	{ "b", TYPE_b }, { "w", TYPE_w }, { "d", TYPE_d }, { "q", TYPE_q },
	{ "dq", TYPE_dq }, { "qq", TYPE_qq }, { "v", TYPE_v },
	{ "z", TYPE_z }, { "y", TYPE_y }, { "r", TYPE_r }, { "x", TYPE_x },
	{ "ps", TYPE_x }, { "pd", TYPE_x }, { "ss", TYPE_d },
	{ "sd", TYPE_q }, { "t", TYPE_t }, { "a", TYPE_a }, { "p", TYPE_p },
	{ "s", TYPE_s }, { "", TYPE_NONE },
};

static const struct {
	char name[4];
	uint8_t from, type, fixed;
} fixed_operands[] = {
	{ "AL", FROM_GPR, TYPE_b, 0 }, { "CL", FROM_GPR, TYPE_b, 8 },
	{ "AX", FROM_GPR, TYPE_w, 0 }, { "DX", FROM_GPR, TYPE_w, 16 },
	{ "eAX", FROM_GPR, TYPE_z, 0 }, { "rAX", FROM_GPR, TYPE_v, 0 },
	{ "ES", FROM_SEG, TYPE_w, SEG_ES }, { "CS", FROM_SEG, TYPE_w, SEG_CS },
	{ "SS", FROM_SEG, TYPE_w, SEG_SS }, { "DS", FROM_SEG, TYPE_w, SEG_DS },
	{ "FS", FROM_SEG, TYPE_w, SEG_FS }, { "GS", FROM_SEG, TYPE_w, SEG_GS },
	{ "1", FROM_ONE, TYPE_b, 0 }, { "ST0", FROM_ST0, TYPE_t, 0 },
	{ "STi", FROM_STI, TYPE_t, 0 },
};

/* Letters that are registers, or memory. */
static const struct {
	uint8_t kind, number, mask, shift;
	bool or_memory;
} registers[FROM_KINDS] = {
	[FROM_B] = { OPD_GPR, NUMBER_VVVV, 15, 3, false },
	[FROM_E] = { OPD_GPR, NUMBER_RM, 15, 3, true },
	[FROM_G] = { OPD_GPR, NUMBER_REG, 15, 3, false },
	[FROM_H] = { OPD_VEC, NUMBER_VVVV, 15, 5, false },
	[FROM_M] = { OPD_MEM, NUMBER_RM, 15, 3, true },
	[FROM_N] = { OPD_MMX, NUMBER_RM, 7, 4, false },
	[FROM_P] = { OPD_MMX, NUMBER_REG, 7, 4, false },
	[FROM_Q] = { OPD_MMX, NUMBER_RM, 7, 4, true },
	[FROM_R] = { OPD_GPR, NUMBER_RM, 15, 3, false },
	[FROM_U] = { OPD_VEC, NUMBER_RM, 15, 5, false },
	[FROM_V] = { OPD_VEC, NUMBER_REG, 15, 5, false },
	[FROM_W] = { OPD_VEC, NUMBER_RM, 15, 5, true },
	[FROM_Z] = { OPD_GPR, NUMBER_OPCODE, 15, 3, false },
	[FROM_GPR] = { OPD_GPR, NUMBER_REG, 0, 0, false },
	[FROM_SEG] = { OPD_SEG, NUMBER_REG, 0, 0, false },
	[FROM_ST0] = { OPD_ST, NUMBER_REG, 0, 0, false },
	[FROM_STI] = { OPD_ST, NUMBER_RM, 7, 0, false },
};

static const uint8_t from_letter['Z' + 1] = {
	['A'] = FROM_A, ['B'] = FROM_B, ['C'] = FROM_C, ['D'] = FROM_D,
	['E'] = FROM_E, ['G'] = FROM_G, ['H'] = FROM_H, ['I'] = FROM_I,
	['J'] = FROM_J, ['L'] = FROM_L, ['M'] = FROM_M, ['N'] = FROM_N,
	['O'] = FROM_O, ['P'] = FROM_P, ['Q'] = FROM_Q, ['R'] = FROM_R,
	['S'] = FROM_S, ['U'] = FROM_U, ['V'] = FROM_V, ['W'] = FROM_W,
	['X'] = FROM_X, ['Y'] = FROM_Y, ['Z'] = FROM_Z,
};

static uint8_t
parse_type(unsigned id, const char *word)
{
	for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
		if (!strcmp(types[i].name, word))
			return types[i].type;
	table_wrong(id, word);
}

static void
parse_operand(unsigned id, char *word, struct form_operand *o)
{
	char *mem = strchr(word, '/');

	for (unsigned i = 0; i < sizeof fixed_operands /
	    sizeof *fixed_operands; i++)
		if (!strcmp(fixed_operands[i].name, word)) {
			o->from = fixed_operands[i].from;
			o->reg_type = o->mem_type = fixed_operands[i].type;
			o->fixed = fixed_operands[i].fixed;
			return;
		}
	if (!strcmp(word, "Ibs")) {
		o->from = FROM_IS;
		o->reg_type = TYPE_b;
		return;
	}
	if (word[0] == 'B' && (word[1] == 'B' || word[1] == 'D')) {
		o->from = word[1] == 'B' ? FROM_BB : FROM_BD;
		o->reg_type = o->mem_type = parse_type(id, word + 2);
		return;
	}
	if (mem) {	/* Rd/Mw: like E, Udq/Md: like W */
		*mem = 0;
		o->from = word[0] == 'R' ? FROM_E : FROM_W;
		if (mem[1] != 'M' || (word[0] != 'R' && word[0] != 'U'))
			table_wrong(id, word);
		o->reg_type = parse_type(id, word + 1);
		o->mem_type = parse_type(id, mem + 2);
		return;
	}
	if (word[0] < 'A' || word[0] > 'Z' ||
	    !from_letter[(unsigned char)word[0]])
		table_wrong(id, word);
	o->from = from_letter[(unsigned char)word[0]];
	if (!strcmp(word, "Sw")) {
		o->reg_type = TYPE_w;
		return;
	}
	o->reg_type = o->mem_type = parse_type(id, word + 1);
}

static bool
is_modrm(uint8_t from)
{
	switch (from) {
	case FROM_C: case FROM_D: case FROM_E: case FROM_G: case FROM_M:
	case FROM_N: case FROM_P: case FROM_Q: case FROM_R: case FROM_S:
	case FROM_U: case FROM_V: case FROM_W: case FROM_STI:
		return true;
	}
	return false;
}

static void
parse_operands(unsigned id)
{
	struct form *f = &forms[id];
	bool vector = false, mmx = false, sized = false;
	char text[40], *save, *word;
	unsigned n = 0;

	snprintf(text, sizeof text, "%s", insn_descs[id].operands);
	for (word = strtok_r(text, " ", &save); word;
	    word = strtok_r(NULL, " ", &save)) {
		struct form_operand *o = &f->opd[n];

		if (n == 4)
			table_wrong(id, "five operands");
		parse_operand(id, word, o);
		if (is_modrm(o->from) && !parsed[id].modrm)
			table_wrong(id, "no ModRM");
		o->kind = registers[o->from].kind;
		o->number = registers[o->from].number;
		o->mask = registers[o->from].mask;
		o->shift = registers[o->from].shift;
		o->or_memory = registers[o->from].or_memory;
		switch (o->from) {
		case FROM_N: case FROM_R: case FROM_U: case FROM_STI:
			if (!(f->how & FORM_ANY_MOD)) {
				f->mask |= KEY_MOD3;
				f->value |= KEY_MOD3;
			}
			break;
		case FROM_M:
			f->mask |= KEY_MOD3;
			break;
		}
		switch (o->from) {
		case FROM_H: case FROM_L: case FROM_U: case FROM_V: case FROM_W:
			vector = true;
			break;
		case FROM_N: case FROM_P: case FROM_Q:
			mmx = true;
			break;
		}
		if (o->from == FROM_H || o->from == FROM_B)
			f->how |= FORM_VVVV;
		/* the first that is neither immediate nor port number */
		if (!sized && o->from != FROM_I && o->from != FROM_IS &&
		    o->from != FROM_J && o->from != FROM_A &&
		    strcmp(word, "DX")) {
			sized = true;
			f->size_operand = n;
			f->size_from = SIZE_OPERAND;
			if (o->reg_type == TYPE_NONE || o->mem_type == TYPE_p ||
			    o->mem_type == TYPE_s || o->from == FROM_SEG ||
			    o->from == FROM_ST0 || o->from == FROM_STI)
				f->size_from = SIZE_EFFECTIVE;
		}
		n++;
	}
	if (!sized)
		f->size_from = SIZE_EFFECTIVE;
	if (vector || (f->how & FORM_VEX && !n))
		f->size_from = SIZE_VECTOR;
	else if (mmx)
		f->size_from = SIZE_MMX;
	if (f->how & FORM_VEX && f->size_from == SIZE_VECTOR)
		f->how |= FORM_NEEDS_AVX;
}

/* --- Encodings ----------------------------------------------------------- */

/* "VEX.128.66.0F38.W0" */
static void
parse_vex(unsigned id, char *word)
{
	struct form *f = &forms[id];
	struct parsed *p = &parsed[id];
	char *save, *part;

	f->how |= FORM_VEX | FORM_L;
	for (part = strtok_r(word + 3, ".", &save); part;
	    part = strtok_r(NULL, ".", &save)) {
		if (!strcmp(part, "128") || !strcmp(part, "LZ")) {
			f->mask |= KEY_L;
			f->how &= ~FORM_L;
		} else if (!strcmp(part, "256")) {
			f->mask |= KEY_L;
			f->value |= KEY_L;
			f->how &= ~FORM_L;
			f->how |= FORM_L256;
		} else if (!strcmp(part, "LIG")) {
			f->how &= ~FORM_L;
		} else if (!strcmp(part, "NP")) {
			p->pp = 1;
		} else if (!strcmp(part, "66")) {
			p->pp = 2;
		} else if (!strcmp(part, "F3")) {
			p->pp = 4;
		} else if (!strcmp(part, "F2")) {
			p->pp = 8;
		} else if (!strcmp(part, "0F")) {
			p->map = MAP_VEX;
		} else if (!strcmp(part, "0F38")) {
			p->map = MAP_VEX + 1;
		} else if (!strcmp(part, "0F3A")) {
			p->map = MAP_VEX + 2;
		} else if (!strcmp(part, "W0") || !strcmp(part, "W1")) {
			f->mask |= KEY_W;
			f->value |= part[1] == '1' ? KEY_W : 0;
		} else {
			table_wrong(id, part);
		}
	}
	p->exact = true;
}

/* Words that are neither prefixes nor opcode bytes; false: not one. */
static bool
parse_note(unsigned id, const char *word)
{
	static const struct {
		char name[8];
		uint32_t mask, value;
		uint16_t how;
	} notes[] = {
		{ "REX.W", KEY_W, KEY_W, 0 },
		{ "REX.B=0", KEY_REX_B, 0, 0 },
		{ "mod=3", KEY_MOD3, KEY_MOD3, 0 },
		{ "mod!=3", KEY_MOD3, 0, 0 },
		{ "mod=any", 0, 0, FORM_ANY_MOD },
		{ "/vsib", KEY_MOD3, 0, FORM_VSIB },
		{ "o16", KEY_OSIZE(3), KEY_OSIZE(0), 0 },
		{ "o32", KEY_OSIZE(3), KEY_OSIZE(1), 0 },
		{ "a16", KEY_ASIZE(3), KEY_ASIZE(0), 0 },
		{ "a32", KEY_ASIZE(3), KEY_ASIZE(1), 0 },
		{ "a64", KEY_ASIZE(3), KEY_ASIZE(2), 0 },
		{ "i64", KEY_LONG, 0, 0 },
		{ "o64", KEY_LONG, KEY_LONG, 0 },
		{ "d64", 0, 0, FORM_D64 },
		{ "f64", 0, 0, FORM_F64 },
		{ "/r", 0, 0, 0 },
	};
	struct form *f = &forms[id];

	for (unsigned i = 0; i < sizeof notes / sizeof *notes; i++)
		if (!strcmp(notes[i].name, word)) {
			f->mask |= notes[i].mask;
			f->value |= notes[i].value;
			f->how |= notes[i].how;
			if (word[0] == '/' || word[0] == 'm')
				parsed[id].modrm = true;
			return true;
		}
	if (word[0] == '/' && word[1] >= '0' && word[1] <= '7') {
		f->mask |= KEY_REG;
		f->value |= (uint32_t)(word[1] - '0') << 3;
		parsed[id].modrm = true;
		return true;
	}
	return false;
}

static void
parse_encoding(unsigned id)
{
	struct form *f = &forms[id];
	struct parsed *p = &parsed[id];
	char text[64], *save, *word, *end;
	unsigned bytes = 0;

	snprintf(text, sizeof text, "%s", insn_descs[id].encoding);
	p->pp = 15;
	for (word = strtok_r(text, " ", &save); word;
	    word = strtok_r(NULL, " ", &save)) {
		unsigned n = strtoul(word, &end, 16);

		if (!strncmp(word, "VEX", 3)) {
			parse_vex(id, word);
		} else if (!strcmp(word, "NP") || !strcmp(word, "NFx")) {
			p->exact = true;
			p->pp = word[1] == 'P' ? 1 : 3;
		} else if (!bytes && p->map == MAP_1 && end == word + 2 &&
		    (n == 0x66 || n == 0xf3 || n == 0xf2)) {
			/* of one byte, these are no opcodes */
			p->exact = true;
			p->pp = n == 0x66 ? 2 : n == 0xf3 ? 4 : 8;
			f->how |= n == 0x66 ? 0 : FORM_REP;
		} else if (parse_note(id, word)) {
			continue;
		} else if (end != word + 2) {
			table_wrong(id, word);
		} else if (!bytes && n == 0x0f && p->map == MAP_1) {
			p->map = MAP_0F;
		} else if (!bytes && p->map == MAP_0F &&
		    (n == 0x38 || n == 0x3a)) {
			p->map = n == 0x38 ? MAP_0F38 : MAP_0F3A;
		} else if (bytes++ == 0) {
			p->opcode = n;
			p->n_opcodes = !strcmp(end, "+r") ? 8 :
			    !strcmp(end, "+cc") ? 16 : 1;
		} else {
			f->mask |= KEY_MODRM | KEY_MOD3;
			f->value |= n | (n >= 0xc0 ? KEY_MOD3 : 0);
			p->modrm = true;
		}
	}
	if (!bytes)
		table_wrong(id, "no opcode");
}

/* --- Slots --------------------------------------------------------------- */

static unsigned lists_used;

static void
list_put(uint16_t id)
{
	if (lists_used == LISTS_MAX)
		table_wrong(id, "LISTS_MAX is too small");
	form_lists[lists_used++] = id;
}

/* May form f fit a ModRM byte of this reg and mod? */
static bool
form_in_group(const struct form *f, unsigned reg, bool mod3)
{
	return (!(f->mask & KEY_REG) || (f->value & KEY_REG) == reg << 3) &&
	    (!(f->mask & KEY_MOD3) || !(f->value & KEY_MOD3) == !mod3);
}

static void
slot_fill(unsigned map, unsigned pp, unsigned opcode, const uint16_t *ids,
    unsigned n)
{
	struct slot *s = &slots[SLOT(map, pp, opcode)];
	unsigned heads;

	if (!n)
		return;		/* list 0: #UD */
	for (unsigned i = 0; i < n; i++)
		s->modrm |= parsed[ids[i]].modrm;
	s->group = s->modrm && n > 2;
	s->list = lists_used;
	if (!s->group) {
		for (unsigned i = 0; i < n; i++)
			list_put(ids[i]);
		list_put(INSN_UD);
		return;
	}
	heads = lists_used;
	for (unsigned i = 0; i < 16; i++)
		list_put(INSN_UD);
	for (unsigned g = 0; g < 16; g++) {
		form_lists[heads + g] = lists_used;
		for (unsigned i = 0; i < n; i++)
			if (form_in_group(&forms[ids[i]], g & 7, g >> 3))
				list_put(ids[i]);
		list_put(INSN_UD);
	}
}

/* Forms by where they belong, so that a slot need not look at all of them. */
static void
slots_build(void)
{
	static uint16_t of_opcode[MAP_N * 256][64];
	static uint8_t n_of[MAP_N * 256];

	for (unsigned id = INSN_TOO_LONG + 1; id < INSN_N; id++)
		for (unsigned k = 0; k < parsed[id].n_opcodes; k++) {
			unsigned at = (unsigned)parsed[id].map * 256 +
			    parsed[id].opcode + k;

			if (n_of[at] == 64)
				table_wrong(id, "too many of one opcode");
			of_opcode[at][n_of[at]++] = (uint16_t)id;
		}
	list_put(INSN_UD);
	for (unsigned at = 0; at < MAP_N * 256; at++)
		for (unsigned pp = 0; pp < 4; pp++) {
			uint16_t ids[64];
			unsigned n = 0;

			for (unsigned pass = 0; pass < 2; pass++)
				for (unsigned i = 0; i < n_of[at]; i++) {
					unsigned id = of_opcode[at][i];

					if (parsed[id].exact == !pass &&
					    parsed[id].pp >> pp & 1)
						ids[n++] = (uint16_t)id;
				}
			slot_fill(at >> 8, pp, at & 255, ids, n);
		}
}

static void
table_build(void)
{
	for (unsigned id = 0; id < INSN_N; id++) {
		forms[id].id = (uint16_t)id;
		forms[id].feature = insn_descs[id].feature;
		forms[id].bits = insn_descs[id].bits;
		if (id <= INSN_TOO_LONG)
			continue;
		parse_encoding(id);
		parse_operands(id);
	}
	slots_build();
}

void
table_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, table_build);
}
