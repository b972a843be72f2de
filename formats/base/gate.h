/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gate.h - many shared or one exclusive, for the price of one counter
 *
 * Every read passes the gate of its image, so passing must not bounce a
 * cache line between processors: shared holders count themselves in one of
 * several counters, chosen by thread; the one who wants it exclusively shuts
 * the gate and waits for all counters to reach zero.  Not recursive: a
 * shared holder that enters again may wait for an exclusive one that waits
 * for it.
 */
#ifndef BASE_GATE_H
#define BASE_GATE_H

#include <pthread.h>
#include <stdatomic.h>

enum { GATE_LANES = 16 };

struct gate {
	struct {
		_Alignas(64) atomic_uint in;
	} lane[GATE_LANES];
	atomic_uint shut;	/* exclusive holders and those who wait */
	pthread_mutex_t turn;	/* one exclusive holder at a time */
	pthread_mutex_t lock;	/* guards the sleepers on moved */
	pthread_cond_t moved;
};

void gate_init(struct gate *);
void gate_fini(struct gate *);

void gate_enter(struct gate *);	/* shared */
void gate_leave(struct gate *);	/* by the same thread */

void gate_shut(struct gate *);	/* exclusive */
void gate_open(struct gate *);

#endif
