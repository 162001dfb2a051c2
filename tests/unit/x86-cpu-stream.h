/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The section "cpu" of a stream of QEMU 7.2 (-cpu max): a guest in real mode
 * that loaded 1.0, then pi, into the x87 stack and 0x11223344 into XMM3.
 */
#ifndef TESTS_UNIT_X86_CPU_STREAM_H
#define TESTS_UNIT_X86_CPU_STREAM_H

static const char x86_cpu_stream[] =
    "0000000011223378[13]060402[111]30[7]0600400240037f300000c0[62]c90fdaa2"
    "2168c235400080[7]3fff[14]ffff000093000000f0[6]0f00000000ffff00009b[15]"
    "ffff000093[15]ffff000093[15]ffff000093[15]ffff000093[15]ffff000082[15]"
    "ffff00008b[15]ffff[18]ffff[28]60000012[22]06[53]ffff0ff0[6]0400ffffff"
    "ff00001f80[52]11223344[249]030000000704060007040600000101[269]ffffffff"
    "[12]ffffffff[12]0100010a[8]ffffffffffffffffffffffffffffffff[24]ffffff"
    "ffffffffff[24]ffffffffffffffff[24]ffffffffffffffff[24]ffffffffffffffff"
    "[24]ffffffffffffffff[24]ffffffffffffffff[24]ffffffffffffffff[24]ffffff"
    "ffffffffff[24]ffffffffffffffff[55]01[264]05146370752f706f6c6c5f636f6e"
    "74726f6c5f6d737200000001[8]050e6370752f66706f705f69705f647000000001[9]"
    "1e[8]05186370752f6d73725f696133325f6d6973635f656e61626c65000000010000"
    "000000040001";

#endif
