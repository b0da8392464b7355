#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "expect_error.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/runtime.h"
#include "runner_fixture.h"

namespace layerkit::testing {

using Json = nlohmann::json;

/// While it lives, the standard streams of the test are others: a container inherits those.
class RedirectedStreams {
 public:
  RedirectedStreams(int input, int output) {
    const int streams[] = {input, output, output};
    for (int i = 0; i < 3; ++i) {
      before_[i] = Fd(::fcntl(i, F_DUPFD_CLOEXEC, 3));
      ::dup2(streams[i], i);
    }
  }
  RedirectedStreams(const RedirectedStreams&) = delete;
  RedirectedStreams& operator=(const RedirectedStreams&) = delete;
  ~RedirectedStreams() {
    for (int i = 0; i < 3; ++i)
      ::dup2(before_[i].get(), i);
  }

 private:
  Fd before_[3];
};

/// What each descriptor of this process refers to.
inline std::map<int, std::string> open_descriptors() {
  std::map<int, std::string> found;
  const Fd fds = open_dir_at(AT_FDCWD, "/proc/self/fd");
  for (const DirEntry& entry : list_dir(fds.get())) {
    const int number = std::stoi(entry.name);
    if (number != fds.get() && ::fcntl(number, F_GETFD) >= 0)
      found.emplace(number, read_link_at(fds.get(), entry.name));
  }
  return found;
}

/// Runs `work` in a process of its own, which ends with what it returns; an Error becomes 99.
inline pid_t fork_to(const std::function<int()>& work) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  int code = 99;
  try {
    code = work();
  } catch (const std::exception& error) {
    ::dprintf(2, "%s\n", error.what());
  }
  ::_exit(code);
}

/// 128 plus the number of a signal.
inline int exit_code_of(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

inline std::string read_text(const std::string& path) {
  return read_file_at(AT_FDCWD, path, 1U << 20U);
}

inline void write_text(const std::string& path, const std::string& text, mode_t mode = 0644) {
  write_file_at(AT_FDCWD, path, text, mode);
}

inline void rewrite_text(const std::string& path, const std::string& text) {
  unlink_at(AT_FDCWD, path);
  write_text(path, text, 0600);
}

inline Json mount_json(const std::string& target,
                       const std::string& type,
                       const std::string& source,
                       std::vector<std::string> options = {}) {
  Json mount;
  mount["destination"] = target;
  mount["type"] = type;
  mount["source"] = source;
  mount["options"] = std::move(options);
  return mount;
}

inline Json mapping_json(unsigned container, unsigned host, unsigned size) {
  Json mapping;
  mapping["containerID"] = container;
  mapping["hostID"] = host;
  mapping["size"] = size;
  return mapping;
}

inline Json namespace_json(const std::string& type, const std::string& path = {}) {
  Json json;
  json["type"] = type;
  if (!path.empty()) json["path"] = path;
  return json;
}

/// Without the namespace of that kind.
inline void drop_namespace(Json& config, const std::string& type) {
  Json kept = Json::array();
  for (const Json& each : config["linux"]["namespaces"]) {
    if (each["type"] != type) kept.push_back(each);
  }
  config["linux"]["namespaces"] = kept;
}

inline void replace_namespace(Json& config, const std::string& type, const std::string& path) {
  drop_namespace(config, type);
  config["linux"]["namespaces"].push_back(namespace_json(type, path));
}

/// Below that of a container, in each v1 hierarchy.
inline void make_nested_cgroup(const std::string& id, const std::string& nested) {
  for (const auto& each : runner::read_cgroup_layout().v1) {
    std::string directory = each.mount_point + "/" + test_cgroup_parent() + "/" + id;
    for (const std::string_view name : split(nested, '/')) {
      const std::string parent = directory;
      directory += fmt::format("/{}", name);
      make_dirs(directory, 0755);
      // A new one has none, and takes no process.
      for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
        if (std::filesystem::exists(directory + file))
          write_all(open_at(AT_FDCWD, directory + file, O_WRONLY).get(), read_text(parent + file),
                    file);
      }
    }
  }
}

/// For tests of Runtime: each has a directory of states and a bundle, and leaves nothing behind.
class RuntimeTest : public ContainerTest {
 protected:
  void SetUp() override {
    ContainerTest::SetUp();
    if (IsSkipped()) return;
    // What a container leaves behind becomes a child of the test, which looks for such.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    directory_ = std::make_unique<TempDir>();
    runtime_ = std::make_unique<Runtime>(directory_->path("states"));
    id_ = unique_id();
    context_.warn = [this](const std::string& text) { warnings_.push_back(text); };
    descriptors_ = open_descriptors();
  }

  void TearDown() override {
    if (IsSkipped()) return;
    // The first process of a pid namespace ends once the others have been reaped; those of exec are
    // children of the test.
    reap();
    ::signal(SIGCHLD, SIG_IGN);
    for (const ContainerState& state : runtime().list(Context{}))
      runtime().remove(state.id, true, Context{});
    ::signal(SIGCHLD, SIG_DFL);
    expect_no_container_directory();
    expect_no_child();
    EXPECT_EQ(open_descriptors(), descriptors_);
    const std::string mounts = read_text("/proc/self/mountinfo");
    EXPECT_EQ(mounts.find(directory_->path()), std::string::npos) << mounts;
    EXPECT_EQ(mounts.find(rootfs().path()), std::string::npos) << mounts;
    ContainerTest::TearDown();
  }

  const Runtime& runtime() const { return *runtime_; }
  const Context& context() const { return context_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// Of the container that most tests have.
  const std::string& id() const { return id_; }
  /// A path in a directory of the test.
  std::string path(const std::string& name) const { return directory_->path(name); }
  std::string state_path(const std::string& name) const {
    return path("states/" + id_ + "/" + name);
  }

  /// A config.json with the usual mounts and namespaces.
  Json config_of(std::vector<std::string> args) const {
    Json config;
    config["ociVersion"] = "1.2.0";
    config["root"]["path"] = rootfs_path();
    config["hostname"] = "box";
    Json& process = config["process"];
    process["user"] = {{"uid", 0}, {"gid", 0}};
    process["args"] = std::move(args);
    process["env"] = std::vector<std::string>{"PATH=/bin", "HOME=/home"};
    process["cwd"] = "/";
    for (const char* set : {"bounding", "effective", "permitted"})
      process["capabilities"][set] = default_capabilities();
    config["mounts"] = {
        mount_json("/proc", "proc", "proc"),
        mount_json("/dev", "tmpfs", "tmpfs", {"nosuid", "mode=755", "size=65536k"}),
        mount_json("/dev/pts", "devpts", "devpts",
                   {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
        mount_json("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
        mount_json("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "ro"})};
    Json& namespaces = config["linux"]["namespaces"];
    for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup"})
      namespaces.push_back(namespace_json(type));
    config["linux"]["maskedPaths"] = default_masked_paths();
    config["linux"]["readonlyPaths"] = default_read_only_paths();
    return config;
  }
  Json script(const std::string& text) const { return config_of({"sh", "-c", text}); }
  /// Of a process that does nothing until it is killed.
  Json idle() const { return config_of({"sleep", "1000000"}); }

  /// Writes the bundle of container `id`.
  CreateRequest request_of(Json config, const std::string& id) const {
    if (!config["linux"].contains("cgroupsPath"))
      config["linux"]["cgroupsPath"] = test_cgroup_parent() + "/" + id;
    CreateRequest request;
    request.id = id;
    request.bundle = path("bundle-" + id);
    make_dirs(request.bundle, 0755);
    write_text(request.bundle + "/config.json", config.dump(2));
    return request;
  }
  CreateRequest request_of(Json config) const { return request_of(std::move(config), id_); }

  /// Its output goes to output().
  std::unique_ptr<StartedProcess> create(CreateRequest request) {
    const Fd null = open_at(AT_FDCWD, "/dev/null", O_RDWR);
    StartFailure failure = StartFailure::Setup;
    const RedirectedStreams streams(null.get(), output_.end().get());
    return runtime().create(std::move(request), failure, context_);
  }
  std::unique_ptr<StartedProcess> create(Json config) {
    return create(request_of(std::move(config)));
  }
  std::unique_ptr<StartedProcess> start(CreateRequest request) {
    const std::string id = request.id;
    std::unique_ptr<StartedProcess> process = create(std::move(request));
    runtime().start(id, context_);
    return process;
  }
  std::unique_ptr<StartedProcess> start(Json config) {
    return start(request_of(std::move(config)));
  }
  std::string output() const { return output_.text(); }

  /// From create to delete.
  Outcome run(CreateRequest request) {
    const std::string id = request.id;
    const std::size_t before = output().size();
    const std::unique_ptr<StartedProcess> process = start(std::move(request));
    const ExitStatus status = process->wait();
    runtime().remove(id, false, context_);
    return Outcome{status, output().substr(before)};
  }
  Outcome run(Json config) { return run(request_of(std::move(config))); }

  /// What creating or starting it is refused with; nothing of it is left then.
  std::string refusal_of(CreateRequest request) {
    const std::string id = request.id;
    try {
      start(std::move(request));
    } catch (const Error& error) {
      EXPECT_TRUE(is_gone(id)) << error.message();
      return error.message();
    }
    ADD_FAILURE() << "it started";
    runtime().remove(id, true, context_);
    return {};
  }
  std::string refusal_of(Json config) { return refusal_of(request_of(std::move(config))); }

  bool is_gone(const std::string& id) const {
    return !std::filesystem::exists(path("states/" + id)) &&
           runner::find_cgroup(runner::read_cgroup_layout(), test_cgroup_parent() + "/" + id) ==
               nullptr;
  }

  ContainerStatus status() const { return runtime().state(id_).status; }

  ExecRequest exec_request(std::vector<std::string> args) const {
    ExecRequest request;
    request.id = id_;
    request.process = runtime().process_of(id_);
    request.process.args = std::move(args);
    return request;
  }
  ExecRequest exec_script(const std::string& text) const {
    return exec_request({"sh", "-c", text});
  }

  std::unique_ptr<StartedProcess> start_exec(ExecRequest request, int output) {
    const Fd null = open_at(AT_FDCWD, "/dev/null", O_RDWR);
    const RedirectedStreams streams(null.get(), output);
    return runtime().exec(std::move(request), exec_failure_, context_);
  }
  Outcome exec(ExecRequest request) {
    const Capture output;
    const std::unique_ptr<StartedProcess> process =
        start_exec(std::move(request), output.end().get());
    const ExitStatus status = process->wait();
    return Outcome{status, output.text()};
  }
  Outcome exec(const std::string& text) { return exec(exec_script(text)); }
  std::string exec_refusal_of(ExecRequest request) {
    try {
      exec(std::move(request));
    } catch (const Error& error) {
      return error.message();
    }
    ADD_FAILURE() << "it ran";
    return {};
  }
  StartFailure exec_failure() const { return exec_failure_; }

 private:
  const std::string& rootfs_path() const {
    return const_cast<RuntimeTest*>(this)->rootfs().path();  // NOLINT: the base has no const one
  }

  void expect_no_container_directory() const {
    const std::string root = path("states");
    if (!std::filesystem::exists(root)) return;
    for (const auto& entry : std::filesystem::directory_iterator(root))
      EXPECT_TRUE(entry.path().filename().string().starts_with('.')) << entry.path();
  }

  /// -1 when there is no child any more, 0 when one lives.
  static pid_t reap() {
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    return pid;
  }
  static void expect_no_child() { EXPECT_EQ(reap(), -1) << "a process is left"; }

  std::unique_ptr<TempDir> directory_;
  std::unique_ptr<Runtime> runtime_;
  std::string id_;
  Context context_;
  std::vector<std::string> warnings_;
  Capture output_;
  StartFailure exec_failure_ = StartFailure::Setup;
  std::map<int, std::string> descriptors_;
};

}  // namespace layerkit::testing
