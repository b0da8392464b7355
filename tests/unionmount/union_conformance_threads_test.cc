// Many at once: nothing is lost, nothing is there twice.

#include <atomic>
#include <mutex>
#include <thread>

#include "union_conformance.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

constexpr int kThreads = 8;

/// Runs `work` with the numbers 0 to 7, all at the same time.
void in_threads(const std::function<void(int)>& work) {
  std::atomic<int> waiting{kThreads};
  std::vector<std::thread> threads;
  for (int number = 0; number < kThreads; ++number) {
    threads.emplace_back([&waiting, &work, number] {
      --waiting;
      while (waiting.load() > 0)
        std::this_thread::yield();
      try {
        work(number);
      } catch (const Error& error) {
        ADD_FAILURE() << error.what();
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

class UnionThreads : public UnionTest {};

TEST_P(UnionThreads, WritersOfOneLowerFileLoseNoByte) {
  constexpr int kFiles = 20;
  const std::string blank(kThreads * 512, '.');
  for (int file = 0; file < kFiles; ++file)
    base().file(fmt::format("{}", file), blank + std::string(200'000, 't'));
  mount();
  in_threads([&](int number) {
    for (int file = 0; file < kFiles; ++file) {
      const Fd fd = open_file(at(fmt::format("{}", file)), O_RDWR);
      const std::string text(512, static_cast<char>('0' + number));
      EXPECT_EQ(::pwrite(fd.get(), text.data(), 512, number * 512), 512);
    }
  });
  std::string wanted;
  for (int number = 0; number < kThreads; ++number)
    wanted += std::string(512, static_cast<char>('0' + number));
  for (int file = 0; file < kFiles; ++file) {
    const std::string name = fmt::format("{}", file);
    EXPECT_TRUE(text_of(at(name)) == wanted + std::string(200'000, 't')) << name;
    EXPECT_TRUE(upper().text(name) == text_of(at(name))) << name;
  }
}

TEST_P(UnionThreads, AppendersOfOneLowerFileLoseNoLine) {
  base().file("log", "");
  mount();
  constexpr int kLines = 50;
  in_threads([&](int number) {
    for (int line = 0; line < kLines; ++line)
      EXPECT_EQ(tried_write(at("log"), fmt::format("{}-{:03}\n", number, line), O_APPEND), "ok");
  });
  std::multiset<std::string> lines;
  const std::string text = text_of(at("log"));
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = text.find('\n', start);
    lines.insert(text.substr(start, end - start));
    start = end + 1;
  }
  EXPECT_EQ(lines.size(), std::size_t{kThreads} * kLines);
  EXPECT_EQ(std::set<std::string>(lines.begin(), lines.end()).size(), lines.size());
}

TEST_P(UnionThreads, OneDirectoryIsFilledAndEmptiedByAll) {
  constexpr int kEach = 150;
  for (int i = 0; i < kThreads * kEach; ++i)
    base().file(fmt::format("d/old-{}-{}", i % kThreads, i / kThreads), "");
  mount();
  in_threads([&](int number) {
    for (int i = 0; i < kEach; ++i) {
      const std::string mine = fmt::format("{}-{}", number, i);
      EXPECT_EQ(tried_write(at("d/new-" + mine), mine), "ok");
      EXPECT_EQ(tried(::unlink(at("d/old-" + mine).c_str())), "ok");
      if (i % 3 == 0) {
        EXPECT_EQ(tried_rename(at("d/new-" + mine), at("d/moved-" + mine)), "ok");
      } else if (i % 3 == 1) {
        EXPECT_EQ(tried(::unlink(at("d/new-" + mine).c_str())), "ok");
      }
    }
  });
  std::set<std::string> wanted;
  for (int number = 0; number < kThreads; ++number) {
    for (int i = 0; i < kEach; ++i) {
      if (i % 3 != 1)
        wanted.insert(fmt::format("{}-{}-{}", i % 3 == 0 ? "moved" : "new", number, i));
    }
  }
  EXPECT_EQ(names_in(at("d")), Names(wanted.begin(), wanted.end()));
}

TEST_P(UnionThreads, OneOfManyCreatorsWins) {
  constexpr int kNames = 60;
  for (int i = 0; i < kNames; i += 2) {
    base().file(fmt::format("{}", i), "");
    middle().whiteout(fmt::format("{}", i));
  }
  mount();
  std::atomic<int> files{0};
  std::atomic<int> dirs{0};
  in_threads([&](int) {
    for (int i = 0; i < kNames; ++i) {
      const std::string path = at(fmt::format("{}", i));
      if (tried_open(path, O_WRONLY | O_CREAT | O_EXCL) == "ok") ++files;
      if (tried(::mkdir((path + "-d").c_str(), 0755)) == "ok") ++dirs;
    }
  });
  EXPECT_EQ(files.load(), kNames);
  EXPECT_EQ(dirs.load(), kNames);
}

TEST_P(UnionThreads, OneOfManyRemoversWins) {
  constexpr int kNames = 60;
  for (int i = 0; i < kNames; ++i) {
    (i % 2 == 0 ? base() : upper()).file(fmt::format("{}", i), "");
    base().dir(fmt::format("{}-d", i));
  }
  mount();
  std::atomic<int> removed{0};
  in_threads([&](int) {
    for (int i = 0; i < kNames; ++i) {
      const std::string path = at(fmt::format("{}", i));
      if (tried(::unlink(path.c_str())) == "ok") ++removed;
      if (tried(::rmdir((path + "-d").c_str())) == "ok") ++removed;
    }
  });
  EXPECT_EQ(removed.load(), 2 * kNames);
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionThreads, ARenamedFileIsAlwaysUnderOneOfItsNames) {
  base().file("a", "text");
  mount();
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  in_threads([&](int number) {
    if (number == 0) {
      for (int i = 0; i < 300; ++i) {
        EXPECT_EQ(tried_rename(at("a"), at("b")), "ok");
        EXPECT_EQ(tried_rename(at("b"), at("a")), "ok");
      }
      done = true;
      return;
    }
    while (!done) {
      for (const char* name : {"a", "b"}) {
        const Fd fd(::open(at(name).c_str(), O_RDONLY | O_CLOEXEC));
        if (fd && text_of(fd.get()) != "text") ++wrong;
        if (!fd && errno != ENOENT) ++wrong;
      }
    }
  });
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(names_in(root()), Names{"a"});
}

TEST_P(UnionThreads, AReplacedFileIsNeverAbsentOrTorn) {
  base().file("config", std::string(5000, '0'));
  mount();
  std::atomic<bool> done{false};
  std::mutex mutex;
  std::multiset<std::string> wrong;
  const auto read_once = [&]() -> std::string {
    const Fd fd(::open(at("config").c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return tried(fd.get());
    const std::string text = text_of(fd.get());
    return text == std::string(5000, text.empty() ? 'x' : text[0]) ? "" : "torn: " + text;
  };
  in_threads([&](int number) {
    for (int i = 1; number == 0 && i < 200; ++i) {
      EXPECT_EQ(tried_write(at("new"), std::string(5000, static_cast<char>('0' + i % 10))), "ok");
      EXPECT_EQ(tried_rename(at("new"), at("config")), "ok");
    }
    if (number == 0) done = true;
    while (!done) {
      const std::string problem = read_once();
      const std::lock_guard lock(mutex);
      if (!problem.empty()) wrong.insert(problem);
    }
  });
  EXPECT_EQ(wrong, std::multiset<std::string>{});
}

TEST_P(UnionThreads, LowerFilesCanBeReadWhileTheyAreCopiedUp) {
  constexpr int kFiles = 40;
  const std::string text(300'000, 't');
  for (int file = 0; file < kFiles; ++file)
    base().file(fmt::format("d/{}", file), text);
  mount();
  std::atomic<int> wrong{0};
  in_threads([&](int number) {
    for (int file = 0; file < kFiles; ++file) {
      const std::string path = at(fmt::format("d/{}", file));
      if (number % 2 == 0) {
        EXPECT_EQ(tried(::chmod(path.c_str(), 0600 + static_cast<unsigned>(number))), "ok");
      } else if (text_of(open_file(path, O_RDONLY).get()) != text) {
        ++wrong;
      }
    }
  });
  EXPECT_EQ(wrong.load(), 0);
  for (int file = 0; file < kFiles; ++file)
    EXPECT_TRUE(upper().text(fmt::format("d/{}", file)) == text) << file;
}

TEST_P(UnionThreads, TreesAreMadeAndRemovedBesideEachOther) {
  base().file("shared/lower/f", "");
  mount();
  in_threads([&](int number) {
    for (int round = 0; round < 10; ++round) {
      const std::string own = at(fmt::format("shared/lower/{}", number));
      for (const char* below : {"", "/a", "/a/b", "/a/b/c"})
        EXPECT_EQ(tried(::mkdir((own + below).c_str(), 0755)), "ok");
      EXPECT_EQ(tried_write(own + "/a/b/c/f", "text"), "ok");
      remove_tree_at(AT_FDCWD, own);
    }
  });
  EXPECT_EQ(names_in(at("shared/lower")), Names{"f"});
}

INSTANTIATE_TEST_SUITE_P(On, UnionThreads, ::testing::ValuesIn(union_cases()), case_name);

}  // namespace
}  // namespace layerkit
