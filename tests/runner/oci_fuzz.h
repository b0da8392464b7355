#pragma once

#include <cstddef>
#include <cstdint>

// A libFuzzer program's functions, by libFuzzer's names. NOLINTBEGIN(readability-identifier-naming)

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data,
                                               std::size_t size,
                                               std::size_t max_size,
                                               unsigned seed);
extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* data1,
                                                 std::size_t size1,
                                                 const std::uint8_t* data2,
                                                 std::size_t size2,
                                                 std::uint8_t* out,
                                                 std::size_t max_size,
                                                 unsigned seed);
/// libFuzzer's own.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

// NOLINTEND(readability-identifier-naming)
