/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench.c - sends requests to an image and says how long it took
 *
 * One thread for each request in flight, and each makes its own blocking
 * calls: it takes the next number from a counter, works out the offset, reads
 * or writes.  Nothing is handed from thread to thread, so cached I/O costs
 * little more than its system call, and a device sees the whole depth.
 *
 * With -i native or io_uring and without the page cache a few threads send
 * what is in flight in batches instead, each of them one call of the library.
 *
 * With a flush interval the requests come in batches.  A draining flush runs
 * when the batch is done and before the next begins; without draining the
 * thread that takes a batch's first number flushes while the others go on.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "img.h"
#include "modes.h"

enum { OPT_IMAGE_OPTS = 256, OPT_PATTERN, OPT_FLUSH, OPT_NO_DRAIN };

static const struct cli_option options[] = {
	{ 'f', "format", "FMT", "format of the image", NULL },
	{ OPT_IMAGE_OPTS, "image-opts", NULL,
	  "FILE is key=value options, not a file name", NULL },
	{ 'c', "count", "N", "so many requests (75000)", NULL },
	{ 'd', "depth", "N", "so many at once (64)", NULL },
	{ 's', "buffer-size", "SIZE", "bytes of one request (4096)", NULL },
	{ 'S', "step-size", "SIZE",
	  "from one offset to the next (buffer size)", NULL },
	{ 'o', "offset", "OFFSET", "of the first request (0)", NULL },
	{ 'w', "write", NULL, "write, do not read", NULL },
	{ OPT_PATTERN, "pattern", "BYTE", "write this byte (0)", NULL },
	{ OPT_FLUSH, "flush-interval", "N",
	  "flush after every N requests (with -w)", NULL },
	{ OPT_NO_DRAIN, "no-drain", NULL,
	  "do not wait for requests before a flush", NULL },
	{ 'i', "aio", "AIO",
	  "threads; native or io_uring: batches, with -t none", NULL },
	{ 'n', "native", NULL, "as -i native", NULL },
	{ 't', "cache", "CACHE", "cache mode (writeback)", NULL },
	{ 'U', "force-share", NULL, "open without locks", NULL },
	{ 'q', "quiet", NULL, "accepted, changes nothing", NULL },
	{ 0 }
};

enum { THREADS_MAX = 1024, STACK = 256 << 10, PAGE = 4096,
	BATCH = 64, BATCHES = 4 /* at once */ };

struct bench {
	struct image *image;
	uint64_t count, depth, size, step, offset, interval;
	bool write, no_drain, batched;
	uint8_t pattern;

	_Atomic uint64_t next;	/* number of the next request */
	_Atomic bool failed;
	struct error err;	/* of the first that failed; lock */

	/* lock guards the rest: the start, and batches that are drained */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool started;
	uint64_t limit;		/* requests from here on wait */
	uint64_t done;
};

struct lane {
	struct bench *b;
	pthread_t thread;
	char *buf;		/* of its first request */
	unsigned depth;		/* its part, where it sends batches */
};

/* ---- requests */

static void fail(struct bench *b, const struct error *err)
{
	LOCKED(&b->lock);
	if (!b->failed)
		b->err = *err;
	b->failed = true;
	pthread_cond_broadcast(&b->moved);
}

/* Requests wrap around at the end of the image, but for the first.  Count and
 * step have 31 bits, the offset 63. */
static uint64_t offset_of(const struct bench *b, uint64_t i)
{
	return i ? (i * b->step + b->offset) % b->image->size : b->offset;
}

static bool request(struct bench *b, void *buf, uint64_t i)
{
	const uint64_t off = offset_of(b, i);
	struct error err;
	int rc = 0;

	if (b->no_drain && b->interval && i && (b->count - i) % b->interval ==
	    0)
		rc = image_flush(b->image, &err);
	if (!rc)
		rc = b->write ?
		    image_write(b->image, buf, b->size, off, 0, &err) :
		    image_read(b->image, buf, b->size, off, &err);
	if (rc)
		fail(b, &err);
	return !rc;
}

/* Where the batch that begins with request i ends. */
static uint64_t batch_end(const struct bench *b, uint64_t i)
{
	const uint64_t part = (b->count - i) % b->interval;

	return i + (part ? part : min64(b->interval, b->count - i));
}

static void *run_free(void *arg)
{
	struct lane *l = arg;
	struct bench *b = l->b;
	uint64_t i;

	{
		LOCKED(&b->lock);
		while (!b->started)
			pthread_cond_wait(&b->moved, &b->lock);
	}
	while ((i = atomic_fetch_add_explicit(&b->next, 1,
	    memory_order_relaxed)) < b->count &&
	    !atomic_load_explicit(&b->failed, memory_order_relaxed))
		if (!request(b, l->buf, i))
			break;
	return NULL;
}

static uint64_t stride(const struct bench *b)
{
	return align_up(max64(b->size, 1), PAGE);
}

static void *run_batched(void *arg)
{
	struct lane *l = arg;
	struct bench *b = l->b;
	struct iovec iov[BATCH];
	struct io_req reqs[BATCH];
	struct error err;
	uint64_t i;

	{
		LOCKED(&b->lock);
		while (!b->started)
			pthread_cond_wait(&b->moved, &b->lock);
	}
	while ((i = atomic_fetch_add_explicit(&b->next, l->depth,
	    memory_order_relaxed)) < b->count &&
	    !atomic_load_explicit(&b->failed, memory_order_relaxed)) {
		unsigned n = (unsigned)min64(l->depth, b->count - i);

		for (unsigned k = 0; k < n; k++) {
			iov[k] = (struct iovec){ l->buf +
			    (b->write ? 0 : k * stride(b)), b->size };
			reqs[k] = (struct io_req){ .iov = &iov[k], .iovcnt = 1,
			    .op = b->write ? IO_WRITE : IO_READ,
			    .off = offset_of(b, i + k) };
		}
		if (image_submit(b->image, reqs, n, &err)) {
			fail(b, &err);
			break;
		}
	}
	return NULL;
}

/* The one who ends a batch flushes, and lets the next one begin. */
static bool end_batch(struct bench *b)
{
	struct error err;

	if (b->limit < b->count) {
		pthread_mutex_unlock(&b->lock);
		if (image_flush(b->image, &err)) {
			fail(b, &err);
			pthread_mutex_lock(&b->lock);
			return false;
		}
		pthread_mutex_lock(&b->lock);
		b->limit = batch_end(b, b->limit);
	}
	pthread_cond_broadcast(&b->moved);
	return true;
}

static void *run_batches(void *arg)
{
	struct lane *l = arg;
	struct bench *b = l->b;
	bool ok = true;

	LOCKED(&b->lock);
	while (ok && !b->failed && b->next < b->count) {
		const uint64_t i = b->next;

		if (!b->started || i >= b->limit) {
			pthread_cond_wait(&b->moved, &b->lock);
			continue;
		}
		b->next++;
		pthread_mutex_unlock(&b->lock);
		ok = request(b, l->buf, i);
		pthread_mutex_lock(&b->lock);
		if (ok && ++b->done == b->limit)
			ok = end_batch(b);
	}
	return NULL;
}

/* ---- the whole of it */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* depth: how many requests are in flight. */
static int start_lanes(struct bench *b, struct lane *lanes, unsigned n,
    unsigned depth, char *buffers, unsigned *started, struct error *err)
{
	void *(*run)(void *) = b->batched ? run_batched :
	    b->interval && !b->no_drain ? run_batches : run_free;
	pthread_attr_t attr;
	unsigned given = 0;
	int rc = pthread_attr_init(&attr);

	if (!rc)
		rc = pthread_attr_setstacksize(&attr, STACK);
	for (*started = 0; !rc && *started < n; ++*started) {
		struct lane *l = &lanes[*started];

		l->b = b;
		l->depth = (depth - given) / (n - *started);
		l->buf = buffers + (b->write ? 0 : given * stride(b));
		given += l->depth;
		rc = pthread_create(&l->thread, &attr, run, l);
		if (rc)
			break;
	}
	pthread_attr_destroy(&attr);
	/* Fewer threads than asked for would measure something else. */
	return rc ? error_errno(err, rc, "starting thread %u", *started) : 0;
}

/* All threads send the same bytes, but each receives its own. */
static int measure(struct bench *b, double *took, struct error *err)
{
	const unsigned depth = min64(min64(b->depth, b->batched ?
	    BATCHES * BATCH : THREADS_MAX), b->count);
	const unsigned n = b->batched ? min64(div_up(depth, 8),
	    BATCHES) : depth;
	AUTO_FREE struct lane *lanes = calloc(n + 1, sizeof(*lanes));
	AUTO_FREE void *buffers = NULL;
	unsigned started;
	double begin;
	int rc;

	if (!lanes || posix_memalign(&buffers, PAGE,
	    stride(b) * (b->write ? 1 : max64(depth, 1))))
		return error_errno(err, ENOMEM, "buffers");
	memset(buffers, b->pattern, b->write ? b->size : 0);
	b->limit = b->interval && b->count ? batch_end(b, 0) : b->count;
	rc = start_lanes(b, lanes, n, depth, buffers, &started, err);
	if (rc)
		fail(b, err);
	begin = seconds();
	pthread_mutex_lock(&b->lock);
	b->started = true;
	pthread_cond_broadcast(&b->moved);
	pthread_mutex_unlock(&b->lock);
	for (unsigned i = 0; i < started; i++)
		pthread_join(lanes[i].thread, NULL);
	*took = seconds() - begin;
	if (!rc && b->failed) {
		*err = b->err;
		rc = -err->code;
	}
	return rc;
}

static bool bench(const struct cli *cli, struct bench *b)
{
	struct error err;
	double took = 0;

	printf("Sending %" PRIu64 " %s requests, %" PRIu64 " bytes each, %"
	    PRIu64 " in parallel (starting at offset %" PRIu64
	    ", step size %" PRIu64 ")\n", b->count, b->write ? "write" :
	    "read", b->size, b->depth, b->offset, b->step);
	if (b->interval)
		printf("Sending flush every %" PRIu64 " requests\n",
		    b->interval);
	fflush(stdout);
	if (!b->image->size && b->count) {
		cli_error(cli, "Failed request: the image is empty");
		return false;
	}
	if (measure(b, &took, &err)) {
		if (cli->peer)
			cli_error(cli, "Failed request: %s",
			    strerror(err.code == EINVAL ? EIO : err.code));
		else
			cli_error(cli, "Failed request: %s", err.text);
		return false;
	}
	printf("Run completed in %3.3f seconds.\n", took);
	return true;
}

/* ---- the command line */

/* A size up to 2 GiB: each is a buffer, or a step between buffers. */
static bool small_size(const struct cli *cli, const char *what, uint64_t *v)
{
	if (!cli_size(cli, what, cli->value, v))
		return false;
	if (*v <= INT_MAX)
		return true;
	cli_error(cli, "Invalid %s specified. Must be between 0 and %d.", what,
	    INT_MAX);
	return false;
}

static bool take_option(struct bench *b, const struct cli *cli, int id,
    struct open_args *args, const char **aio)
{
	uint64_t v;

	switch (id) {
	case 'f': args->format = cli->value; break;
	case 'c':
		return cli_number(cli, "request count", cli->value, 0, INT_MAX,
		    &b->count);
	case 'd':
		return cli_number(cli, "queue depth", cli->value, 1, INT_MAX,
		    &b->depth);
	case 's': return small_size(cli, "buffer size", &b->size);
	case 'S': return small_size(cli, "step_size", &b->step);
	case 'o': return cli_size(cli, "offset", cli->value, &b->offset);
	case 'w': b->write = args->writable = true; break;
	case 'i': *aio = cli->value; break;
	case 'n': *aio = "native"; break;
	case 't': return cli_cache_mode(cli, cli->value, args);
	case 'U': args->share = true; break;
	case OPT_PATTERN:
		if (!cli_number(cli, "pattern byte", cli->value, 0, 0xff, &v))
			return false;
		b->pattern = v;
		break;
	case OPT_FLUSH:
		return cli_number(cli, "flush interval", cli->value, 0,
		    INT_MAX, &b->interval);
	case OPT_NO_DRAIN: b->no_drain = true; break;
	}
	return true;
}

static bool allowed(const struct cli *cli, const struct bench *b,
    struct open_args *args, const char *aio)
{
	struct error err;

	if (!mode_aio(aio, &args->aio)) {
		cli_error(cli, "Invalid aio option: %s", aio);
	} else if (b->interval && !b->write) {
		cli_error(cli, "--flush-interval is only available in write "
		    "tests");
	} else if (b->interval && b->interval < b->depth) {
		cli_error(cli, "Flush interval can't be smaller than depth");
	} else if (args->aio == AIO_NATIVE && !args->direct) {
		error_set(&err, EINVAL, "aio=native was specified, but it "
		    "requires cache.direct=on, which was not specified.");
		cli_open_error(cli, cli->argv[0], &err);
	} else {
		return true;
	}
	return false;
}

static int run(struct cli *cli)
{
	struct bench b = {
		.count = 75000, .depth = 64, .size = 4096,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.moved = PTHREAD_COND_INITIALIZER,
	};
	struct open_args args = { 0 };
	const char *aio = "threads";
	bool image_opts = false, ok;
	int id;

	while ((id = cli_next(cli)) >= 0) {
		if (id == OPT_IMAGE_OPTS)
			image_opts = true;
		else if (!take_option(&b, cli, id, &args, &aio))
			return 1;
	}
	if (cli->argc != 1)
		return cli_usage(cli, "Expecting one image file name");
	if (!allowed(cli, &b, &args, aio))
		return 1;
	if (!b.step)
		b.step = b.size;
	b.batched = args.aio != AIO_THREADS && args.direct && !b.interval;
	b.image = cli_open(cli, cli->argv[0], image_opts, &args);
	if (!b.image)
		return 1;
	ok = bench(cli, &b);
	return cli_close_after(cli, b.image, ok) ? 0 : 1;
}

const struct cli_command cmd_bench = {
	.name = "bench",
	.operands = "FILE",
	.summary = "time reads or writes of an image",
	.options = options,
	.run = run,
};
