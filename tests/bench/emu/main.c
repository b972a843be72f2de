/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs workloads in a guest and says what each took.
 *
 *	work [-s PERCENT] [-d DISK] [-l] [NAME | CLASS]...
 *
 * For each: "begin NAME CLASS", its work, "end NAME SECONDS RESULT".  The
 * watcher outside looks at the processor time of the emulator when the lines
 * come; the seconds are the guest's own.  -s makes the work larger or smaller.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "work.h"

const char *work_disk;

static const struct work *const all[] = {
	integer_work, string_work, float_work, system_work, code_work,
	disk_work,
};

_Noreturn void work_fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int wanted(const struct work *w, char **names, int count)
{
	int i;

	if (w->kind[0] == 'd' && !work_disk)
		return 0;
	for (i = 0; i < count; i++) {
		if (!strcmp(names[i], w->name) || !strcmp(names[i], w->kind))
			return 1;
	}
	return count == 0;
}

int main(int argc, char **argv)
{
	const struct work *w;
	unsigned percent = 100, n;
	int opt, list = 0;
	uint64_t result;
	size_t i;
	double t;

	/* What the workload "exec" starts. */
	if (argc == 2 && !strcmp(argv[1], "--nothing"))
		return 0;
	while ((opt = getopt(argc, argv, "s:d:l")) != -1) {
		switch (opt) {
		case 's':
			percent = atoi(optarg);
			break;
		case 'd':
			work_disk = optarg;
			break;
		case 'l':
			list = 1;
			break;
		default:
			return 2;
		}
	}
	if (list)
		work_disk = "";
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (w = all[i]; w->name; w++) {
			if (!wanted(w, argv + optind, argc - optind))
				continue;
			if (list) {
				printf("%s\t%s\n", w->name, w->kind);
				continue;
			}
			n = (uint64_t)w->n * percent / 100;
			printf("begin %s %s\n", w->name, w->kind);
			fflush(stdout);
			t = now();
			result = w->run(n ? n : 1);
			t = now() - t;
			printf("end %s %.3f %016llx\n", w->name, t,
			    (unsigned long long)result);
			fflush(stdout);
		}
	}
	return 0;
}
