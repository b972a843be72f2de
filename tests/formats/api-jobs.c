/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api-jobs.c - convert, copy, compare, measure and check through cowbird.h;
 * a job that ends early leaves nothing that looks finished */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cowbird.h"
#include "support/unit.h"

enum { KIB = 1024, MIB = 1024 * KIB };

static struct cowbird_error err;
static unsigned char buf[MIB];

/* A source of 8 MiB: numbered sectors in its second and fifth MiB. */
static struct cowbird_image *source(void)
{
	struct cowbird_image *img;

	if (cowbird_create("source.raw", "raw", 8 * MIB, NULL, &err) ||
	    !(img = cowbird_open("source.raw", "raw", NULL, COWBIRD_WRITABLE,
	    &err)))
		return NULL;
	for (unsigned i = 0; i < MIB; i++)
		buf[i] = (unsigned char)(i / 512 + i);
	if (cowbird_write(img, buf, MIB, MIB, 0, &err) ||
	    cowbird_write(img, buf, MIB, 4 * MIB, 0, &err) ||
	    cowbird_close(img, &err))
		return NULL;
	return cowbird_open("source.raw", "raw", NULL, 0, &err);
}

static off_t file_size(const char *name)
{
	struct stat st;

	return stat(name, &st) ? -1 : st.st_size;
}

struct seen {
	uint64_t last, total;
	unsigned calls, stop_after;
	bool backwards;
};

static int watch(void *arg, uint64_t done, uint64_t total)
{
	struct seen *s = arg;

	s->backwards |= done < s->last || done > total;
	s->last = done;
	s->total = total;
	return ++s->calls == s->stop_after;
}

static void a_converted_image_reads_the_same(void)
{
	static const struct {
		const char *format, *options;
		unsigned flags;
	} ways[] = {
		{ "raw", NULL, 0 },
		{ "qcow2", NULL, 0 },
		{ "qcow2", "compression_type=zstd", COWBIRD_COPY_COMPRESS },
		{ "qcow2", "cluster_size=512", COWBIRD_COPY_FULL },
		{ "qcow2", "data_file=data.raw,data_file_raw=on",
		    COWBIRD_COPY_UNORDERED },
	};
	struct cowbird_image *from = source(), *to;
	uint64_t at;

	CU_ASSERT_PTR_NOT_NULL_FATAL(from);
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct seen s = { 0 };

		CU_ASSERT_EQUAL(cowbird_convert(&from, 1, "to",
		    ways[i].format, ways[i].options, ways[i].flags, 0, watch,
		    &s, &err), 0);
		CU_ASSERT(!s.backwards);
		CU_ASSERT_EQUAL(s.last, 8 * MIB);
		CU_ASSERT_EQUAL(s.total, 8 * MIB);
		to = cowbird_open("to", ways[i].format, NULL, 0, &err);
		CU_ASSERT_PTR_NOT_NULL_FATAL(to);
		CU_ASSERT_EQUAL(cowbird_compare(from, to, 0, &at, NULL, NULL,
		    &err), 0);
		CU_ASSERT_EQUAL(at, COWBIRD_SAME);
		CU_ASSERT_EQUAL(cowbird_close(to, &err), 0);
	}
	CU_ASSERT_EQUAL(cowbird_close(from, &err), 0);
	unlink("to");
}

static void several_images_become_one(void)
{
	struct cowbird_image *from = source(), *two[2] = { from, from };
	struct cowbird_image *to;
	struct cowbird_extent e;

	CU_ASSERT_PTR_NOT_NULL_FATAL(from);
	CU_ASSERT_EQUAL(cowbird_convert(two, 2, "to.qcow2", "qcow2", NULL, 0,
	    0, NULL, NULL, &err), 0);
	to = cowbird_open("to.qcow2", NULL, NULL, 0, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(to);
	CU_ASSERT_EQUAL(cowbird_size(to), 16 * MIB);
	memset(buf, 0, MIB);
	CU_ASSERT_EQUAL(cowbird_read(to, buf, MIB, 12 * MIB, &err), 0);
	CU_ASSERT_EQUAL(buf[1000], (unsigned char)(1 + 1000));
	CU_ASSERT_EQUAL(cowbird_map(to, 13 * MIB, 3 * MIB, &e, &err), 0);
	CU_ASSERT(e.flags & COWBIRD_ZERO);
	CU_ASSERT_EQUAL(cowbird_close(to, &err), 0);
	CU_ASSERT_EQUAL(cowbird_close(from, &err), 0);
	CU_ASSERT_EQUAL(cowbird_convert(NULL, 0, "none", "raw", NULL, 0, 0,
	    NULL, NULL, &err), -EINVAL);
	CU_ASSERT_EQUAL(file_size("none"), -1);
}

static void a_copy_hides_what_the_target_had(void)
{
	struct cowbird_image *from = source(), *to;
	uint64_t at;

	CU_ASSERT_EQUAL(cowbird_create("old.raw", "raw", 8 * MIB,
	    "preallocation=full", &err), 0);
	to = cowbird_open("old.raw", "raw", NULL, COWBIRD_WRITABLE, &err);
	memset(buf, 0x55, MIB);
	CU_ASSERT_EQUAL(cowbird_write(to, buf, MIB, 6 * MIB, 0, &err), 0);
	CU_ASSERT_EQUAL(cowbird_close(to, &err), 0);
	CU_ASSERT_EQUAL(cowbird_create("over.qcow2", "qcow2", 8 * MIB,
	    "backing_file=old.raw,backing_fmt=raw", &err), 0);
	to = cowbird_open("over.qcow2", NULL, NULL, COWBIRD_WRITABLE, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(to);
	CU_ASSERT_EQUAL(cowbird_compare(from, to, 0, &at, NULL, NULL, &err),
	    0);
	CU_ASSERT_EQUAL(at, MIB);
	CU_ASSERT_EQUAL(cowbird_copy(&from, 1, to, 0, 0, NULL, NULL, &err),
	    0);
	CU_ASSERT_EQUAL(cowbird_compare(from, to, 0, &at, NULL, NULL, &err),
	    0);
	CU_ASSERT_EQUAL(at, COWBIRD_SAME);
	CU_ASSERT_EQUAL(cowbird_copy(&to, 1, to, 0, 0, NULL, NULL, &err),
	    -EINVAL);
	CU_ASSERT_EQUAL(cowbird_resize(to, 4 * MIB, NULL, &err), 0);
	CU_ASSERT_EQUAL(cowbird_copy(&from, 1, to, 0, 0, NULL, NULL, &err),
	    -EINVAL);
	CU_ASSERT_EQUAL(cowbird_close(to, &err), 0);
	CU_ASSERT_EQUAL(cowbird_close(from, &err), 0);
}

static void nothing_is_its_own_target(void)
{
	struct cowbird_image *from, *base = source();

	CU_ASSERT_EQUAL(cowbird_create("top.qcow2", "qcow2", 8 * MIB,
	    "backing_file=source.raw,backing_fmt=raw", &err), 0);
	from = cowbird_open("top.qcow2", NULL, NULL, COWBIRD_SHARE, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(from);
	CU_ASSERT_EQUAL(cowbird_convert(&from, 1, "top.qcow2", "raw", NULL, 0,
	    0, NULL, NULL, &err), -EINVAL);
	CU_ASSERT_EQUAL(cowbird_convert(&from, 1, "./source.raw", "raw", NULL,
	    0, 0, NULL, NULL, &err), -EINVAL);
	CU_ASSERT_EQUAL(cowbird_convert(&from, 1, "x.qcow2", "qcow2",
	    "data_file=source.raw", 0, 0, NULL, NULL, &err), -EINVAL);
	CU_ASSERT_EQUAL(file_size("x.qcow2"), -1);
	CU_ASSERT_EQUAL(file_size("source.raw"), 8 * MIB);
	CU_ASSERT_EQUAL(cowbird_close(from, &err), 0);
	CU_ASSERT_EQUAL(cowbird_close(base, &err), 0);
}

static void who_stops_a_conversion_finds_nothing(void)
{
	struct cowbird_image *from = source();
	struct seen s = { .stop_after = 1 };
	uint64_t at = 7;
	int fd = open("was", O_CREAT | O_WRONLY, 0600);

	CU_ASSERT_EQUAL(write(fd, "there", 5), 5);
	close(fd);
	CU_ASSERT_EQUAL(cowbird_convert(&from, 1, "new", "qcow2",
	    "data_file=new.data", 0, 0, watch, &s, &err), -EINTR);
	CU_ASSERT_EQUAL(file_size("new"), -1);
	CU_ASSERT_EQUAL(file_size("new.data"), -1);
	s.calls = s.last = 0;
	CU_ASSERT_EQUAL(cowbird_convert(&from, 1, "was", "raw", NULL, 0, 0,
	    watch, &s, &err), -EINTR);
	CU_ASSERT_EQUAL(file_size("was"), 0);
	s.calls = s.last = 0;
	CU_ASSERT_EQUAL(cowbird_compare(from, from, 0, &at, watch, &s, &err),
	    -EINTR);
	CU_ASSERT_EQUAL(at, 7);
	CU_ASSERT_EQUAL(cowbird_close(from, &err), 0);
}

static void measured_is_what_convert_makes(void)
{
	struct cowbird_image *from = source();
	uint64_t required = 0, full = 0;

	CU_ASSERT_EQUAL(cowbird_convert(&from, 1, "m.qcow2", "qcow2", NULL, 0,
	    0, NULL, NULL, &err), 0);
	CU_ASSERT_EQUAL(cowbird_measure(from, 0, "qcow2", NULL, &required,
	    &full, &err), 0);
	CU_ASSERT_EQUAL(required, file_size("m.qcow2"));
	CU_ASSERT(full > 8 * MIB);
	CU_ASSERT_EQUAL(cowbird_measure(NULL, 3 * MIB, "raw", NULL, &required,
	    &full, &err), 0);
	CU_ASSERT_EQUAL(required, 3 * MIB);
	CU_ASSERT_EQUAL(full, 3 * MIB);
	CU_ASSERT_EQUAL(cowbird_measure(NULL, MIB, "raw", "nonsense=1",
	    &required, &full, &err), -EINVAL);
	CU_ASSERT_EQUAL(cowbird_close(from, &err), 0);
}

static void count_line(void *arg, const char *line)
{
	*(unsigned *)arg += line[0] && !strchr(line, '\n');
}

/* The entry of cluster 1 in the first refcount block, of a new image. */
static void poke(const char *name, unsigned char low)
{
	unsigned char head[64];
	const unsigned char value[2] = { 0, low };
	uint64_t table, block;
	int fd = open(name, O_RDWR);

	CU_ASSERT_EQUAL(pread(fd, head, 64, 0), 64);
	table = (uint64_t)head[52] << 24 | head[53] << 16 | head[54] << 8 |
	    head[55];
	CU_ASSERT_EQUAL(pread(fd, head, 8, (off_t)table), 8);
	block = (uint64_t)head[4] << 24 | head[5] << 16 | head[6] << 8 |
	    head[7];
	CU_ASSERT_EQUAL(pwrite(fd, value, 2, (off_t)(block + 2 * 5)), 2);
	close(fd);
}

static void check_finds_and_repairs(void)
{
	struct cowbird_findings f;
	struct cowbird_image *img;
	unsigned lines = 0;

	CU_ASSERT_EQUAL(cowbird_create("c.qcow2", "qcow2", MIB, NULL, &err),
	    0);
	img = cowbird_open("c.qcow2", NULL, NULL, COWBIRD_FOR_CHECK, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT_EQUAL(cowbird_check(img, 0, count_line, &lines, &f, &err),
	    0);
	CU_ASSERT_EQUAL(f.corruptions + f.leaks + f.check_errors + lines, 0);
	CU_ASSERT_EQUAL(f.total_clusters, 16);
	CU_ASSERT_EQUAL(cowbird_check(img, COWBIRD_FIX_LEAKS, NULL, NULL, &f,
	    &err), -EBADF);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);

	poke("c.qcow2", 1);
	CU_ASSERT_EQUAL(truncate("c.qcow2", 6 * 65536), 0);
	img = cowbird_open("c.qcow2", NULL, NULL,
	    COWBIRD_FOR_CHECK | COWBIRD_WRITABLE, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT_EQUAL(cowbird_check(img, 0, count_line, &lines, &f, &err),
	    0);
	CU_ASSERT_EQUAL(f.leaks, 1);
	CU_ASSERT_EQUAL(lines, 1);
	CU_ASSERT_EQUAL(cowbird_check(img,
	    COWBIRD_FIX_LEAKS | COWBIRD_FIX_ERRORS, NULL, NULL, &f, &err), 0);
	CU_ASSERT_EQUAL(f.leaks, 0);
	CU_ASSERT_EQUAL(f.leaks_fixed, 1);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a converted image reads the same",
		    a_converted_image_reads_the_same },
		{ "several images become one", several_images_become_one },
		{ "a copy hides what the target had",
		    a_copy_hides_what_the_target_had },
		{ "nothing is its own target", nothing_is_its_own_target },
		{ "who stops a conversion finds nothing",
		    who_stops_a_conversion_finds_nothing },
		{ "measured is what convert makes",
		    measured_is_what_convert_makes },
		{ "check finds and repairs", check_finds_and_repairs },
		{ NULL, NULL }
	};

	return unit_run("api-jobs", tests);
}
