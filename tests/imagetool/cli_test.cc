#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "run_command.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using testing::CommandResult;
using testing::run_command;

const std::string kProgram = IMAGETOOL_PROGRAM;

CommandResult run(const std::string& arguments) {
  return run_command(kProgram + " " + arguments);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The names of all visible commands, as the help lists them.
std::vector<std::string> commands() {
  std::vector<std::string> names;
  bool in_commands = false;
  std::string rest = run("--help").output;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string line = rest.substr(0, end);
    rest.erase(0, end == std::string::npos ? end : end + 1);
    if (line.ends_with(':')) in_commands = line != "Options:";
    if (in_commands && line.starts_with("  "))
      names.push_back(line.substr(2, line.find(' ', 2) - 2));
  }
  return names;
}

TEST(CliTest, WithoutArgumentsItPrintsTheHelp) {
  const CommandResult result = run("");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, run("--help").output);
  EXPECT_TRUE(result.output.starts_with("Usage:  imagetool [OPTIONS] COMMAND\n")) << result.output;
}

TEST(CliTest, TheHelpListsTheCommandsOfDocker) {
  const std::vector<std::string> names = commands();
  for (const std::string name :
       {"images",  "load", "save",    "tag",        "history", "rmi",    "run",    "ps",
        "logs",    "stop", "kill",    "rm",         "diff",    "commit", "mount",  "unmount",
        "inspect", "info", "version", "completion", "check",   "prune",  "system", "network"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  }
}

TEST(CliTest, EveryCommandHasHelp) {
  for (const std::string& name : commands()) {
    const CommandResult result = run(name + " --help");
    EXPECT_EQ(result.exit_code, 0) << name;
    EXPECT_TRUE(result.output.starts_with("Usage:  imagetool " + name)) << result.output;
    EXPECT_TRUE(contains(result.output, "\nOptions:\n")) << result.output;
    EXPECT_FALSE(contains(result.output.substr(0, result.output.find('\n')), "TEXT"))
        << name << ": an argument without a name";
  }
}

TEST(CliTest, HelpIsLaidOutAsDockers) {
  EXPECT_EQ(run("tag --help").output,
            "Usage:  imagetool tag [OPTIONS] SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]\n"
            "\n"
            "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE\n"
            "\n"
            "Options:\n"
            "  -h, --help   Print usage\n");
}

TEST(CliTest, AMistypedCommandGetsASuggestion) {
  const CommandResult result = run("imags");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.output,
            "imagetool: 'imags' is not an imagetool command; did you mean 'images'?\n"
            "Run 'imagetool --help' for more information.\n");
}

TEST(CliTest, HelpNamesDefaultsAndValues) {
  const std::string help = run("load --help").output;
  for (const char* text : {"--max-entries N ", "more entries or directories (default 10000000)\n",
                           "--max-path-length N ", "paths of more bytes (default 4095)\n",
                           "to more bytes (default 128g)\n"}) {
    EXPECT_NE(help.find(text), std::string::npos) << text << "\n" << help;
  }
}

TEST(CliTest, UsageErrorsExitWithTwoAndPointToTheHelp) {
  const auto expect_usage = [](const std::string& arguments, const std::string& message) {
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments;
    EXPECT_TRUE(result.output.starts_with("imagetool: " + message)) << result.output;
    EXPECT_TRUE(contains(result.output, "--help' for more information.\n")) << result.output;
  };
  expect_usage("images --bogus", "unknown flag: '--bogus'");
  expect_usage("version extra", "unexpected argument: 'extra'");
  expect_usage("xyzzy", "'xyzzy' is not an imagetool command\n");
  expect_usage("rmi", "rmi: ");
  expect_usage("tag only_one", "tag: ");
  expect_usage("images --format", "--format");
  expect_usage("inspect --type volume x", "--type");
  expect_usage("completion tcsh", "");
}

TEST(CliTest, ErrorsAreOneLineWithoutControlCharacters) {
  const testing::TempDir dir;
  const CommandResult result =
      run("--root " + dir.path("s") + " history \"$(printf 'a\\033[31m\\nb')\"");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.output, "imagetool: No such image: a\\x1b[31m\\nb\n");
}

TEST(CliTest, VersionIsWrittenForPeopleAndPrograms) {
  EXPECT_EQ(run("--version").output, "imagetool version " LAYERKIT_VERSION "\n");
  EXPECT_TRUE(run("version").output.starts_with("Version:         " LAYERKIT_VERSION "\n"));
  const auto facts = nlohmann::json::parse(run("version --format json").output);
  EXPECT_EQ(facts["Version"], LAYERKIT_VERSION);
  EXPECT_EQ(facts["Os"], "linux");
}

TEST(CliTest, AnEmptyStoreListsOnlyTheHeadings) {
  const testing::TempDir dir;
  const std::string root = "--root " + dir.path("s") + " ";
  EXPECT_EQ(run(root + "images").output, "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
  EXPECT_EQ(run(root + "images -q").output, "");
  EXPECT_EQ(run(root + "images --format json").output, "");
  EXPECT_EQ(run(root + "images --format 'table {{.ID}}\\t{{.Tag}}'").output, "IMAGE ID   TAG\n");
  EXPECT_EQ(run(root + "inspect nothing").output, "imagetool: No such object: nothing\n[]\n");
  EXPECT_EQ(run(root + "inspect nothing").exit_code, 1);
}

TEST(CliTest, RefusesABadFormatOrFilter) {
  const testing::TempDir dir;
  const std::string root = "--root " + dir.path("s") + " ";
  const CommandResult format = run(root + "images --format '{{range .}}'");
  EXPECT_EQ(format.exit_code, 1);
  EXPECT_TRUE(contains(format.output, "imagetool: parsing template: 'range .' is not supported"));
  const CommandResult filter = run(root + "images --filter color=red");
  EXPECT_EQ(filter.exit_code, 1);
  EXPECT_TRUE(contains(filter.output, "reading filter 'color=red'")) << filter.output;
}

TEST(CliTest, CheckSaysInOneLineThatAllIsWell) {
  const testing::TempDir dir;
  const std::string root = "--root " + dir.path("s") + " ";
  EXPECT_EQ(run(root + "check").exit_code, 1);
  EXPECT_FALSE(stat_at(dir.fd(), "s")) << "a check makes no store";
  EXPECT_EQ(run(root + "info").exit_code, 0);
  EXPECT_EQ(run(root + "check").output, "No findings.\n");
  EXPECT_EQ(run(root + "check --deep").exit_code, 0);
  const auto report = nlohmann::json::parse(run(root + "check --deep --format json").output);
  EXPECT_EQ(report,
            nlohmann::json::parse(R"({"version":1,"deep":true,"complete":true,"findings":[]})"));
}

TEST(CliTest, CheckReportsAndRepairsForPeopleAndPrograms) {
  const testing::TempDir dir;
  const std::string root = "--root " + dir.path("s") + " ";
  EXPECT_EQ(run(root + "info").exit_code, 0);
  make_dirs(dir.path("s/overlay2/str\nay"), 0755);
  const CommandResult text = run(root + "check");
  EXPECT_EQ(text.exit_code, 1);
  EXPECT_EQ(text.output,
            "leftover: overlay2/str\\nay: it is neither a layer nor a container "
            "[directory-without-record]\n1 finding\n1 to be mended by --repair\n");
  const CommandResult json = run(root + "check --format json");
  EXPECT_EQ(json.exit_code, 1);
  EXPECT_EQ(nlohmann::json::parse(json.output)["findings"], nlohmann::json::parse(R"([{
      "kind": "directory-without-record", "object": "overlay2/str\\nay",
      "detail": "it is neither a layer nor a container", "severity": "leftover",
      "mend": "repair"}])"));
  EXPECT_EQ(run(root + "check --from x").output,
            "imagetool: --from is only of use with --repair\n");
  const CommandResult repaired = run(root + "check --repair");
  EXPECT_EQ(repaired.exit_code, 0);
  EXPECT_EQ(repaired.output,
            "mended: overlay2/str\\nay: it is neither a layer nor a container "
            "[directory-without-record]\nNo findings left.\n");
  const auto again = nlohmann::json::parse(run(root + "check --repair --format json").output);
  EXPECT_EQ(again["mended"], nlohmann::json::array());
}

TEST(CliTest, PruneAsksFirstInDockersWords) {
  const testing::TempDir dir;
  const std::string prune = " --root " + dir.path("s") + " prune ";
  const std::string question =
      "WARNING! This will remove all dangling images.\n"
      "Are you sure you want to continue? [y/N] ";
  EXPECT_EQ(run(prune + "</dev/null").output, question + "Total reclaimed space: 0B\n");
  EXPECT_EQ(run_command("echo y | " + kProgram + prune).output,
            question + "Total reclaimed space: 0B\n");
  EXPECT_EQ(run(prune + "-a </dev/null").output.substr(0, 59),
            "WARNING! This will remove all images without at least one c");
  EXPECT_EQ(run(prune + "-f").output, "Total reclaimed space: 0B\n");
  EXPECT_EQ(run(prune + "-f --filter until=24h --filter label=a=b").exit_code, 0);
  const CommandResult refused = run(prune + "-f --filter color=red");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_TRUE(contains(refused.output, "reading filter 'color=red'")) << refused.output;
}

TEST(CliTest, DiskUsageOfAnEmptyStoreIsNothing) {
  const testing::TempDir dir;
  const std::string df = "--root " + dir.path("s") + " system df ";
  EXPECT_EQ(run(df).output,
            "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n"
            "Images          0         0         0B        0B\n"
            "Containers      0         0         0B        0B\n"
            "Local Volumes   0         0         0B        0B\n");
  EXPECT_EQ(run(df + "--format '{{.Type}} {{.TotalCount}}'").output,
            "Images 0\nContainers 0\nLocal Volumes 0\n");
  EXPECT_TRUE(run(df + "-v").output.starts_with("Images space usage:\n\nREPOSITORY"));
  EXPECT_EQ(run(df + "-v --format json").exit_code, 1);
  const CommandResult without = run("system");
  EXPECT_EQ(without.exit_code, 2) << without.output;
  EXPECT_TRUE(
      run("system df --help").output.starts_with("Usage:  imagetool system df [OPTIONS]\n"));
  EXPECT_TRUE(contains(run("__man").output, "\n.SS system df\n"));
}

TEST(CliTest, AReaderThatHasGoneNeedsNoMessage) {
  const CommandResult result = run("__man | true");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "");
}

TEST(CliTest, OutputThatCannotBeWrittenIsAnError) {
  const CommandResult result = run("version > /dev/full");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.output, "imagetool: writing to standard output: No space left on device\n");
}

TEST(CliTest, ClosedStandardDescriptorsAreNotGivenToTheStoresFiles) {
  const testing::TempDir dir;
  const CommandResult result = run_command("sh -c '" + kProgram + " --root " + dir.path("s") +
                                           " images <&- >&- 2>&-; echo $?'");
  EXPECT_EQ(result.output, "0\n");
  EXPECT_EQ(run("--root " + dir.path("s") + " images -q").exit_code, 0);
}

TEST(CliTest, CompletionsKnowEveryCommandAndParse) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const testing::TempDir dir;
    const std::string script = dir.path("script");
    ASSERT_EQ(run(fmt::format("completion {} > {}", shell, script)).exit_code, 0);
    const std::string text = run_command("cat " + script).output;
    for (const std::string& name : commands()) {
      EXPECT_TRUE(contains(text, name)) << shell << ": " << name;
    }
    if (testing::has_command(shell)) {
      const CommandResult parsed = run_command(fmt::format("{} -n {}", shell, script));
      EXPECT_EQ(parsed.exit_code, 0) << parsed.output;
      EXPECT_EQ(parsed.output, "");
    }
  }
}

/// What bash would offer for this line, in one line of its own.
std::string complete_in_bash(const std::string& line) {
  const testing::TempDir dir;
  const std::string script = "source <(" + kProgram + " completion bash)\nCOMP_LINE=\"" + line +
                             "\"\nCOMP_POINT=${#COMP_LINE}\nCOMP_WORDBREAKS=:\n_imagetool\n"
                             "echo \"${COMPREPLY[@]}\"\n";
  write_file_at(dir.fd(), "script", script, 0600);
  return run_command("bash " + dir.path("script")).output;
}

TEST(CliTest, BashCompletesCommandsFlagsAndWords) {
  EXPECT_EQ(complete_in_bash(kProgram + " his"), "history\n");
  EXPECT_EQ(complete_in_bash(kProgram + " --root /nowhere his"), "history\n");
  EXPECT_EQ(complete_in_bash(kProgram + " history --no-t"), "--no-trunc\n");
  EXPECT_EQ(complete_in_bash(kProgram + " completion "), "bash zsh fish\n");
  EXPECT_EQ(complete_in_bash(kProgram + " inspect --type c"), "container\n");
  EXPECT_EQ(complete_in_bash(kProgram + " check --format "), "text json\n");
  EXPECT_EQ(complete_in_bash(kProgram + " system "), "df\n");
  EXPECT_EQ(complete_in_bash(kProgram + " system df --verb"), "--verbose\n");
}

TEST(CliTest, ManualPageKnowsEveryCommandAndFormats) {
  const std::string page = run("__man").output;
  EXPECT_TRUE(page.starts_with(".TH IMAGETOOL 1")) << page;
  for (const std::string& name : commands()) {
    std::string heading = name;
    for (std::size_t at = 0; (at = heading.find('-', at)) != std::string::npos; at += 2)
      heading.insert(at, 1, '\\');
    EXPECT_TRUE(contains(page, "\n.SS " + heading + "\n")) << name;
  }
  if (!testing::has_command("groff")) GTEST_SKIP() << "groff is not installed";
  const CommandResult formatted = run(" __man | groff -man -Tascii -ww > /dev/null");
  EXPECT_EQ(formatted.exit_code, 0);
  EXPECT_EQ(formatted.output, "");
}

}  // namespace
}  // namespace layerkit
