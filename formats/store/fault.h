/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fault.h - a store that fails, pauses or records as told; for tests
 *
 * Sits on another store and owns it once fault_open() has succeeded.  Rules
 * are tried in the order given, and the first that hits is the only one.
 * Recording keeps every write, zero, punch, resize and sync, so that crash
 * tests can build each state a power cut could leave: all writes before a
 * sync are there, and any subset of the 512-byte sectors written since.
 */
#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include "store/store.h"

enum fault_op {
	FAULT_READ = 1, FAULT_WRITE = 2, FAULT_ZERO = 4, FAULT_PUNCH = 8,
	FAULT_SYNC = 16, FAULT_RESIZE = 32, FAULT_ANY = 63
};

struct fault_rule {
	unsigned ops;		/* mask of enum fault_op */
	int event;		/* enum store_event, or -1: any */
	uint64_t off, len;	/* range that must be touched; len 0: any */
	unsigned skip;		/* matching calls to let pass first (later
				 * rules see them) */
	unsigned count;		/* then so many are hit; 0: all */
	int error;		/* errno to fail with; 0: none */
	unsigned pause_ms;	/* sleep before going on */
	void (*hook)(void *);	/* called in the window, before the I/O */
	void *hook_arg;
};

struct store *fault_open(struct store *under, struct error *);
int fault_add(struct store *, const struct fault_rule *, struct error *);
void fault_clear(struct store *);

/* ---- recording */

/* Starts with the present contents of the store under it as the durable
 * base. */
int fault_record(struct store *, struct error *);

/* How many steps were recorded; a sync is one. */
unsigned fault_steps(struct store *);
bool fault_is_sync(struct store *, unsigned step);

/*
 * The store as a power cut after "steps" steps could leave it: everything
 * before the last sync among them, and of what came later each 512-byte
 * sector with probability keep/256, chosen by seed (keep 256: all of it, 0:
 * nothing); with an odd seed each step is kept or lost as a whole.  Changes of
 * size keep their order: after one that is lost, all later ones are, and what
 * was written to the space they gave.  A new memory store that the caller
 * owns; making many of one record costs little more than what differs.
 */
struct store *fault_cut(struct store *, unsigned steps, uint64_t seed,
    unsigned keep, struct error *);

#endif
