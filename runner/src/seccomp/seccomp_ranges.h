#pragma once

#include <linux/filter.h>

#include <vector>

namespace layerkit::runner {

/// A program that answers as `program`, a filter of libseccomp's with at most what
/// refuse_newer_calls() puts before it, and is a third as long: neighbouring system calls with one
/// answer become one range, and the ranges of each architecture a binary tree. The kernel checks
/// and translates every instruction each time a filter is loaded. What compares arguments stays as
/// it is. `program` itself where it has anything else, or would not become shorter.
std::vector<sock_filter> merge_ranges(std::vector<sock_filter> program);

}  // namespace layerkit::runner
