/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* space.c - how large the image is, and what of it is allocated */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "command.h"
#include "report.h"

/* The run of one kind at off, at most len: is it in the top layer? */
static int allocation(struct image *img, uint64_t off, uint64_t len,
    bool *allocated, uint64_t *run, struct error *err)
{
	int ret = 0;

	*run = 0;
	image_hold(img);
	while (*run < len) {
		struct extent e;
		unsigned depth;
		bool here;

		ret = image_map(img, off + *run, len - *run, MAP_READ, &e,
		    &depth, err);
		if (ret)
			break;
		here = e.kind != EXTENT_HOLE && !depth;
		if (*run && here != *allocated)
			break;
		*allocated = here;
		*run += e.len;
	}
	image_drop(img);
	return ret;
}

/* ---- alloc, map */

static int run_alloc(struct io *io, const struct command *c, int argc,
    char **argv)
{
	const uint64_t size = io->image->size;
	uint64_t off, len = 512, sum = 0, run;
	char text[UNITS_TEXT];
	struct error err;
	bool allocated;

	if (!parse_size(argv[1], &off) ||
	    (argc == 3 && !parse_size(argv[2], &len)))
		return 1;
	len = off < size ? min64(len, size - off) : 0;
	for (uint64_t at = 0; at < len; at += run) {
		if (allocation(io->image, off + at, len - at, &allocated,
		    &run, &err)) {
			printf("is_allocated failed: %s\n", io->cli->peer ?
			    strerror(err.code) : err.text);
			return 1;
		}
		if (allocated)
			sum += run;
	}
	printf("%" PRIu64 "/%" PRIu64 " bytes allocated at offset %s\n", sum,
	    len, units_text(text, (double)off));
	return 0;
}

const struct command cmd_alloc = {
	"alloc", "a", run_alloc, 1, 2, 0, "offset [count]",
	"checks if offset is allocated in the file", NULL, NULL
};

static int run_map(struct io *io, const struct command *c, int argc,
    char **argv)
{
	const uint64_t size = io->image->size;
	char len_text[UNITS_TEXT], off_text[UNITS_TEXT];
	struct error err;
	uint64_t run;
	bool allocated;

	for (uint64_t off = 0; off < size; off += run) {
		if (allocation(io->image, off, size - off, &allocated, &run,
		    &err)) {
			printf("map failed: %s\n", io->cli->peer ?
			    strerror(err.code) : err.text);
			return 1;
		}
		printf("%s (0x%" PRIx64 ") bytes %s allocated at offset %s "
		    "(0x%" PRIx64 ")\n", units_text(len_text, (double)run),
		    run, allocated ? "   " : "not",
		    units_text(off_text, (double)off), off);
	}
	return 0;
}

const struct command cmd_map = {
	"map", NULL, run_map, 0, 0, 0, "",
	"prints the allocated areas of a file", NULL, NULL
};

/* ---- length, truncate */

static int run_length(struct io *io, const struct command *c, int argc,
    char **argv)
{
	char text[UNITS_TEXT];

	printf("%s\n", units_text(text, (double)io->image->size));
	return 0;
}

const struct command cmd_length = {
	"length", "l", run_length, 0, 0, 0, NULL,
	"gets the length of the current file", NULL, NULL
};

static bool is_prealloc(const char *mode)
{
	static const char *const modes[] = { "off", "metadata", "falloc",
	    "full" };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (!strcmp(mode, modes[i]))
			return true;
	return false;
}

static int run_truncate(struct io *io, const struct command *c, int argc,
    char **argv)
{
	const char *prealloc = "off";
	struct error err;
	uint64_t size;
	int letter;

	while ((letter = command_next(c, argc, argv)) != -1) {
		if (letter != 'm')
			return command_usage(c);
		prealloc = optarg;
		if (!is_prealloc(prealloc)) {
			cli_error(io->cli, "Invalid preallocation mode '%s'",
			    prealloc);
			return 1;
		}
	}
	if (optind == argc)
		return command_usage(c);
	if (!parse_size(argv[optind], &size))
		return 1;
	aio_drain(io);
	if (!image_resize(io->image, size, prealloc, &err))
		return 0;
	cli_error(io->cli, "%s", err.text);
	return 1;
}

const struct command cmd_truncate = {
	"truncate", "t", run_truncate, 1, 3, WRITES,
	"[-m prealloc_mode] off",
	"truncates the current file at the given offset",
	(const struct flag[]){
		{ 'm', true, "off, metadata, falloc or full: what is "
		  "allocated of what is new" },
		{ 0, false, NULL }
	},
	" Makes the guest's disk end at off, which may be further on.\n\n"
};

/* ---- info */

static void put_members(const struct report *r, int level)
{
	unsigned i = 0;

	for (const struct report *m = r->first; m; m = m->next) {
		printf("%*s", level * 4, "");
		if (!m->key)
			printf("[%u]:", i++);
		for (const char *k = m->key; k && *k; k++)
			putchar(*k == '-' ? ' ' : *k);
		if (m->key)
			putchar(':');
		switch (m->type) {
		case REPORT_OBJECT:
		case REPORT_LIST:
			putchar('\n');
			put_members(m, level + 1);
			break;
		case REPORT_STR:
			printf(" %s\n", m->str);
			break;
		case REPORT_U64:
			printf(" %" PRIu64 "\n", m->num);
			break;
		case REPORT_BOOL:
			printf(" %s\n", m->yes ? "true" : "false");
			break;
		}
	}
}

/* Where qcow2 keeps a machine's state: as if behind the disk, from the first
 * L2 table on that is not the disk's. */
static uint64_t vm_state_offset(const struct image *img,
    const struct image_info *info)
{
	uint64_t cover = info->cluster_size;
	const struct report *m;

	if (strcmp(img->format->name, "qcow2") || !info->specific || !cover)
		return 0;
	cover *= cover / 8;
	for (m = info->specific->first; m; m = m->next)
		if (m->key && !strcmp(m->key, "extended-l2") && m->yes)
			cover /= 2;
	return align_up(img->size, cover);
}

static int run_info(struct io *io, const struct command *c, int argc,
    char **argv)
{
	char text[UNITS_TEXT];
	struct image_info info;
	struct error err;

	if (image_info(io->image, &info, &err)) {
		cli_error(io->cli, "%s", err.text);
		return 1;
	}
	printf("format name: %s\n", io->image->format->name);
	printf("cluster size: %s\n", units_text(text, info.cluster_size));
	printf("vm state offset: %s\n", units_text(text,
	    (double)vm_state_offset(io->image, &info)));
	if (info.specific && info.specific->first) {
		printf("Format specific information:\n");
		put_members(info.specific, 1);
	}
	image_info_fini(&info);
	return 0;
}

const struct command cmd_info = {
	"info", "i", run_info, 0, 0, 0, NULL,
	"prints information about the current file", NULL, NULL
};
