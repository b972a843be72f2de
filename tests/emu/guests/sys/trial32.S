/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trial32.S - start by multiboot; in and out of a trial, in 32-bit code */
	.set	MAGIC, 0x1badb002
	.section .text.multiboot, "ax"
	.balign 4
	.long	MAGIC, 0, -MAGIC

	.text
	.globl	_start
_start:
	mov	$stack_top, %esp
	lgdt	gdtr
	ljmp	$8, $1f
1:	mov	$0x10, %eax
	mov	%eax, %ss
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	lidt	idtr
	call	main

/* trial_enter(state) */
	.globl	trial_enter
trial_enter:
	mov	4(%esp), %eax
	push	%ebx
	push	%ebp
	push	%esi
	push	%edi
	mov	%esp, resume
	mov	%eax, %edi
load:	testl	$0x20000, 0x30(%edi)	/* virtual 8086 */
	jnz	2f
	testl	$3, 0x2c(%edi)
	jnz	1f
	mov	0x38(%edi), %ss
	mov	0x34(%edi), %esp
	jmp	3f
1:	pushl	0x38(%edi)		/* ss sp: an outer level */
	pushl	0x34(%edi)
3:	pushl	0x30(%edi)
	pushl	0x2c(%edi)
	pushl	0x28(%edi)
	mov	0x40(%edi), %es
	mov	0x48(%edi), %fs
	mov	0x4c(%edi), %gs
	pushl	0x44(%edi)
	jmp	4f
2:	pushl	0x4c(%edi)
	pushl	0x48(%edi)
	pushl	0x44(%edi)
	pushl	0x40(%edi)
	pushl	0x38(%edi)
	pushl	0x34(%edi)
	pushl	0x30(%edi)
	pushl	0x2c(%edi)
	pushl	0x28(%edi)
	pushl	$0x10
4:	mov	0x00(%edi), %eax
	mov	0x04(%edi), %ecx
	mov	0x08(%edi), %edx
	mov	0x0c(%edi), %ebx
	mov	0x14(%edi), %ebp
	mov	0x18(%edi), %esi
	mov	0x1c(%edi), %edi
	pop	%ds
	iret

/* Vector and error are on the stack; below them all registers. */
common:
	push	%edi
	push	%esi
	push	%ebp
	push	%esp
	push	%ebx
	push	%edx
	push	%ecx
	push	%eax
	push	%gs
	push	%fs
	push	%ds
	push	%es
	cld
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%esp, %esi
	mov	%esp, frame_at
	mov	%ss, frame_ss
	mov	$raw, %edi
	mov	$23, %ecx
	rep movsl %ss:(%esi), %es:(%edi)
	mov	%eax, %ss
	mov	$stack_trap, %esp
	call	trapped
	test	%eax, %eax
	mov	%eax, %edi
	jnz	load
	mov	resume, %esp
	mov	$0x10, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	push	$2
	popf
	pop	%edi
	pop	%esi
	pop	%ebp
	pop	%ebx
	ret

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
	.globl	gdt, gdtr, idtr
	.balign 16
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* 08 code */
	.quad	0x00cf93000000ffff	/* 10 data */
	.quad	0x00cffb000000ffff	/* 18 user code */
	.quad	0x00cff3000000ffff	/* 20 user data */
	.quad	0			/* 28 TSS */
	.fill	58, 8, 0
gdtr:	.word	64 * 8 - 1
	.long	gdt
idtr:	.word	256 * 8 - 1
	.long	idt

	.bss
	.globl	idt, raw, frame_at, frame_ss
	.balign 4096
idt:	.skip	4096
	.skip	16384
stack_top:
	.skip	16384
stack_trap:
raw:	.skip	128
resume:	.skip	4
frame_at: .skip	4
frame_ss: .skip	4
