/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kvm-probe.c - trying KVM takes no longer than it may, and says why not.
 * KVM_EXPECTED says what is to come out where that is known: 0, 1, 2. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "accel/kvm.h"
#include "support/unit.h"

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void it_answers_in_time(void)
{
	char why[160];
	int64_t begun = now_ms();
	enum kvm_state state = kvm_probe(1000, why);

	/* The time for the guest, and for ending the child. */
	CU_ASSERT(now_ms() - begun < 2000);
	CU_ASSERT_EQUAL(state == KVM_WORKS, why[0] == 0);
	CU_ASSERT_PTR_NULL(strchr(why, '\n'));
	printf("%d %s ", state, why);
	if (getenv("KVM_EXPECTED"))
		CU_ASSERT_EQUAL(state, atoi(getenv("KVM_EXPECTED")));
}

static void without_time_it_gives_up(void)
{
	char why[160];

	CU_ASSERT_NOT_EQUAL(kvm_probe(0, why), KVM_WORKS);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "hangs"));
}

static void no_child_is_left(void)
{
	CU_ASSERT_EQUAL(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "it answers in time", it_answers_in_time },
		{ "without time it gives up", without_time_it_gives_up },
		{ "no child is left", no_child_is_left },
		{ NULL, NULL }
	};

	return unit_run("trying kvm", tests);
}
