/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * overlay.c - a temporary snapshot: what is written is lost at the end
 *
 * A qcow2 overlay in a file without a name, hung over the image, which is
 * open read-only; it is gone when the file is closed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/auto.h"
#include "cli/cli.h"

/* An empty file that nobody else can find. */
static struct store *nameless_store(struct error *err)
{
	const struct file_args args = { .writable = true, .no_sync = true,
	    .no_lock = true };
	const char *dir = getenv("TMPDIR");
	AUTO_FREE char *name = NULL;
	char path[64];

	if (!dir || !*dir)
		dir = "/var/tmp";
	AUTO_CLOSE int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* Not every file system has files without names. */
	if (fd < 0 && asprintf(&name, "%s/cowbird.XXXXXX", dir) > 0) {
		fd = mkostemp(name, O_CLOEXEC);
		if (fd >= 0)
			unlink(name);
	}
	if (fd < 0) {
		error_errno(err, errno, "temporary file in '%s'", dir);
		return NULL;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return file_open(path, &args, err);
}

struct image *cli_open_overlay(struct image *base, bool writable,
    struct error *err)
{
	const struct format *qcow2 = format_find("qcow2");
	struct opts *none = opts_new();
	struct create_args create = { .options = none, .size = base->size,
	    .backing = "base", .backing_format = base->format->name };
	struct open_args args = { .format = "qcow2", .no_backing = true,
	    .no_sync = true, .unmap = true, .policy = base->args.policy,
	    .writable = writable };
	struct image *overlay = NULL;
	struct error ignored;

	if (!qcow2 || !none)
		error_set(err, ENOTSUP, "temporary snapshots need qcow2");
	else
		create.store = nameless_store(err);
	if (create.store && qcow2->create(&create, err))
		store_close(create.store, &ignored);
	else if (create.store) {
		args.store = create.store;
		overlay = image_open(NULL, &args, err);
	}
	opts_free(none);
	if (overlay)
		overlay->backing = base;
	else
		image_close(base, &ignored);
	return overlay;
}
