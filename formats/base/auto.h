/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* auto.h - cleanup by scope: memory, descriptors, locks */
#ifndef BASE_AUTO_H
#define BASE_AUTO_H

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static inline void auto_free_(void *p) { free(*(void **)p); }
static inline void auto_close_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void auto_unlock_(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}
static inline pthread_mutex_t *auto_lock_(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	return m;
}

/* AUTO_FREE char *s = strdup(...);   freed where s goes out of scope */
#define AUTO_FREE __attribute__((cleanup(auto_free_)))
/* AUTO_CLOSE int fd = open(...); */
#define AUTO_CLOSE __attribute__((cleanup(auto_close_)))
/* LOCKED(&x->lock);   held to the end of the block */
#define LOCKED_NAME2_(line) locked_##line
#define LOCKED_NAME_(line) LOCKED_NAME2_(line)
#define LOCKED(m) \
	__attribute__((cleanup(auto_unlock_), unused)) \
	pthread_mutex_t *LOCKED_NAME_(__LINE__) = auto_lock_(m)

#endif
