/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A boot sector that resets the machine, each time it is started in another
 * way, and at last turns the power off.  The count is in the clock's memory,
 * which a reset leaves alone; each start says it on the serial line, with the
 * year.
 */
	.code16
	.globl	_start
	.set	COUNT, 0x40
_start:
	ljmp	$0, $1f
1:	xor	%ax, %ax
	mov	%ax, %ds
	cli
	mov	%ax, %ss
	mov	$0x7c00, %sp
	cld

	mov	$COUNT, %al
	out	%al, $0x70
	in	$0x71, %al
	mov	%al, %bl
	inc	%al
	mov	%al, %ah
	mov	$COUNT, %al
	out	%al, $0x70
	mov	%ah, %al
	out	%al, $0x71

	mov	%bl, %al
	add	$'0', %al
	mov	%al, number
	mov	$9, %al			/* the clock's year, in BCD */
	out	%al, $0x70
	in	$0x71, %al
	mov	%al, %ah
	shr	$4, %al
	and	$0x0f, %ah
	add	$0x3030, %ax
	mov	%ax, year
	mov	$text, %si
	mov	$0x3f8, %dx
2:	lodsb
	test	%al, %al
	jz	3f
	out	%al, %dx
	jmp	2b

3:	cmp	$0, %bl
	jne	4f
	/* port 92h, bit 0 */
	in	$0x92, %al
	or	$1, %al
	out	%al, $0x92
	jmp	wait
4:	cmp	$1, %bl
	jne	5f
	/* PIIX3's reset control */
	mov	$0xcf9, %dx
	mov	$2, %al
	out	%al, %dx
	mov	$6, %al
	out	%al, %dx
	jmp	wait
5:	cmp	$2, %bl
	jne	6f
	/* a pulse by the keyboard controller */
	mov	$0xfe, %al
	out	%al, $0x64
	jmp	wait
6:	cmp	$3, %bl
	jne	7f
	/* a triple fault: no interrupt table */
	lidt	nothing
	int3
	jmp	wait
7:	/* ACPI on, and S5 */
	mov	$0xf1, %al
	out	%al, $0xb2
	mov	$0x604, %dx
	mov	$0x2000, %ax
	out	%ax, %dx
wait:	hlt
	jmp	wait

nothing:
	.word	0
	.long	0
text:
	.ascii	"start "
number:
	.ascii	"0 in "
year:
	.ascii	"00\r\n\0"
	.org	510
	.word	0xaa55
