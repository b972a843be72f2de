/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* file.h - what file.c and file_open.c share: the state of an open file */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include "store/store.h"

struct file {
	struct direct *direct;	/* NULL: through the page cache */
	int buffered;		/* the file without O_DIRECT, for its tail; -1 */
	int parent;		/* of a file we made; -1 */
	bool created;
	bool locked;		/* as the next line says */
	unsigned held, refused;
	bool fixed;		/* a device: has the size it has */
	bool block, regular;
	uint32_t sector;	/* block device: unit of zero and punch */
	atomic_uint missing;	/* file.c: what was tried in vain */
	atomic_bool parent_dirty; /* its name is not on stable storage */
};

extern const struct store_ops file_ops, file_device_ops;

int file_truncate(int fd, uint64_t size);

#endif
