#include "paged_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "expect_error.h"
#include "temp_dir.h"

namespace layerkit::testing {
namespace {

constexpr std::size_t kPage = PagedBytes::kPageBytes;

std::string random_text(std::size_t bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text)
    c = static_cast<char>(random());
  return text;
}

void append(PagedBytes& bytes, std::string_view text) {
  bytes.append(std::as_bytes(std::span(text)));
}

std::string read(const PagedBytes& bytes, std::uint64_t offset, std::size_t count) {
  std::string text(count, '\0');
  bytes.read(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

TEST(PagedBytesTest, WhatFitsIntoMemoryNeedsNoFile) {
  const TempDir temp;
  PagedBytes bytes(temp.fd(), 4);
  const std::string text = random_text(4 * kPage, 1);
  append(bytes, text);
  EXPECT_EQ(read(bytes, 0, text.size()), text);
  EXPECT_EQ(bytes.file_bytes(), 0U);
  append(bytes, "x");
  EXPECT_EQ(bytes.file_bytes(), kPage);
  EXPECT_TRUE(list_dir(temp.fd()).empty());
}

TEST(PagedBytesTest, AnyPartIsReadInAnyOrderWhileItGrows) {
  const TempDir temp;
  for (const std::size_t pages : {1U, 2U, 3U, 16U}) {
    PagedBytes bytes(temp.fd(), pages);
    const std::string text = random_text(40 * kPage + 77, pages);
    std::mt19937_64 random(pages);
    std::size_t written = 0;
    while (written < text.size()) {
      const std::size_t part = std::min<std::size_t>(text.size() - written, random() % (kPage * 3));
      append(bytes, std::string_view(text).substr(written, part));
      written += part;
      for (int i = 0; i < 5; ++i) {
        const std::size_t offset = random() % (written + 1);
        const std::size_t count = random() % (std::min(written - offset, 4 * kPage) + 1);
        ASSERT_EQ(read(bytes, offset, count), text.substr(offset, count)) << pages;
      }
    }
    EXPECT_EQ(bytes.size(), text.size());
    EXPECT_EQ(read(bytes, 0, text.size()), text);
  }
}

TEST(PagedBytesTest, APassFromFrontToBackReadsEachPageOnce) {
  const TempDir temp;
  PagedBytes bytes(temp.fd(), 4);
  append(bytes, random_text(100 * kPage, 1));
  const std::uint64_t before = bytes.pages_read();
  for (std::uint64_t at = 0; at < bytes.size(); at += 64)
    read(bytes, at, 64);
  EXPECT_EQ(bytes.pages_read() - before, 100U);
}

TEST(PagedBytesTest, ThePageUsedLongestAgoGoesFirst) {
  const TempDir temp;
  PagedBytes bytes(temp.fd(), 3);
  append(bytes, random_text(50 * kPage, 1));
  read(bytes, 0, 1);
  const std::uint64_t before = bytes.pages_read();
  for (std::uint64_t page = 1; page < 50; ++page) {
    read(bytes, page * kPage, 1);
    read(bytes, 0, 1);
  }
  EXPECT_EQ(bytes.pages_read() - before, 49U) << "the first page stays";
}

TEST(PagedBytesTest, NothingBehindTheEndIsRead) {
  const TempDir temp;
  PagedBytes bytes(temp.fd(), 2);
  append(bytes, "abc");
  EXPECT_EQ(read(bytes, 3, 0), "");
  for (const std::uint64_t offset : {std::uint64_t{4}, UINT64_MAX, UINT64_MAX - 1})
    expect_error(Errc::Integrity, "it ends before byte", [&] { read(bytes, offset, 1); });
  expect_error(Errc::Integrity, "it ends before byte", [&] { read(bytes, 0, 4); });
  EXPECT_EQ(read(bytes, 0, 3), "abc");
}

TEST(PagedBytesTest, SeveralThreadsReadAtOnce) {
  const TempDir temp;
  PagedBytes bytes(temp.fd(), 2);
  const std::string text = random_text(20 * kPage, 1);
  append(bytes, text);
  std::vector<int> failures(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < failures.size(); ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (int i = 0; i < 2000; ++i) {
        const std::size_t offset = random() % (text.size() - 100);
        failures[t] += read(bytes, offset, 100) != text.substr(offset, 100);
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(std::accumulate(failures.begin(), failures.end(), 0), 0);
}

}  // namespace
}  // namespace layerkit::testing
