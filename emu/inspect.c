/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inspect.c - a processor's registers and code as text, for the monitor
 *
 * All of it from struct cpu_regs, so that it is the same with every engine.
 * The walk through page tables sets no bits and asks for no rights.
 *
 * Intel SDM 3A, chapter 4 for paging.
 */
#include "inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "cpu/decode.h"
#include "cpu/disasm.h"

#define CR0_PE 1u
#define CR0_PG (1u << 31)
#define CR4_PSE (1u << 4)
#define CR4_PAE (1u << 5)
#define EFER_LMA (1u << 10)
#define RFLAGS_VM (1u << 17)
#define ATTR_L (1u << 13)	/* in cpu_segment.attr: descriptor bit 53 */
#define ATTR_DB (1u << 14)
#define FRAME_BITS 0x000ffffffffff000ull

enum { ES, CS, SS };

static bool
is_long(const struct cpu_regs *r)
{
	return r->efer & EFER_LMA && r->seg[CS].attr & ATTR_L;
}

/* --- Registers ----------------------------------------------------------- */

static const char *const gpr64[16] = { "rax", "rcx", "rdx", "rbx", "rsp",
	"rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
	"r15" };
static const char *const segments[6] = { "es", "cs", "ss", "ds", "fs", "gs" };

bool
inspect_register(const struct cpu_regs *r, const char *name, uint64_t *v)
{
	const struct { const char *name; uint64_t value; } others[] = {
		{ "rip", r->rip }, { "eip", (uint32_t)r->rip },
		/* Where it executes: linear, as x wants it. */
		{ "pc", is_long(r) ? r->rip :
		    (uint32_t)(r->rip + r->seg[CS].base) },
		{ "sp", is_long(r) ? r->gpr[4] :
		    (uint32_t)(r->gpr[4] + r->seg[SS].base) },
		{ "rflags", r->rflags }, { "eflags", (uint32_t)r->rflags },
		{ "cr0", r->cr0 }, { "cr2", r->cr2 }, { "cr3", r->cr3 },
		{ "cr4", r->cr4 }, { "cr8", r->cr8 }, { "efer", r->efer },
		{ "gdtr", r->gdt_base }, { "idtr", r->idt_base },
		{ "tr", r->tr.selector }, { "ldtr", r->ldtr.selector },
	};

	for (unsigned i = 0; i < 16; i++) {
		bool low = i < 8 && name[0] == 'e' &&
		    !strcmp(name + 1, gpr64[i] + 1);

		if (!low && strcmp(name, gpr64[i]))
			continue;
		*v = low ? (uint32_t)r->gpr[i] : r->gpr[i];
		return true;
	}
	for (unsigned i = 0; i < 6; i++) {
		if (!strcmp(name, segments[i])) {
			*v = r->seg[i].selector;
			return true;
		}
	}
	for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
		if (!strcmp(name, others[i].name)) {
			*v = others[i].value;
			return true;
		}
	}
	return false;
}

struct printer {
	void (*line)(void *arg, const char *text);
	void *arg;
	bool wide;		/* 64-bit registers are in use */
};

static void
show_gprs(const struct printer *p, const struct cpu_regs *r)
{
	static const uint8_t order[16] = { 0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10,
		11, 12, 13, 14, 15 };
	static const char *const names[16] = { "AX", "BX", "CX", "DX", "SI",
		"DI", "BP", "SP", "8 ", "9 ", "10", "11", "12", "13", "14",
		"15" };
	char text[160];

	for (unsigned i = 0; i < (p->wide ? 16 : 8); i += 4) {
		int at = 0;

		for (unsigned k = i; k < i + 4; k++)
			at += snprintf(text + at, sizeof(text) - at,
			    p->wide ? "%sR%s=%016" PRIx64 :
			    "%sE%s=%08" PRIx64, k > i ? " " : "", names[k],
			    p->wide ? r->gpr[order[k]] :
			    (uint64_t)(uint32_t)r->gpr[order[k]]);
		p->line(p->arg, text);
	}
}

static void
show_flags(const struct printer *p, const struct cpu_regs *r, bool a20)
{
	static const struct { uint8_t bit; char name; } flags[] = {
		{ 10, 'D' }, { 11, 'O' }, { 7, 'S' }, { 6, 'Z' }, { 4, 'A' },
		{ 2, 'P' }, { 0, 'C' },
	};
	char set[ARRAY_LEN(flags) + 1], text[160];

	for (unsigned i = 0; i < ARRAY_LEN(flags); i++)
		set[i] = r->rflags >> flags[i].bit & 1 ? flags[i].name : '-';
	set[ARRAY_LEN(flags)] = '\0';
	snprintf(text, sizeof(text), p->wide ?
	    "RIP=%016" PRIx64 " RFL=%08" PRIx64 " [%s] CPL=%u A20=%u" :
	    "EIP=%08" PRIx64 " EFL=%08" PRIx64 " [%s] CPL=%u A20=%u",
	    r->rip, r->rflags, set, r->seg[SS].attr >> 5 & 3, a20);
	p->line(p->arg, text);
}

static void
show_segment(const struct printer *p, const char *name,
    const struct cpu_segment *s)
{
	char text[160];

	/* The attributes where a descriptor's second half has them. */
	snprintf(text, sizeof(text), p->wide ?
	    "%-3s=%04x %016" PRIx64 " %08x %08x DPL=%u" :
	    "%-3s=%04x %08" PRIx64 " %08x %08x DPL=%u", name, s->selector,
	    s->base, s->limit, s->attr << 8, s->attr >> 5 & 3);
	p->line(p->arg, text);
}

void
inspect_registers(const struct cpu_regs *r, bool a20,
    void (*line)(void *arg, const char *text), void *arg)
{
	static const char *const names[6] = { "ES", "CS", "SS", "DS", "FS",
		"GS" };
	struct printer p = { line, arg, r->efer & EFER_LMA };
	char text[160];

	show_gprs(&p, r);
	show_flags(&p, r, a20);
	for (unsigned i = 0; i < 6; i++)
		show_segment(&p, names[i], &r->seg[i]);
	show_segment(&p, "LDT", &r->ldtr);
	show_segment(&p, "TR", &r->tr);
	snprintf(text, sizeof(text), p.wide ? "GDT=     %016" PRIx64 " %08x" :
	    "GDT=     %08" PRIx64 " %08x", r->gdt_base, r->gdt_limit);
	line(arg, text);
	snprintf(text, sizeof(text), p.wide ? "IDT=     %016" PRIx64 " %08x" :
	    "IDT=     %08" PRIx64 " %08x", r->idt_base, r->idt_limit);
	line(arg, text);
	snprintf(text, sizeof(text), p.wide ? "CR0=%08" PRIx64 " CR2=%016"
	    PRIx64 " CR3=%016" PRIx64 " CR4=%08" PRIx64 :
	    "CR0=%08" PRIx64 " CR2=%08" PRIx64 " CR3=%08" PRIx64 " CR4=%08"
	    PRIx64, r->cr0, r->cr2, r->cr3, r->cr4);
	line(arg, text);
	snprintf(text, sizeof(text), "DR0=%016" PRIx64 " DR1=%016" PRIx64
	    " DR2=%016" PRIx64 " DR3=%016" PRIx64, r->dr[0], r->dr[1],
	    r->dr[2], r->dr[3]);
	line(arg, text);
	snprintf(text, sizeof(text), "DR6=%016" PRIx64 " DR7=%016" PRIx64,
	    r->dr[6], r->dr[7]);
	line(arg, text);
	snprintf(text, sizeof(text), "EFER=%016" PRIx64, r->efer);
	line(arg, text);
}

/* --- Paging -------------------------------------------------------------- */

static bool
entry(struct mem *mem, uint64_t at, unsigned size, uint64_t *e)
{
	uint8_t b[8] = { 0 };

	if (!mem_read(mem, at, b, size))
		return false;
	*e = 0;
	for (unsigned i = 0; i < size; i++)
		*e |= (uint64_t)b[i] << 8 * i;
	return *e & 1;
}

/* 4.3: two levels of 32-bit entries. */
static bool
walk32(const struct cpu_regs *r, struct mem *mem, uint32_t lin, uint64_t *gpa)
{
	uint64_t e;

	if (!entry(mem, (r->cr3 & 0xfffff000) + (lin >> 22) * 4, 4, &e))
		return false;
	if (e & 0x80 && r->cr4 & CR4_PSE) {
		*gpa = (e & 0xffc00000) | (e >> 13 & 0xff) << 32 |
		    (lin & 0x3fffff);
		return true;
	}
	if (!entry(mem, (e & 0xfffff000) + (lin >> 12 & 0x3ff) * 4, 4, &e))
		return false;
	*gpa = (e & 0xfffff000) | (lin & 0xfff);
	return true;
}

/* 4.4, 4.5: three or four levels of 64-bit entries. */
static bool
walk64(const struct cpu_regs *r, struct mem *mem, uint64_t lin, uint64_t *gpa)
{
	bool four = r->efer & EFER_LMA;
	uint64_t table = four ? r->cr3 & FRAME_BITS : r->cr3 & 0xffffffe0, e;

	for (unsigned shift = four ? 39 : 30; ; shift -= 9) {
		if (!entry(mem, table + (lin >> shift & 0x1ff) * 8, 8, &e))
			return false;
		if (shift == 12 || (e & 0x80 && shift < 39 &&
		    (four || shift < 30))) {
			uint64_t mask = (1ull << shift) - 1;

			*gpa = (e & FRAME_BITS & ~mask) | (lin & mask);
			return true;
		}
		table = e & FRAME_BITS;
	}
}

bool
inspect_translate(const struct cpu_regs *r, struct mem *mem, uint64_t lin,
    uint64_t *gpa)
{
	if (!(r->cr0 & CR0_PG)) {
		*gpa = (uint32_t)lin;
		return true;
	}
	if (!(r->efer & EFER_LMA))
		lin = (uint32_t)lin;
	return r->cr4 & CR4_PAE ? walk64(r, mem, lin, gpa) :
	    walk32(r, mem, (uint32_t)lin, gpa);
}

/* --- Code ---------------------------------------------------------------- */

unsigned
inspect_code(const struct cpu_regs *r, uint64_t addr, const uint8_t *bytes,
    unsigned n, char *text, size_t size)
{
	bool real = !(r->cr0 & CR0_PE) || r->rflags & RFLAGS_VM;
	enum decode_bits bits = is_long(r) ? DECODE_64 :
	    !real && r->seg[CS].attr & ATTR_DB ? DECODE_32 : DECODE_16;
	struct cpu_features all = { real ? ~0ull : ~CPU_FEATURES_NO_VEX };
	struct insn i;
	unsigned len;

	len = decode(bytes, n, bits, false, 0, &all, &i);
	if (len != DECODE_SHORT)
		disasm(&i, bits, addr, text, size);
	return len;
}
