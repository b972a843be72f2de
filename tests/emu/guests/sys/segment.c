/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.c - segments, gates and exceptions in 32-bit protected mode (SDM
 * 3A, chapters 5 and 6; SDM 2, pages of the instructions)
 */
#include "legacy.h"

SNIP(load_ds, "mov %eax, %ds");
SNIP(load_es, "mov %eax, %es");
SNIP(load_fs, "mov %eax, %fs");
SNIP(load_ss, "mov %eax, %ss; mov %ebx, %ss");
SNIP(rd1, "mov %fs:(%eax), %bl");
SNIP(rd2, "mov %fs:(%eax), %bx");
SNIP(rd4, "mov %fs:(%eax), %ebx");
SNIP(wr1, "mov %bl, %fs:(%eax)");
SNIP(wr2, "mov %bx, %fs:(%eax)");
SNIP(wr4, "mov %ebx, %fs:(%eax)");
SNIP(rd8, "fs cmpxchg8b (%eax)");
SNIP(pushs, "push %ebx");
SNIP(lods, "mov $3, %ecx; fs; rep lodsl");

static struct state
fs_state(unsigned cpl, const void *code, unsigned selector, uint32_t eax)
{
	struct state s = cpl ? at3(code) : at0(code);

	s.fs = selector;
	s.gpr[0] = eax;
	s.gpr[3] = 0x10;
	return s;
}

/* --- Limits: each size at the border, 5.3 ---------------------------------- */

static void
limit_of(const char *name, uint64_t d, uint32_t first, uint32_t last)
{
	static const struct { const char *code; unsigned size; } how[] = {
		{ rd1, 1 }, { rd2, 2 }, { rd4, 4 }, { wr1, 1 }, { wr2, 2 },
		{ wr4, 4 }, { rd8, 8 } };
	unsigned bad = 0;

	slot(0, d);
	for (unsigned n = 0; n < 7; n++)
		for (int k = -9; k < 10; k++)
			for (unsigned m = 0; m < 2; m++) {
				uint32_t at = (m ? last : first) + k;
				uint32_t end = at + how[n].size - 1;
				bool good = at >= first && end >= at &&
				    end <= last;
				struct state s = fs_state(0, how[n].code,
				    SEL(0), at);

				trial(&s);
				if (good ? seen.vector != DONE :
				    seen.vector != GP || seen.error ||
				    seen.ip != (word)how[n].code)
					if (!bad++)
						say("# at %x size %d: %x\n",
						    at, how[n].size,
						    (unsigned)seen.vector);
			}
	check(name, bad, 0);
}

static void
limits(void)
{
	uint32_t at = (uint32_t)data;

	limit_of("limit: 0 bytes", desc(at, 0, ACC_DATA, BIG), 0, 0);
	limit_of("limit: 100 bytes", desc(at, 99, ACC_DATA, BIG), 0, 99);
	limit_of("limit: 100 bytes, B clear", desc(at, 99, ACC_DATA, 0), 0,
	    99);
	limit_of("limit: one page", desc(at, 0, ACC_DATA, BIG | PAGES), 0,
	    4095);
	limit_of("limit: two pages", desc(at, 1, ACC_DATA, BIG | PAGES), 0,
	    8191);
	limit_of("limit: expand down, B clear",
	    desc(at - 0xe000, 0xefff, ACC_DOWN, 0), 0xf000, 0xffff);
	limit_of("limit: expand down, B clear, by one",
	    desc(at - 0xe000, 0xfff0, ACC_DOWN, 0), 0xfff1, 0xffff);
	limit_of("limit: expand down, B set",
	    desc(at + 8192, 0xfffff - 2, ACC_DOWN, BIG | PAGES),
	    0xffffe000, 0xffffffff);
	limit_of("limit: code that can be read is a limit too",
	    desc(at, 99, ACC_DATA, BIG), 0, 99);
}

static void
rights_of(const char *name, unsigned access, bool read, bool write)
{
	struct state s;

	slot(0, desc((uint32_t)data, 4095, access, BIG));
	s = fs_state(0, rd4, SEL(0), 0);
	if (!read) {
		s.fs = KDS;
		s.ip = (word)load_fs;
		s.gpr[0] = SEL(0);
		trial(&s);
		check_raised(name, GP, SEL(0));
		return;
	}
	trial(&s);
	check(name, seen.vector, DONE);
	s.ip = (word)wr4;
	trial(&s);
	check(name, seen.vector, write ? DONE : GP);
}

static void
rights(void)
{
	struct state s;

	rights_of("rights: data", ACC_DATA, true, true);
	rights_of("rights: read only data", ACC_RO, true, false);
	rights_of("rights: code", ACC_CODE, true, false);
	rights_of("rights: execute only", ACC_XO, false, false);
	rights_of("rights: conforming", ACC_CONFORMING, true, false);
	rights_of("rights: conforming, execute only", ACC_CONFORMING & ~2,
	    false, false);
	/* Null: loads, but does not serve. */
	for (unsigned n = 0; n < 4; n++) {
		s = fs_state(0, rd4, n, 0);
		trial(&s);
		check_raised("null: read", GP, 0);
	}
	s = at0(load_ss);
	s.gpr[0] = 0;
	trial(&s);
	check_raised("null: SS", GP, 0);
	s = at0(wr4);
	s.fs = KDS;
	s.gpr[0] = (word)data;
	s.ip = (word)wr4;
	/* CS cannot be written. */
	extern const char wr_cs[];
	s.ip = (word)wr_cs;
	trial(&s);
	check_raised("rights: a write to CS", GP, 0);
}
SNIP(wr_cs, "mov %ebx, %cs:(%eax)");

/* --- Loading: the checks of MOV Sreg ------------------------------------------ */

/* DPL and RPL against CPL, with every kind of segment. */
static void
loads(void)
{
	static const uint8_t access[] = { 0x91, 0x93, 0x95, 0x97, 0x99, 0x9b,
		0x9d, 0x9f, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x89,
		0x8b, 0x8c, 0x8e, 0x8f, 0x80, 0x88 };
	unsigned bad = 0, bad_ss = 0, bad_p = 0;

	for (unsigned n = 0; n < sizeof(access); n++)
		for (unsigned dpl = 0; dpl < 4; dpl++)
			for (unsigned rpl = 0; rpl < 4; rpl++)
				for (unsigned cpl = 0; cpl < 4; cpl += 3) {
		bool code = access[n] & 8, readable = !code || access[n] & 2;
		bool conforming = code && access[n] & 4, s_bit =
		    access[n] & 0x10;
		bool good = s_bit && readable &&
		    (conforming || (rpl <= dpl && cpl <= dpl));
		bool good_ss = s_bit && !code && (access[n] & 2) &&
		    rpl == cpl && dpl == cpl;
		unsigned sel = SEL(1) | rpl, error = sel & ~3u;
		struct state s = cpl ? at3(load_es) : at0(load_es);

		slot(1, desc((uint32_t)data - 0x1000000 * 0, 0xfffff,
		    access[n] | dpl << 5, BIG | PAGES));
		s.gpr[0] = sel;
		trial(&s);
		bad += good ? seen.vector != DONE || seen.es != sel :
		    seen.vector != GP || seen.error != error;
		s.ip = (word)load_ss;
		s.gpr[3] = cpl ? UDS : KDS;
		trial(&s);
		bad_ss += good_ss ? seen.vector != DONE :
		    seen.vector != GP || seen.error != error;
		/* not present: after the others */
		gdt[SEL(1) / 8] &= ~(0x80ull << 40);
		s.ip = (word)load_es;
		trial(&s);
		bad_p += seen.vector != (good ? NP : GP) ||
		    seen.error != error;
		s.ip = (word)load_ss;
		trial(&s);
		bad_p += seen.vector != (good_ss ? SS : GP) ||
		    seen.error != error;
	}
	check("load: ES, every type, DPL, RPL, CPL", bad, 0);
	check("load: SS, every type, DPL, RPL, CPL", bad_ss, 0);
	check("load: not present", bad_p, 0);
	/* the accessed bit */
	slot(1, desc(0, 0xfffff, 0x92, BIG | PAGES));
	struct state s = at0(load_ds);
	s.gpr[0] = SEL(1);
	trial(&s);
	check("load: sets the accessed bit", gdt[SEL(1) / 8] >> 40 & 1, 1);
	s.gpr[0] = 0x200;
	trial(&s);
	check_raised("load: beyond the GDT", GP, 0x200);
	s.gpr[0] = 0xfffc;
	trial(&s);
	check_raised("load: no LDT", GP, 0xfffc);
}

/* --- LAR LSL VERR VERW ARPL --------------------------------------------------------- */

SNIP(lar, "xor %ebx, %ebx; lar %eax, %ebx");
SNIP(lsl, "xor %ebx, %ebx; lsl %eax, %ebx");
SNIP(verr, "verr %ax");
SNIP(verw, "verw %ax");
SNIP(arpl, "arpl %bx, %ax");

static void
looks(void)
{
	unsigned bad[4] = { 0 };

	for (unsigned type = 0; type < 32; type++)
		for (unsigned dpl = 0; dpl < 4; dpl++)
			for (unsigned rpl = 0; rpl < 4; rpl++)
				for (unsigned cpl = 0; cpl < 4; cpl += 3) {
		static const char *const code[] = { lar, lsl, verr, verw };
		bool sys = !(type & 16), fits = dpl >= rpl && dpl >= cpl;
		bool conforming = (type & 0x1c) == 0x1c;
		bool want[4];
		uint64_t d = desc(0x12345678, 0xabcde, 0x80 | type | dpl << 5,
		    BIG | PAGES);

		/* SDM 2, tables of LAR and LSL */
		want[0] = sys ? fits && (0x1a3e >> type & 1) :
		    fits || conforming;
		want[1] = sys ? fits && (0x0a0e >> type & 1) :
		    fits || conforming;
		want[2] = !sys && (fits || conforming) && (type & 10) != 8;
		want[3] = !sys && fits && (type & 10) == 2;
		slot(2, d);
		for (unsigned n = 0; n < 4; n++) {
			struct state s = cpl ? at3(code[n]) : at0(code[n]);
			bool zf;

			s.gpr[0] = SEL(2) | rpl;
			s.flags |= want[n] ? 0 : 0x40;
			trial(&s);
			zf = seen.flags & 0x40;
			if (seen.vector != DONE || zf != want[n] ||
			    (n < 2 && seen.gpr[3] != (!zf ? 0 : n ?
			    0xabcdefff : ((uint32_t)(d >> 32) &
			    0x00f0ff00))))
				if (!bad[n]++)
					say("# %d type %x dpl %d rpl %d cpl "
					    "%d: zf %d %X\n", n, type, dpl,
					    rpl, cpl, zf, seen.gpr[3]);
		}
	}
	check("LAR: every type, DPL, RPL, CPL", bad[0], 0);
	check("LSL: every type, DPL, RPL, CPL", bad[1], 0);
	check("VERR: every type, DPL, RPL, CPL", bad[2], 0);
	check("VERW: every type, DPL, RPL, CPL", bad[3], 0);
	for (unsigned n = 0; n < 16; n++) {
		struct state s = at3(arpl);

		s.gpr[0] = 0x1230 | (n & 3);
		s.gpr[3] = 0x4560 | n >> 2;
		trial(&s);
		check("ARPL: RPL", seen.gpr[0], 0x1230 |
		    ((n & 3) > n >> 2 ? n & 3 : n >> 2));
		check("ARPL: ZF", seen.flags >> 6 & 1, (n & 3) < n >> 2);
	}
}

/* --- Exceptions: vector, saved EIP, RF --------------------------------------------------- */

SNIP(x_de, "xor %ecx, %ecx; xor %edx, %edx; x_de_at: div %ecx");
SNIP(x_idiv, "mov $0x80000000, %eax; cltd; mov $-1, %ecx; x_idiv_at: "
    "idiv %ecx");
SNIP(x_aam, "x_aam_at: aam $0");
SNIP(x_ud, "x_ud_at: ud2");
SNIP(x_bp, "int3; x_bp_at:");
SNIP(x_bp2, "int $3; x_bp2_at:");
SNIP(x_of, "mov $0x7f, %al; inc %al; into; x_of_at:");
SNIP(x_db, ".byte 0xf1; x_db_at:");
SNIP(x_int, "int $0x77; x_int_at:");
SNIP(x_br, "movl $5, data; movl $9, data + 4; mov $10, %eax; x_br_at: "
    "bound %eax, data");
SNIP(x_brok, "movl $5, data; movl $9, data + 4; mov $9, %eax; "
    "bound %eax, data");
SNIP(x_nm, "mov %cr0, %eax; or $8, %eax; mov %eax, %cr0; x_nm_at: fninit");
SNIP(x_clts, "clts");
SNIP(x_ud_lock, "x_ud_lock_at: .byte 0xf0, 0x90");
SNIP(x_ud_lock2, "x_ud_lock2_at: .byte 0xf0, 0x01, 0xc0");
SNIP(x_ud_lea, "x_ud_lea_at: .byte 0x8d, 0xc0");
SNIP(x_ud_cs, "x_ud_cs_at: .byte 0x8e, 0xc8");
SNIP(x_ud_seg, "x_ud_seg_at: .byte 0x8e, 0xf0");
SNIP(x_ud_cr1, "x_ud_cr1_at: mov %cr1, %eax");
SNIP(x_long, "x_long_at: .fill 15, 1, 0x66; nop");
SNIP(x_lidt, "x_lidt_at: .byte 0x0f, 0x01, 0xd8 + 0x20 - 0x28 + 0x18");
SNIP(x_hlt3, "x_hlt3_at: hlt");

static void
raises(const char *name, const void *code, unsigned cpl, unsigned vector,
    unsigned error, const void *at, bool rf)
{
	struct state s = cpl ? at3(code) : at0(code);

	trial(&s);
	check_raised(name, vector, error);
	check(name, seen.ip, (word)at);
	check(name, seen.flags >> 16 & 1, rf);
}

#define RAISES(text, name, cpl, vector, error, rf)			\
	do {								\
		extern const char name##_at[];				\
		raises(text, name, cpl, vector, error, name##_at, rf);	\
	} while (0)

static void
exceptions(void)
{
	struct state s;

	gate_set(BP, 14, 3);
	gate_set(OF, 14, 3);
	for (unsigned cpl = 0; cpl < 4; cpl += 3) {
		RAISES("#DE: DIV by 0", x_de, cpl, DE, 0, true);
		RAISES("#DE: IDIV overflows", x_idiv, cpl, DE, 0, true);
		RAISES("#DE: AAM 0", x_aam, cpl, DE, 0, true);
		RAISES("#UD: UD2", x_ud, cpl, UD, 0, true);
		RAISES("#BP: INT3", x_bp, cpl, BP, 0, false);
		RAISES("#BP: INT 3", x_bp2, cpl, BP, 0, false);
		RAISES("#OF: INTO", x_of, cpl, OF, 0, false);
		RAISES("#DB: INT1", x_db, cpl, DB, 0, false);
		RAISES("#BR: BOUND", x_br, cpl, BR, 0, true);
		raises("BOUND that holds", x_brok, cpl, DONE, 0, x_brok_end,
		    false);
		RAISES("#UD: LOCK NOP", x_ud_lock, cpl, UD, 0, true);
		RAISES("#UD: LOCK ADD reg", x_ud_lock2, cpl, UD, 0, true);
		RAISES("#UD: LEA reg", x_ud_lea, cpl, UD, 0, true);
		RAISES("#UD: MOV CS", x_ud_cs, cpl, UD, 0, true);
		RAISES("#UD: MOV to segment 6", x_ud_seg, cpl, UD, 0, true);
		RAISES("#GP: 16 bytes long", x_long, cpl, GP, 0, true);
	}
	RAISES("#NM: TS and EM", x_nm, 0, NM, 0, true);
	RAISES("#UD: CR1", x_ud_cr1, 0, UD, 0, true);
	raises("CLTS", x_clts, 0, DONE, 0, x_clts_end, false);
	RAISES("#GP: HLT at CPL 3", x_hlt3, 3, GP, 0, true);
	RAISES("INT n: at CPL 0", x_int, 0, 0x77, 0, false);
	/* a gate's DPL holds software back: IDT, vector, 2 */
	s = at3(x_int);
	trial(&s);
	check_raised("INT n: DPL 0 from CPL 3", GP, 0x77 * 8 + 2);
	check("INT n: EIP is of the INT", seen.ip, (word)x_int);
	gate_set(0x77, 14, 3);
	s = at3(x_int);
	s.flags |= 0x4200;	/* IF NT */
	trial(&s);
	check_raised("INT n: DPL 3 from CPL 3", 0x77, 0);
	check("INT n: the image has IF and NT", seen.flags & 0x4200, 0x4200);
	idt[0x77] &= ~(0x80ull << 40);
	trial(&s);
	check_raised("INT n: gate not present", NP, 0x77 * 8 + 2);
	idt[0x77] = call_gate(KDS, 0, 14, 3, 0);
	trial(&s);
	check_raised("INT n: gate to data", GP, KDS);
	idt[0x77] = call_gate(0, 0, 14, 3, 0);
	trial(&s);
	check_raised("INT n: gate to null", GP, 0);
	idt[0x77] = call_gate(UCS, (uint32_t)x_hlt3, 14, 3, 0);
	s = at0(x_int);
	trial(&s);
	check_raised("INT n: gate to an outer level", GP, UCS & ~3);
	for (unsigned type = 0; type < 16; type++) {
		if (type == 5 || type == 6 || type == 7 || type >= 14)
			continue;
		idt[0x77] = call_gate(KCS, 0, type, 3, 0);
		s = at3(x_int);
		trial(&s);
		check_raised("INT n: no gate of an interrupt", GP,
		    0x77 * 8 + 2);
	}
	gate_set(0x77, 14, 0);
	/* an exception ignores the gate's DPL and sets EXT in errors of its
	 * delivery */
	idt[UD] &= ~(0x80ull << 40);
	s = at3(x_ud);
	trial(&s);
	check_raised("#UD: gate not present: EXT", NP, UD * 8 + 3);
	check("#UD: gate not present: EIP", seen.ip, (word)x_ud);
	gate_set(UD, 14, 0);
	/* contributory after contributory is #DF */
	idt[DE] &= ~(0x80ull << 40);
	s = at0(x_de);
	trial(&s);
	check_raised("#DF: #NP while delivering #DE", DF, 0);
	gate_set(DE, 14, 0);
}

/* --- Call gates, far calls and returns ------------------------------------------------------- */

SNIP(far_call, "lcall *(%eax)");
SNIP(far_call_ok, "far_target: nop");
SNIP(far_jmp, "ljmp *(%eax)");
SNIP(gate_target, "mov 8(%esp), %esi; mov 12(%esp), %edi; "
    "mov 16(%esp), %ebp; lret $8");
SNIP(gate_stay, "nop");
SNIP(call_params, "push $0x111; push $0x222; lcall *(%eax)");
SNIP(call_params16, "pushw $0x333; pushw $0x444; lcall *(%eax)");

static struct { uint32_t off; uint16_t sel; } __attribute__((packed)) far;

static void
far_to(unsigned cpl, const void *code, unsigned sel, const void *off)
{
	struct state s = cpl ? at3(code) : at0(code);

	far.off = (uint32_t)off;
	far.sel = sel;
	s.gpr[0] = (word)&far;
	trial(&s);
}

static void
calls(void)
{
	extern const char gate_stay[];
	unsigned bad = 0, bad_gate = 0;

	far_to(0, far_jmp, KCS, gate_stay);
	check_raised("far JMP: same level", DONE, 0);
	check("far JMP: arrives", seen.ip, (word)gate_stay_end);
	far_to(3, far_jmp, UCS, gate_stay);
	check_raised("far JMP: same level, CPL 3", DONE, 0);
	far_to(3, far_jmp, KCS, gate_stay);
	check_raised("far JMP: to an inner level", GP, KCS);
	far_to(0, far_jmp, 0, gate_stay);
	check_raised("far JMP: null", GP, 0);
	far_to(0, far_jmp, KDS, gate_stay);
	check_raised("far JMP: data", GP, KDS);
	far_to(0, far_jmp, 0x1f8 + 8, gate_stay);
	check_raised("far JMP: beyond the GDT", GP, 0x200);
	slot(3, desc(0, 0x0fff, ACC_CODE, BIG));
	far_to(0, far_jmp, SEL(3), gate_stay);
	check_raised("far JMP: beyond the limit", GP, 0);
	check("far JMP: beyond the limit: EIP", seen.ip, (word)far_jmp);
	slot(3, desc(0, 0xfffff, ACC_CODE & ~0x80, BIG | PAGES));
	far_to(0, far_jmp, SEL(3), gate_stay);
	check_raised("far JMP: not present", NP, SEL(3));
	/* conforming: CPL stays */
	slot(3, desc(0, 0xfffff, ACC_CONFORMING, BIG | PAGES));
	far_to(3, far_jmp, SEL(3) | 3, gate_stay);
	check_raised("far JMP: conforming", DONE, 0);
	check("far JMP: conforming: CS", seen.cs, SEL(3) | 3);
	slot(3, desc(0, 0xfffff, ACC_CONFORMING | DPL3, BIG | PAGES));
	far_to(0, far_jmp, SEL(3), gate_stay);
	check_raised("far JMP: conforming with a higher DPL", GP, SEL(3));
	far_to(0, far_call, KCS, gate_stay);
	check_raised("far CALL: same level", DONE, 0);
	check("far CALL: pushes CS and EIP", at0(0).sp - seen.sp, 8);
	check("far CALL: EIP on the stack", *(uint32_t *)seen.sp,
	    (word)far_call_end - 2);

	/* through gates */
	for (unsigned dpl = 0; dpl < 4; dpl++)
		for (unsigned rpl = 0; rpl < 4; rpl++)
			for (unsigned cpl = 0; cpl < 4; cpl += 3) {
		bool open = dpl >= rpl && dpl >= cpl;

		slot(4, call_gate(KCS, (uint32_t)gate_stay, 12, dpl, 0));
		far_to(cpl, far_call, SEL(4) | rpl, 0);
		bad += open ? seen.vector != DONE || seen.cs != KCS :
		    seen.vector != GP || seen.error != SEL(4);
		if (open && cpl && seen.vector == DONE) {
			uint32_t *p = (uint32_t *)seen.sp;

			bad += seen.sp != tss.esp0 - 16 ||
			    p[0] != (word)far_call_end - 2 || p[1] != UCS ||
			    p[2] != at3(0).sp || p[3] != UDS;
		}
		/* JMP does not go inwards */
		far_to(cpl, far_jmp, SEL(4) | rpl, 0);
		bad_gate += !open ? seen.vector != GP ||
		    seen.error != SEL(4) : cpl ? seen.vector != GP ||
		    seen.error != KCS : seen.vector != DONE;
	}
	check("call gate: DPL, RPL, CPL", bad, 0);
	check("call gate: JMP", bad_gate, 0);
	slot(4, call_gate(KCS, (uint32_t)gate_target, 12, 3, 2));
	far_to(3, call_params, SEL(4), 0);
	check_raised("call gate: two parameters", DONE, 0);
	check("call gate: the last parameter", seen.gpr[6], 0x222);
	check("call gate: the first parameter", seen.gpr[7], 0x111);
	check("call gate: the outer ESP", seen.gpr[5], at3(0).sp - 8);
	check("far RET: releases both stacks", seen.sp, at3(0).sp);
	check("far RET: CS", seen.cs, UCS);
	check("far RET: SS", seen.ss, UDS);
	gdt[SEL(4) / 8] &= ~(0x80ull << 40);
	far_to(3, far_call, SEL(4), 0);
	check_raised("call gate: not present", NP, SEL(4));
	slot(4, call_gate(KDS, 0, 12, 3, 0));
	far_to(3, far_call, SEL(4), 0);
	check_raised("call gate: to data", GP, KDS);
	slot(4, call_gate(0, 0, 12, 3, 0));
	far_to(3, far_call, SEL(4), 0);
	check_raised("call gate: to null", GP, 0);
	/* the inner stack */
	slot(4, call_gate(KCS, (uint32_t)gate_stay, 12, 3, 0));
	idt[TS] = idt[TS];
	tss.ss0 = 0;
	slot(5, 0);
	tss.ss0 = KDS;
}

/* --- IRET and far RET to outer levels --------------------------------------------------------- */

SNIP(do_iret, "iret");
SNIP(do_lret, "lret");
SNIP(outer, "nop");

static uint32_t stack[8];

static void
pops(const char *name, const char *code, unsigned cs, unsigned ss,
    unsigned vector, unsigned error)
{
	struct state s = at0(code);
	unsigned n = 0;

	stack[n++] = (uint32_t)outer;
	stack[n++] = cs;
	if (code == do_iret)
		stack[n++] = 2;
	stack[n++] = at3(0).sp;
	stack[n++] = ss;
	s.sp = (word)stack;
	/* the handler's frame must not lie over it */
	static uint32_t room[64];
	for (unsigned k = 0; k < n; k++)
		room[48 + k] = stack[k];
	s.sp = (word)(room + 48);
	trial(&s);
	check_raised(name, vector, error);
}

static void
returns(void)
{
	static const char *const code[] = { do_iret, do_lret };

	for (unsigned n = 0; n < 2; n++) {
		const char *c = code[n];

		pops("return: outwards", c, UCS, UDS, DONE, 0);
		check("return: outwards: ESP", seen.sp, at3(0).sp);
		check("return: outwards: SS", seen.ss, UDS);
		check("return: outwards: null of the kernel's DS", seen.ds,
		    0);
		pops("return: to null", c, 0, UDS, GP, 0);
		pops("return: to null with RPL", c, 3, UDS, GP, 0);
		pops("return: to data", c, UDS, UDS, GP, UDS & ~3);
		pops("return: RPL is not DPL", c, KCS | 3, UDS, GP, KCS);
		pops("return: beyond the GDT", c, 0x203, UDS, GP, 0x200);
		pops("return: SS null", c, UCS, 0, GP, 0);
		pops("return: SS null with RPL", c, UCS, 3, GP, 0);
		pops("return: SS of another level", c, UCS, KDS, GP, KDS);
		pops("return: SS with another RPL", c, UCS, UDS & ~3, GP,
		    UDS & ~3);
		pops("return: SS of code", c, UCS, UCS, GP, UCS & ~3);
		slot(6, desc(0, 0xfffff, (0x93 | DPL3) & ~0x80, BIG | PAGES));
		pops("return: SS not present", c, UCS, SEL(6) | 3, SS,
		    SEL(6));
		slot(6, desc(0, 0xfffff, (0x9b | DPL3) & ~0x80, BIG | PAGES));
		pops("return: CS not present", c, SEL(6) | 3, UDS, NP,
		    SEL(6));
		slot(6, desc(0, 0xff, 0x9b | DPL3, BIG));
		pops("return: beyond the limit", c, SEL(6) | 3, UDS, GP, 0);
	}
}

/* --- Privileged instructions, I/O bitmap ---------------------------------------------------------- */

SNIP(io_in1, "in %dx, %al");
SNIP(io_in2, "in %dx, %ax");
SNIP(io_in4, "in %dx, %eax");
SNIP(cli_sti, "cli; sti; cli");

#define PRIV(name, text) SNIP(name, text)
PRIV(p_hlt, "hlt");
PRIV(p_lgdt, "lgdt gdtr");
PRIV(p_lidt, "lidt idtr");
PRIV(p_lldt, "lldt %ax");
PRIV(p_ltr, "ltr %ax");
PRIV(p_lmsw, "lmsw %ax");
PRIV(p_clts, "clts");
PRIV(p_cr0, "mov %cr0, %eax");
PRIV(p_cr3, "mov %eax, %cr3");
PRIV(p_dr7, "mov %dr7, %eax");
PRIV(p_invlpg, "invlpg (%eax)");
PRIV(p_invd, "invd");
PRIV(p_wbinvd, "wbinvd");
PRIV(p_rdmsr, "rdmsr");
PRIV(p_wrmsr, "wrmsr");
PRIV(p_rdpmc, "rdpmc");
PRIV(p_cli, "cli");
PRIV(p_sti, "sti");
PRIV(p_in, "in $0x80, %al");
PRIV(p_out, "out %al, $0x80");
PRIV(p_insb, "insb");
PRIV(p_outsb, "outsb");

static void
privileged(void)
{
	static const struct { const char *name, *code; } p[] = {
#define X(n) { "#GP at CPL 3: " #n, p_##n }
		X(hlt), X(lgdt), X(lidt), X(lldt), X(ltr), X(lmsw), X(clts),
		X(cr0), X(cr3), X(dr7), X(invlpg), X(invd), X(wbinvd),
		X(rdmsr), X(wrmsr), X(rdpmc), X(cli), X(sti), X(in), X(out),
		X(insb), X(outsb),
	};
	static const struct { const char *code; unsigned size; } io[] = {
		{ io_in1, 1 }, { io_in2, 2 }, { io_in4, 4 } };
	unsigned bad = 0;
	struct state s;

	for (unsigned n = 0; n < sizeof(p) / sizeof(p[0]); n++) {
		s = at3(p[n].code);
		trial(&s);
		check_raised(p[n].name, GP, 0);
		check("its EIP", seen.ip, (word)p[n].code);
	}
	s = at3(cli_sti);
	s.flags |= 0x3000;
	trial(&s);
	check_raised("IOPL 3: CLI and STI", DONE, 0);
	for (unsigned denied = 0x70; denied < 0x90; denied++) {
		for (unsigned n = 0; n < sizeof(tss.bits); n++)
			tss.bits[n] = 0;
		tss.bits[denied / 8] = 1 << (denied & 7);
		for (unsigned port = 0x80; port < 0x84; port++)
			for (unsigned n = 0; n < 3; n++) {
				bool bars = denied >= port &&
				    denied < port + io[n].size;

				s = at3(io[n].code);
				s.gpr[2] = port;
				trial(&s);
				bad += seen.vector != (bars ? GP : DONE);
			}
	}
	check("I/O bitmap: each bit", bad, 0);
	/* the byte after the last one must lie within the limit */
	for (unsigned n = 0; n < sizeof(tss.bits); n++)
		tss.bits[n] = 0;
	gdt[TSS / 8] = desc((uint32_t)&tss, 0x68 + 0x80 / 8, 0x89, 0);
	__asm__ volatile("ltr %w0" : : "r"(TSS));
	s = at3(io_in1);
	s.gpr[2] = 0x80;
	trial(&s);
	check_raised("I/O bitmap: the limit cuts the second byte", GP, 0);
	s.gpr[2] = 0x7f;
	trial(&s);
	check_raised("I/O bitmap: the last port below the limit", DONE, 0);
	tss.map = 0xffff;
	trial(&s);
	check_raised("I/O bitmap: none", GP, 0);
	tss.map = 0x68;
	gdt[TSS / 8] = desc((uint32_t)&tss, sizeof(tss) - 1, 0x89, 0);
	__asm__ volatile("ltr %w0" : : "r"(TSS));
}

void
main(void)
{
	setup();
	limits();
	rights();
	loads();
	looks();
	exceptions();
	calls();
	returns();
	privileged();
	finish();
}
