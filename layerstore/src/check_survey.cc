#include <fcntl.h>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "recipe_summary.h"
#include "store_checks.h"

namespace layerkit {
namespace {

/// Reads the records of all layers and containers, one directory after the other.
class Surveyor {
 public:
  Surveyor(Examination& examination, const StoreFrame& frame)
      : examination_(examination), frame_(frame), records_(frame.check->records()) {}

  Survey run() {
    for (const std::string& name : frame_.check->names())
      read_directory(name);
    // When all sound ones are known: a damaged record is made again from the layer and its parent.
    for (const ChainId& chain : survey_.unsound_layers)
      report_layer(chain);
    return std::move(survey_);
  }

 private:
  void read_directory(const std::string& name) {
    const auto stat = stat_at(records_.fd, name);
    if (!stat) return;
    if (stat->type != FileType::Directory) {
      return report_stray(name, "unexpected-name", "only directories belong here");
    }
    const auto dir = open_at_if_exists(records_.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir) return;
    const bool has_layer = stat_at(dir->get(), store_file::kLayer).has_value();
    const bool has_container = stat_at(dir->get(), store_file::kContainer).has_value();
    const bool has_recipe = stat_at(dir->get(), store_file::kRecipe).has_value();
    if (is_chain_name(name) && !has_container && (has_layer || has_recipe)) {
      read_layer(name, dir->get());
    } else if (has_container && !has_layer) {
      read_container(name, dir->get());
    } else {
      report_stray(name, "directory-without-record",
                   has_layer ? "it has the records of two kinds, or the name of none"
                             : "it is neither a layer nor a container");
    }
  }

  void report_stray(const std::string& name, const char* kind, const char* detail) {
    examination_.found_passing(
        {kind, records_.object(name), detail, Severity::Leftover, Mend::Repair},
        [&] { frame_.check->set_aside(name); });
  }

  void read_layer(const std::string& name, int dir) {
    survey_.directories.insert(name);
    const ChainId chain = ChainId::from_hex(name);
    const SmallFile file = read_small_file(dir, store_file::kLayer, kMaxRecordBytes);
    std::string problem = file.is_absent() ? "the record is missing" : file.problem;
    if (file.text) {
      try {
        LayerRecord record = parse_layer_record(*file.text);
        if (record.info.chain == chain) {
          survey_.layers.emplace(chain, record);
          return;
        }
        problem = "it is the record of another layer";
      } catch (const Error& error) {
        problem = error.message();
      }
    }
    survey_.unsound_layers.insert(chain);
    problems_.emplace(chain, std::move(problem));
  }

  void report_layer(const ChainId& chain) {
    const FrameDir dir{-1, records_.path + "/" + chain.hex()};
    examination_.found({"layer-record-damaged", dir.object(store_file::kLayer), problems_.at(chain),
                        Severity::Damage, can_be_rebuilt(chain) ? Mend::Repair : Mend::Archive,
                        chain});
  }

  bool can_be_rebuilt(const ChainId& chain) const {
    try {
      const Fd dir = open_dir_at(records_.fd, chain.hex());
      std::set<ChainId> candidates = survey_.unsound_layers;
      for (const auto& [sound, record] : survey_.layers)
        candidates.insert(sound);
      return recover_parent(dir.get(), chain, candidates).has_value();
    } catch (const Error&) {
      return false;
    }
  }

  void read_container(const std::string& name, int dir) {
    survey_.directories.insert(name);
    const SmallFile file = read_small_file(dir, store_file::kContainer, kMaxRecordBytes);
    std::string problem = file.problem;
    if (file.text) {
      try {
        survey_.containers.emplace(name, parse_container_record(*file.text));
        return;
      } catch (const Error& error) {
        problem = error.message();
      }
    }
    survey_.unsound_containers.insert(name);
    report_container(name, problem);
  }

  /// What a container changed is nowhere else: its directory stays as it is.
  void report_container(const std::string& name, const std::string& problem) {
    const FrameDir dir{-1, records_.path + "/" + name};
    examination_.found_passing(
        {"container-layer-record-damaged", dir.object(store_file::kContainer), problem});
  }

  Examination& examination_;
  const StoreFrame& frame_;
  FrameDir records_;
  Survey survey_;
  std::map<ChainId, std::string> problems_;
};

/// Appends the layers that a mount on `chain` has below it.
void put_below(const Survey& survey, const std::optional<ChainId>& chain, ExpectedFrame& expected) {
  for (std::optional<ChainId> next = chain; next;) {
    const auto found = survey.layers.find(*next);
    if (found == survey.layers.end()) {
      expected.below = ExpectedFrame::Below::Unknown;  // reported itself
      return;
    }
    expected.layer.below->push_back(next->hex());
    const LayerRecord& record = found->second;
    next = record.beneath == Beneath::Hidden ? std::nullopt : record.info.parent;
  }
}

}  // namespace

bool is_chain_name(const std::string& name) {
  return name.size() == 2 * Sha256Digest::kBytes &&
         name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Survey survey_layers(Examination& examination, const StoreFrame& frame) {
  return Surveyor(examination, frame).run();
}

ExpectedFrame expected_frame(const Survey& survey, const LayerRecord& record) {
  ExpectedFrame expected;
  expected.layer = {record.info.chain.hex(), LayerKind::Image, std::nullopt};
  const std::optional<ChainId>& parent = record.info.parent;
  if (!parent) return expected;
  expected.layer.below.emplace();
  if (record.beneath == Beneath::Seen) put_below(survey, parent, expected);
  return expected;
}

ExpectedFrame expected_frame(const Survey& survey,
                             const std::string& name,
                             const ContainerRecord& record) {
  const bool is_init = record.role == ContainerRole::Init;
  ExpectedFrame expected;
  expected.layer = {name, is_init ? LayerKind::Init : LayerKind::Container, std::nullopt};
  if (is_init && !record.parent) return expected;
  expected.layer.below.emplace();
  if (!is_init) expected.layer.below->push_back(init_name(name));
  put_below(survey, record.parent, expected);
  return expected;
}

void examine_small_file(Examination& examination,
                        const StoreGround& ground,
                        const FrameDir& directory,
                        const std::string& name,
                        const std::optional<std::string>& expected,
                        const std::string& kind,
                        const std::optional<ChainId>& layer) {
  const std::size_t max_bytes = expected ? expected->size() : 0;
  const SmallFile file = read_small_file(directory.fd, name, max_bytes);
  if (expected ? file.text == expected : file.is_absent()) {
    return examine_file(examination, ground, directory, name, 0644);
  }
  Finding finding{kind, directory.object(name), file.problem, Severity::Damage, Mend::Repair,
                  layer};
  if (file.is_absent()) finding.detail = "it is missing";
  if (!expected) finding.detail = "a layer with nothing below it has none";
  if (finding.detail.empty()) {
    finding.detail = fmt::format("it says {}", quoted(file.text->substr(0, 100)));
  }
  examination.found(std::move(finding), [&] {
    if (expected) return ground.put_file(directory.fd, name, *expected, 0644);
    ground.set_aside(directory.fd, name);
  });
}

}  // namespace layerkit
