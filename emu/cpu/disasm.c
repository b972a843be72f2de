/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disasm.c - struct insn as text, in Intel's syntax */
#include "cpu/disasm.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cpu/table.h"

struct text {
	char *p;
	size_t size, len;
};

static void __attribute__((format(printf, 2, 3)))
put(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->len < t->size ? t->p + t->len : NULL,
	    t->len < t->size ? t->size - t->len : 0, format, args);
	va_end(args);
	if (n > 0)
		t->len += (size_t)n;
}

static const char *const names64[16] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};
static const char *const names8[8] = {
	"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil",
};
static const char *const high8[4] = { "ah", "ch", "dh", "bh" };
static const char *const segments[] = { "es", "cs", "ss", "ds", "fs", "gs" };

static void
put_reg(struct text *t, unsigned reg, unsigned size)
{
	static const char suffix[9] = { [1] = 'b', [2] = 'w', [4] = 'd' };

	if (reg >= 8)
		put(t, "%s%.1s", names64[reg], size < 8 ? &suffix[size] : "");
	else if (size == 1)
		put(t, "%s", names8[reg]);
	else if (size == 2)
		put(t, "%s", names64[reg] + 1);
	else
		put(t, "%c%s", size == 8 ? 'r' : 'e', names64[reg] + 1);
}

static uint64_t
cut(uint64_t v, unsigned size)
{
	return size >= 8 ? v : v & ((1ull << 8 * size) - 1);
}

/* The letter of the index if that is a vector register, else 0: gathers.
 * dwords that choose qwords fill half as much. */
static char
vector_index(const struct insn *i)
{
	const char *name = strstr(insn_descs[i->id].mnemonic, "gather");

	if (!name)
		return 0;
	return i->size == 32 && !(name[6] == 'd' && i->opd[1].size == 8) ?
	    'y' : 'x';
}

static void
put_memory(struct text *t, const struct insn *i, const struct operand *o,
    enum decode_bits bits, uint64_t block_rip)
{
	static const struct {
		uint8_t size;
		char name[8];
	} sizes[] = {
		{ 1, "byte" }, { 2, "word" }, { 4, "dword" }, { 6, "fword" },
		{ 8, "qword" }, { 10, "tbyte" }, { 16, "xmmword" },
		{ 32, "ymmword" },
	};
	unsigned def = SEG_DS, seg = i->seg;
	bool some = false;
	uint64_t disp = (uint64_t)i->disp;

	for (unsigned k = 0; k < sizeof sizes / sizeof *sizes; k++)
		if (sizes[k].size == o->size)
			put(t, "%s ptr ", sizes[k].name);
	/* BP as an index means BX or SI are the base: DS nevertheless */
	if (i->base == 4 || i->base == 5)
		def = SEG_SS;
	/* LEA takes no segment, whatever is said */
	if (seg < SEG_FLAT && seg != def && i->id != INSN_LEA_Gv_M)
		put(t, "%s:", segments[seg]);
	put(t, "[");
	if (i->base == REG_BLOCK) {
		put(t, "0x%" PRIX64 "]", (block_rip + disp) & i->amask);
		return;
	}
	if (i->base != REG_ZERO) {
		put_reg(t, i->base, i->asize);
		some = true;
	}
	if (i->index != REG_ZERO) {
		put(t, "%s", some ? "+" : "");
		if (vector_index(i))
			put(t, "%cmm%u", vector_index(i), i->index);
		else
			put_reg(t, i->index, i->asize);
		if (i->scale)
			put(t, "*%u", 1u << i->scale);
		some = true;
	}
	if (!some)
		put(t, "0x%" PRIX64, disp & i->amask);
	else if (i->disp)
		put(t, "%c0x%" PRIX64, i->disp < 0 ? '-' : '+',
		    i->disp < 0 ? -disp : disp);
	put(t, "]");
}

static void
put_operand(struct text *t, const struct insn *i, const struct operand *o,
    enum decode_bits bits, uint64_t block_rip)
{
	unsigned reg;

	switch ((enum operand_kind)o->kind) {
	case OPD_NONE:
		break;
	case OPD_GPR:
		reg = o->off / 8;
		if (o->off % 8)
			put(t, "%s", high8[reg & 3]);
		else
			put_reg(t, reg, o->size);
		break;
	case OPD_MEM:
		put_memory(t, i, o, bits, block_rip);
		break;
	case OPD_IMM:
		put(t, "0x%" PRIX64, cut(i->imm, o->size));
		break;
	case OPD_IMM2:
		put(t, "0x%X", i->imm2);
		break;
	case OPD_REL:
		put(t, "0x%" PRIX64, cut(block_rip + i->imm, i->size));
		break;
	case OPD_FAR:
		put(t, "0x%04X:0x%" PRIX64, i->imm2, i->imm);
		break;
	case OPD_SEG:
		put(t, "%s", segments[o->off]);
		break;
	case OPD_CR:
		put(t, "cr%u", o->off);
		break;
	case OPD_DR:
		put(t, "dr%u", o->off);
		break;
	case OPD_ST:
		put(t, "st%u", o->off);
		break;
	case OPD_MMX:
		put(t, "mm%u", o->off / 16);
		break;
	case OPD_VEC:
		put(t, "%cmm%u", o->size == 32 ? 'y' : 'x', o->off / 32);
		break;
	}
}

/* Has memory at rSI ('X'), at rDI alone ('Y'), or is no string (0). */
static char
is_string(const struct insn *i)
{
	const char *opds = insn_descs[i->id].operands;
	char found = 0;

	for (const char *o = opds; *o; o++)
		if ((*o == 'X' || *o == 'Y') && (o == opds || o[-1] == ' ') &&
		    found != 'X')
			found = *o;
	return found;
}

/* Memory that is not written: XLAT, MASKMOVQ, MASKMOVDQU. */
static bool
is_implicit(const struct insn *i)
{
	const char *opds = insn_descs[i->id].operands;

	return strstr(opds, "BB") || strstr(opds, "BD");
}

static void
put_mnemonic(struct text *t, const struct insn *i)
{
	static const char conditions[16][4] = {
		"o", "no", "b", "nb", "z", "nz", "be", "nbe",
		"s", "ns", "p", "np", "l", "nl", "le", "nle",
	};
	const char *name = insn_descs[i->id].mnemonic;
	size_t n = strlen(name);

	if (i->prefix & PREFIX_LOCK)
		put(t, "lock ");
	if (is_string(i)) {
		if (i->prefix & PREFIX_REP)
			put(t, insn_descs[i->id].writes ? "repe " : "rep ");
		if (i->prefix & PREFIX_REPNE)
			put(t, "repne ");
	}
	if (n > 2 && !strcmp(name + n - 2, "cc"))
		put(t, "%.*s%s", (int)n - 2, name, conditions[i->cond & 15]);
	else
		put(t, "%s", name);
}

void
disasm(const struct insn *i, enum decode_bits bits, uint64_t block_rip,
    char *text, size_t size)
{
	struct text t = { text, size, 0 };

	if (size)
		text[0] = 0;
	put_mnemonic(&t, i);
	/* Strings: the mnemonic says it all, but for a segment. */
	if (is_string(i)) {
		if (is_string(i) == 'X' && i->seg < SEG_FLAT &&
		    i->seg != SEG_DS)
			put(&t, " %s:", segments[i->seg]);
		return;
	}
	for (unsigned n = 0; n < 4 && i->opd[n].kind; n++) {
		if (i->opd[n].kind == OPD_MEM && is_implicit(i))
			break;
		put(&t, "%s", n ? ", " : " ");
		put_operand(&t, i, &i->opd[n], bits, block_rip);
	}
}
