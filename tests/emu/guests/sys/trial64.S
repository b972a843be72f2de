/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trial64.S - from multiboot into long mode; in and out of a trial */
	.set	MAGIC, 0x1badb002
	.section .text.multiboot, "ax"
	.balign 4
	.long	MAGIC, 0, -MAGIC

	/* SDM 3A, 9.8.5: PAE, CR3, EFER.LME and NXE, then paging. */
	.text
	.code32
	.globl	_start
_start:
	mov	$stack_top, %esp
	mov	%cr4, %eax
	or	$0x20, %eax
	mov	%eax, %cr4
	mov	$pml4, %eax
	mov	%eax, %cr3
	movl	$pdpt + 7, pml4
	movl	$pd + 7, pdpt
	xor	%ecx, %ecx
1:	mov	%ecx, %eax
	shl	$21, %eax
	or	$0x83, %eax		/* 1 GiB by pages of 2 MiB, supervisor */
	mov	%eax, pd(, %ecx, 8)
	inc	%ecx
	cmp	$512, %ecx
	jb	1b
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x901, %eax		/* SCE, LME, NXE */
	wrmsr
	mov	%cr0, %eax
	or	$0x80010000, %eax	/* PG, WP */
	mov	%eax, %cr0
	lgdt	gdtr
	ljmp	$8, $1f
	.code64
1:	mov	$0x10, %eax
	mov	%eax, %ss
	mov	%eax, %ds
	mov	%eax, %es
	lidt	idtr
	call	main

/* trial_enter(rdi: state) */
	.globl	trial_enter
trial_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, resume
	pushq	0xb0(%rdi)		/* ss sp flags cs ip */
	pushq	0xa8(%rdi)
	pushq	0xa0(%rdi)
	pushq	0x98(%rdi)
	pushq	0x90(%rdi)
	mov	0x00(%rdi), %rax
	mov	0x08(%rdi), %rcx
	mov	0x10(%rdi), %rdx
	mov	0x18(%rdi), %rbx
	mov	0x28(%rdi), %rbp
	mov	0x30(%rdi), %rsi
	mov	0x40(%rdi), %r8
	mov	0x48(%rdi), %r9
	mov	0x50(%rdi), %r10
	mov	0x58(%rdi), %r11
	mov	0x60(%rdi), %r12
	mov	0x68(%rdi), %r13
	mov	0x70(%rdi), %r14
	mov	0x78(%rdi), %r15
	mov	0x38(%rdi), %rdi
	iretq

/* Vector and error are on the stack: a struct state, but for cr2. */
common:
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%r11
	push	%r10
	push	%r9
	push	%r8
	push	%rdi
	push	%rsi
	push	%rbp
	push	%rsp
	push	%rbx
	push	%rdx
	push	%rcx
	push	%rax
	cld
	/* cr2 would lie over the frame: a copy, on a stack of its own. */
	mov	%rsp, %rsi
	mov	%rsp, frame_at
	mov	$stack_trap, %rsp
	mov	$frame, %edi
	mov	$23, %ecx
	rep movsq
	mov	$frame, %edi
	call	caught
	test	%al, %al
	jnz	1f
	mov	resume, %rsp
	mov	$0x10, %eax
	mov	%eax, %ss
	mov	%eax, %ds
	mov	%eax, %es
	push	$2
	popf
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
1:	mov	$frame, %esi
	mov	frame_at, %rdi
	mov	$23, %ecx
	rep movsq
	mov	frame_at, %rsp
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rbx
	add	$8, %rsp
	pop	%rbp
	pop	%rsi
	pop	%rdi
	pop	%r8
	pop	%r9
	pop	%r10
	pop	%r11
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	add	$16, %rsp
	iretq

	/* 16 bytes each; those with an error code: 8, 10 to 14, 17. */
	.globl	stubs
	.balign 16
stubs:
	.set	n, 0
	.rept	256
	.balign 16
	.if	n == 8 || (n >= 10 && n <= 14) || n == 17
	.else
	push	$0
	.endif
	.byte	0x68
	.long	n
	jmp	common
	.set	n, n + 1
	.endr

	.data
	.globl	gdt, gdt_end, idtr, gdtr
	.balign 16
gdt:	.quad	0
	.quad	0x00af9b000000ffff	/* 08 code, 64 bits */
	.quad	0x00cf93000000ffff	/* 10 data */
	.quad	0x00cffb000000ffff	/* 18 user code, 32 bits */
	.quad	0x00cff3000000ffff	/* 20 user data */
	.quad	0x00affb000000ffff	/* 28 user code, 64 bits */
	.quad	0x00cff3000000ffff	/* 30 user data */
	.quad	0x00cf9b000000ffff	/* 38 code, 32 bits */
	.fill	24, 8, 0		/* 40 TSS; 50 free */
gdt_end:
gdtr:	.word	gdt_end - gdt - 1
	.quad	gdt
idtr:	.word	256 * 16 - 1
	.quad	idt

	.bss
	.globl	idt, pml4, pdpt, pd, stack_trap, stack_top, frame
	.balign 4096
pml4:	.skip	4096
pdpt:	.skip	4096
pd:	.skip	4096
idt:	.skip	4096
	.skip	16384
stack_top:
	.skip	16384
stack_trap:
frame:	.skip	256
resume:	.skip	8
frame_at: .skip	8
