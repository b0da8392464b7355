// Other tools as the judges of what save_images writes.

#include "image_store_fixture.h"
#include "run_command.h"

namespace layerkit::testing {
namespace {

const std::string kBase = TarBuilder().directory("etc/").file("etc/motd", "base\n").finish();
const std::string kTop = TarBuilder().file("etc/.wh.motd", "").file("etc/issue", "top\n").finish();

class ToolsTest : public ImageStoreTest {
 protected:
  void SetUp() override {
    load(TarBuilder()
             .file("l0", kBase)
             .file("l1", kTop)
             .file("c", image_config({kBase, kTop}))
             .file("manifest.json",
                   "[" + manifest_item("c", "example.com/app:1", {"l0", "l1"}) + "]"));
  }

  std::string save(ArchiveFormat format, std::optional<Compression> layers = {}) {
    const ImageStore::Record record = images().find("example.com/app:1");
    std::string path = dir_.path(fmt::format("saved{}", ++number_));
    save_images(images(), {{record.image, record.names}}, {format, layers}, path, context_);
    return path;
  }

  int number_ = 0;
};

#define SKIP_WITHOUT(tool) \
  if (!has_command(tool)) GTEST_SKIP() << tool " is not installed"

TEST_F(ToolsTest, SkopeoReadsEveryFormat) {
  SKIP_WITHOUT("skopeo");
  const std::string config = image_config({kBase, kTop});
  for (const std::string& source :
       {"docker-archive:" + save(ArchiveFormat::DockerArchive),
        "docker-archive:" + save(ArchiveFormat::DockerArchive, Compression::Gzip),
        "docker-archive:" + save(ArchiveFormat::DockerArchive) + ":example.com/app:1",
        "oci-archive:" + save(ArchiveFormat::OciArchive) + ":1",
        "oci-archive:" + save(ArchiveFormat::OciArchive, Compression::None),
        "oci:" + save(ArchiveFormat::OciDirectory, Compression::Zstd) + ":1"}) {
    const CommandResult inspected = run_command("skopeo inspect --config --raw " + source);
    EXPECT_EQ(inspected.exit_code, 0) << source;
    EXPECT_EQ(inspected.output, config) << source;
    const CommandResult copied = run_command("skopeo copy --quiet --insecure-policy " + source +
                                             " dir:" + dir_.path("copy"));
    EXPECT_EQ(copied.exit_code, 0) << source << copied.output;
  }
}

TEST_F(ToolsTest, PodmanLoadsBothArchives) {
  SKIP_WITHOUT("podman");
  const std::string podman = fmt::format(
      "podman --root {0}/podman --runroot {0}/podman-run --storage-driver vfs ", dir_.path());
  const std::string id = sha256(image_config({kBase, kTop})).substr(7);
  for (const ArchiveFormat format : {ArchiveFormat::DockerArchive, ArchiveFormat::OciArchive}) {
    const CommandResult loaded = run_command(podman + "load -i " + save(format));
    EXPECT_EQ(loaded.exit_code, 0) << loaded.output;
    const CommandResult listed =
        run_command(podman + "images --no-trunc --format '{{.Id}} {{.Repository}}:{{.Tag}}'");
    EXPECT_NE(listed.output.find(id + " example.com/app:1"), std::string::npos) << listed.output;
    run_command(podman + "rmi --force " + id);
  }
}

TEST_F(ToolsTest, UmociUnpacksALayoutDirectory) {
  SKIP_WITHOUT("umoci");
  const std::string bundle = dir_.path("bundle");
  const CommandResult unpacked = run_command(
      fmt::format("umoci unpack --image {}:1 {}", save(ArchiveFormat::OciDirectory), bundle));
  EXPECT_EQ(unpacked.exit_code, 0) << unpacked.output;
  EXPECT_EQ(read_file_at(AT_FDCWD, bundle + "/rootfs/etc/issue", 100), "top\n");
  EXPECT_FALSE(stat_at(AT_FDCWD, bundle + "/rootfs/etc/motd").has_value());
}

TEST_F(ToolsTest, TarListsTheArchives) {
  for (const ArchiveFormat format : {ArchiveFormat::DockerArchive, ArchiveFormat::OciArchive}) {
    const CommandResult listed = run_command("tar --list --file " + save(format));
    EXPECT_EQ(listed.exit_code, 0) << listed.output;
    EXPECT_EQ(listed.output.find("tar:"), std::string::npos) << listed.output;
  }
}

}  // namespace
}  // namespace layerkit::testing
