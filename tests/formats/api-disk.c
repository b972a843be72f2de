/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api-disk.c - through cowbird.h an image is a disk: what was written is
 * read, where the map says, also after it was closed and opened again */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "cowbird.h"
#include "support/unit.h"

enum { KIB = 1024, MIB = 1024 * KIB };

static struct cowbird_error err;
static unsigned char buf[MIB];

static struct cowbird_image *open_image(const char *name, unsigned flags)
{
	struct cowbird_image *img = cowbird_open(name, NULL, NULL, flags,
	    &err);

	CU_ASSERT_PTR_NOT_NULL(img);
	return img;
}

static bool reads_as(struct cowbird_image *img, uint64_t off, size_t len,
    int byte)
{
	memset(buf, ~byte, len);
	if (cowbird_read(img, buf, len, off, &err))
		return false;
	for (size_t i = 0; i < len; i++)
		if (buf[i] != byte)
			return false;
	return true;
}

static void the_version_and_the_formats_are_told(void)
{
	unsigned n = 0;

	CU_ASSERT_STRING_EQUAL(cowbird_version(), COWBIRD_VERSION);
	while (cowbird_format(n))
		n++;
	CU_ASSERT(n >= 2);
	CU_ASSERT_EQUAL(cowbird_format_can("raw"), COWBIRD_CAN_CREATE |
	    COWBIRD_CAN_WRITE | COWBIRD_CAN_RESIZE);
	CU_ASSERT_EQUAL(cowbird_format_can("qcow2"), 31);
	CU_ASSERT_EQUAL(cowbird_format_can("nonsense"), 0);
}

static void what_was_written_is_there_after_opening_again(void)
{
	struct cowbird_image *img;
	char a[512], b[1536];
	struct iovec iov[] = { { a, sizeof(a) }, { b, sizeof(b) } };

	CU_ASSERT_EQUAL(cowbird_create("disk.qcow2", "qcow2", 10 * MIB,
	    "cluster_size=4k", &err), 0);
	img = open_image("disk.qcow2", COWBIRD_WRITABLE);
	CU_ASSERT_EQUAL(cowbird_size(img), 10 * MIB);
	CU_ASSERT_STRING_EQUAL(cowbird_image_format(img), "qcow2");
	CU_ASSERT_PTR_NULL(cowbird_backing_name(img));
	memset(buf, 0x11, MIB);
	CU_ASSERT_EQUAL(cowbird_write(img, buf, MIB, MIB, 0, &err), 0);
	memset(a, 0x22, sizeof(a));
	memset(b, 0x22, sizeof(b));
	CU_ASSERT_EQUAL(cowbird_writev(img, iov, 2, 5 * MIB, COWBIRD_FUA,
	    &err), 0);
	CU_ASSERT_EQUAL(cowbird_write(img, buf, 4096, 6 * MIB,
	    COWBIRD_COMPRESS, &err), 0);
	CU_ASSERT_EQUAL(cowbird_zero(img, MIB, 64 * KIB, COWBIRD_MAY_UNMAP,
	    &err), 0);
	CU_ASSERT_EQUAL(cowbird_flush(img, &err), 0);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);

	img = open_image("disk.qcow2", COWBIRD_DIRECT);
	CU_ASSERT(reads_as(img, 0, MIB, 0));
	CU_ASSERT(reads_as(img, MIB, 64 * KIB, 0));
	CU_ASSERT(reads_as(img, MIB + 64 * KIB, MIB - 64 * KIB, 0x11));
	CU_ASSERT(reads_as(img, 5 * MIB, 2048, 0x22));
	CU_ASSERT(reads_as(img, 5 * MIB + 2048, 2048, 0));
	CU_ASSERT(reads_as(img, 6 * MIB, 4096, 0x11));
	CU_ASSERT_EQUAL(cowbird_readv(img, iov, 2, 5 * MIB + 512, &err), 0);
	CU_ASSERT_EQUAL(a[511], 0x22);
	CU_ASSERT_EQUAL(b[1023], 0x22);
	CU_ASSERT_EQUAL(b[1024], 0);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

static void the_map_tells_data_zeros_holes_and_depth(void)
{
	struct cowbird_image *img;
	struct cowbird_extent e;

	CU_ASSERT_EQUAL(cowbird_create("base.raw", "raw", MIB, NULL, &err),
	    0);
	img = cowbird_open("base.raw", "raw", NULL, COWBIRD_WRITABLE, &err);
	memset(buf, 0x33, MIB);
	CU_ASSERT_EQUAL(cowbird_write(img, buf, MIB, 0, 0, &err), 0);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
	CU_ASSERT_EQUAL(cowbird_create("top.qcow2", "qcow2",
	    COWBIRD_SIZE_OF_BACKING,
	    "backing_file=base.raw,backing_fmt=raw", &err), 0);
	img = open_image("top.qcow2", COWBIRD_WRITABLE);
	CU_ASSERT_EQUAL(cowbird_size(img), MIB);
	CU_ASSERT_STRING_EQUAL(cowbird_backing_name(img), "base.raw");
	CU_ASSERT_EQUAL(cowbird_resize(img, 2 * MIB, NULL, &err), 0);
	CU_ASSERT_EQUAL(cowbird_size(img), 2 * MIB);
	CU_ASSERT_EQUAL(cowbird_zero(img, 0, 64 * KIB, 0, &err), 0);
	CU_ASSERT_EQUAL(cowbird_write(img, buf, 64 * KIB, 128 * KIB,
	    COWBIRD_COMPRESS, &err), 0);
	CU_ASSERT_EQUAL(cowbird_write(img, buf, 64 * KIB, 192 * KIB, 0, &err),
	    0);

	CU_ASSERT_EQUAL(cowbird_map(img, 0, 2 * MIB, &e, &err), 0);
	CU_ASSERT_EQUAL(e.off, 0);
	CU_ASSERT_EQUAL(e.len, 64 * KIB);
	CU_ASSERT_EQUAL(e.depth, 0);
	CU_ASSERT_EQUAL(e.flags & ~COWBIRD_OFFSET,
	    COWBIRD_PRESENT | COWBIRD_ZERO);
	CU_ASSERT_EQUAL(cowbird_map(img, 65 * KIB, KIB, &e, &err), 0);
	CU_ASSERT_EQUAL(e.len, KIB);
	CU_ASSERT_EQUAL(e.depth, 1);
	CU_ASSERT_EQUAL(e.flags,
	    COWBIRD_PRESENT | COWBIRD_DATA | COWBIRD_OFFSET);
	CU_ASSERT_EQUAL(e.offset, 65 * KIB);
	CU_ASSERT_STRING_EQUAL(e.file, "base.raw");
	CU_ASSERT_EQUAL(cowbird_map(img, 128 * KIB, MIB, &e, &err), 0);
	CU_ASSERT_EQUAL(e.flags,
	    COWBIRD_PRESENT | COWBIRD_DATA | COWBIRD_COMPRESSED);
	CU_ASSERT_PTR_NULL(e.file);
	CU_ASSERT_EQUAL(cowbird_map(img, 192 * KIB, MIB, &e, &err), 0);
	CU_ASSERT_EQUAL(e.flags,
	    COWBIRD_PRESENT | COWBIRD_DATA | COWBIRD_OFFSET);
	CU_ASSERT_STRING_EQUAL(e.file, "top.qcow2");
	CU_ASSERT_EQUAL(cowbird_map(img, MIB, MIB, &e, &err), 0);
	CU_ASSERT_EQUAL(e.flags & ~COWBIRD_PRESENT, COWBIRD_ZERO);
	CU_ASSERT_EQUAL(e.len, MIB);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);

	img = open_image("top.qcow2", COWBIRD_NO_BACKING);
	CU_ASSERT(reads_as(img, 64 * KIB, 64 * KIB, 0));
	CU_ASSERT(reads_as(img, 128 * KIB, 128 * KIB, 0x33));
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

static void discard_gives_space_back_only_when_asked(void)
{
	struct cowbird_image *img;

	for (unsigned unmap = 0; unmap <= COWBIRD_UNMAP;
	    unmap += COWBIRD_UNMAP) {
		CU_ASSERT_EQUAL(cowbird_create("d.qcow2", "qcow2", MIB, NULL,
		    &err), 0);
		img = open_image("d.qcow2", COWBIRD_WRITABLE | unmap);
		memset(buf, 0x44, MIB);
		CU_ASSERT_EQUAL(cowbird_write(img, buf, MIB, 0, 0, &err), 0);
		CU_ASSERT_EQUAL(cowbird_discard(img, 0, MIB, &err), 0);
		CU_ASSERT(reads_as(img, 0, MIB, unmap ? 0 : 0x44));
		CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
	}
}

static void info_is_the_json_of_the_tool(void)
{
	struct cowbird_image *img = open_image("top.qcow2", 0);
	char *text = cowbird_info(img, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"virtual-size\": 2097152"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"filename\": \"top.qcow2\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(text,
	    "\"backing-filename\": \"base.raw\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"cluster-size\": 65536"));
	cowbird_free(text);
	cowbird_free(NULL);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

static void options_name_the_file_and_the_window(void)
{
	struct cowbird_image *img = cowbird_open(NULL, NULL,
	    "driver=raw,file.filename=base.raw,offset=512k,size=4k", 0, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT_EQUAL(cowbird_size(img), 4096);
	CU_ASSERT(reads_as(img, 0, 4096, 0x33));
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "the version and the formats are told",
		    the_version_and_the_formats_are_told },
		{ "what was written is there after opening again",
		    what_was_written_is_there_after_opening_again },
		{ "the map tells data, zeros, holes and depth",
		    the_map_tells_data_zeros_holes_and_depth },
		{ "discard gives space back only when asked",
		    discard_gives_space_back_only_when_asked },
		{ "info is the JSON of the tool",
		    info_is_the_json_of_the_tool },
		{ "options name the file and the window",
		    options_name_the_file_and_the_window },
		{ NULL, NULL }
	};

	return unit_run("api-disk", tests);
}
