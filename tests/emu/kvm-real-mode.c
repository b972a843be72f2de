/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kvm-real-mode.c - small guests in real mode under the engine kvm: devices,
 * interrupts, a second processor, holding, resetting and failing */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "accel/kvm.h"
#include "accel/vcpu.h"
#include "core/board.h"
#include "cpu/model.h"
#include "support/unit.h"

#define CODE 0x8000u
#define SECOND 0x9000u

/* The guests; each ends by writing to port F4h. */
#define GUEST(name, text)						\
	extern const uint8_t name[], name##_end[];			\
	__asm__(".pushsection .rodata\n.code16\n"			\
	    ".globl " #name ", " #name "_end\n"				\
	    #name ":\n" text						\
	    #name "_end:\n.code64\n.popsection\n")
#define QUIT(code) "	movb $" #code ", %al\n	outb %al, $0xf4\n"	\
	"0:	hlt\n	jmp 0b\n"

GUEST(devices,
	"	movb $0x55, %al\n"
	"	outb %al, $0x80\n"
	"	inw $0x82, %ax\n"
	"	movw %ax, 0x7000\n"
	"	movw $0xa000, %ax\n"
	"	movw %ax, %es\n"
	"	movw $0x1234, %es:0x10\n"
	"	movb %es:0x21, %al\n"
	"	movb %al, 0x7002\n"
	"	movw $0xd000, %ax\n"
	"	movw %ax, %es\n"
	"	movb $0x66, %es:0x5\n"		/* ROM */
	"	movb %es:0x5, %al\n"
	"	movb %al, 0x7003\n"
	"	cld\n"
	"	movw $0x7010, %si\n"
	"	movw $3, %cx\n"
	"	movw $0x80, %dx\n"
	"	rep outsb\n"
	QUIT(7));

GUEST(counts,
	"1:	incl 0x7000\n"
	"	jmp 1b\n");

/* With no IDT at all, in flat protected mode: some KVMs emulate real mode
 * without looking at the IDT's limit. */
GUEST(faults,
	"	lidtw 0x7000\n"
	"	lgdtw 0x8000 + 1f - faults\n"
	"	movl %cr0, %eax\n"
	"	orb $1, %al\n"
	"	movl %eax, %cr0\n"
	"	ljmpl $8, $0x8000 + 2f - faults\n"
	".balign 8\n"
	"1:	.word 0x17\n"			/* its first entry is itself */
	"	.long 0x8000 + 1b - faults\n"
	"	.word 0\n"
	"	.quad 0x00cf9a000000ffff\n"
	"	.quad 0x00cf92000000ffff\n"
	".code32\n"
	"2:	movw $16, %ax\n"
	"	movw %ax, %ds\n"
	"	movw %ax, %es\n"
	"	movw %ax, %ss\n"
	"	movw $0xfff8, %ax\n"		/* beyond the GDT */
	"	movw %ax, %ds\n"
	".code16\n"
	QUIT(9));

/* Vector 0Ch (IRQ 4) is at 30h; the 8259s as a BIOS sets them. */
GUEST(waits,
	"	cli\n"
	"	movb $0x11, %al\n"
	"	outb %al, $0x20\n"
	"	movb $0x08, %al\n"
	"	outb %al, $0x21\n"
	"	movb $0x04, %al\n"
	"	outb %al, $0x21\n"
	"	movb $0x01, %al\n"
	"	outb %al, $0x21\n"
	"	movb $0xef, %al\n"
	"	outb %al, $0x21\n"
	"	movw $0x8000 + 2f - waits, 0x30\n"
	"	movw $0, 0x32\n"
	"	movw $0x8000 + 3f - waits, 0x8\n"	/* NMI */
	"	movw $0, 0xa\n"
	"	outb %al, $0x84\n"		/* ready */
	"	sti\n"
	"1:	hlt\n"
	"	jmp 1b\n"
	"2:	movb $0x20, %al\n"
	"	outb %al, $0x20\n"
	QUIT(4)
	"3:\n"
	QUIT(2));

/* ES is the APIC's page: INIT, SIPI to all others (SDM 3A, 9.4). */
GUEST(wakes,
	"	movl $0xc4500, %es:0x300\n"
	"	movl $0xc4609, %es:0x300\n"
	"1:	pause\n"
	"	cmpb $0x42, 0x7000\n"
	"	jne 1b\n"
	QUIT(5));
GUEST(second,
	"	xorw %ax, %ax\n"
	"	movw %ax, %ds\n"
	"	movb $0x42, 0x7000\n"
	"1:	hlt\n"
	"	jmp 1b\n");

GUEST(notifies,
	"	movw $0xc0, %dx\n"
	"	movw $3, %ax\n"
	"	outw %ax, %dx\n"		/* by descriptor */
	"	movw $4, %ax\n"
	"	outw %ax, %dx\n"		/* not this value */
	QUIT(6));

static struct board *board;
static struct mem *mem;
static struct bus *bus;
static struct kvm *kvm;
static struct cpu_model *model;
static struct vcpus *vcpus;
static uint8_t *ram;
static uint8_t rom[4096] __attribute__((aligned(4096)));
static char seen[512], why[160];
static int line_on_ready;

static void note(const char *what, uint64_t off, unsigned size, uint64_t v)
{
	size_t n = strlen(seen);

	snprintf(seen + n, sizeof(seen) - n, "%s%x.%u=%x ", what,
	    (unsigned)off, size, (unsigned)v);
}

static uint64_t dev_read(void *dev, uint64_t off, unsigned size)
{
	note("r", off, size, 0);
	return 0xbeef;
}

static void dev_write(void *dev, uint64_t off, unsigned size, uint64_t v)
{
	note("w", off, size, v);
}

static void ready(void *dev, uint64_t off, unsigned size, uint64_t v)
{
	struct irq line = kvm_line(kvm, 4);

	if (line_on_ready > 0)
		irq_set(&line, true);
	else
		cpu_kvm.request(vcpus_cpu(vcpus, 0), CPU_REQ_NMI);
}

static void quit(void *dev, uint64_t off, unsigned size, uint64_t v)
{
	board_quit(board, (int)v);
}

static void shutdown_event(void *o, unsigned id, const char *text)
{
	snprintf(why, sizeof(why), "%s", text);
	board_quit(board, 100 + (int)id);
}

static void failed_event(void *o, unsigned id, const char *text)
{
	snprintf(why, sizeof(why), "%s", text);
	board_quit(board, 200);
}

static void late(void *opaque)
{
	board_quit(board, 300);
}

static struct timer limit;

static void begin(unsigned n)
{
	static const struct io_ops any = { dev_read, dev_write, 0, 0 };
	static const struct io_ops quits = { NULL, quit, 0, 0 };
	static const struct io_ops readies = { NULL, ready, 0, 0 };
	static const struct vcpu_events events = { shutdown_event,
	    failed_event, NULL };
	struct cpu_apic apic[CPU_MAX];
	struct error err = { 0 };

	seen[0] = why[0] = 0;
	memset(rom, 0x99, sizeof(rom));
	board = board_new(&err);
	mem = mem_new(board, 2 << 20, &err);
	bus = bus_new(board, &err);
	ram = mem_ram(mem, 0, 2 << 20);
	board_lock(board);
	mem_add_io(mem, 0xa0000, 0x20000, &any, NULL, "vga");
	mem_add_ram(mem, 0xd0000, 4096, MEM_ROM, rom, "rom");
	bus_add(bus, 0x80, 4, &any, NULL, "any");
	bus_add(bus, 0x84, 1, &readies, NULL, "ready");
	bus_add(bus, 0xc0, 2, &any, NULL, "notified");
	bus_add(bus, 0xf4, 1, &quits, NULL, "quit");
	kvm = kvm_new(mem, &err);
	model = cpu_model_new("max", n, &err);
	for (unsigned i = 0; kvm && i < CPU_MAX; i++)
		apic[i] = kvm_apic(kvm);
	vcpus = kvm && model ? vcpus_new(board, &cpu_kvm, mem, bus, model, n,
	    apic, &events, &err) : NULL;
	if (!vcpus)
		printf("%s\n", err.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(vcpus);
	timer_init(&limit, board, late, NULL);
	timer_set(&limit, board_now_ns(board) + 10 * NS_PER_S);
	board_unlock(board);
}

static void end(void)
{
	board_lock(board);
	timer_stop(&limit);
	vcpus_free(vcpus);
	board_unlock(board);
	kvm_free(kvm);
	cpu_model_free(model);
	bus_free(bus);
	mem_free(mem);
	board_free(board);
}

/* Starts processor 0 at the code, with ES as told. */
static void start(const uint8_t *code, const uint8_t *code_end, uint64_t es)
{
	struct cpu_regs r;

	memcpy(ram + CODE, code, (size_t)(code_end - code));
	board_lock(board);
	cpu_kvm.get(vcpus_cpu(vcpus, 0), &r);
	r.seg[1].selector = 0;
	r.seg[1].base = 0;
	r.seg[0].base = es;
	r.rip = CODE;
	r.gpr[4] = 0x6000;
	cpu_kvm.set(vcpus_cpu(vcpus, 0), &r);
	vcpus_go(vcpus);
	board_unlock(board);
}
#define START(name, es) start(name, name##_end, es)

static void ports_and_memory_reach_devices(void)
{
	begin(1);
	memcpy(ram + 0x7010, "abc", 3);
	START(devices, 0);
	CU_ASSERT_EQUAL(board_run(board), 7);
	CU_ASSERT_STRING_EQUAL(seen, "w0.1=55 r2.2=0 w10.2=1234 r21.1=0 "
	    "w0.1=61 w0.1=62 w0.1=63 ");
	CU_ASSERT_EQUAL(ram[0x7000] | ram[0x7001] << 8, 0xbeef);
	CU_ASSERT_EQUAL(ram[0x7002], 0xef);
	CU_ASSERT_EQUAL(ram[0x7003], 0x99);
	CU_ASSERT_EQUAL(rom[5], 0x99);
	end();
}

static uint32_t counted(void)
{
	uint32_t v;

	__atomic_load((uint32_t *)(void *)(ram + 0x7000), &v, __ATOMIC_SEQ_CST);
	return v;
}

static void held_processors_stand_still(void)
{
	uint32_t n = 0;

	begin(1);
	START(counts, 0);
	for (unsigned i = 0; i < 20; i++) {
		for (unsigned k = 0; counted() == n && k < 5000; k++)
			usleep(1000);
		CU_ASSERT_NOT_EQUAL(counted(), n);
		board_lock(board);
		vcpus_hold(vcpus);
		board_unlock(board);
		n = counted();
		usleep(1000);
		CU_ASSERT_EQUAL(counted(), n);
		board_lock(board);
		vcpus_go(vcpus);
		board_unlock(board);
	}
	end();
}

static void a_triple_fault_is_told_and_a_reset_mends_it(void)
{
	struct cpu_regs r;

	begin(1);
	memset(ram + 0x7000, 0, 6);
	START(faults, 0);
	CU_ASSERT_EQUAL(board_run(board), 100);
	CU_ASSERT_STRING_EQUAL(why, "triple fault");
	board_lock(board);
	vcpus_hold(vcpus);
	kvm_reset(kvm);
	vcpus_reset(vcpus);
	cpu_kvm.get(vcpus_cpu(vcpus, 0), &r);
	board_unlock(board);
	CU_ASSERT_EQUAL(r.rip, 0xfff0);
	CU_ASSERT_EQUAL(r.seg[1].base, 0xffff0000);
	CU_ASSERT_EQUAL(r.seg[1].selector, 0xf000);
	CU_ASSERT_EQUAL(r.cr0 & 0x80000001, 0);
	CU_ASSERT_EQUAL(r.idt_limit, 0xffff);
	START(counts, 0);
	memset(ram + 0x7000, 0, 4);
	for (unsigned k = 0; !counted() && k < 5000; k++)
		usleep(1000);
	CU_ASSERT_NOT_EQUAL(counted(), 0);
	end();
}

static void a_line_interrupts(void)
{
	begin(1);
	line_on_ready = 1;
	START(waits, 0);
	CU_ASSERT_EQUAL(board_run(board), 4);
	end();
}

static void an_nmi_interrupts(void)
{
	begin(1);
	line_on_ready = 0;
	START(waits, 0);
	CU_ASSERT_EQUAL(board_run(board), 2);
	end();
}

static void one_processor_wakes_another(void)
{
	begin(2);
	memset(ram + 0x7000, 0, 4);
	memcpy(ram + SECOND, second, (size_t)(second_end - second));
	START(wakes, 0xfee00000);
	CU_ASSERT_EQUAL(board_run(board), 5);
	end();
}

static void a_notification_is_a_descriptor(void)
{
	struct notify n = { .addr = 0xc0, .size = 2, .port = true,
	    .match = true, .value = 3 };
	struct notify_sink sink;
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t count = 0;

	begin(1);
	sink = kvm_notify(kvm);
	if (sink.add) {
		CU_ASSERT_TRUE(sink.add(sink.sink, &n, fd));
		START(notifies, 0);
		CU_ASSERT_EQUAL(board_run(board), 6);
		CU_ASSERT_EQUAL(read(fd, &count, sizeof(count)), 8);
		CU_ASSERT_EQUAL(count, 1);
		CU_ASSERT_STRING_EQUAL(seen, "w0.2=4 ");
		sink.remove(sink.sink, &n, fd);
	}
	end();
	close(fd);
}

/* A layout that changes while it runs: the pages seen are the right ones. */
static void memory_follows_the_layout(void)
{
	struct mem_region *r;

	begin(1);
	START(counts, 0);
	for (unsigned i = 0; i < 50; i++) {
		board_lock(board);
		r = mem_add_ram(mem, 0xc0000, 0x4000, MEM_RAM, ram + 0xc0000,
		    "pam");
		mem_move(r, 0xc4000);
		mem_remove(r);
		board_unlock(board);
	}
	CU_ASSERT_STRING_EQUAL(why, "");
	for (unsigned k = 0; !counted() && k < 5000; k++)
		usleep(1000);
	CU_ASSERT_NOT_EQUAL(counted(), 0);
	end();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "ports and memory reach devices",
		    ports_and_memory_reach_devices },
		{ "held processors stand still", held_processors_stand_still },
		{ "a triple fault is told and a reset mends it",
		    a_triple_fault_is_told_and_a_reset_mends_it },
		{ "a line interrupts", a_line_interrupts },
		{ "an NMI interrupts", an_nmi_interrupts },
		{ "one processor wakes another", one_processor_wakes_another },
		{ "a notification is a descriptor",
		    a_notification_is_a_descriptor },
		{ "memory follows the layout", memory_follows_the_layout },
		{ NULL, NULL }
	};
	char text[160];
	enum kvm_state state = kvm_probe(5000, text);

	printf("%s\n", state == KVM_WORKS ? "KVM works" : text);
	if (state == KVM_NONE) {
		fflush(stdout);
		return 77;
	}
	return unit_run("kvm in real mode", tests);
}
