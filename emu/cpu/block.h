/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.h - decoded code: blocks of instructions, found by where their bytes
 * lie in memory and the mode they are decoded in
 *
 * A block is a straight run of instructions inside one page, up to the first
 * that ends it (INSN_ENDS), and a terminator.  Each processor has its own:
 * nobody else reads or frees them, so finding and running one takes no lock.
 * The translator will compile these very blocks.
 *
 * A direct branch whose target lies in the same page keeps its block in the
 * instruction (chain slots: insn.disp for the target, insn.amask for the next
 * instruction; a branch has no address that would need them).  Others are
 * found through a table of jumps by RIP.  When bytes of a block are written,
 * the block leaves all tables, chains to it are cleared (they lie in its own
 * page), and its instructions become stops: one that is running ends after
 * the instruction that did it.
 */
#ifndef CPU_BLOCK_H
#define CPU_BLOCK_H

#include "cpu/state.h"

#define BLOCK_INSNS 64u		/* at most, without the terminator */

/* Key: what the bytes' meaning depends on beside the bytes. */
#define KEY_BITS 3u		/* enum decode_bits */
#define KEY_FLAT 4u
#define KEY_NO_VEX 8u

struct block {
	const uint8_t *host;	/* its first byte */
	uint64_t frame;
	uint64_t lines;		/* 64-byte lines of the page it was made of */
	struct block *hash_next, *frame_next;
	uint32_t key;
	uint16_t bytes, n;	/* length; instructions without the terminator */
	bool rom;		/* cannot change */
	bool dead;		/* dropped: runs x_stop only */
	uint64_t dropped;	/* when (block.c) */
	struct insn insn[] __attribute__((aligned(64)));
};

int blocks_init(struct cpu *, struct error *err);
void blocks_free(struct cpu *);

/*
 * The block at RIP, decoded if it is not there; lin is its linear address.
 * Faults as a fetch does.  NULL: this place takes one instruction at a time
 * (it crosses a page, lies in a device): block_single().
 */
struct block *block_at(struct cpu *, uint64_t rip, uint64_t lin);

/* One instruction, decoded anew unless its bytes are those of the last time;
 * its terminator goes to the loop.  Valid until the next call. */
struct block *block_single(struct cpu *, uint64_t lin);

/* Mappings or modes changed: nothing is known of where a RIP leads. */
void blocks_forget_jumps(struct cpu *);
/* One page's mapping changed. */
void blocks_forget_page(struct cpu *, uint64_t lin);
/* The address space's number or CPL changed: other jumps count. */
void blocks_set_space(struct cpu *, unsigned space, bool user);
/* All of them; not while one runs. */
void blocks_flush(struct cpu *);
/* Bytes in these lines of a frame change now. */
void blocks_written(struct cpu *, uint64_t frame, uint64_t lines);
/* What block_at() put aside while a block ran; from the loop only. */
void blocks_tidy(struct cpu *);

/* --- Going from block to block --- */

/*
 * The table of jumps: which block lies at a RIP, as long as the mapping does
 * not change.  An entry counts if its stamp is the one in force: it has the
 * address space's number (paging.h), whether CPL is 3, and a count that
 * blocks_forget_jumps() raises.
 */
#define JUMP_ENTRIES 4096u
#define JUMP_PAGES 32768u
struct jump {
	uint64_t rip, stamp;
	struct block *block;
};
struct jumps {
	uint64_t stamp;		/* in force */
	uint64_t pages[JUMP_PAGES / 64];	/* of RIPs entered, modulo */
	struct jump jump[JUMP_ENTRIES];
};

static inline struct jump *
jump_slot(struct jumps *j, uint64_t rip)
{
	return &j->jump[(rip ^ rip >> 12) & (JUMP_ENTRIES - 1)];
}

/* The block at rip, if the table has it. */
static inline struct block *
jump_find(const struct cpu *c, uint64_t rip)
{
	struct jumps *all = (struct jumps *)c->blocks;	/* its first member */
	struct jump *j = jump_slot(all, rip);

	return likely(j->rip == rip && j->stamp == all->stamp) ?
	    j->block : NULL;
}

/* Runs b, which lies at rip; the last thing a handler does. */
static inline void
block_enter(struct cpu *c, struct block *b, uint64_t rip)
{
	c->gpr[REG_BLOCK] = rip;
	b->insn[0].run(c, b->insn);
}

/* Goes back to the loop, which goes on at rip, with block b if it is known. */
static inline void
block_leave(struct cpu *c, struct block *b, uint64_t rip)
{
	c->rip = rip;
	c->next_block = b;
}

static inline struct block *
chain_target(const struct insn *i)
{
	return (struct block *)(uintptr_t)i->disp;
}

static inline struct block *
chain_next(const struct insn *i)
{
	return (struct block *)(uintptr_t)i->amask;
}

/* The insn's target in 64-bit mode: hot enough to be inlined in handlers. */
static inline void
jump_direct64(struct cpu *c, const struct insn *i)
{
	struct block *b = chain_target(i);

	if (likely(b && --c->fuel > 0))
		block_enter(c, b, c->gpr[REG_BLOCK] + i->imm);
	else
		cpu_jump_direct(c, i);
}

static inline void
jump_next64(struct cpu *c, const struct insn *i)
{
	struct block *b = chain_next(i);

	if (likely(b && --c->fuel > 0))
		block_enter(c, b, insn_next_rip(c, i));
	else
		cpu_jump_next(c, i);
}

#endif
