// From where on `rlhf doctor` warns, and from where on it says that something
// is wrong. docs/launching.md shows the same to people.
#pragma once

#include <cstdint>

namespace rlhf::limits {

inline constexpr int64_t kMiB = int64_t{1} << 20;
inline constexpr int64_t kGiB = int64_t{1} << 30;

// Of clocks apart. Leases go by no clock that can be set, but records of
// several machines are put in order by it (the alert RlhfClockSkew has the same
// limit), and certificates and logins are good or not by it.
inline constexpr double kClockWarningS = 1;
inline constexpr double kClockFaultS = 60;

// Free space for this many times what checkpoints take; logs, journals and PMs
// stand on the same disk.
inline constexpr double kDiskRoom = 2;

// Every comparison and every batch is synced to disk before it is confirmed.
inline constexpr double kSyncWarningS = 0.05;
inline constexpr double kSyncFaultS = 1;

// Share of the memory that is there which the learner's plan may take: the
// other roles hold a model each.
inline constexpr double kMemoryShare = 0.7;

// NCCL puts buffers of each pair of ranks there; a container's default is 64
// MiB.
inline constexpr int64_t kNcclSharedMemory = kGiB;

// Each connection, log and checkpoint file takes one.
inline constexpr int64_t kOpenFilesWarning = 1024;
inline constexpr int64_t kOpenFilesFault = 256;

// A single core does more than this, unless it is held back.
inline constexpr double kGemmWarningFlops = 10e9;

// make-certificates.sh makes them for 90 days.
inline constexpr double kCertificateWarningDays = 7;

// 1 Gbit/s Ethernet has 0.117 GB/s.
inline constexpr double kLinkWarningBytesPerS = 0.1e9;
// Ranks of one room have less than 1 ms.
inline constexpr double kRoundTripWarningS = 0.005;
// A pair this far below the median of all pairs has a cable, a switch port or
// an interface of its own to look at.
inline constexpr double kPairShareWarning = 0.5;
inline constexpr double kPairShareFault = 0.1;
// What each rank sends per second in an all-reduce, against the slowest pair.
inline constexpr double kAllReduceShareWarning = 0.1;

}  // namespace rlhf::limits
