/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * board.h - the lock, the clock and the loop all devices share
 *
 * One lock guards every device: port and memory accesses of the guest,
 * timers, descriptors that became ready and work posted by other threads all
 * call a device with the board lock held.  So devices are plain sequential
 * code and start no threads; what may wait (disks) hands its work to threads
 * of its own, which come back through board_post().  Nothing may wait while
 * it holds the lock.
 *
 * Lock order: board lock, then a device's own locks shared with its workers.
 * Guest memory (mem.h) needs no lock.
 *
 * Time is guest time in nanoseconds from 0 at start; it stands still while
 * the machine is stopped.
 */
#ifndef CORE_BOARD_H
#define CORE_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define NS_PER_S 1000000000ull

struct board;

struct board *board_new(struct error *err);
void board_free(struct board *);	/* NULL is allowed */

void board_lock(struct board *);
void board_unlock(struct board *);

/* --- Time ----------------------------------------------------------------- */

/* Guest time now.  Any thread, no lock. */
uint64_t board_now_ns(const struct board *);

/* Stops and continues guest time: timers do not fire in between; descriptors
 * and posted work go on.  A new board's time runs.  Lock held. */
void board_stop_clock(struct board *);
void board_start_clock(struct board *);
/* Moves a standing clock on by ns; each timer fires here, at its very time.
 * For tests, which must not depend on how busy the host is.  Lock held. */
void board_advance(struct board *, uint64_t ns);

/*
 * A timer lies in its device's own struct.  fire() runs in the loop's thread
 * with the lock held, once per timer_set(), not before the time is reached.
 * It may set the timer again.  All calls with the lock held.
 */
struct timer {
	void (*fire)(void *opaque);
	void *opaque;		/* borrowed */
	uint64_t at_ns;		/* when it is pending */
	bool pending;
	struct board *board;
	struct timer *next, **link;	/* the board's own */
};

void timer_init(struct timer *, struct board *, void (*fire)(void *),
    void *opaque);
void timer_set(struct timer *, uint64_t at_ns);	/* guest time; replaces */
void timer_stop(struct timer *);

/* --- The loop ------------------------------------------------------------- */

/* Calls fn(opaque) in the loop's thread with the lock held, in the order of
 * posting.  Any thread, with the lock or without.  Allocates nothing: the
 * caller's struct is linked in and is free again when fn is called.  Posting
 * what is posted already does nothing. */
struct board_work {
	void (*fn)(void *opaque);
	void *opaque;
	struct board_work *next;	/* the board's own */
	bool posted;
};
void board_post(struct board *, struct board_work *);

/* Watches a descriptor: ready(opaque, revents) runs in the loop's thread with
 * the lock held while poll(2) says any of events.  events 0 pauses.  Lock
 * held for all three. */
struct board_fd;
struct board_fd *board_fd_add(struct board *, int fd, short events,
    void (*ready)(void *opaque, short revents), void *opaque,
    struct error *err);
void board_fd_events(struct board_fd *, short events);
void board_fd_remove(struct board_fd *);

/* Runs timers, descriptors and posted work until board_quit(); returns the
 * code given there.  Lock not held. */
int board_run(struct board *);
/* Any thread, without the lock or with it; the first code counts. */
void board_quit(struct board *, int code);

#endif
