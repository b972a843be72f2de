/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * export.h - what the files of cowbird-fuse share
 *
 *	main.c		options, signals, the daemon; when it ends
 *	export.c	the images behind the files: opening, snapshots, names
 *	tree.c		names, attributes, opening files
 *	data.c		reading, writing, space, holes
 *	loop.c		the kernel's requests on several threads
 *	crew.c		how many threads that are
 *	partition.c	partition tables
 *
 * A disk is an image and the files it is shown as: the whole and each
 * partition.  The export has a live disk, and one for each internal snapshot,
 * whose image is opened when somebody looks.  Shown on a regular file there
 * is the whole of the live disk alone.
 *
 * Locks: the gate (growing exports only: requests shared, resizing
 * exclusive), then export.lock.
 */
#ifndef FUSE_EXPORT_H
#define FUSE_EXPORT_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/gate.h"
#include "base/opts.h"
#include "image.h"

struct cli;

struct file {
	unsigned number;	/* of the partition; 0: the whole disk */
	uint64_t off, len;	/* where it is; len of a disk that grows: the
				 * gate */
	mode_t mode;		/* these three: export.lock */
	uid_t uid;
	gid_t gid;
	_Atomic int64_t mtime;	/* nanoseconds */
	/* Open with and without the kernel's cache (tree.c); export.lock. */
	unsigned cached, direct;
	bool stale;		/* what the kernel has cached is old */
};

struct disk {
	/* Atomic, so that who was told of a file needs no lock to use it. */
	struct image *_Atomic image; /* NULL: not open now (snapshots only) */
	struct file *files;	/* the whole first; NULL: not looked at yet */
	_Atomic unsigned count;	/* set after files */
	char *name, *which;	/* of a snapshot: its folder; how it is opened */
	unsigned users;		/* open files and requests; export.lock */
	uint64_t used;		/* when it was opened, for closing the oldest */
};

/* How the image is opened, also once more at a snapshot. */
struct source {
	const char *name;
	bool image_opts;
	struct open_args args;	/* options and objects borrowed */
};

struct export {
	const struct cli *cli;
	struct source source;
	bool folder;		/* shown in a folder, else as one file */
	bool writable, growable;
	bool others;		/* allow_other */
	unsigned max_read;	/* as mounted; 0: no limit */
	bool unmap;		/* holes punched are given back */
	bool uncached;		/* files overlap and are written: they can
				 * only agree without the kernel's cache */
	struct disk live;
	struct disk *snapshots;	/* sorted by name */
	unsigned snapshot_count;
	char *json;		/* disk.json as it was built last */
	size_t json_len;
	uint64_t clock;		/* counts openings of snapshots */
	struct timespec start;
	struct gate gate;
	pthread_mutex_t lock;
	pthread_cond_t released; /* a file was closed */
	atomic_bool stopping;	/* long requests give up */
	atomic_uint said;	/* errors of requests that were printed */
};

/* ---- export.c */

/* Opens the image (source, folder, writable, ... are set); prints the error. */
bool export_open(struct export *);
/* False: something was not written; it was printed. */
bool export_close(struct export *);

/* Between these a snapshot's image stays open; the live one's always does. */
int disk_get(struct export *, struct disk *, struct error *);
void disk_put(struct export *, struct disk *);

/* The JSON text of info anew, for the caller to free. */
int export_json(struct export *, char **text, size_t *len, struct error *);

/* A request failed: prints why, unless that was too often, and returns the
 * errno the caller sees. */
int export_failed(struct export *, const struct error *);

/* ---- tree.c: inode numbers.  An inode is a disk and an item of it. */

enum item {
	ITEM_FOLDER, ITEM_JSON, ITEM_SNAPSHOTS,
	ITEM_FILE	/* and following: disk.files[item - ITEM_FILE] */
};

struct node {
	struct disk *disk;
	struct file *file;	/* NULL: no data; see item */
	unsigned item;
};

/* False: there is no such thing. */
bool node_find(struct export *, fuse_ino_t, struct node *);

extern const struct fuse_lowlevel_ops tree_ops;

/* ---- data.c */

/* As large as requests get; fuse's own limit is 256 pages. */
enum { DATA_MAX = 1 << 20 };

uint64_t file_size(struct export *, const struct node *);

/* Each returns bytes or -errno. */
ssize_t data_read(struct export *, const struct node *, void *buf, size_t len,
    uint64_t off);
ssize_t data_write(struct export *, const struct node *, const void *buf,
    size_t len, uint64_t off, bool sync);
/* 0 or -errno. */
int data_flush(struct export *, const struct node *);
int data_truncate(struct export *, const struct node *, uint64_t size);
int data_allocate(struct export *, const struct node *, int mode,
    uint64_t off, uint64_t len);
int data_seek(struct export *, const struct node *, bool data, uint64_t off,
    uint64_t *found);

/* ---- loop.c */

struct loop;

/* Mounts, and answers the kernel's first request.  options: as after -o, or
 * NULL.  Prints the error. */
struct loop *loop_new(struct export *, const char *target,
    const char *options, unsigned threads);
bool loop_start(struct loop *);
/* Returns true when there is something to read from "signals", false when it
 * was unmounted from outside. */
bool loop_wait(struct loop *, int signals);
/* Unmounts while it is served: what programs have written and the kernel
 * still holds is written first. */
void loop_unmount(struct loop *);
/* Lets requests finish that were begun and ends the threads.  False: it is
 * still mounted, which was printed. */
bool loop_stop(struct loop *);

#endif
