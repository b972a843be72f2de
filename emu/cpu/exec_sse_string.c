/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_sse_string.c - PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM
 *
 * After SDM 2B, 4.1: elements of two strings are compared each with each, the
 * results combined into one bit per element of the second, turned round if
 * asked, and given as an index or a mask.
 */
#include "cpu/vec.h"

struct string {
	int32_t e[16];
	unsigned len;		/* valid elements */
};

/* imm8[1:0]: bytes or words; unsigned or signed. */
static void
take_string(struct string *s, const uint8_t *p, unsigned imm)
{
	unsigned k;

	for (k = 0; k < 16u >> (imm & 1); k++) {
		if (imm & 1) {
			uint16_t w;

			memcpy(&w, p + 2 * k, 2);
			s->e[k] = imm & 2 ? (int16_t)w : w;
		} else {
			s->e[k] = imm & 2 ? (int8_t)p[k] : p[k];
		}
	}
}

/* The length by the first zero. */
static unsigned
implicit(const struct string *s, unsigned n)
{
	unsigned k;

	for (k = 0; k < n && s->e[k]; k++)
		;
	return k;
}

/* The magnitude of a register, n at most. */
static unsigned
explicit(uint64_t v, bool wide, unsigned n)
{
	int64_t s = wide ? (int64_t)v : (int32_t)v;
	uint64_t mag = s < 0 ? -(uint64_t)s : (uint64_t)s;

	return mag < n ? (unsigned)mag : n;
}

/* imm8[3:2]: equal any, ranges, equal each, equal ordered.  a is the set, the
 * ranges or the string looked for. */
static unsigned
aggregate(const struct string *a, const struct string *b, unsigned n,
    unsigned how)
{
	unsigned r = 0, j, k;
	bool yes;

	for (j = 0; j < n; j++) {
		yes = false;
		switch (how) {
		case 0:
			for (k = 0; k < a->len && j < b->len; k++)
				yes |= a->e[k] == b->e[j];
			break;
		case 1:
			for (k = 0; k + 1 < a->len && j < b->len; k += 2)
				yes |= a->e[k] <= b->e[j] &&
				    b->e[j] <= a->e[k + 1];
			break;
		case 2:
			yes = j < a->len && j < b->len ?
			    a->e[j] == b->e[j] : j >= a->len && j >= b->len;
			break;
		default:
			yes = true;
			for (k = 0; k < n - j && k < a->len; k++)
				yes &= j + k < b->len && a->e[k] == b->e[j + k];
			break;
		}
		r |= (unsigned)yes << j;
	}
	return r;
}

static __attribute__((noinline)) void
compare_strings(struct cpu *c, const struct insn *i, bool is_explicit,
    bool as_mask)
{
	unsigned imm = (unsigned)i->imm, n = imm & 1 ? 8 : 16, r, k;
	unsigned all = (1u << n) - 1;
	struct string a, b;
	union vec mask;

	vec_check_any(c, i, 0);
	take_string(&b, vec_src(c, i, &i->opd[1], 16, 1), imm);
	take_string(&a, vec_reg(c, &i->opd[0]), imm);
	if (is_explicit) {
		bool wide = i->prefix & PREFIX_W;

		a.len = explicit(c->gpr[RAX], wide, n);
		b.len = explicit(c->gpr[RDX], wide, n);
	} else {
		a.len = implicit(&a, n);
		b.len = implicit(&b, n);
	}
	r = aggregate(&a, &b, n, imm >> 2 & 3);
	if (imm & 0x10)		/* negative; masked: valid elements only */
		r ^= imm & 0x20 ? (1u << b.len) - 1 : all;
	if (!as_mask) {
		k = n;
		if (r)
			k = imm & 0x40 ? 31u - (unsigned)__builtin_clz(r) :
			    (unsigned)__builtin_ctz(r);
		gpr_put32(c, RCX * 8, k);
	} else {
		mask.v = _mm_setzero_si128();
		if (!(imm & 0x40))
			mask.d[0] = r;
		for (k = 0; imm & 0x40 && k < n; k++) {
			if (n == 8)
				mask.w[k] = r >> k & 1 ? 0xffff : 0;
			else
				mask.b[k] = r >> k & 1 ? 0xff : 0;
		}
		_mm_store_si128((__m128i *)c->vec[0], mask.v);
		if (vec_vex(i))
			memset(c->vec[0] + 16, 0, 16);
	}
	flags_put(&c->flags, (r ? FLAG_CF : 0) | (b.len < n ? FLAG_ZF : 0) |
	    (a.len < n ? FLAG_SF : 0) | (r & 1 ? FLAG_OF : 0));
}

EXEC(x_pcmpestri) { compare_strings(c, i, true, false); }
EXEC(x_pcmpestrm) { compare_strings(c, i, true, true); }
EXEC(x_pcmpistri) { compare_strings(c, i, false, false); }
EXEC(x_pcmpistrm) { compare_strings(c, i, false, true); }
