#include "layerkit/imagetool/image_changes.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "expect_error.h"

namespace layerkit {
namespace {

using nlohmann::json;
using testing::expect_error;

json applied(const std::vector<std::string>& changes, json config = json::object()) {
  return apply_image_changes(std::move(config), changes);
}

TEST(ImageChangesTest, CommandsHaveExecAndShellForm) {
  EXPECT_EQ(applied({R"(CMD ["a","b c"])"})["Cmd"], json({"a", "b c"}));
  EXPECT_EQ(applied({"cmd echo $A"})["Cmd"], json({"/bin/sh", "-c", "echo $A"}));
  EXPECT_EQ(applied({"CMD x"}, {{"Shell", {"/bin/bash", "-lc"}}})["Cmd"],
            json({"/bin/bash", "-lc", "x"}));
  EXPECT_EQ(applied({R"(CMD ["unfinished)"})["Cmd"], json({"/bin/sh", "-c", R"(["unfinished)"}));
  EXPECT_EQ(applied({"CMD []"})["Cmd"], json::array());
}

TEST(ImageChangesTest, AnEntrypointDropsAnInheritedCmdOnly) {
  const json config = {{"Cmd", {"old"}}};
  EXPECT_EQ(applied({R"(ENTRYPOINT ["e"])"}, config)["Cmd"], nullptr);
  EXPECT_EQ(applied({R"(CMD ["new"])", R"(ENTRYPOINT ["e"])"}, config)["Cmd"], json({"new"}));
}

TEST(ImageChangesTest, VariablesAreSetAndExpanded) {
  const json config = {{"Env", {"A=1", "P=/p"}}};
  EXPECT_EQ(applied({R"(ENV A=2 B="x y" C=it\ is D='$A' E=$A)"}, config)["Env"],
            json({"A=2", "P=/p", "B=x y", "C=it is", "D=$A", "E=1"}));
  EXPECT_EQ(applied({"ENV A the rest of it"}, config)["Env"][0], "A=the rest of it");
  EXPECT_EQ(applied({"WORKDIR ${P}/${NONE:-d}/${P:+x}"}, config)["WorkingDir"], "/p/d/x");
  EXPECT_EQ(applied({"USER $A"}, config)["User"], "1");
}

TEST(ImageChangesTest, WorkdirIsRelativeToTheOneBefore) {
  EXPECT_EQ(applied({"WORKDIR /a", "WORKDIR b/../c"})["WorkingDir"], "/a/c");
  EXPECT_EQ(applied({"WORKDIR x"})["WorkingDir"], "/x");
}

TEST(ImageChangesTest, SetsAreAddedTo) {
  const json config = {{"ExposedPorts", {{"1/tcp", json::object()}}}, {"Labels", nullptr}};
  const json result = applied({"EXPOSE 80 90-91/udp", R"(LABEL a=1 "b c"="d e")", "VOLUME /v /w",
                               R"(VOLUME ["/x y"])", "ONBUILD RUN make", "STOPSIGNAL SIGINT"},
                              config);
  EXPECT_EQ(result["ExposedPorts"], json({{"1/tcp", json::object()},
                                          {"80/tcp", json::object()},
                                          {"90/udp", json::object()},
                                          {"91/udp", json::object()}}));
  EXPECT_EQ(result["Labels"], json({{"a", "1"}, {"b c", "d e"}}));
  EXPECT_EQ(result["Volumes"],
            json({{"/v", json::object()}, {"/w", json::object()}, {"/x y", json::object()}}));
  EXPECT_EQ(result["OnBuild"], json::array({"RUN make"}));
  EXPECT_EQ(result["StopSignal"], "SIGINT");
}

TEST(ImageChangesTest, MistakesQuoteTheInstruction) {
  const auto refused = [](const char* change, const char* message) {
    expect_error(Errc::Invalid, message, [&] { applied({change}); });
    expect_error(Errc::Invalid, "applying change", [&] { applied({change}); });
  };
  refused("RUN make", "'RUN' is not a valid change command");
  refused("", "is not a valid change command");
  refused("ENV", "ENV requires at least one argument");
  refused("ENV A", "'A' has no value");
  refused("ENV A=1 B", "'B' is not of the form NAME=VALUE");
  refused("ENV A='x", "unfinished quote");
  refused("USER ${x", "unfinished substitution");
  refused("USER ${x%y}", "bad substitution");
  refused("EXPOSE 0", "invalid port: '0'");
  refused("EXPOSE 70000", "invalid port");
  refused("EXPOSE 80/icmp", "invalid port");
  refused("EXPOSE 9-8", "invalid port");
  refused("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger");
  refused("STOPSIGNAL NOPE", "invalid signal");
}

}  // namespace
}  // namespace layerkit
