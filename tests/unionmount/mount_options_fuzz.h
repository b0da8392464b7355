#pragma once

#include <cstddef>
#include <cstdint>

/// Reads the bytes as an option string and ends the program unless it is refused or reads back from
/// what it is written as. The name is libFuzzer's.
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
