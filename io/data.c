/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * data.c - read, write and discard, waited for or not
 *
 * A command becomes a struct request: parsed here, run by this thread or by
 * one of aio.c's, reported by whoever prints.  The request of the commands
 * that wait is kept from one to the next, and with it its memory.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "command.h"

/* As the peer's, so that scripts see the same sentences. */
#define REQUEST_MAX ((uint64_t)INT32_MAX / 512 * 512)

enum { SECTOR = 512 };

static int request_now(struct io *io, struct request *r)
{
	request_run(io->image, r);
	return request_report(io, r);
}

/* ---- parsing */

static bool is_aligned(const char *what, uint64_t v)
{
	if (v % SECTOR == 0)
		return true;
	printf("%" PRIu64 " is not a sector-aligned value for '%s'\n", v,
	    what);
	return false;
}

static bool parse_range(struct request *r, char **argv, bool limited,
    const char *hint)
{
	if (!parse_size(argv[0], &r->off) || !parse_size(argv[1], &r->len))
		return false;
	if (!limited || r->len <= REQUEST_MAX)
		return true;
	printf("length cannot exceed %" PRIu64 "%s, given %s\n", REQUEST_MAX,
	    hint, argv[1]);
	return false;
}

/* Lengths of several buffers: the pieces of one. */
static bool parse_pieces(const struct io *io, struct request *r, int n,
    char **argv)
{
	uint64_t len;

	free(r->iov);
	r->iov = calloc((size_t)n, sizeof(*r->iov));
	if (!r->iov) {
		complain(io, "%s: too many lengths", r->what);
		return false;
	}
	for (r->n = 0; r->n < n; r->n++) {
		if (!parse_size(argv[r->n], &len))
			return false;
		if (len > REQUEST_MAX) {
			printf("Argument '%s' exceeds maximum size %" PRIu64
			    "\n", argv[r->n], REQUEST_MAX);
			return false;
		}
		if (len > REQUEST_MAX - r->len) {
			printf("The total number of bytes exceed the maximum "
			    "size %" PRIu64 "\n", REQUEST_MAX);
			return false;
		}
		r->iov[r->n].iov_len = len;
		r->len += len;
	}
	return true;
}

/* Memory for them; what is written is in it. */
static bool fill_pieces(const struct io *io, struct request *r)
{
	uint8_t *p;

	if (!request_memory(io, r))
		return false;
	if (r->op == REQUEST_WRITE)
		memset(r->buf, r->pattern, r->len);
	p = r->buf;
	for (int i = 0; i < r->n; p += r->iov[i++].iov_len)
		r->iov[i].iov_base = p;
	return true;
}

/* ---- read */

static int run_read(struct io *io, const struct command *c, int argc,
    char **argv)
{
	struct request *r = &io->sync;
	bool has_off = false, has_len = false;
	int letter;

	request_begin(r, REQUEST_READ, "read");
	while ((letter = command_next(c, argc, argv)) != -1)
		switch (letter) {
		case 'a':
		case 'p':
		case 'r':
			break;
		case 'b':
			r->vm_state = true;
			break;
		case 'C':
			r->terse = true;
			break;
		case 'l':
			has_len = true;
			if (!parse_size(optarg, &r->verify_len))
				return 1;
			break;
		case 'P':
			r->verify = true;
			if (!parse_pattern(optarg, &r->pattern))
				return 1;
			break;
		case 'q':
			r->quiet = true;
			break;
		case 's':
			has_off = true;
			if (!parse_size(optarg, &r->verify_off))
				return 1;
			break;
		case 'v':
			r->dump = true;
			break;
		default:
			return command_usage(c);
		}
	if (optind != argc - 2)
		return command_usage(c);
	if (!parse_range(r, argv + optind, true, ""))
		return 1;
	if ((has_off || has_len) && !r->verify)
		return command_usage(c);
	if (!has_len)
		r->verify_len = r->verify_off <= r->len ?
		    r->len - r->verify_off : 0;
	if (!range_ok(r->verify_off, r->verify_len, r->len)) {
		printf("pattern verification range exceeds end of read "
		    "data\n");
		return 1;
	}
	if (r->vm_state && (!is_aligned("offset", r->off) ||
	    !is_aligned("count", r->len)))
		return 1;
	if (!request_memory(io, r))
		return 1;
	return request_now(io, r);
}

const struct command cmd_read = {
	"read", "r", run_read, 2, -1, 0,
	"[-abCqv] [-P pattern [-s off] [-l len]] off len",
	"reads a number of bytes at a specified offset",
	(const struct flag[]){
		{ 'a', false, "accepted, changes nothing" },
		{ 'b', false, "the VM state, not the disk (not supported)" },
		{ 'C', false, "figures on one line, for programs" },
		{ 'l', true, "with -P: check so many bytes only" },
		{ 'p', false, "accepted, changes nothing" },
		{ 'P', true, "check that all bytes read have this value" },
		{ 'q', false, "no figures" },
		{ 'r', false, "accepted, changes nothing" },
		{ 's', true, "with -P: check from this byte of the data on" },
		{ 'v', false, "show the data" },
		{ 0, false, NULL }
	},
	" Reads len bytes, from the offset off of the guest's disk on.\n\n"
	" 'read -v 512 1k' shows the second and the third sector.\n"
	" 'read -P 0 0 1M' fails unless the first MiB is zeros.\n\n"
};

/* ---- readv, aio_read */

/* readv's options, aio_read's besides.  0: go on; 1: end it so. */
static int read_options(const struct command *c, struct request *r, int argc,
    char **argv, bool *invalid)
{
	int letter;

	while ((letter = command_next(c, argc, argv)) != -1)
		switch (letter) {
		case 'C':
			r->terse = true;
			break;
		case 'i':
			*invalid = true;
			return 1;
		case 'P':
			r->verify = true;
			if (!parse_pattern(optarg, &r->pattern))
				return 1;
			break;
		case 'q':
			r->quiet = true;
			break;
		case 'r':
			break;
		case 'v':
			r->dump = true;
			break;
		default:
			return command_usage(c);
		}
	return optind > argc - 2 ? command_usage(c) : 0;
}

static bool parse_vector(const struct io *io, struct request *r, int n,
    char **argv)
{
	if (!parse_size(argv[0], &r->off) ||
	    !parse_pieces(io, r, n - 1, argv + 1) || !fill_pieces(io, r))
		return false;
	r->verify_len = r->len;
	return true;
}

static int run_readv(struct io *io, const struct command *c, int argc,
    char **argv)
{
	struct request *r = &io->sync;
	bool invalid;

	request_begin(r, REQUEST_READ, "readv");
	if (read_options(c, r, argc, argv, &invalid) ||
	    !parse_vector(io, r, argc - optind, argv + optind))
		return 1;
	return request_now(io, r);
}

const struct command cmd_readv = {
	"readv", NULL, run_readv, 2, -1, 0,
	"[-Cqv] [-P pattern] off len [len..]",
	"reads a number of bytes at a specified offset",
	(const struct flag[]){
		{ 'C', false, "figures on one line, for programs" },
		{ 'P', true, "check that all bytes read have this value" },
		{ 'q', false, "no figures" },
		{ 'r', false, "accepted, changes nothing" },
		{ 'v', false, "show the data" },
		{ 0, false, NULL }
	},
	" Like read, into one buffer for each length.\n\n"
};

static int run_aio_read(struct io *io, const struct command *c, int argc,
    char **argv)
{
	struct request *r = aio_request(io);
	bool invalid = false;

	if (!r)
		return 1;
	request_begin(r, REQUEST_READ, "readv");
	if (!read_options(c, r, argc, argv, &invalid) &&
	    parse_vector(io, r, argc - optind, argv + optind)) {
		aio_submit(io, r);
		return 0;
	}
	aio_release(io, r);
	if (!invalid)
		return 1;
	printf("injecting invalid read request\n");
	return 0;
}

const struct command cmd_aio_read = {
	"aio_read", NULL, run_aio_read, 2, -1, 0,
	"[-Ciqv] [-P pattern] off len [len..]",
	"asynchronously reads a number of bytes",
	(const struct flag[]){
		{ 'C', false, "figures on one line, for programs" },
		{ 'P', true, "check that all bytes read have this value" },
		{ 'i', false, "only count it as a request that is not valid" },
		{ 'v', false, "show the data" },
		{ 'q', false, "no figures" },
		{ 'r', false, "accepted, changes nothing" },
		{ 0, false, NULL }
	},
	" Like readv, without waiting: what comes of it is shown when it is\n"
	" done, and does not count for the exit status.  aio_flush waits.\n\n"
};

/* ---- write */

/* What -z, -P, -s and the others leave room for. */
static bool write_options_agree(const struct request *r, bool packed,
    int contents)
{
	const bool zero = r->op == REQUEST_ZERO;

	if (r->vm_state && zero)
		printf("-b and -z cannot be specified at the same time\n");
	else if (r->flags & IO_FUA && (r->vm_state || packed))
		printf("-f and -b or -c cannot be specified at the same "
		    "time\n");
	else if (r->flags & IO_NO_FALLBACK && !zero)
		printf("-n requires -z to be specified\n");
	else if (r->flags & IO_MAY_UNMAP && !zero)
		printf("-u requires -z to be specified\n");
	else if (zero + contents > 1)
		printf("Only one of -z, -P, and -s can be specified at the "
		    "same time\n");
	else
		return true;
	return false;
}

static int run_write(struct io *io, const struct command *c, int argc,
    char **argv)
{
	struct request *r = &io->sync;
	bool packed = false, has_pattern = false;
	int letter;

	request_begin(r, REQUEST_WRITE, "write");
	while ((letter = command_next(c, argc, argv)) != -1)
		switch (letter) {
		case 'b':
			r->vm_state = true;
			break;
		case 'c':
			packed = true;
			break;
		case 'C':
			r->terse = true;
			break;
		case 'f':
			r->flags |= IO_FUA;
			break;
		case 'n':
			r->flags |= IO_NO_FALLBACK;
			break;
		case 'p':
		case 'r':
			break;
		case 'P':
			has_pattern = true;
			if (!parse_pattern(optarg, &r->pattern))
				return 1;
			break;
		case 'q':
			r->quiet = true;
			break;
		case 's':
			r->source = optarg;
			break;
		case 'u':
			r->flags |= IO_MAY_UNMAP;
			break;
		case 'z':
			r->op = REQUEST_ZERO;
			break;
		default:
			return command_usage(c);
		}
	if (optind != argc - 2)
		return command_usage(c);
	if (!write_options_agree(r, packed, has_pattern + !!r->source) ||
	    !parse_range(r, argv + optind, !(r->flags & IO_NO_FALLBACK),
	    " without -n"))
		return 1;
	if ((r->vm_state || packed) && (!is_aligned("offset", r->off) ||
	    !is_aligned("count", r->len)))
		return 1;
	if (r->op == REQUEST_WRITE) {
		if (packed && !r->vm_state)
			r->flags |= IO_PACK;
		if (!request_memory(io, r))
			return 1;
		if (!r->source)
			memset(r->buf, r->pattern, r->len);
		else if (!pattern_load(io, r->source, r->buf, r->len))
			return 1;
	}
	return request_now(io, r);
}

const struct command cmd_write = {
	"write", "w", run_write, 2, -1, WRITES,
	"[-bcCfnquz] [-P pattern | -s source_file] off len",
	"writes a number of bytes at a specified offset",
	(const struct flag[]){
		{ 'b', false, "the VM state, not the disk (not supported)" },
		{ 'c', false, "compressed, in whole clusters" },
		{ 'f', false, "on stable storage before it is done" },
		{ 'n', false, "with -z: fail rather than write zeros slowly" },
		{ 'p', false, "accepted, changes nothing" },
		{ 'P', true, "the value of each byte, instead of 0xcd" },
		{ 'r', false, "accepted, changes nothing" },
		{ 's', true, "the contents of this file, over and over" },
		{ 'C', false, "figures on one line, for programs" },
		{ 'q', false, "no figures" },
		{ 'u', false, "with -z: the space may be given back" },
		{ 'z', false, "zeros, without a buffer of them" },
		{ 0, false, NULL }
	},
	" Writes len bytes, from the offset off of the guest's disk on.\n\n"
	" 'write -P 7 512 1k' fills the second and the third sector.\n\n"
};

/* ---- writev, aio_write */

static int write_options(const struct command *c, struct request *r, int argc,
    char **argv, bool *invalid)
{
	int letter;

	while ((letter = command_next(c, argc, argv)) != -1)
		switch (letter) {
		case 'C':
			r->terse = true;
			break;
		case 'f':
			r->flags |= IO_FUA;
			break;
		case 'i':
			*invalid = true;
			return 1;
		case 'P':
			if (!parse_pattern(optarg, &r->pattern))
				return 1;
			break;
		case 'q':
			r->quiet = true;
			break;
		case 'r':
			break;
		case 'u':
			r->flags |= IO_MAY_UNMAP;
			break;
		case 'z':
			r->op = REQUEST_ZERO;
			break;
		default:
			return command_usage(c);
		}
	return optind > argc - 2 ? command_usage(c) : 0;
}

static int run_writev(struct io *io, const struct command *c, int argc,
    char **argv)
{
	struct request *r = &io->sync;
	bool invalid;

	request_begin(r, REQUEST_WRITE, "writev");
	if (write_options(c, r, argc, argv, &invalid) ||
	    !parse_vector(io, r, argc - optind, argv + optind))
		return 1;
	return request_now(io, r);
}

const struct command cmd_writev = {
	"writev", NULL, run_writev, 2, -1, WRITES,
	"[-Cfq] [-P pattern] off len [len..]",
	"writes a number of bytes at a specified offset",
	(const struct flag[]){
		{ 'C', false, "figures on one line, for programs" },
		{ 'f', false, "on stable storage before it is done" },
		{ 'P', true, "the value of each byte, instead of 0xcd" },
		{ 'q', false, "no figures" },
		{ 'r', false, "accepted, changes nothing" },
		{ 0, false, NULL }
	},
	" Like write, from one buffer for each length.\n\n"
};

/* -z takes one length, of any size. */
static bool parse_aio_write(const struct io *io, struct request *r, int n,
    char **argv)
{
	if (r->op != REQUEST_ZERO && r->flags & IO_MAY_UNMAP)
		printf("-u requires -z to be specified\n");
	else if (r->op == REQUEST_ZERO && n != 2)
		printf("-z supports only a single length parameter\n");
	else if (r->op == REQUEST_ZERO)
		return parse_range(r, argv, false, "");
	else
		return parse_vector(io, r, n, argv);
	return false;
}

static int run_aio_write(struct io *io, const struct command *c, int argc,
    char **argv)
{
	struct request *r = aio_request(io);
	bool invalid = false;

	if (!r)
		return 1;
	request_begin(r, REQUEST_WRITE, "aio_write");
	if (!write_options(c, r, argc, argv, &invalid) &&
	    parse_aio_write(io, r, argc - optind, argv + optind)) {
		aio_submit(io, r);
		return 0;
	}
	aio_release(io, r);
	if (!invalid)
		return 1;
	printf("injecting invalid write request\n");
	return 0;
}

const struct command cmd_aio_write = {
	"aio_write", NULL, run_aio_write, 2, -1, WRITES,
	"[-Cfiquz] [-P pattern] off len [len..]",
	"asynchronously writes a number of bytes",
	(const struct flag[]){
		{ 'P', true, "the value of each byte, instead of 0xcd" },
		{ 'C', false, "figures on one line, for programs" },
		{ 'f', false, "on stable storage before it is done" },
		{ 'i', false, "only count it as a request that is not valid" },
		{ 'q', false, "no figures" },
		{ 'r', false, "accepted, changes nothing" },
		{ 'u', false, "with -z: the space may be given back" },
		{ 'z', false, "zeros, without a buffer of them" },
		{ 0, false, NULL }
	},
	" Like writev, without waiting: what comes of it is shown when it is\n"
	" done, and does not count for the exit status.  aio_flush waits.\n\n"
};

static int run_aio_flush(struct io *io, const struct command *c, int argc,
    char **argv)
{
	aio_drain(io);
	return 0;
}

const struct command cmd_aio_flush = {
	"aio_flush", NULL, run_aio_flush, 0, 0, 0, NULL,
	"completes all outstanding aio requests", NULL, NULL
};

/* ---- discard */

static int run_discard(struct io *io, const struct command *c, int argc,
    char **argv)
{
	struct request *r = &io->sync;
	int letter;

	request_begin(r, REQUEST_DISCARD, "discard");
	while ((letter = command_next(c, argc, argv)) != -1)
		switch (letter) {
		case 'C':
			r->terse = true;
			break;
		case 'q':
			r->quiet = true;
			break;
		default:
			return command_usage(c);
		}
	if (optind != argc - 2)
		return command_usage(c);
	if (!parse_range(r, argv + optind, true, ""))
		return 1;
	return request_now(io, r);
}

const struct command cmd_discard = {
	"discard", "d", run_discard, 2, -1, WRITES, "[-Cq] off len",
	"discards a number of bytes at a specified offset",
	(const struct flag[]){
		{ 'C', false, "figures on one line, for programs" },
		{ 'q', false, "no figures" },
		{ 0, false, NULL }
	},
	" Says that these len bytes are not needed any more.\n\n"
};
