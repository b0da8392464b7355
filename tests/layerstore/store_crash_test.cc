#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <thread>

#include "store_fixture.h"

namespace layerkit::testing {
namespace {

class StoreCrashTest : public EachDriverTest {
 protected:
  static std::string layer_tar(int number) {
    TarText tar;
    tar.directory("d" + std::to_string(number));
    for (int i = 0; i < 40; ++i) {
      tar.file(fmt::format("d{}/f{}", number, i),
               std::string(2000, static_cast<char>('a' + i % 26)));
    }
    return tar.end();
  }

  /// Imports a stack of layers in one transaction; returns its chains, base first.
  static std::vector<ChainId> import_stack(Store& store, int layers) {
    const FileLock lock = store.lock(LockKind::Shared);
    const auto transaction = store.begin();
    std::vector<ChainId> chains;
    for (int i = 0; i < layers; ++i) {
      const std::string tar = layer_tar(i);
      MemorySource source(tar);
      const auto parent = chains.empty() ? std::nullopt : std::optional(chains.back());
      chains.push_back(transaction->add(parent, source, diff_id_of(tar), Context{}).chain);
    }
    transaction->commit();
    return chains;
  }

  /// Runs `work` in a child process, which exits with 0 unless it throws.
  template <typename Work>
  static pid_t in_child(const Work& work) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    try {
      work();
    } catch (const std::exception& error) {
      static_cast<void>(std::fprintf(stderr, "child: %s\n", error.what()));
      ::_exit(1);
    }
    ::_exit(0);
  }

  static int wait_for(pid_t child) {
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
  }
};

TEST_P(StoreCrashTest, AKilledTransactionLeavesWholeLayersOrNone) {
  std::mt19937 random(7);
  constexpr int kRounds = 25;
  for (int round = 0; round < kRounds; ++round) {
    const pid_t child = in_child([&] {
      const auto store = open_store(root_, options());
      for (;;) {
        const auto chains = import_stack(*store, 4);
        const FileLock lock = store->lock(LockKind::Exclusive);
        store->remove_unreferenced({});
      }
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 150'000));
    ::kill(child, SIGKILL);
    EXPECT_TRUE(WIFSIGNALED(wait_for(child)));

    const auto store = open_store(root_, options());
    EXPECT_TRUE(names_in("staging").empty());
    for (const LayerInfo& info : store->layers()) {
      std::string tar;
      MemorySink sink(tar);
      EXPECT_NO_THROW(store->export_layer(info.chain, sink, Context{}));
      EXPECT_TRUE(!info.parent || store->find(*info.parent));
    }
    for (const std::string& name : names_in(records_directory())) {
      EXPECT_TRUE(name == "l" || store->find(ChainId::from_hex(name)));
    }
  }
  EXPECT_EQ(import_stack(*open_store(root_, options()), 4).size(), 4U);
}

TEST_P(StoreCrashTest, TwentyProcessesMayImportTheSameLayersAtOnce) {
  const std::string root = temp_.path("fresh");  // they make the store, too
  std::vector<pid_t> children;
  for (int i = 0; i < 20; ++i) {
    children.push_back(in_child([&] { import_stack(*open_store(root, options()), 3); }));
  }
  for (const pid_t child : children)
    EXPECT_EQ(wait_for(child), 0);
  const auto store = open_store(root, options());
  EXPECT_EQ(store->layers().size(), 3U);
  EXPECT_TRUE(list_dir(open_dir_at(AT_FDCWD, root + "/staging").get()).empty());
  const char* const parts = driver() == StoreDriver::Overlay2 ? "/overlay2/l" : "/aufs/diff";
  EXPECT_EQ(list_dir(open_dir_at(AT_FDCWD, root + parts).get()).size(), 3U);
}

TEST_P(StoreCrashTest, ImportsContainersAndCollectionsGoTogether) {
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(in_child([&, i] {
      const auto store = open_store(root_, options());
      for (int round = 0; round < 5; ++round) {
        const FileLock lock = store->lock(LockKind::Shared);
        std::string tar = TarText().file("mine", fmt::format("{} {}", i, round)).end();
        const auto transaction = store->begin();
        MemorySource source(tar);
        const ChainId chain = transaction->add(std::nullopt, source, std::nullopt, Context{}).chain;
        transaction->commit();
        const std::string id = fmt::format("c{}-{}", i, round);
        store->create_container(id, chain, nullptr);
        if (!store->find(chain)) fail(Errc::NotFound, "a container's layer was collected");
        if (round % 2 == 0) store->remove_container(id);
      }
    }));
  }
  for (int i = 0; i < 20; ++i) {
    const FileLock lock = store_->lock(LockKind::Exclusive);
    store_->remove_unreferenced({});
  }
  for (const pid_t child : children)
    EXPECT_EQ(wait_for(child), 0);
  const FileLock lock = store_->lock(LockKind::Exclusive);
  store_->remove_unreferenced({});
  EXPECT_EQ(store_->layers().size(), 16U);  // of the two containers each left
}

LAYERKIT_EACH_DRIVER(StoreCrashTest);

}  // namespace
}  // namespace layerkit::testing
