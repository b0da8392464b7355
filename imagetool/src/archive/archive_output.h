#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"

namespace layerkit {

/// Where an archive is written: regular files with names, one after the other. What was written
/// goes away when the object is destroyed before `finish` succeeded. Not thread-safe.
class ArchiveOutput {
 public:
  using Producer = std::function<void(ByteSink&)>;

  ArchiveOutput() = default;
  ArchiveOutput(const ArchiveOutput&) = delete;
  ArchiveOutput& operator=(const ArchiveOutput&) = delete;
  virtual ~ArchiveOutput() = default;

  /// `produce` writes the file's contents; not exactly `size` bytes is Error{Integrity}.
  /// REQUIRES: `name` is new, and at most 100 bytes.
  virtual void add(const std::string& name, std::uint64_t size, const Producer& produce) = 0;
  /// Makes the archive durable and visible.
  virtual void finish() = 0;
  /// The index.json of the layout that is added to; nullopt for a new one.
  virtual std::optional<std::string> old_index() const { return std::nullopt; }
};

/// A small file, its contents at hand.
void add_text(ArchiveOutput& output, const std::string& name, const std::string& text);

/// A tar in the file `path`, or on standard output for "-". A regular file is replaced in one step
/// when it is complete; devices and pipes are written directly.
std::unique_ptr<ArchiveOutput> make_tar_output(const std::string& path, const Context& context);

/// Files below the directory `path`, which must be an image layout, empty or absent. Blobs that a
/// layout has already are kept; index.json is replaced in one step, by `finish`. Nobody else may
/// write to it meanwhile: Error{Busy}.
std::unique_ptr<ArchiveOutput> make_directory_output(const std::string& path,
                                                     const Context& context);

/// Passes bytes on and holds them against a promised size; reports progress and stops on demand.
class SizedSink final : public ByteSink {
 public:
  /// All arguments must outlive it.
  SizedSink(ByteSink& inner, const std::string& name, std::uint64_t size, const Context& context)
      : inner_(inner), name_(name), size_(size), context_(context) {}

  void write(std::span<const std::byte> bytes) override;
  /// Throws Error{Integrity} when bytes are missing.
  void finish() const;

 private:
  ByteSink& inner_;
  const std::string& name_;
  std::uint64_t size_;
  const Context& context_;
  std::uint64_t written_ = 0;
};

}  // namespace layerkit
