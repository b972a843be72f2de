/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints where the bytes of an image are. */
#include <cowbird.h>
#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct cowbird_image *img =
	    cowbird_open(argv[argc - 1], NULL, NULL, 0, NULL);
	const uint64_t size = img ? cowbird_size(img) : 0;
	struct cowbird_extent e = { 0 };

	for (uint64_t off = 0; off < size; off += e.len) {
		if (cowbird_map(img, off, size - off, &e, NULL))
			return 1;
		printf("%#12" PRIx64 " %#12" PRIx64 " %s%s\n", off, e.len,
		    e.flags & COWBIRD_ZERO ? "zero" : "data",
		    e.flags & COWBIRD_COMPRESSED ? ", compressed" : "");
	}
	return img && !cowbird_close(img, NULL) ? 0 : 1;
}
