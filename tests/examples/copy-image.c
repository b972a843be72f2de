/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies an image of any format into a compressed qcow2. */
#include <cowbird.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct cowbird_error err;
	struct cowbird_image *img = cowbird_open(argv[1], NULL, NULL, 0, &err);

	if (!img || cowbird_convert(&img, 1, argc > 2 ? argv[2] : "copy.qcow2",
	    "qcow2", NULL, COWBIRD_COPY_COMPRESS, 0, NULL, NULL, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	return cowbird_close(img, NULL) ? 1 : 0;
}
