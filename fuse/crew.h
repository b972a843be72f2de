/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* crew.h - how many threads wait for the kernel's requests */
#ifndef FUSE_CREW_H
#define FUSE_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct member {
	_Alignas(64) atomic_bool busy;	/* has a request */
	atomic_uint served;
	unsigned seen;		/* served at the last tick */
};

struct crew {
	struct member *members;
	unsigned count, processors;
	atomic_uint active;	/* members below this take requests */
	atomic_bool asleep;	/* nobody ticks: begin() is to kick */
	int kicked;		/* eventfd */
	unsigned idle, ticks, full, calm; /* of the ticks */
	bool stuck;
	pthread_mutex_t lock;	/* guards the sleepers on more */
	pthread_cond_t more;
};

bool crew_init(struct crew *, unsigned count);
void crew_fini(struct crew *);

/* Returns when this member is to take requests. */
void crew_wait(struct crew *, unsigned member);
/* Around serving a request. */
void crew_begin(struct crew *, unsigned member);
void crew_end(struct crew *, unsigned member);

/* Looks and decides.  Returns in how many milliseconds to call again; -1: when
 * "kicked" is readable. */
int crew_tick(struct crew *);
/* All take requests from now on: it ends. */
void crew_all(struct crew *);

#endif
