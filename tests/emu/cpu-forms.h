/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu-forms.h - instances of the forms of insn.tab
 *
 * form_make() writes bytes that the decoder takes for the form it was asked
 * for: prefixes, registers, addressing, displacement and immediate at random.
 */
#ifndef CPU_FORMS_H
#define CPU_FORMS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/decode.h"

static uint64_t form_seed = 88172645463325252ull;

static uint64_t
rnd(void)
{
	form_seed ^= form_seed << 13;
	form_seed ^= form_seed >> 7;
	form_seed ^= form_seed << 17;
	return form_seed * 0x2545f4914f6cdd1dull;
}

static bool
chance(unsigned percent)
{
	return (rnd() >> 20) % 100 < percent;
}

static unsigned
below(unsigned n)
{
	return (unsigned)((rnd() >> 20) % n);
}

/* --- Bytes --------------------------------------------------------------- */

struct recipe {
	uint8_t prefix, map, vex, vex_pp, opcode, plus;
	bool np, modrm, modrm_fixed, vsib, any_prefix;
	uint8_t modrm_value;
	int reg, mod3, w, l;	/* -1: any */
	bool o16, o32, a16, a32, a64, i64, o64;
};

static void
recipe_vex(struct recipe *r, const char *word)
{
	const char *p;

	r->vex = 1;
	r->l = strstr(word, ".128") || strstr(word, ".LZ") ? 0 :
	    strstr(word, ".256") ? 1 : -1;
	r->vex_pp = strstr(word, ".66") ? 1 : strstr(word, ".F3") ? 2 :
	    strstr(word, ".F2") ? 3 : 0;
	r->map = strstr(word, "0F38") ? 2 : strstr(word, "0F3A") ? 3 : 1;
	p = strstr(word, ".W");
	r->w = !p ? -1 : p[2] == '1';
}

static struct recipe
recipe_of(unsigned id)
{
	struct recipe r = { .reg = -1, .mod3 = -1, .w = -1, .l = -1,
	    .any_prefix = true };
	char text[64], *save, *word, *end;
	bool opcode = false;

	snprintf(text, sizeof text, "%s", insn_descs[id].encoding);
	for (word = strtok_r(text, " ", &save); word;
	    word = strtok_r(NULL, " ", &save)) {
		unsigned n = (unsigned)strtoul(word, &end, 16);
		bool byte = end == word + 2;

		if (!strncmp(word, "VEX", 3))
			recipe_vex(&r, word);
		else if (!strcmp(word, "NP"))
			r.np = true;
		else if (!strcmp(word, "NFx"))
			r.any_prefix = false;
		else if (!strcmp(word, "REX.W"))
			r.w = 1;
		else if (!strcmp(word, "REX.B=0"))
			continue;
		else if (word[0] == '/') {
			r.modrm = true;
			r.vsib |= word[1] == 'v';
			if (word[1] >= '0' && word[1] <= '7')
				r.reg = word[1] - '0';
		} else if (!strncmp(word, "mod", 3))
			r.mod3 = !strcmp(word, "mod!=3") ? 0 :
			    !strcmp(word, "mod=3") ? 1 : -1;
		else if (!strcmp(word, "o16"))
			r.o16 = true;
		else if (!strcmp(word, "o32"))
			r.o32 = true;
		else if (!strcmp(word, "a16"))
			r.a16 = true;
		else if (!strcmp(word, "a32"))
			r.a32 = true;
		else if (!strcmp(word, "a64"))
			r.a64 = true;
		else if (!strcmp(word, "i64"))
			r.i64 = true;
		else if (!strcmp(word, "o64"))
			r.o64 = true;
		else if (word[0] == 'd' || word[0] == 'f')
			continue;
		else if (!opcode && !r.map && byte &&
		    (n == 0x66 || n == 0xf3 || n == 0xf2))
			r.prefix = (uint8_t)n;
		else if (!opcode && !r.map && n == 0x0f && byte)
			r.map = 1;
		else if (!opcode && r.map == 1 && !r.vex &&
		    (n == 0x38 || n == 0x3a))
			r.map = n == 0x38 ? 2 : 3;
		else if (!opcode) {
			opcode = true;
			r.opcode = (uint8_t)n;
			r.plus = !strcmp(end, "+r") ? 8 :
			    !strcmp(end, "+cc") ? 16 : 1;
		} else {
			r.modrm = r.modrm_fixed = true;
			r.modrm_value = (uint8_t)n;
		}
	}
	return r;
}

/* Memory operands at fixed addresses only: ModRM of disp32, RIP-relative. */
static bool form_fixed_addresses;

struct instance {
	uint8_t b[40];
	unsigned len, disp_at, disp_size, bits;
	struct insn i;
};

static enum decode_bits
form_mode(unsigned bits)
{
	return bits == 64 ? DECODE_64 : bits == 32 ? DECODE_32 : DECODE_16;
}

/* ModRM, SIB and displacement. */
static void
make_modrm(const struct recipe *r, struct instance *f, unsigned *n,
    unsigned asize)
{
	unsigned mod = r->mod3 == 1 ? 3 : r->mod3 == 0 ? below(3) :
	    chance(45) ? 3 : below(3);
	unsigned rm = r->vsib ? 4 : below(8);
	unsigned reg = r->reg >= 0 ? (unsigned)r->reg : below(8);

	if (form_fixed_addresses && mod != 3) {
		mod = 0;
		rm = 5;
	}
	if (r->modrm_fixed) {
		f->b[(*n)++] = r->modrm_value;
		return;
	}
	f->b[(*n)++] = mod << 6 | reg << 3 | rm;
	if (mod == 3)
		return;
	f->disp_size = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	if (asize == 16) {
		f->disp_size = mod == 0 ? (rm == 6 ? 2 : 0) : mod;
	} else if (rm == 4) {
		unsigned sib = (unsigned)rnd() & 255;

		if (!r->vsib && chance(40))
			sib = (sib & 0xc7) | 0x20;	/* no index */
		f->b[(*n)++] = sib;
		if (mod == 0 && (sib & 7) == 5)
			f->disp_size = 4;
	} else if (mod == 0 && rm == 5) {
		f->disp_size = 4;
	}
	f->disp_at = *n;
	for (unsigned k = 0; k < f->disp_size; k++)
		f->b[(*n)++] = (uint8_t)rnd();
}

static bool
is_string_form(unsigned id)
{
	const char *o = insn_descs[id].operands;

	return o[0] == 'X' || o[0] == 'Y' || strstr(o, " X") ||
	    strstr(o, " Y");
}

/* In 64-bit mode 66 says nothing to Intel's near branches, but makes AMD's 16
 * bits wide (SDM 2, JMP; APM 3, JMP). */
static bool
near_branch(unsigned id)
{
	return strstr(insn_descs[id].encoding, "f64") &&
	    insn_descs[id].bits & DESC_ENDS;
}

/* false: no instance in this mode. */
static bool
form_make(unsigned id, unsigned bits, const struct cpu_features *features,
    struct instance *f)
{
	struct recipe r = recipe_of(id);
	bool is_long = bits == 64;
	bool r66 = bits == 16 ? r.o32 : r.o16, no66 = bits == 16 ? r.o16 :
	    r.o32;

	if ((is_long && (r.i64 || r.a16)) || (!is_long && (r.o64 || r.a64)))
		return false;
	for (unsigned tries = 0; tries < 60; tries++) {
		unsigned n = 0, rex = (unsigned)rnd() & 15, asize = bits;

		memset(f, 0, sizeof *f);
		f->bits = bits;
		/* in 32-bit code no 16-bit addresses: nothing lies there */
		if (bits == 32 ? r.a16 : r.a32 || (!r.a64 && !r.a16 &&
		    (r.vsib || chance(12)))) {
			f->b[n++] = 0x67;
			asize = bits == 32 ? 16 : 32;
		}
		if (!r.vex && !r.prefix && !r.np &&
		    !(is_long && near_branch(id)) &&
		    (r66 || (!no66 && r.w != 1 && chance(25))))
			f->b[n++] = 0x66;
		else if (!r.vex && r.prefix && r.prefix != 0x66 && chance(10))
			f->b[n++] = 0x66;
		if (insn_descs[id].bits & DESC_LOCK && chance(30))
			f->b[n++] = 0xf0;
		if (is_string_form(id) && chance(60))
			f->b[n++] = chance(50) ? 0xf3 : 0xf2;
		if (r.prefix)
			f->b[n++] = r.prefix;
		if (r.w >= 0)
			rex = (rex & 7) | (unsigned)r.w << 3;
		if (r.vex) {
			unsigned l = r.l >= 0 ? (unsigned)r.l : below(2);
			unsigned vvvv = strchr(insn_descs[id].operands, 'H') ||
			    strstr(insn_descs[id].operands, "By") ?
			    below(16) : 15;

			if (!is_long)
				vvvv |= 8;
			if (r.map == 1 && !(rex & 11) && chance(50)) {
				f->b[n++] = 0xc5;
				f->b[n++] = (rex & 4 && is_long ? 0 : 0x80) |
				    vvvv << 3 | l << 2 | r.vex_pp;
			} else {
				f->b[n++] = 0xc4;
				f->b[n++] = (is_long ? (~rex & 7) << 5 : 0xe0) |
				    r.map;
				f->b[n++] = (rex & 8) << 4 | vvvv << 3 |
				    l << 2 | r.vex_pp;
			}
		} else {
			if (is_long && (chance(60) || r.w == 1))
				f->b[n++] = 0x40 | rex;
			if (r.map)
				f->b[n++] = 0x0f;
			if (r.map >= 2)
				f->b[n++] = r.map == 2 ? 0x38 : 0x3a;
		}
		f->b[n++] = r.opcode + below(r.plus);
		if (r.modrm)
			make_modrm(&r, f, &n, asize);
		if (!r.modrm && strchr(insn_descs[id].operands, 'O')) {
			f->disp_at = n;
			f->disp_size = asize / 8;
			n += f->disp_size;
		}
		for (unsigned k = 0; k < 8; k++)
			f->b[n + k] = (uint8_t)(chance(30) ? below(8) : rnd());
		f->len = decode(f->b, sizeof f->b, form_mode(bits), false, 0,
		    features, &f->i);
		if (f->i.id == id)
			return true;
	}
	return false;
}

#endif
