/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks for errors in an image's tables and says what it found. */
#include <cowbird.h>
#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct cowbird_error err;
	struct cowbird_findings f;
	struct cowbird_image *img = cowbird_open(argv[argc - 1], NULL, NULL,
	    COWBIRD_FOR_CHECK | COWBIRD_NO_BACKING, &err);

	if (!img || cowbird_check(img, 0, NULL, NULL, &f, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("%" PRIu64 " errors, %" PRIu64 " clusters leaked\n",
	    f.corruptions, f.leaks);
	cowbird_close(img, NULL);
	return f.corruptions || f.leaks ? 2 : 0;
}
