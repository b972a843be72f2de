/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.h - one processor's state, and how its instructions see memory
 *
 * Shared by everything below cpu/ and by the translator; the board sees
 * cpu.h only.  Hosts are little-endian 64-bit: registers are used through
 * byte offsets into gpr[] and vec[].
 *
 * Handlers.  A decoded instruction's run() does its work and runs the next
 * one (CPU_NEXT), so a block is a chain of calls that the compiler makes
 * jumps of.  A handler that cannot go on raises a fault: cpu_fault() and its
 * friends do not return; they unwind to the loop in interp.c, which delivers
 * the exception with the state as it was before the instruction.  So nothing
 * of the state may change before the last access that can fault.  Handlers
 * are only called through insn.run, in the thread of their processor.
 *
 * RIP is known as cpu.gpr[REG_BLOCK] + insn.pos while a block runs.
 */
#ifndef CPU_STATE_H
#define CPU_STATE_H

#include <setjmp.h>
#include <stdatomic.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/flags.h"
#include "cpu/insn.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R15 = 15 };

/* Control register bits (SDM 3A, 2.5). */
#define CR0_PE 0x1u
#define CR0_MP 0x2u
#define CR0_EM 0x4u
#define CR0_TS 0x8u
#define CR0_ET 0x10u
#define CR0_NE 0x20u
#define CR0_WP 0x10000u
#define CR0_AM 0x40000u
#define CR0_NW 0x20000000u
#define CR0_CD 0x40000000u
#define CR0_PG 0x80000000u
#define CR4_VME 0x1u
#define CR4_PVI 0x2u
#define CR4_TSD 0x4u
#define CR4_DE 0x8u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u
#define CR4_MCE 0x40u
#define CR4_PGE 0x80u
#define CR4_PCE 0x100u
#define CR4_OSFXSR 0x200u
#define CR4_OSXMMEXCPT 0x400u
#define CR4_UMIP 0x800u
#define CR4_FSGSBASE 0x10000u
#define CR4_PCIDE 0x20000u
#define CR4_OSXSAVE 0x40000u
#define CR4_SMEP 0x100000u
#define CR4_SMAP 0x200000u
#define EFER_SCE 0x1u
#define EFER_LME 0x100u
#define EFER_LMA 0x400u
#define EFER_NXE 0x800u

/* Exception vectors (SDM 3A, 6.3.1). */
enum {
	EXC_DE, EXC_DB, EXC_NMI, EXC_BP, EXC_OF, EXC_BR, EXC_UD, EXC_NM,
	EXC_DF, EXC_TS = 10, EXC_NP, EXC_SS, EXC_GP, EXC_PF,
	EXC_MF = 16, EXC_AC, EXC_MC, EXC_XM,
};

/* --- Translations ---------------------------------------------------------- */

/*
 * A direct-mapped table per kind of access and per view.  page is the linear
 * page address, tlb_none() where the entry is empty; host address = linear +
 * add.  Only plain RAM (and ROM, for reading) is ever entered, so a hit needs
 * no other check: rights, accessed and dirty bits, watchpoints and decoded
 * code were looked at when the entry was made.
 */
enum { TLB_READ, TLB_WRITE, TLB_EXEC, TLB_KINDS };
#define TLB_BITS 9
#define TLB_ENTRIES (1u << TLB_BITS)

struct tlb_entry {
	uint64_t page;
	uint64_t add;
};

/* Supervisor, supervisor with EFLAGS.AC (SMAP lifted), user. */
enum { VIEW_KERNEL, VIEW_KERNEL_AC, VIEW_USER, VIEWS };

struct tlb_view {
	struct tlb_entry e[TLB_KINDS][TLB_ENTRIES];
	bool used[TLB_KINDS];	/* anything entered since it was cleared */
	/* The last page written to that holds code: data beside code is often
	 * written again (access.c). */
	struct tlb_entry beside;
	uint64_t beside_frame;
	bool beside_known;
};

/* An empty entry n: the address of a page that has its place in another one.
 * That it is not canonical does not suffice: 64-bit code may ask for it. */
static inline uint64_t
tlb_none(unsigned n)
{
	return 1ull << 63 | (uint64_t)(~n & 1) << PAGE_BITS;
}

struct block;
struct blocks;			/* block.h: this processor's decoded code */
struct paging;			/* paging.c: walk caches, PCIDs */

struct cpu {
	/* --- what handlers touch all the time --- */
	uint64_t gpr[18];	/* [16] is 0, [17] RIP of the running block */
	struct flags flags;	/* the arithmetic six */
	int df;			/* +1 or -1 */
	struct tlb_entry *tlb[TLB_KINDS];	/* of the view in force */
	struct tlb_view *view;			/* that view */
	struct cpu_segment seg[SEG_N];	/* SEG_FLAT: base 0 */
	/* Blocks left to run before the loop looks at requests: set to 1 by
	 * whatever wants it to look now. */
	int fuel;
	uint8_t cpl;
	uint8_t bits;		/* enum decode_bits of CS */
	bool stack32, stack64;	/* SS.B; 64-bit code: how SP is wrapped */
	bool flat;		/* 32-bit code whose CS DS ES SS span 4 GiB from 0 */
	bool no_vex;		/* real or virtual-8086 mode: VEX is not known */
	struct block *next_block;	/* for the loop, when a handler knows it */
	uint64_t rip;		/* when no block runs */
	uint32_t eflags;	/* the rest: IF TF IOPL NT RF VM AC VIF VIP ID */
	uint64_t cr0, cr2, cr3, cr4, cr8, efer, xcr0;

	/* --- vector and floating point --- */
	uint8_t vec[16][32] __attribute__((aligned(32)));
	uint8_t fpr[8][16] __attribute__((aligned(16))); /* physical; MMX: low 8 */
	uint16_t fcw, fsw, fop;	/* TOP is in fsw */
	uint8_t ftw;		/* bit n: physical register n is in use */
	uint64_t fip, fdp;
	uint16_t fcs, fds;
	uint32_t mxcsr;		/* its flags: the host's register has more, fp.h */
	uint8_t fp_stop;	/* FP_STOP_*: why vector code cannot just run */
	uint8_t x87_lazy;	/* X87_LAZY_*: what fsw does not have yet */
	struct {		/* of the last x87 operation: x87.h */
		uint8_t a[16], b[16];
		uint16_t (*run)(void *d, const void *a, const void *b);
	} x87_last __attribute__((aligned(16)));
	uint8_t scratch[64] __attribute__((aligned(32))); /* an operand's bytes */

	/* --- system --- */
	struct cpu_segment ldtr, tr;
	uint64_t gdt_base, idt_base;
	uint16_t gdt_limit, idt_limit;
	uint64_t dr[8];
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base, tsc_aux;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t pat, misc_enable, tsc_offset, tsc_adjust, mtrr[32], mtrr_def;
	uint64_t kvmclock[2];	/* MSRs 4b564d00h, 4b564d01h */
	uint8_t shadow;		/* no interrupt before the next insn is done: */
#define SHADOW_STI 1
#define SHADOW_SS 2		/* nor a debug trap */
	bool nmi_blocked;
	bool halted;
	bool waits_for_sipi;
	uint32_t pending_db;	/* DR6 bits of traps to raise after this insn */

	/* --- the machine round it --- */
	struct mem *mem;
	struct bus *bus;
	const struct cpu_model *model;
	struct cpu_apic apic;
	unsigned id;
	atomic_uint requests;	/* CPU_REQ_* */
	atomic_uchar sipi_vector;

	/* --- this engine's own --- */
	struct blocks *blocks;
	struct paging *paging;
	jmp_buf unwind;		/* set in interp.c */
	const struct insn *at;	/* the instruction that faulted */
	struct { uint8_t vector; bool has_error, soft; uint32_t error; } fault;
	int delivering;		/* vector on its way, -1: none; fault.c */
	uint64_t soft_rip;	/* of the INT n on its way */
	char why[128];
	struct interp *interp;	/* interp.c: sleeping, waking, code written */
};

static inline bool
cpu_canonical(uint64_t a)
{
	return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

/* --- Faults; none returns -------------------------------------------------- */

/* With the state as before insn i.  #PF sets CR2 before the call. */
_Noreturn void cpu_fault(struct cpu *, const struct insn *i, unsigned vector);
_Noreturn void cpu_fault_error(struct cpu *, const struct insn *i,
    unsigned vector, uint32_t error);
static inline _Noreturn void
cpu_ud(struct cpu *c, const struct insn *i)
{
	cpu_fault(c, i, EXC_UD);
}
static inline _Noreturn void
cpu_gp(struct cpu *c, const struct insn *i, uint32_t error)
{
	cpu_fault_error(c, i, EXC_GP, error);
}

/* --- Running --------------------------------------------------------------- */

#define CPU_NEXT(c, i) ((i) + 1)->run((c), (i) + 1)

/*
 * A handler whose body falls through to the next instruction:
 *	EXEC(x_bswap) { ...c, i... }
 * Locals whose address escapes belong into a noinline function: they would
 * keep the compiler from making the last call a jump.
 */
#define EXEC(name)							\
	static inline __attribute__((always_inline)) void		\
	name##_body(struct cpu *c, const struct insn *i);		\
	void name(struct cpu *c, const struct insn *i)			\
	{								\
		name##_body(c, i);					\
		CPU_NEXT(c, i);						\
	}								\
	static inline __attribute__((always_inline)) void		\
	name##_body(struct cpu *c, const struct insn *i)

static inline uint64_t
insn_rip(const struct cpu *c, const struct insn *i)
{
	return c->gpr[REG_BLOCK] + i->pos;
}
static inline uint64_t
insn_next_rip(const struct cpu *c, const struct insn *i)
{
	return c->gpr[REG_BLOCK] + i->pos + i->len;
}

/*
 * The ends of a block (interp.c).  Each goes to the block at its target, by
 * the chain kept in the branch where there is one, or back to the loop.  Called
 * as the last thing a handler does.  Targets are checked (limit, canonical)
 * inside, and fault as insn i before anything changed.
 */
void cpu_jump_direct(struct cpu *, const struct insn *i);	/* to REG_BLOCK + imm */
void cpu_jump_next(struct cpu *, const struct insn *i);	/* a branch not taken;
	 * others that end a block run its terminator: CPU_NEXT */
void cpu_jump_rip(struct cpu *, const struct insn *i, uint64_t rip);
/* To rip in a mode that may have changed: back to the loop, which looks at
 * everything anew. */
void cpu_resume(struct cpu *, uint64_t rip);
/* The target's truncation and check alone (CALL pushes in between). */
uint64_t cpu_check_target(struct cpu *, const struct insn *i, uint64_t rip);

/* --- General registers ------------------------------------------------------ */

#define GPR_DEFINE(bits)						\
	static inline uint##bits##_t					\
	gpr_get##bits(const struct cpu *c, unsigned off)		\
	{								\
		uint##bits##_t v;					\
		memcpy(&v, (const uint8_t *)c->gpr + off, bits / 8);	\
		return v;						\
	}
GPR_DEFINE(8)
GPR_DEFINE(16)
GPR_DEFINE(32)
GPR_DEFINE(64)
#undef GPR_DEFINE

static inline void
gpr_put8(struct cpu *c, unsigned off, uint8_t v)
{
	((uint8_t *)c->gpr)[off] = v;
}
static inline void
gpr_put16(struct cpu *c, unsigned off, uint16_t v)
{
	memcpy((uint8_t *)c->gpr + off, &v, 2);
}
static inline void
gpr_put32(struct cpu *c, unsigned off, uint32_t v)
{
	uint64_t wide = v;	/* the upper half is cleared */

	memcpy((uint8_t *)c->gpr + off, &wide, 8);
}
static inline void
gpr_put64(struct cpu *c, unsigned off, uint64_t v)
{
	memcpy((uint8_t *)c->gpr + off, &v, 8);
}

/* --- Memory ------------------------------------------------------------------ */

/* The effective address of the insn's memory operand. */
static inline uint64_t
cpu_ea(const struct cpu *c, const struct insn *i)
{
	return (c->gpr[i->base] + (c->gpr[i->index] << i->scale) +
	    (uint64_t)i->disp) & i->amask;
}

/* Limit, rights and base of segment seg for [off, off + size); faults. kind:
 * TLB_READ, TLB_WRITE.  In long mode FS and GS bases only. (segment.c) */
uint64_t cpu_segment_linear(struct cpu *, const struct insn *i, unsigned seg,
    uint64_t off, unsigned size, int kind);

/* The memory operand's linear address, checked. */
static inline uint64_t
cpu_linear(struct cpu *c, const struct insn *i, unsigned size, int kind)
{
	uint64_t off = cpu_ea(c, i);

	if (unlikely(i->flags & INSN_CHECKED))
		return cpu_segment_linear(c, i, i->seg, off, size, kind);
	return off;
}

/* Of another offset in the same segment (BT's bit strings, 2nd halves). */
static inline uint64_t
cpu_linear_at(struct cpu *c, const struct insn *i, uint64_t off,
    unsigned size, int kind)
{
	if (unlikely(i->flags & INSN_CHECKED))
		return cpu_segment_linear(c, i, i->seg, off & i->amask, size,
		    kind);
	return off & i->amask;
}

/* Host address of [lin, lin + size) if the table has it, else NULL. */
static inline void *
tlb_find(const struct cpu *c, uint64_t lin, unsigned size, int kind)
{
	const struct tlb_entry *e =
	    &c->tlb[kind][lin >> PAGE_BITS & (TLB_ENTRIES - 1)];

	return likely(lin - e->page <= PAGE_SIZE - size) ?
	    (void *)(uintptr_t)(lin + e->add) : NULL;
}

/* What the tables do not have: walks, faults, devices, page crossings, code
 * (paging.c).  size 1, 2, 4, 8. */
uint64_t cpu_load_slow(struct cpu *, const struct insn *, uint64_t lin,
    unsigned size);
void cpu_store_slow(struct cpu *, const struct insn *, uint64_t lin,
    unsigned size, uint64_t v);
/* Any length up to a page; all or nothing: both pages are checked first. */
void cpu_load_bytes(struct cpu *, const struct insn *, uint64_t lin,
    void *buf, unsigned len);
void cpu_store_bytes(struct cpu *, const struct insn *, uint64_t lin,
    const void *buf, unsigned len);
/* Faults as an access of this kind would, changes nothing: before the first
 * of several stores. */
void cpu_probe(struct cpu *, const struct insn *, uint64_t lin, unsigned len,
    int kind);
/* The same as supervisor, whatever CPL is (descriptor tables, TSS). */
uint64_t cpu_system_load(struct cpu *, const struct insn *, uint64_t lin,
    unsigned size);
void cpu_system_store(struct cpu *, const struct insn *, uint64_t lin,
    unsigned size, uint64_t v);
/* Host memory of [lin, lin + *len), *len cut at the page's end, entered into
 * the table first if it can be: string instructions.  NULL: go slowly. */
void *cpu_run_of(struct cpu *, const struct insn *, uint64_t lin,
    uint64_t *len, int kind);

#define MEM_DEFINE(bits)						\
	static inline uint##bits##_t					\
	cpu_load##bits(struct cpu *c, const struct insn *i, uint64_t lin) \
	{								\
		const void *p = tlb_find(c, lin, bits / 8, TLB_READ);	\
		uint##bits##_t v;					\
									\
		if (unlikely(!p))					\
			return cpu_load_slow(c, i, lin, bits / 8);	\
		memcpy(&v, p, bits / 8);				\
		return v;						\
	}								\
	static inline void						\
	cpu_store##bits(struct cpu *c, const struct insn *i,		\
	    uint64_t lin, uint##bits##_t v)				\
	{								\
		void *p = tlb_find(c, lin, bits / 8, TLB_WRITE);	\
									\
		if (unlikely(!p))					\
			cpu_store_slow(c, i, lin, bits / 8, v);		\
		else							\
			memcpy(p, &v, bits / 8);			\
	}
MEM_DEFINE(8)
MEM_DEFINE(16)
MEM_DEFINE(32)
MEM_DEFINE(64)
#undef MEM_DEFINE

/*
 * Read, modify, write.  cpu_rmw() gives a pointer to the operand's bytes: in
 * guest RAM where that can be written directly (LOCK: use __atomic on it when
 * it is aligned), otherwise to a copy in *m.  cpu_rmw_done() writes a copy
 * back.  Everything that can fault has done so when cpu_rmw() returns.
 * An operand that is locked and not plain RAM or not aligned is held against
 * the other processors by a lock between the two.
 */
struct cpu_rmw {
	uint64_t lin;
	uint8_t copy[16] __attribute__((aligned(16)));
	uint8_t size;
	bool copied, locked;
};
void *cpu_rmw_slow(struct cpu *, const struct insn *, uint64_t lin,
    unsigned size, struct cpu_rmw *m);
void cpu_rmw_done_slow(struct cpu *, const struct insn *, struct cpu_rmw *m);

static inline void *
cpu_rmw(struct cpu *c, const struct insn *i, uint64_t lin, unsigned size,
    struct cpu_rmw *m)
{
	void *p = tlb_find(c, lin, size, TLB_WRITE);

	m->copied = false;
	if (likely(p && (!(i->prefix & PREFIX_LOCK) ||
	    !((uintptr_t)p & (size - 1)))))
		return p;
	return cpu_rmw_slow(c, i, lin, size, m);
}

static inline void
cpu_rmw_done(struct cpu *c, const struct insn *i, struct cpu_rmw *m)
{
	if (unlikely(m->copied))
		cpu_rmw_done_slow(c, i, m);
}

/* --- Modes -------------------------------------------------------------------- */

static inline bool cpu_long_mode(const struct cpu *c) { return c->efer & EFER_LMA; }
static inline bool cpu_protected(const struct cpu *c) { return c->cr0 & CR0_PE; }
static inline bool cpu_v86(const struct cpu *c) { return c->eflags & FLAG_VM; }
static inline unsigned
cpu_iopl(const struct cpu *c)
{
	return (c->eflags & FLAG_IOPL) >> 12;
}

/* What ends every block: to the next bytes, and to the loop. */
cpu_exec x_block_next, x_block_loop;

/* After CR0, CR4, EFER, CPL, AC, CS or SS changed: the TLB view, bits, stack
 * size and so on that follow from them (interp.c). */
void cpu_mode_changed(struct cpu *);

/* All of RFLAGS; put sets the bits of mask only. */
uint32_t cpu_eflags(const struct cpu *);
void cpu_set_eflags(struct cpu *, uint32_t v, uint32_t mask);

/* --- Segments, stacks, control transfer (segment.c, fault.c, task.c) ---------- */

/* MOV/POP/LxS to a segment register, all checks; SS also arms the shadow. */
void cpu_load_segment(struct cpu *, const struct insn *, unsigned seg,
    uint16_t selector);
/* Loads the real or v86 way. */
void cpu_set_real_segment(struct cpu *, unsigned seg, uint16_t selector);

/* The stack pointer wrapped by SS.B; linear address of SS:[rsp + delta]. */
uint64_t cpu_stack_linear(struct cpu *, const struct insn *, int64_t delta,
    unsigned size, int kind);
void cpu_set_sp(struct cpu *, uint64_t sp);	/* only the bits SS.B says */
/* Fast push and pop of an operand: RSP changes after the access. */
void cpu_push(struct cpu *, const struct insn *, unsigned size, uint64_t v);
uint64_t cpu_pop(struct cpu *, const struct insn *, unsigned size);

/* Far transfers; each ends in cpu_resume() inside. */
void cpu_far_jump(struct cpu *, const struct insn *, uint16_t selector,
    uint64_t off);
void cpu_far_call(struct cpu *, const struct insn *, uint16_t selector,
    uint64_t off);
void cpu_far_return(struct cpu *, const struct insn *, unsigned release);
void cpu_iret(struct cpu *, const struct insn *);
/* INT n, INT3, INTO, INT1: software interrupts from insn i. */
_Noreturn void cpu_soft_interrupt(struct cpu *, const struct insn *,
    unsigned vector);

#endif
