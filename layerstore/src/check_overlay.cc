#include <fcntl.h>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "recipe_summary.h"
#include "store_checks.h"

namespace layerkit {
namespace {

/// Reads the records of `overlay2`, one directory after the other.
class Surveyor {
 public:
  Surveyor(Examination& examination, const StoreFrame& frame)
      : examination_(examination),
        frame_(frame),
        overlay_{frame.overlay->get(), store_file::kOverlay} {}

  Survey run() {
    for (const DirEntry& entry : list_dir(overlay_.fd)) {
      if (entry.name != store_file::kLinks) read_directory(entry.name);
    }
    // When all sound ones are known: a damaged record is made again from the layer and its parent.
    for (const ChainId& chain : survey_.unsound_layers)
      report_layer(chain);
    return std::move(survey_);
  }

 private:
  void read_directory(const std::string& name) {
    const auto stat = stat_at(overlay_.fd, name);
    if (!stat) return;
    if (stat->type != FileType::Directory) {
      return report_stray(name, "unexpected-name", "only directories belong here");
    }
    const auto dir = open_at_if_exists(overlay_.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
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
        {kind, overlay_.object(name), detail, Severity::Leftover, Mend::Repair},
        [&] { frame_.ground.set_aside(overlay_.fd, name); });
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
    const FrameDir dir{-1, fmt::format("{}/{}", store_file::kOverlay, chain.hex())};
    examination_.found({"layer-record-damaged", dir.object(store_file::kLayer), problems_.at(chain),
                        Severity::Damage, can_be_rebuilt(chain) ? Mend::Repair : Mend::Archive,
                        chain});
  }

  bool can_be_rebuilt(const ChainId& chain) const {
    try {
      const Fd dir = open_dir_at(overlay_.fd, chain.hex());
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
    const FrameDir dir{-1, fmt::format("{}/{}", store_file::kOverlay, name)};
    examination_.found_passing(
        {"container-layer-record-damaged", dir.object(store_file::kContainer), problem});
  }

  Examination& examination_;
  const StoreFrame& frame_;
  FrameDir overlay_;
  Survey survey_;
  std::map<ChainId, std::string> problems_;
};

}  // namespace

bool is_chain_name(const std::string& name) {
  return name.size() == 2 * Sha256Digest::kBytes &&
         name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Survey survey_overlay(Examination& examination, const StoreFrame& frame) {
  if (!frame.overlay) return {};
  return Surveyor(examination, frame).run();
}

std::string expected_lower_above(const Survey& survey, const std::optional<ChainId>& chain) {
  std::string text;
  for (std::optional<ChainId> next = chain; next;) {
    const auto found = survey.layers.find(*next);
    if (found == survey.layers.end()) {
      fail(Errc::NotFound, "layer {}: not in the store", next->str());
    }
    if (!text.empty()) text += ':';
    text += "l/" + link_name(next->hex());
    const LayerRecord& record = found->second;
    next = record.beneath == Beneath::Hidden ? std::nullopt : record.info.parent;
  }
  return text;
}

std::optional<std::string> expected_lower(const Survey& survey, const LayerRecord& record) {
  if (!record.info.parent) return std::nullopt;
  if (record.beneath == Beneath::Hidden) return std::string();
  return expected_lower_above(survey, record.info.parent);
}

void examine_small_file(Examination& examination,
                        const StoreFrame& frame,
                        const FrameDir& directory,
                        const std::string& name,
                        const std::optional<std::string>& expected,
                        const std::string& kind,
                        const std::optional<ChainId>& layer) {
  const std::size_t max_bytes = expected ? expected->size() : 0;
  const SmallFile file = read_small_file(directory.fd, name, max_bytes);
  if (expected ? file.text == expected : file.is_absent()) {
    return examine_file(examination, frame.ground, directory, name, 0644);
  }
  Finding finding{kind, directory.object(name), file.problem, Severity::Damage, Mend::Repair,
                  layer};
  if (file.is_absent()) finding.detail = "it is missing";
  if (!expected) finding.detail = "a layer with nothing below it has none";
  if (finding.detail.empty()) {
    finding.detail = fmt::format("it says {}", quoted(file.text->substr(0, 100)));
  }
  examination.found(std::move(finding), [&] {
    if (expected) return frame.ground.put_file(directory.fd, name, *expected, 0644);
    frame.ground.set_aside(directory.fd, name);
  });
}

}  // namespace layerkit
