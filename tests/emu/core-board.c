/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core-board.c - clock, timers, descriptors and posted work */
#include "core/board.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/unit.h"

#define MS 1000000ull

static struct board *board;
static char order[16];
static unsigned fired;

static void begin(void)
{
	struct error err;

	board = board_new(&err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(board);
	fired = 0;
	order[0] = 0;
}

static void note(void *opaque)
{
	order[fired++] = *(char *)opaque;
	order[fired] = 0;
}

static void note_and_quit(void *opaque)
{
	note(opaque);
	board_quit(board, 7);
}

static void timers_fire_in_order_of_time_not_before_it(void)
{
	static char a[] = "a", b[] = "b", c[] = "c", d[] = "d";
	struct timer t[4];
	uint64_t now;

	begin();
	board_lock(board);
	timer_init(&t[0], board, note, a);
	timer_init(&t[1], board, note, b);
	timer_init(&t[2], board, note, c);
	timer_init(&t[3], board, note_and_quit, d);
	now = board_now_ns(board);
	timer_set(&t[3], now + 8 * MS);
	timer_set(&t[1], now + 4 * MS);
	timer_set(&t[0], now + 9 * MS);
	timer_set(&t[0], now + 2 * MS);		/* replaces */
	timer_set(&t[2], now + 3 * MS);
	timer_stop(&t[2]);
	CU_ASSERT_FALSE(t[2].pending);
	board_unlock(board);
	CU_ASSERT_EQUAL(board_run(board), 7);
	CU_ASSERT_STRING_EQUAL(order, "abd");
	CU_ASSERT(board_now_ns(board) >= now + 8 * MS);
	CU_ASSERT_FALSE(t[3].pending);
	board_free(board);
}

static struct timer again, stop_it, other;

static void set_in_the_past(void *opaque)
{
	fired++;
	timer_set(&again, 0);
}

static void quit(void *opaque)
{
	board_quit(board, 3);
}

static void a_timer_always_due_lets_others_have_their_turn(void)
{
	struct timer last;

	begin();
	board_lock(board);
	timer_init(&again, board, set_in_the_past, NULL);
	timer_init(&last, board, quit, NULL);
	timer_set(&again, 0);
	timer_set(&last, board_now_ns(board) + 1 * MS);
	board_unlock(board);
	CU_ASSERT_EQUAL(board_run(board), 3);
	CU_ASSERT(fired > 1);
	board_free(board);
}

static void stop_the_other(void *opaque)
{
	fired++;
	timer_stop(opaque);
}

static void of_two_due_one_may_stop_the_other(void)
{
	begin();
	board_lock(board);
	timer_init(&stop_it, board, stop_the_other, &other);
	timer_init(&other, board, stop_the_other, &stop_it);
	timer_set(&stop_it, 0);
	timer_set(&other, 0);
	board_unlock(board);
	board_quit(board, 0);
	board_run(board);
	CU_ASSERT_EQUAL(fired, 1);
	board_free(board);
}

static void time_stands_while_it_is_stopped(void)
{
	static char a[] = "a";
	struct timer t;
	uint64_t at;

	begin();
	board_lock(board);
	timer_init(&t, board, note_and_quit, a);
	board_stop_clock(board);
	at = board_now_ns(board);
	timer_set(&t, at + 1 * MS);
	board_unlock(board);
	usleep(5000);
	CU_ASSERT_EQUAL(board_now_ns(board), at);
	board_quit(board, 1);
	board_run(board);
	CU_ASSERT_EQUAL(fired, 0);
	board_lock(board);
	board_stop_clock(board);		/* twice is as once */
	CU_ASSERT_EQUAL(board_now_ns(board), at);
	board_start_clock(board);
	CU_ASSERT(board_now_ns(board) - at < 1000 * MS);
	CU_ASSERT(t.pending);
	board_unlock(board);
	usleep(3000);
	board_run(board);
	CU_ASSERT_EQUAL(fired, 1);
	board_free(board);
}

static void post_again(void *opaque);
static struct board_work work[4] = {
	{ note, "a", NULL, false }, { note, "b", NULL, false },
	{ post_again, "c", NULL, false }, { note_and_quit, "q", NULL, false },
};

static void post_again(void *opaque)
{
	note(opaque);
	board_post(board, &work[3]);
	board_post(board, &work[0]);
}

static void work_runs_in_the_order_of_posting(void)
{
	begin();
	board_post(board, &work[1]);
	board_post(board, &work[0]);
	board_post(board, &work[1]);		/* is posted already */
	board_post(board, &work[2]);
	board_run(board);
	CU_ASSERT_STRING_EQUAL(order, "bacqa");
	board_free(board);
}

static int ends[2];
static struct board_fd *watched;

static void read_one(void *opaque, short revents)
{
	char c;

	CU_ASSERT(revents & POLLIN);
	CU_ASSERT_EQUAL(read(ends[0], &c, 1), 1);
	note(&c);
	if (c == 'p')
		board_fd_events(watched, 0);
	if (c == 'r') {
		board_fd_remove(watched);
		board_quit(board, 0);
	}
}

static void go_on(void *opaque)
{
	note(opaque);
	board_fd_events(watched, POLLIN);
}

static void descriptors_are_called_until_paused_or_removed(void)
{
	static char t[] = "t";
	struct timer timer;
	struct error err;

	begin();
	CU_ASSERT_EQUAL(pipe(ends), 0);
	CU_ASSERT_EQUAL(write(ends[1], "apbrz", 5), 5);
	board_lock(board);
	watched = board_fd_add(board, ends[0], POLLIN, read_one, NULL, &err);
	timer_init(&timer, board, go_on, t);
	timer_set(&timer, board_now_ns(board) + 20 * MS);
	board_unlock(board);
	board_run(board);
	CU_ASSERT_STRING_EQUAL(order, "aptbr");
	close(ends[0]);
	close(ends[1]);
	board_free(board);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "timers fire in order of time, not before it",
		    timers_fire_in_order_of_time_not_before_it },
		{ "a timer that is always due lets others have their turn",
		    a_timer_always_due_lets_others_have_their_turn },
		{ "of two due timers one may stop the other",
		    of_two_due_one_may_stop_the_other },
		{ "time stands while it is stopped",
		    time_stands_while_it_is_stopped },
		{ "work runs in the order of posting",
		    work_runs_in_the_order_of_posting },
		{ "descriptors are called until paused or removed",
		    descriptors_are_called_until_paused_or_removed },
		{ NULL, NULL }
	};

	return unit_run("board", tests);
}
