#include "layerkit/imagetool/image_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <set>

#include "archive_builder.h"
#include "expect_error.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using testing::expect_error;
using testing::layer_tar;

ImageName name(std::string_view text) {
  return ImageName::parse(text);
}

/// Runs `work` in another process; the test fails when it throws.
pid_t in_child(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    work();
    ::_exit(0);
  } catch (const std::exception& error) {
    static_cast<void>(std::fputs(error.what(), stderr));
    ::_exit(1);
  }
}

void expect_success(pid_t child) {
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

/// Needs root: a store's layers have any owner and overlay's xattrs.
class FileImageStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<ImageStore> open() { return ImageStore::open(dir_.path("store")); }

  /// An image without layers; `text` makes it different from others.
  Image plain_image(std::string_view text, std::string_view created = "2024-01-01T00:00:00Z") {
    Image image = Image::parse(fmt::format(
        R"({{"created":"{}","author":"{}","rootfs":{{"type":"layers","diff_ids":[]}}}})", created,
        text));
    store_->put(image);
    return image;
  }

  /// An image whose layers are these tars, which are stored.
  Image layered_image(const std::vector<std::string>& tars) {
    const FileLock lock = store_->layers().lock(LockKind::Shared);
    const auto transaction = store_->layers().begin();
    std::optional<ChainId> parent;
    for (const std::string& tar : tars) {
      MemorySource source(tar);
      parent = transaction->add(parent, source, std::nullopt, {}).chain;
    }
    transaction->commit();
    Image image = Image::parse(testing::image_config(tars));
    store_->put(image);
    return image;
  }

  std::vector<std::string> names_of(const Image& image) {
    std::vector<std::string> texts;
    for (const ImageName& each : store_->find(image.id().str()).names)
      texts.push_back(each.str());
    return texts;
  }

  std::string config_path(const Image& image) { return "store/images/" + image.id().hex(); }

  testing::TempDir dir_;
  std::unique_ptr<ImageStore> store_ = open();
};

TEST_F(FileImageStoreTest, FindsByNameIdAndPrefix) {
  const Image image = plain_image("a");
  store_->set_names({{name("debian:12"), image.id()}});
  const std::string hex = image.id().hex();
  for (const std::string& text :
       {std::string("debian:12"), std::string("docker.io/library/debian:12"), image.id().str(), hex,
        hex.substr(0, 12), "sha256:" + hex.substr(0, 7), hex.substr(0, 1)}) {
    const ImageStore::Record record = store_->find(text);
    EXPECT_EQ(record.image.id(), image.id()) << text;
    EXPECT_EQ(record.image.config_bytes(), image.config_bytes());
    EXPECT_EQ(record.names, std::vector{name("debian:12")});
    EXPECT_FALSE(record.last_tagged.empty());
  }
}

TEST_F(FileImageStoreTest, SaysSoWhenThereIsNoSuchImage) {
  for (const std::string text : {"debian", "sha256:00", "0123", "Not A Name", ""}) {
    expect_error(Errc::NotFound, "No such image: " + text, [&] { store_->find(text); });
  }
}

TEST_F(FileImageStoreTest, RefusesAnAmbiguousPrefix) {
  std::set<char> first_digits;
  char shared = 0;
  for (int i = 0; shared == 0; ++i) {
    const char digit = plain_image(std::to_string(i)).id().hex().front();
    if (!first_digits.insert(digit).second) shared = digit;
  }
  const std::string prefix(1, shared);
  expect_error(Errc::Invalid, fmt::format("finding image '{}': several image IDs begin so", prefix),
               [&] { store_->find(prefix); });
}

TEST_F(FileImageStoreTest, ANameWinsOverAPrefix) {
  const Image named = plain_image("a");
  const Image other = plain_image("b");
  const std::string text = other.id().hex().substr(0, 12);
  store_->set_names({{name(text), named.id()}});
  EXPECT_EQ(store_->find(text).image.id(), named.id());
}

TEST_F(FileImageStoreTest, MovedNamesAreReturnedWithWhereTheyPointed) {
  const Image first = plain_image("a");
  const Image second = plain_image("b");
  EXPECT_TRUE(store_->set_names({{name("x"), first.id()}, {name("y"), first.id()}}).empty());
  const auto moved = store_->set_names({{name("x"), second.id()}, {name("y"), first.id()}});
  EXPECT_EQ(moved, (std::map<ImageName, ImageId>{{name("x"), first.id()}}));
  EXPECT_EQ(names_of(first), std::vector<std::string>{"y:latest"});
  EXPECT_EQ(names_of(second), std::vector<std::string>{"x:latest"});
}

TEST_F(FileImageStoreTest, NamesAreSetAllOrNone) {
  const Image image = plain_image("a");
  const ImageId absent(Sha256::of("absent"));
  expect_error(Errc::NotFound, "naming 'b:latest': No such image: " + absent.str(), [&] {
    store_->set_names({{name("a"), image.id()}, {name("b"), absent}});
  });
  EXPECT_TRUE(names_of(image).empty());
}

TEST_F(FileImageStoreTest, EverythingIsThereAfterOpeningAgain) {
  const Image image = plain_image("a");
  store_->set_names({{name("example.org:5000/a/b:1"), image.id()}});
  store_ = open();
  EXPECT_EQ(names_of(image), std::vector<std::string>{"example.org:5000/a/b:1"});
}

TEST_F(FileImageStoreTest, ListsTheNewestFirst) {
  const Image middle = plain_image("a", "2024-01-01T12:00:00+02:00");
  const Image oldest = plain_image("b", "not a time");
  const Image newest = plain_image("c", "2024-01-01T11:00:00Z");
  std::vector<ImageId> ids;
  for (const auto& record : store_->list())
    ids.push_back(record.image.id());
  EXPECT_EQ(ids, (std::vector{newest.id(), middle.id(), oldest.id()}));
}

TEST_F(FileImageStoreTest, RefusesAnImageWhoseLayersAreNotStored) {
  const Image image = Image::parse(testing::image_config({layer_tar("a", "1")}));
  expect_error(Errc::NotFound, "is not in the store", [&] { store_->put(image); });
  EXPECT_TRUE(store_->list().empty());
}

TEST_F(FileImageStoreTest, TheSizeIsThatOfAllLayers) {
  EXPECT_EQ(store_->size(layered_image({layer_tar("a", "12345"), layer_tar("b", "123")})), 8U);
  EXPECT_EQ(store_->size(plain_image("a")), 0U);
}

TEST_F(FileImageStoreTest, NamesOfManyProcessesAreAllKept) {
  const Image image = plain_image("a");
  constexpr int kProcesses = 4;
  constexpr int kNames = 12;
  std::vector<pid_t> children;
  children.reserve(kProcesses);
  for (int process = 0; process < kProcesses; ++process) {
    children.push_back(in_child([&] {
      const auto store = open();
      for (int i = 0; i < kNames; ++i) {
        store->set_names({{name(fmt::format("p{}:{}", process, i)), image.id()}});
      }
    }));
  }
  for (const pid_t child : children)
    expect_success(child);
  EXPECT_EQ(names_of(image).size(), std::size_t{kProcesses} * kNames);
}

TEST_F(FileImageStoreTest, ReadersSeeNamesThatAreSetTogetherMoveTogether) {
  const Image first = plain_image("a");
  const Image second = plain_image("b");
  store_->set_names({{name("x"), first.id()}, {name("y"), first.id()}});
  const pid_t writer = in_child([&] {
    const auto store = open();
    for (int i = 0; i < 40; ++i) {
      const ImageId& target = i % 2 == 0 ? second.id() : first.id();
      store->set_names({{name("x"), target}, {name("y"), target}});
    }
  });
  int status = 0;
  while (::waitpid(writer, &status, WNOHANG) == 0) {
    for (const auto& record : store_->list()) {
      ASSERT_NE(record.names.size(), 1U) << "a reader saw one of two names that moved together";
    }
  }
  EXPECT_EQ(status, 0);
}

TEST_F(FileImageStoreTest, RefusesAConfigThatWasChanged) {
  const Image image = plain_image("a");
  write_file_at(dir_.fd(), config_path(image), image.config_bytes() + " ", 0600);
  const std::string message = "was changed: its digest differs";
  expect_error(Errc::Integrity, message, [&] { store_->find(image.id().str()); });
  expect_error(Errc::Integrity, message, [&] { store_->list(); });
}

TEST_F(FileImageStoreTest, ADamagedImageCanBeRemoved) {
  const Image damaged = plain_image("a");
  const Image healthy = plain_image("b");
  store_->set_names({{name("x"), damaged.id()}});
  write_file_at(dir_.fd(), config_path(damaged), "garbage", 0600);
  EXPECT_EQ(store_->remove("x", false).image, damaged.id());
  ASSERT_EQ(store_->list().size(), 1U);
  EXPECT_EQ(store_->list()[0].image.id(), healthy.id());
}

TEST_F(FileImageStoreTest, NothingIsRemovedWhileAnotherImageIsDamaged) {
  const Image image = layered_image({layer_tar("a", "1")});
  const Image damaged = plain_image("b");
  write_file_at(dir_.fd(), config_path(damaged), "garbage", 0600);
  expect_error(Errc::Integrity, "was changed", [&] { store_->remove(image.id().str(), false); });
  EXPECT_EQ(store_->layers().layers().size(), 1U);
  EXPECT_EQ(store_->find(image.id().str()).image.id(), image.id());
}

TEST_F(FileImageStoreTest, RefusesNamesItCannotRead) {
  const auto refuse = [&](Errc code, const std::string& text, const std::string& message) {
    write_file_at(dir_.fd(), "store/names.json", text, 0600);
    expect_error(code, message, [&] { store_->list(); });
  };
  refuse(Errc::Unsupported, R"({"version":2,"names":{}})", "version 2 is not known");
  refuse(Errc::Invalid, "{", "parsing names.json: line 1");
  refuse(Errc::Invalid, R"({"version":1})", "reading names.json: 'names' is missing");
  refuse(Errc::Invalid, R"({"version":1,"names":{"a":{"image":"x","tagged":""}}})",
         "reading names.json: 'names.a'");
  refuse(Errc::Invalid,
         fmt::format(R"({{"version":1,"names":{{"../a":{{"image":"{}","tagged":""}}}}}})",
                     ImageId(Sha256::of("")).str()),
         "reading image name '../a'");
}

TEST_F(FileImageStoreTest, WritersRemoveWhatDeadWritersLeft) {
  const Image image = plain_image("a");
  write_file_at(dir_.fd(), "store/images/.leftover", "x", 0600);
  write_file_at(dir_.fd(), "store/.names.json.0123456789ab", "x", 0600);
  EXPECT_EQ(store_->list().size(), 1U);
  plain_image("b");
  EXPECT_FALSE(stat_at(dir_.fd(), "store/images/.leftover"));
  EXPECT_FALSE(stat_at(dir_.fd(), "store/.names.json.0123456789ab"));
  EXPECT_EQ(store_->find(image.id().str()).image.id(), image.id());
}

using RemoveImageTest = FileImageStoreTest;

TEST_F(RemoveImageTest, OneOfSeveralNamesIsOnlyUntagged) {
  const Image image = plain_image("a");
  store_->set_names({{name("x"), image.id()}, {name("y"), image.id()}});
  const ImageStore::Removed removed = store_->remove("x", false);
  EXPECT_EQ(removed.untagged, std::vector{name("x")});
  EXPECT_EQ(removed.image, std::nullopt);
  EXPECT_EQ(names_of(image), std::vector<std::string>{"y:latest"});
}

TEST_F(RemoveImageTest, WithItsLastNameTheImageGoesAndTheLayersNobodyNeeds) {
  const std::string base = layer_tar("a", "1");
  const Image kept = layered_image({base});
  const Image image = layered_image({base, layer_tar("b", "2"), layer_tar("c", "3")});
  store_->set_names({{name("x"), image.id()}});
  const ImageStore::Removed removed = store_->remove("x:latest", false);
  EXPECT_EQ(removed.untagged, std::vector{name("x")});
  EXPECT_EQ(removed.image, image.id());
  const std::vector<ChainId> chains = image.chain_ids();
  ASSERT_EQ(removed.layers.size(), 2U);
  EXPECT_EQ(removed.layers[0].chain, chains[2]) << "children go before their parents";
  EXPECT_EQ(removed.layers[1].chain, chains[1]);
  EXPECT_EQ(store_->layers().layers().size(), 1U);
  EXPECT_EQ(store_->size(kept), 1U);
  expect_error(Errc::NotFound, "No such image: x", [&] { store_->find("x"); });
}

TEST_F(RemoveImageTest, AnIdWithSeveralNamesNeedsForce) {
  const Image image = plain_image("a");
  store_->set_names({{name("x"), image.id()}, {name("y"), image.id()}});
  const std::string id = image.id().hex().substr(0, 12);
  expect_error(Errc::Busy, "it has several names (x:latest, y:latest); use -f",
               [&] { store_->remove(id, false); });
  const ImageStore::Removed removed = store_->remove(id, true);
  EXPECT_EQ(removed.untagged, (std::vector{name("x"), name("y")}));
  EXPECT_EQ(removed.image, image.id());
  EXPECT_TRUE(store_->list().empty());
}

TEST_F(RemoveImageTest, AnImageInUseKeepsItsLastName) {
  const Image image = plain_image("a");
  store_->set_names({{name("x"), image.id()}, {name("y"), image.id()}});
  store_->set_users([&](const ImageId& id) {
    return id == image.id() ? std::vector<std::string>{"busy_box"} : std::vector<std::string>{};
  });
  EXPECT_EQ(store_->remove("x", false).untagged, std::vector{name("x")});
  for (const std::string& text : {std::string("y"), image.id().str()}) {
    expect_error(Errc::Busy, "container 'busy_box' uses it; remove the container first, or use -f",
                 [&] { store_->remove(text, false); });
  }
  EXPECT_EQ(names_of(image), std::vector<std::string>{"y:latest"});
}

TEST_F(RemoveImageTest, ForceTakesOnlyTheNameOfAnImageInUse) {
  const Image image = layered_image({layer_tar("a", "1")});
  store_->set_names({{name("x"), image.id()}});
  store_->set_users([](const ImageId&) { return std::vector<std::string>{"c"}; });
  const ImageStore::Removed removed = store_->remove("x", true);
  EXPECT_EQ(removed.untagged, std::vector{name("x")});
  EXPECT_EQ(removed.image, std::nullopt);
  EXPECT_TRUE(names_of(image).empty());
  expect_error(Errc::Busy, "container 'c' uses it; remove the container first",
               [&] { store_->remove(image.id().str(), true); });
  EXPECT_EQ(store_->layers().layers().size(), 1U);
}

TEST_F(RemoveImageTest, RemovingWhatIsNotThereIsAnError) {
  expect_error(Errc::NotFound, "No such image: x", [&] { store_->remove("x", true); });
}

}  // namespace
}  // namespace layerkit
