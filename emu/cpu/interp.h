/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interp.h - what the files of the interpreter call in each other
 */
#ifndef CPU_INTERP_H
#define CPU_INTERP_H

#include "cpu/state.h"

/* What an event is (SDM 3A, 6.3, 6.4): decides the return address, RF, the
 * check of a gate's DPL and the EXT bit of errors on the way. */
enum event { EVENT_EXTERNAL, EVENT_FAULT, EVENT_TRAP, EVENT_SOFT };

/*
 * Goes through the IDT or the real-mode vectors: cpu.rip is what is pushed
 * and is the handler's afterwards.  Faults as any instruction does.
 */
void fault_deliver(struct cpu *, unsigned vector, enum event, bool has_error,
    uint32_t error);

/* The fault that was raised: delivers it, or what it became while another was
 * being delivered (SDM 3A, 6.15 interrupt 8); false: shutdown. */
bool fault_raised(struct cpu *);

/* #DB as a trap with these DR6 bits; cpu.rip is the next instruction. */
void fault_debug_trap(struct cpu *, uint32_t dr6);

/* One instruction without delivering what it raises: false, and *f says what,
 * with the state before it (after it for INT n).  A single step trap that it
 * causes is delivered as usual. */
struct step_fault {
	unsigned vector;
	uint32_t error;
	bool has_error, soft;
};
bool interp_step(struct cpu *, struct step_fault *f);

/* Blocks as run() runs them, until one raises *f; false: left for another
 * reason. */
bool interp_run_to_fault(struct cpu *, struct step_fault *f);

/* Registers as after RESET# or INIT# (SDM 3A, table 9-1). */
void cpu_reset_state(struct cpu *, bool init);

/* Hardware task switch (SDM 3A, 7.3) to the TSS with this selector; for an
 * event with an error code it is pushed on the new stack. */
enum task_switch { TASK_JUMP, TASK_CALL, TASK_IRET, TASK_EVENT };
void task_switch(struct cpu *, const struct insn *, uint16_t selector,
    enum task_switch, bool has_error, uint32_t error, uint64_t next_rip);

/* Descriptor tables (segment.c).  A descriptor as its 8 bytes. */
struct descriptor {
	uint64_t raw;
	uint64_t base_high;	/* of 16-byte system descriptors */
	uint64_t at;		/* linear address it was read from */
};
/* Reads from GDT or LDT; false if the selector is outside. */
bool descriptor_read(struct cpu *, const struct insn *, uint16_t selector,
    struct descriptor *);
void descriptor_set_bits(struct cpu *, const struct insn *,
    const struct descriptor *, uint32_t bits_high);
void descriptor_clear_busy(struct cpu *, const struct insn *,
    const struct descriptor *);
struct cpu_segment descriptor_segment(const struct descriptor *,
    uint16_t selector);

#define DESC_ACCESSED 0x100u	/* in the upper 32 bits */
#define DESC_BUSY 0x200u
static inline unsigned desc_type(const struct descriptor *d) { return d->raw >> 40 & 15; }
static inline bool desc_s(const struct descriptor *d) { return d->raw >> 44 & 1; }
static inline unsigned desc_dpl(const struct descriptor *d) { return d->raw >> 45 & 3; }
static inline bool desc_p(const struct descriptor *d) { return d->raw >> 47 & 1; }
static inline bool desc_l(const struct descriptor *d) { return d->raw >> 53 & 1; }
static inline bool desc_d(const struct descriptor *d) { return d->raw >> 54 & 1; }

/* struct cpu_segment.attr: the same bits from 40 on. */
#define ATTR_TYPE 0x000fu
#define ATTR_S 0x0010u
#define ATTR_DPL 0x0060u
#define ATTR_P 0x0080u
#define ATTR_L 0x2000u
#define ATTR_D 0x4000u
#define ATTR_G 0x8000u
static inline unsigned attr_dpl(uint16_t attr) { return attr >> 5 & 3; }

/* CS of a transfer that was checked, and what follows from it; cpl: new. */
void cpu_set_cs(struct cpu *, const struct cpu_segment *, unsigned cpl);
/* A stack for privilege level from the TSS (SDM 3A, 5.8.5). */
void task_stack(struct cpu *, const struct insn *, unsigned level,
    uint16_t *ss, uint64_t *sp);
/* Loads SS for an inner or outer level: checks against level; vector of the
 * faults is EXC_TS for inner stacks, EXC_GP for returns. */
struct cpu_segment segment_check_ss(struct cpu *, const struct insn *,
    uint16_t selector, unsigned level, unsigned vector,
    struct descriptor *);

#endif
