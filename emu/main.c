/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c - cowbird-emu */
#include <stdio.h>

int
main(void)
{
	fprintf(stderr, "cowbird-emu: no machine yet\n");
	return 1;
}
