#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// A tree that answers with another one's words: to derive from. hides_lower and root_dir are
/// LayerTree's own, so they ask `lookup` and `list`, and a derived class sees every question.
class ForwardingTree : public LayerTree {
 public:
  explicit ForwardingTree(std::shared_ptr<const LayerTree> inner) : inner_(std::move(inner)) {}

  std::optional<Entry> lookup(const RelPath& path) const override { return inner_->lookup(path); }
  std::vector<std::string> list(const RelPath& path) const override { return inner_->list(path); }
  std::unique_ptr<ByteSource> open(const RelPath& path) const override {
    return inner_->open(path);
  }
  std::optional<FileIdentity> identity(const RelPath& path) const override {
    return inner_->identity(path);
  }

 protected:
  const LayerTree& inner() const noexcept { return *inner_; }

 private:
  std::shared_ptr<const LayerTree> inner_;
};

}  // namespace layerkit
