/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * emu_decode.c - any bytes as instructions
 *
 * The first byte: bits 0-1 the mode, bit 2 flat segments, bit 3 no VEX, bit 4
 * a processor without features.  The rest is code.  What comes out keeps to
 * what handlers rely on: registers that exist, lengths, one memory operand's
 * fields; its text fits.
 */
#include <stdlib.h>
#include <string.h>

#include "cpu/decode.h"
#include "cpu/disasm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static void look_at_operand(const struct operand *o)
{
	switch ((enum operand_kind)o->kind) {
	case OPD_NONE: case OPD_MEM: case OPD_IMM: case OPD_IMM2:
	case OPD_REL: case OPD_FAR:
		break;
	case OPD_GPR:
		must(o->off + o->size <= 16 * 8 && o->size);
		must(o->size == 1 ? o->off % 8 < 2 : !(o->off % 8));
		break;
	case OPD_SEG:
		must(o->off <= SEG_GS);
		break;
	case OPD_CR:
		must(o->off <= 8);
		break;
	case OPD_DR: case OPD_ST:
		must(o->off < 8);
		break;
	case OPD_MMX:
		must(o->off < 8 * 16 && !(o->off % 16));
		break;
	case OPD_VEC:
		must(o->off < 16 * 32 && !(o->off % 32));
		break;
	default:
		abort();
	}
}

static void look_at(const struct insn *i, unsigned avail)
{
	bool memory = false;

	must(i->id < INSN_N && i->len >= 1 && i->len <= INSN_BYTES_MAX);
	must(i->len <= avail);
	for (unsigned n = 0; n < 4; n++) {
		look_at_operand(&i->opd[n]);
		memory |= i->opd[n].kind == OPD_MEM;
		must(!n || i->opd[n - 1].kind || !i->opd[n].kind);
	}
	if (i->id > INSN_TOO_LONG)
		must(memory == !!(i->flags & INSN_MEM));
	must(i->base <= REG_BLOCK && i->index <= REG_ZERO && i->scale < 4);
	must(i->seg <= SEG_FLAT);
	must(!(i->flags & INSN_CHECKED) == (i->seg == SEG_FLAT));
	must(i->asize == 2 || i->asize == 4 || i->asize == 8);
	must(i->size && i->size <= 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cpu_features f = { 0 };
	enum decode_bits bits;
	size_t at = 1;

	if (!size || (data[0] & 3) == 3)
		return 0;
	bits = data[0] & 3;
	f.bits = data[0] & 16 ? 0 : ~CPU_FEATURES_NO_VEX;
	f.bits |= data[0] & 8 ? CPU_FEATURES_NO_VEX : 0;
	while (at < size) {
		unsigned avail = (unsigned)(size - at), len;
		char text[DISASM_MAX + 1];
		struct insn i;
		uint8_t *exact;

		if (avail > 100)
			avail = 100;
		/* so that reading past the end is seen */
		exact = malloc(avail);
		if (!exact)
			return 0;
		memcpy(exact, data + at, avail);
		len = decode(exact, avail, bits, data[0] & 4, (uint16_t)at,
		    &f, &i);
		free(exact);
		must(len <= avail);
		if (len == DECODE_SHORT)
			break;
		look_at(&i, avail);
		memset(text, 1, sizeof text);
		disasm(&i, bits, 0xfffffffffffff000, text, DISASM_MAX);
		must(strlen(text) < DISASM_MAX - 1);
		at += len;
	}
	return 0;
}
