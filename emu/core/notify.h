/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * notify.h - writes of the guest that only say "look": a descriptor instead
 * of an access
 *
 * Where the engine can, a write to such an address makes an eventfd readable
 * and the processor goes on at once; the device watches the descriptor by
 * board_fd_add() and finds the rest in guest memory.  Where it cannot, add()
 * says no and the write comes as any other.  Board lock held.
 */
#ifndef CORE_NOTIFY_H
#define CORE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
	uint64_t addr;
	unsigned size;		/* of the write; 0: any (memory only) */
	bool port;		/* an I/O port, else memory */
	bool match;		/* only this value */
	uint32_t value;
};

struct notify_sink {
	bool (*add)(void *sink, const struct notify *, int eventfd);
	void (*remove)(void *sink, const struct notify *, int eventfd);
	void *sink;		/* borrowed; add NULL: there is none */
};

#endif
