/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_probe.c - whether the host's KVM can run what we want to run
 *
 * There are hosts whose /dev/kvm opens and runs firmware, but hangs or fails
 * as soon as a guest turns on paging.  So a small guest tries what a kernel
 * does in its first moment: long mode with addresses high and low, a page
 * fault that is mended, user mode and back by an interrupt.  It runs in a
 * child, which is killed when its time is over.
 *
 * The guest speaks by one port: 'r' in real mode, 'l' when all went well.
 */
#include "accel/kvm.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "accel/kvm_state.h"

#define PORT "0xf1"
#define GUEST_SIZE 0x200000u

/* Where things lie in the guest. */
#define PML4 0x2000u
#define PDPT 0x3000u
#define DIRECTORY 0x4000u
#define IDT 0x5000u
#define GDT 0x5800u
#define TSS 0x6000u
#define CODE 0x8000u

#if defined(__x86_64__)
/* At is the address in the guest of a label here. */
#define AT(label) "(" label " - kvm_probe_code + 0x8000)"
__asm__(
	".pushsection .rodata\n"
	".globl kvm_probe_code, kvm_probe_fault, kvm_probe_call\n"
	".globl kvm_probe_end\n"
	".hidden kvm_probe_code, kvm_probe_fault, kvm_probe_call\n"
	".hidden kvm_probe_end\n"
	".code16\n"
	"kvm_probe_code:\n"
	"	movb $'r', %al\n"
	"	outb %al, $" PORT "\n"
	"	lgdtl " AT("1f") "\n"
	"	movl %cr4, %eax\n"
	"	orl $0x20, %eax\n"		/* PAE */
	"	movl %eax, %cr4\n"
	"	movl $0x2000, %eax\n"
	"	movl %eax, %cr3\n"
	"	movl $0xc0000080, %ecx\n"
	"	rdmsr\n"
	"	orl $0x100, %eax\n"		/* EFER.LME */
	"	wrmsr\n"
	"	movl %cr0, %eax\n"
	"	orl $0x80000001, %eax\n"	/* PG, PE */
	"	movl %eax, %cr0\n"
	"	ljmpl $0x08, $" AT("2f") "\n"
	"1:	.word 0x37\n"			/* GDT */
	"	.long 0x5800\n"
	".code64\n"
	"2:	movl $0x10, %eax\n"
	"	movl %eax, %ds\n"
	"	movl %eax, %es\n"
	"	movl %eax, %ss\n"
	"	movl $0x7000, %esp\n"
	"	lidt " AT("3f") "\n"
	"	movl $0x28, %eax\n"
	"	ltr %ax\n"
	/* The same memory by two addresses. */
	"	movq $0xffffffff80001000, %rbx\n"
	"	movq $0x123456789abcdef, %rax\n"
	"	movq %rax, (%rbx)\n"
	"	cmpq %rax, 0x1000\n"
	"	jne 9f\n"
	/* Not there until the fault is mended. */
	"	cmpq %rax, 0x40001000\n"
	"	jne 9f\n"
	"	movq %cr3, %rax\n"
	"	movq %rax, %cr3\n"
	/* To user mode; it comes back by INT 30h. */
	"	pushq $0x1b\n"
	"	pushq $0x7400\n"
	"	pushq $0x2\n"
	"	pushq $0x23\n"
	"	pushq $" AT("4f") "\n"
	"	iretq\n"
	"4:	addq $1, 0x1000\n"
	"	int $0x30\n"
	"3:	.word 0x7ff\n"			/* IDT */
	"	.quad 0x5000\n"
	"kvm_probe_fault:\n"
	"	addq $8, %rsp\n"		/* the error code */
	"	movq $0x4007, 0x3008\n"
	"	iretq\n"
	"kvm_probe_call:\n"
	"	testb $3, 8(%rsp)\n"
	"	jz 9f\n"
	"	movb $'l', %al\n"
	"	outb %al, $" PORT "\n"
	"9:	hlt\n"
	"	jmp 9b\n"
	"kvm_probe_end:\n"
	".popsection\n"
);
extern const uint8_t kvm_probe_code[], kvm_probe_fault[], kvm_probe_call[],
    kvm_probe_end[];

static void
put64(uint8_t *at, uint64_t v)
{
	memcpy(at, &v, sizeof(v));
}

/* An interrupt gate (SDM 3A, 6.14.1) to a label above. */
static void
put_gate(uint8_t *ram, unsigned vector, const uint8_t *label, uint64_t dpl)
{
	uint64_t at = CODE + (uint64_t)(label - kvm_probe_code);

	put64(ram + IDT + 16 * vector, (at & 0xffff) | 8 << 16 |
	    (0x8e00 | dpl << 13) << 32 | (at & 0xffff0000) << 32);
	put64(ram + IDT + 16 * vector + 8, 0);
}

static void
fill_guest(uint8_t *ram)
{
	/* Code, data, user data, user code, TSS */
	static const uint64_t gdt[] = { 0, 0x00209a0000000000,
		0x0000920000000000, 0x0000f20000000000, 0x0020fa0000000000,
		0x0000890000000067 | (uint64_t)TSS << 16, 0 };

	put64(ram + PML4, PDPT | 7);
	put64(ram + PML4 + 511 * 8, PDPT | 7);
	put64(ram + PDPT, DIRECTORY | 7);
	put64(ram + PDPT + 510 * 8, DIRECTORY | 7);
	put64(ram + DIRECTORY, 0x87);	/* 2 MiB, for the user, too */
	memcpy(ram + GDT, gdt, sizeof(gdt));
	put64(ram + TSS + 4, 0x7800);
	put_gate(ram, 14, kvm_probe_fault, 0);
	put_gate(ram, 0x30, kvm_probe_call, 3);
	memcpy(ram + CODE, kvm_probe_code,
	    (size_t)(kvm_probe_end - kvm_probe_code));
}
#else
static void
fill_guest(uint8_t *ram)
{
	ram[CODE] = 0xf4;		/* HLT */
}
#endif

/* --- The child ------------------------------------------------------------ */

/* 'e' and words end the report. */
static void
complain(int to, const char *what, int code)
{
	char text[120];
	int n = code ? snprintf(text, sizeof(text), "e%s: %s", what,
	    strerror(code)) : snprintf(text, sizeof(text), "e%s", what);

	if (write(to, text, (size_t)n) < 0)
		_exit(1);
}

static void
run_guest(int to, int cpu, struct kvm_run *run)
{
	for (;;) {
		int ret = kvm_ioctl(cpu, KVM_RUN, 0);
		const uint8_t *data = (uint8_t *)run + run->io.data_offset;

		if (ret < 0) {
			complain(to, "running a processor", -ret);
			return;
		}
		if (run->exit_reason != KVM_EXIT_IO || run->io.size != 1) {
			complain(to, run->exit_reason == KVM_EXIT_HLT ?
			    "memory or user mode do not behave" :
			    run->exit_reason == KVM_EXIT_SHUTDOWN ?
			    "the guest faults" : "the guest does not run", 0);
			return;
		}
		if (write(to, data, 1) < 0 || *data == 'l')
			return;
	}
}

/* Whether the CPUID that KVM supports is set: without it there is no long
 * mode. */
static int
set_cpuid(int dev, int cpu)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} l = { .head = { .nent = 256 } };
	int ret = kvm_ioctl(dev, KVM_GET_SUPPORTED_CPUID, (uintptr_t)&l);

	return ret < 0 ? ret : kvm_ioctl(cpu, KVM_SET_CPUID2, (uintptr_t)&l);
}

static int
try(int to)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = GUEST_SIZE };
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;
	void *ram, *run;
	int dev, vm, cpu, size, ret;

	dev = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		complain(to, "/dev/kvm", errno);
		return 1;
	}
	vm = kvm_ioctl(dev, KVM_CREATE_VM, 0);
	size = kvm_ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vm < 0 || size < (int)sizeof(struct kvm_run)) {
		complain(to, "/dev/kvm: new machine", vm < 0 ? -vm : EINVAL);
		return 1;
	}
	kvm_ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000);
	ram = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cpu = kvm_ioctl(vm, KVM_CREATE_VCPU, 0);
	run = cpu < 0 ? MAP_FAILED : mmap(NULL, (size_t)size,
	    PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
	if (ram == MAP_FAILED || run == MAP_FAILED) {
		complain(to, "/dev/kvm: processor", errno);
		return 1;
	}
	fill_guest(ram);
	region.userspace_addr = (uintptr_t)ram;
	if ((ret = kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION,
	    (uintptr_t)&region)) < 0 ||
	    (ret = set_cpuid(dev, cpu)) < 0 ||
	    (ret = kvm_ioctl(cpu, KVM_GET_SREGS, (uintptr_t)&sregs)) < 0) {
		complain(to, "/dev/kvm: machine", -ret);
		return 1;
	}
	sregs.cs.base = sregs.cs.selector = 0;
	if ((ret = kvm_ioctl(cpu, KVM_SET_SREGS, (uintptr_t)&sregs)) < 0 ||
	    (ret = kvm_ioctl(cpu, KVM_SET_REGS, (uintptr_t)&regs)) < 0) {
		complain(to, "/dev/kvm: registers", -ret);
		return 1;
	}
	run_guest(to, cpu, run);
	return 0;
}

/* --- The parent ----------------------------------------------------------- */

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What the child says until it is done or its time is over. */
static size_t
listen_to(int from, unsigned timeout_ms, char *said, size_t size)
{
	int64_t end = now_ms() + timeout_ms;
	struct pollfd p = { from, POLLIN, 0 };
	size_t n = 0;
	ssize_t got;

	while (n < size - 1 && !memchr(said, 'l', n)) {
		int64_t left = end - now_ms();

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			break;
		got = read(from, said + n, size - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	said[n] = 0;
	return n;
}

enum kvm_state
kvm_probe(unsigned timeout_ms, char why[160])
{
	char said[124];
	const char *words;
	pid_t child;
	int ends[2];
	bool real;

	why[0] = 0;
	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		snprintf(why, 160, "KVM: trying it: %s", strerror(errno));
		return KVM_NONE;
	}
	if (!child)
		_exit(try(ends[1]));
	close(ends[1]);
	listen_to(ends[0], timeout_ms, said, sizeof(said));
	close(ends[0]);
	kill(child, SIGKILL);
	/* One that the kernel does not let go of is not waited for. */
	for (unsigned i = 0; i < 50 && !waitpid(child, NULL, WNOHANG); i++)
		usleep(2000);
	real = said[0] == 'r';
	if (real && said[1] == 'l')
		return KVM_WORKS;
	words = said[real] == 'e' ? said + real + 1 : "it hangs";
	snprintf(why, 160, real ? "KVM here cannot run 64-bit guests: %s" :
	    "KVM does not work here: %s", words);
	return real ? KVM_REAL_MODE : KVM_NONE;
}
