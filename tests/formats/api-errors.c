/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api-errors.c - what a caller of cowbird.h gets wrong, or an image, is told
 * by errno value and text, and harms nothing */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cowbird.h"
#include "support/unit.h"

enum { MIB = 1 << 20 };

static struct cowbird_error err;
static unsigned char buf[4096];

/* The call failed with this code, and says so in one line. */
static bool failed_with(int rc, int code)
{
	const bool ok = rc == -code && err.code == code && err.text[0] &&
	    !strchr(err.text, '\n');

	if (!ok)
		printf("\n    %d, %d: %s", rc, err.code, err.text);
	memset(&err, 0, sizeof(err));
	return ok;
}

static bool open_fails(const char *name, const char *format,
    const char *options, unsigned flags, int code)
{
	return !cowbird_open(name, format, options, flags, &err) &&
	    failed_with(-err.code, code);
}

static void opening_tells_what_is_wrong(void)
{
	CU_ASSERT(open_fails("missing", NULL, NULL, 0, ENOENT));
	CU_ASSERT(open_fails(".", NULL, NULL, 0, EISDIR));
	CU_ASSERT(open_fails(NULL, NULL, NULL, 0, EINVAL));
	CU_ASSERT(open_fails("e.raw", "nonsense", NULL, 0, EINVAL));
	CU_ASSERT(open_fails("e.raw", "raw", "nonsense=1", 0, EINVAL));
	CU_ASSERT(open_fails("e.raw", "qcow2", NULL, 0, EINVAL));
	CU_ASSERT(open_fails("e.raw", "raw", NULL, 0x80000000, EINVAL));
	CU_ASSERT(open_fails("e.raw", "raw", NULL,
	    COWBIRD_WRITABLE | COWBIRD_SHARE, EINVAL));
	CU_ASSERT(open_fails("json:{", NULL, NULL, 0, EINVAL));
	CU_ASSERT(open_fails("nosuch://host/x", NULL, NULL, 0, EINVAL));
}

static void ranges_past_the_end_are_refused(void)
{
	struct cowbird_image *img = cowbird_open("e.raw", "raw", NULL,
	    COWBIRD_WRITABLE, &err);
	struct cowbird_extent e;

	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT(failed_with(cowbird_read(img, buf, 4096, MIB - 512, &err),
	    EINVAL));
	CU_ASSERT(failed_with(cowbird_write(img, buf, 512, MIB, 0, &err),
	    EINVAL));
	CU_ASSERT(failed_with(cowbird_write(img, buf, 512, UINT64_MAX - 100,
	    0, &err), EINVAL));
	CU_ASSERT(failed_with(cowbird_zero(img, 512, MIB, 0, &err), EINVAL));
	CU_ASSERT(failed_with(cowbird_discard(img, 512, MIB, &err), EINVAL));
	CU_ASSERT(failed_with(cowbird_map(img, MIB, 1, &e, &err), EINVAL));
	CU_ASSERT(failed_with(cowbird_map(img, 0, 0, &e, &err), EINVAL));
	CU_ASSERT(failed_with(cowbird_map(img, 1, UINT64_MAX, &e, &err),
	    EINVAL));
	CU_ASSERT_EQUAL(cowbird_read(img, buf, 0, MIB, &err), 0);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

static void unknown_flags_are_refused(void)
{
	struct cowbird_image *img = cowbird_open("e.raw", "raw", NULL,
	    COWBIRD_WRITABLE, &err);
	struct cowbird_findings f;

	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT(failed_with(cowbird_write(img, buf, 512, 0, 64, &err),
	    EINVAL));
	CU_ASSERT(failed_with(cowbird_zero(img, 0, 512, COWBIRD_COMPRESS,
	    &err), EINVAL));
	CU_ASSERT(failed_with(cowbird_check(img, 4, NULL, NULL, &f, &err),
	    EINVAL));
	CU_ASSERT(failed_with(cowbird_convert(&img, 1, "x", "raw", NULL, 16,
	    0, NULL, NULL, &err), EINVAL));
	CU_ASSERT_EQUAL(access("x", F_OK), -1);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

static void what_a_format_cannot_do_is_not_supported(void)
{
	struct cowbird_image *img = cowbird_open("e.raw", "raw", NULL,
	    COWBIRD_WRITABLE, &err);
	struct cowbird_findings f;

	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT(failed_with(cowbird_check(img, 0, NULL, NULL, &f, &err),
	    ENOTSUP));
	CU_ASSERT(failed_with(cowbird_write(img, buf, 512, 0,
	    COWBIRD_COMPRESS, &err), ENOTSUP));
	CU_ASSERT(failed_with(cowbird_resize(img, MIB, "metadata", &err),
	    ENOTSUP));
	CU_ASSERT(failed_with(cowbird_create("x", "raw", MIB,
	    "backing_file=e.raw", &err), EINVAL));
	CU_ASSERT(failed_with(cowbird_create("x", "qcow2", MIB,
	    "cluster_size=3k", &err), EINVAL));
	CU_ASSERT(failed_with(cowbird_create("x", "qcow2",
	    COWBIRD_SIZE_OF_BACKING, NULL, &err), EINVAL));
	CU_ASSERT(failed_with(cowbird_create("x", "nonsense", MIB, NULL,
	    &err), EINVAL));
	CU_ASSERT_EQUAL(access("x", F_OK), -1);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

static void read_only_images_are_not_written(void)
{
	struct cowbird_image *img = cowbird_open("e.raw", "raw", NULL, 0,
	    &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT(cowbird_write(img, buf, 512, 0, 0, &err) < 0);
	CU_ASSERT(cowbird_zero(img, 0, 512, 0, &err) < 0);
	CU_ASSERT(cowbird_discard(img, 0, 512, &err) < 0);
	CU_ASSERT(cowbird_resize(img, 2 * MIB, NULL, &err) < 0);
	CU_ASSERT_EQUAL(cowbird_size(img), MIB);
	CU_ASSERT_EQUAL(cowbird_flush(img, &err), 0);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

static void a_guessed_raw_image_stays_raw(void)
{
	struct cowbird_image *img = cowbird_open("e.raw", NULL, NULL,
	    COWBIRD_WRITABLE, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	memcpy(buf, "QFI\xfb\0\0\0\3", 8);
	CU_ASSERT(failed_with(cowbird_write(img, buf, 512, 0, 0, &err),
	    EPERM));
	CU_ASSERT_EQUAL(cowbird_write(img, buf, 512, 4096, 0, &err), 0);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

static void a_second_writer_is_shut_out(void)
{
	struct cowbird_image *img = cowbird_open("e.raw", "raw", NULL,
	    COWBIRD_WRITABLE, &err), *other;

	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT(open_fails("e.raw", "raw", NULL, COWBIRD_WRITABLE, EAGAIN));
	CU_ASSERT(open_fails("e.raw", "raw", NULL, 0, EAGAIN));
	CU_ASSERT(failed_with(cowbird_create("e.raw", "raw", 512, NULL,
	    &err), EAGAIN));
	CU_ASSERT_EQUAL(cowbird_size(img), MIB);
	other = cowbird_open("e.raw", "raw", NULL, COWBIRD_SHARE, &err);
	CU_ASSERT_PTR_NOT_NULL(other);
	CU_ASSERT_EQUAL(cowbird_close(other, &err), 0);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

static void references_are_followed_only_as_far_as_allowed(void)
{
	struct cowbird_image *img;

	CU_ASSERT_EQUAL(cowbird_create("over.qcow2", "qcow2", MIB,
	    "backing_file=e.raw,backing_fmt=raw", &err), 0);
	CU_ASSERT(open_fails("over.qcow2", NULL, NULL, COWBIRD_UNTRUSTED,
	    EKEYREJECTED));
	img = cowbird_open("over.qcow2", NULL, NULL,
	    COWBIRD_UNTRUSTED | COWBIRD_NO_BACKING, &err);
	CU_ASSERT_PTR_NOT_NULL(img);
	cowbird_close(img, NULL);

	CU_ASSERT_EQUAL(cowbird_create("over.qcow2", "qcow2", MIB,
	    "backing_file=json:{\"file.filename\":\"e.raw\"},backing_fmt=raw",
	    &err), 0);
	CU_ASSERT(open_fails("over.qcow2", NULL, NULL, 0, EKEYREJECTED));
	img = cowbird_open("over.qcow2", NULL, NULL, COWBIRD_ALLOW_EXTERNAL,
	    &err);
	CU_ASSERT_PTR_NOT_NULL(img);
	cowbird_close(img, NULL);
}

static void nobody_has_to_ask_why(void)
{
	CU_ASSERT_PTR_NULL(cowbird_open("missing", NULL, NULL, 0, NULL));
	CU_ASSERT_EQUAL(cowbird_create("x", "nonsense", 0, NULL, NULL),
	    -EINVAL);
	CU_ASSERT_EQUAL(cowbird_close(NULL, NULL), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "opening tells what is wrong", opening_tells_what_is_wrong },
		{ "ranges past the end are refused",
		    ranges_past_the_end_are_refused },
		{ "unknown flags are refused", unknown_flags_are_refused },
		{ "what a format cannot do is not supported",
		    what_a_format_cannot_do_is_not_supported },
		{ "read-only images are not written",
		    read_only_images_are_not_written },
		{ "a guessed raw image stays raw",
		    a_guessed_raw_image_stays_raw },
		{ "a second writer is shut out", a_second_writer_is_shut_out },
		{ "references are followed only as far as allowed",
		    references_are_followed_only_as_far_as_allowed },
		{ "nobody has to ask why", nobody_has_to_ask_why },
		{ NULL, NULL }
	};

	if (cowbird_create("e.raw", "raw", MIB, NULL, &err))
		return 1;
	return unit_run("api-errors", tests);
}
