#include "layerkit/imagetool/storage_driver.h"

#include <sys/mount.h>

#include <nlohmann/json.hpp>

#include "image_store_fixture.h"
#include "layerkit/imagetool/container_inspect.h"
#include "layerkit/imagetool/container_run.h"
#include "private_mounts.h"
#include "run_command.h"
#include "user_namespace.h"

namespace layerkit::testing {
namespace {

std::optional<std::string> problem_in(const std::string& directory) {
  return find_overlay_problem(open_dir_at(AT_FDCWD, directory).get());
}

class OverlayProbeTest : public PrivateMountsTest {};

TEST_F(OverlayProbeTest, FindsNothingWrongWhereOverlayMountsWork) {
  const ScratchMount scratch;
  EXPECT_EQ(problem_in(scratch.path()), std::nullopt);
  EXPECT_EQ(list_dir(open_dir_at(AT_FDCWD, scratch.path("upper")).get()).size(), 3U);
}

TEST_F(OverlayProbeTest, SaysWhyAnOverlayMountIsNoPlaceForAnother) {
  const ScratchMount scratch;
  for (const char* name : {"lower", "upper", "work", "union", "union-again"})
    make_dir_at(AT_FDCWD, scratch.path(name), 0755);
  const std::string options =
      fmt::format("lowerdir={},upperdir={},workdir={}", scratch.path("lower"),
                  scratch.path("upper"), scratch.path("work"));
  const std::string target = scratch.path("union");
  ASSERT_EQ(::mount("overlay", target.c_str(), "overlay", 0, options.c_str()), 0);
  EXPECT_TRUE(problem_in(target));
}

TEST(OverlayProbeUsernsTest, AnOrdinaryUsersStoreTakesAufs) {
  in_user_namespace([] {
    const TempDir dir;
    const auto images = ImageStore::open(dir.path("store"));
    Store& layers = images->layers();
    EXPECT_EQ(layers.driver(), StoreDriver::Aufs);
    const std::string reason = layers.driver_info().reason;
    EXPECT_TRUE(reason.starts_with("overlay2 does not work here: ")) << reason;
    TarBuilder builder;
    builder.file("etc/hosts", "x");
    const std::string tar = builder.finish();
    const auto transaction = layers.begin();
    MemorySource source(tar);
    const LayerInfo info = transaction->add(std::nullopt, source, std::nullopt, Context{});
    transaction->commit();
    std::string again;
    MemorySink sink(again);
    layers.export_layer(info.chain, sink, Context{});
    EXPECT_EQ(again, tar);
  });
}

/// Containers that were made, but never run.
class AufsContainerTest : public ImageStoreTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    StoreOptions options;
    options.driver = StoreDriver::Aufs;
    images_ = ImageStore::open(dir_.path("images"), options);
    const auto layer = TarBuilder().file("etc/hosts", "image").file("etc/motd", "hello").finish();
    add_image("box", layer);
  }

  void add_image(const std::string& name, const std::string& layer) {
    const FileLock lock = images().layers().lock(LockKind::Shared);
    const auto transaction = images().layers().begin();
    MemorySource source(layer);
    const LayerInfo info = transaction->add(std::nullopt, source, std::nullopt, Context{});
    transaction->commit();
    const Image image = Image::parse(
        fmt::format(R"({{"architecture":"amd64","os":"linux","config":{{"Cmd":["sh"]}},)"
                    R"("rootfs":{{"type":"layers","diff_ids":["{}"]}}}})",
                    info.diff_id.str()));
    images().put(image);
    images().set_names({{ImageName::parse(name), image.id()}});
  }

  CommandResult tool(const std::string& arguments) {
    return run_command(std::string(IMAGETOOL_PROGRAM) + " --root " + dir_.path("images") + " " +
                       arguments);
  }
};

TEST_F(AufsContainerTest, ChangesAreShownCommittedAndRemoved) {
  ContainerStore store(images());
  RunRequest request;
  request.image = "box";
  request.name = "c1";
  const ContainerInfo container = create_container(store, request, Context{});
  const std::string upper = images().layers().container_paths(container.id).upper;
  make_dirs(upper + "/etc", 0755);
  write_file_at(AT_FDCWD, upper + "/etc/.wh.motd", "", 0444);
  write_file_at(AT_FDCWD, upper + "/new", "data", 0644);

  EXPECT_EQ(tool("diff c1").output, "C /etc\nD /etc/motd\nA /new\n");
  const auto facts = inspect_container_json(store, store.find("c1"));
  EXPECT_EQ(facts.at("Driver"), "aufs");
  EXPECT_EQ(facts.at("GraphDriver"), (nlohmann::ordered_json{{"Data", nullptr}, {"Name", "aufs"}}));

  EXPECT_EQ(tool("commit c1 changed").exit_code, 0);
  const auto view = images().layers().view(images().find("changed").image.top());
  EXPECT_EQ(view->list(RelPath()), (std::vector<std::string>{"etc", "new"}));
  EXPECT_EQ(view->list(RelPath::parse("etc")), std::vector<std::string>{"hosts"});

  store.remove(container.id);  // `rm` would take this process for one that is about to start it
  EXPECT_FALSE(images().layers().has_container(container.id));
  EXPECT_EQ(staged(), std::vector<std::string>{});
}

}  // namespace
}  // namespace layerkit::testing
