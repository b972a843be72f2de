/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* threads.c - starting and joining workers */
#include "base/threads.h"

#include <pthread.h>
#include <unistd.h>

/* Workers keep their buffers on the heap; a full-sized stack for each would
 * only use up address space. */
enum { STACK = 256 << 10 };

unsigned threads_wanted(unsigned wanted)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	unsigned most = cpus < 4 ? 8 : 2 * (unsigned)cpus;

	if (!wanted)
		wanted = cpus < 2 ? 2 : (unsigned)cpus;
	if (wanted > most)
		wanted = most;
	return wanted > THREADS_MAX ? THREADS_MAX : wanted;
}

void threads_run(unsigned n, void *(*f)(void *), void *args, size_t size)
{
	pthread_t id[THREADS_MAX];
	pthread_attr_t attr;
	unsigned started = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	while (started + 1 < n && !pthread_create(&id[started], &attr, f,
	    (char *)args + (started + 1) * size))
		started++;
	f(args);
	while (started)
		pthread_join(id[--started], NULL);
	pthread_attr_destroy(&attr);
}
