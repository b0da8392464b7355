#include "layerkit/imagetool/image_changes.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "dockerfile_words.h"
#include "layerkit/base/error.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/option_values.h"

namespace layerkit {
namespace {

using nlohmann::json;

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto start = text.find_first_not_of(kBlank);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(kBlank) - start + 1);
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

/// '["a","b"]' as a list; nullopt for anything that is not an array of strings.
std::optional<std::vector<std::string>> parse_exec_form(std::string_view text) {
  if (!text.starts_with('[')) return std::nullopt;
  const json value = json::parse(text, nullptr, false);
  if (!value.is_array()) return std::nullopt;
  if (!std::all_of(value.begin(), value.end(), [](const json& item) { return item.is_string(); })) {
    return std::nullopt;
  }
  return value.get<std::vector<std::string>>();
}

/// The member as an object; made when it is absent or null.
json& object_member(json& config, const char* key) {
  json& member = config[key];
  if (!member.is_object()) member = json::object();
  return member;
}

class Changer {
 public:
  explicit Changer(json config) : config_(std::move(config)) {
    if (!config_.is_object()) config_ = json::object();
  }

  void apply(std::string_view instruction);
  json result() && { return std::move(config_); }

 private:
  using Handler = void (Changer::*)(std::string_view);
  static Handler handler_of(const std::string& word);

  void cmd(std::string_view text);
  void entrypoint(std::string_view text);
  void env(std::string_view text);
  void expose(std::string_view text);
  void label(std::string_view text);
  void onbuild(std::string_view text);
  void stopsignal(std::string_view text);
  void user(std::string_view text);
  void volume(std::string_view text);
  void workdir(std::string_view text);

  std::vector<std::string> command_words(std::string_view text) const;
  std::vector<std::pair<std::string, std::string>> pairs(std::string_view text) const;
  std::string expand(std::string_view word) const;
  std::optional<std::string> variable(const std::string& name) const;
  void set_variable(const std::string& name, const std::string& value);

  json config_;
  bool cmd_was_set_ = false;
};

std::optional<std::string> Changer::variable(const std::string& name) const {
  const auto env = config_.find("Env");
  if (env == config_.end() || !env->is_array()) return std::nullopt;
  for (const json& item : *env) {
    if (!item.is_string()) continue;
    const auto& text = item.get_ref<const std::string&>();
    if (text.starts_with(name + "=")) return text.substr(name.size() + 1);
  }
  return std::nullopt;
}

void Changer::set_variable(const std::string& name, const std::string& value) {
  json& env = config_["Env"];
  if (!env.is_array()) env = json::array();
  const std::string key = name + "=";
  for (json& item : env) {
    if (item.is_string() && item.get_ref<const std::string&>().starts_with(key)) {
      item = key + value;
      return;
    }
  }
  env.push_back(key + value);
}

std::string Changer::expand(std::string_view word) const {
  return expand_word(word, [this](const std::string& name) { return variable(name); });
}

std::vector<std::string> Changer::command_words(std::string_view text) const {
  if (auto words = parse_exec_form(text)) return *words;
  std::vector<std::string> words = {"/bin/sh", "-c"};
  const auto shell = config_.find("Shell");
  if (shell != config_.end() && shell->is_array() && !shell->empty()) {
    words = shell->get<std::vector<std::string>>();
  }
  words.emplace_back(text);
  return words;
}

/// "K=V K2='a b'", or in the old form "K the rest of the line".
std::vector<std::pair<std::string, std::string>> Changer::pairs(std::string_view text) const {
  const auto words = split_words(text);
  if (words.front().find('=') == std::string::npos) {
    if (words.size() < 2) fail(Errc::Invalid, "{} has no value", layerkit::quoted(words.front()));
    return {{expand(words.front()), expand(trim(text.substr(words.front().size())))}};
  }
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      fail(Errc::Invalid, "{} is not of the form NAME=VALUE", layerkit::quoted(word));
    }
    result.emplace_back(expand(std::string_view(word).substr(0, equals)),
                        expand(std::string_view(word).substr(equals + 1)));
  }
  return result;
}

void Changer::cmd(std::string_view text) {
  config_["Cmd"] = command_words(text);
  cmd_was_set_ = true;
}

void Changer::entrypoint(std::string_view text) {
  config_["Entrypoint"] = command_words(text);
  if (!cmd_was_set_) config_["Cmd"] = nullptr;
}

void Changer::env(std::string_view text) {
  // All values of one instruction see the variables as they were before it.
  for (const auto& [name, value] : pairs(text))
    set_variable(name, value);
}

void Changer::label(std::string_view text) {
  const auto labels = pairs(text);
  for (const auto& [key, value] : labels)
    object_member(config_, "Labels")[key] = value;
}

/// "80", "80/udp" or "8000-8010/tcp".
void expose_ports(json& ports, const std::string& word) {
  const auto slash = word.find('/');
  const std::string protocol = slash == std::string::npos ? "tcp" : word.substr(slash + 1);
  const std::string_view range = std::string_view(word).substr(0, slash);
  const auto dash = range.find('-');
  const auto first = parse_decimal(range.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_decimal(range.substr(dash + 1));
  const bool known = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
  if (!first || !last || !known || *first == 0 || *last < *first || *last > 65535) {
    fail(Errc::Invalid, "invalid port: {}", layerkit::quoted(word));
  }
  for (auto port = *first; port <= *last; ++port) {
    ports[fmt::format("{}/{}", port, protocol)] = json::object();
  }
}

void Changer::expose(std::string_view text) {
  for (const auto& word : split_words(text)) {
    expose_ports(object_member(config_, "ExposedPorts"), expand(word));
  }
}

void Changer::onbuild(std::string_view text) {
  const std::string word = upper(text.substr(0, text.find_first_of(" \t")));
  if (word == "ONBUILD" || word == "FROM" || word == "MAINTAINER") {
    fail(Errc::Invalid, "{} isn't allowed as an ONBUILD trigger", word);
  }
  json& triggers = config_["OnBuild"];
  if (!triggers.is_array()) triggers = json::array();
  triggers.push_back(std::string(text));
}

void Changer::stopsignal(std::string_view text) {
  const std::string signal = expand(text);
  parse_signal(signal);
  config_["StopSignal"] = signal;
}

void Changer::user(std::string_view text) {
  config_["User"] = expand(text);
}

void Changer::volume(std::string_view text) {
  auto paths = parse_exec_form(text);
  if (!paths) paths = split_words(text);
  for (const auto& path : *paths) {
    const std::string expanded = std::string(trim(expand(path)));
    if (expanded.empty()) fail(Errc::Invalid, "VOLUME specified can not be an empty string");
    object_member(config_, "Volumes")[expanded] = json::object();
  }
}

void Changer::workdir(std::string_view text) {
  std::string directory = expand(text);
  if (!directory.starts_with('/')) {
    const auto before = config_.find("WorkingDir");
    const bool known = before != config_.end() && before->is_string();
    directory = (known ? before->get<std::string>() : "") + "/" + directory;
  }
  config_["WorkingDir"] = RelPath::parse(directory).absolute();
}

Changer::Handler Changer::handler_of(const std::string& word) {
  static constexpr std::array<std::pair<std::string_view, Handler>, 10> kHandlers = {{
      {"CMD", &Changer::cmd},
      {"ENTRYPOINT", &Changer::entrypoint},
      {"ENV", &Changer::env},
      {"EXPOSE", &Changer::expose},
      {"LABEL", &Changer::label},
      {"ONBUILD", &Changer::onbuild},
      {"STOPSIGNAL", &Changer::stopsignal},
      {"USER", &Changer::user},
      {"VOLUME", &Changer::volume},
      {"WORKDIR", &Changer::workdir},
  }};
  for (const auto& [name, handler] : kHandlers) {
    if (word == name) return handler;
  }
  return nullptr;
}

void Changer::apply(std::string_view instruction) {
  const auto text = trim(instruction);
  const auto blank = text.find_first_of(" \t");
  const std::string word = upper(text.substr(0, blank));
  const auto rest = blank == std::string_view::npos ? std::string_view() : trim(text.substr(blank));
  const Handler handler = handler_of(word);
  if (handler == nullptr)
    fail(Errc::Invalid, "{} is not a valid change command", layerkit::quoted(word));
  if (rest.empty()) fail(Errc::Invalid, "{} requires at least one argument", word);
  (this->*handler)(rest);
}

}  // namespace

json apply_image_changes(json config, const std::vector<std::string>& changes) {
  Changer changer(std::move(config));
  for (const auto& change : changes) {
    with_context([&] { return "applying change " + layerkit::quoted(change); },
                 [&] { changer.apply(change); });
  }
  return std::move(changer).result();
}

}  // namespace layerkit
