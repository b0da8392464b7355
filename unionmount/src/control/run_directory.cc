#include "control/run_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "control/places.h"
#include "control/socket.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::size_t kIdDigits = 16;
constexpr std::size_t kMaxIdDigits = 32;

std::string published_name(const std::string& id) {
  return std::string(kUnionPrefix) + id;
}

std::string hidden_name(const std::string& id) {
  return "." + published_name(id) + ".new";
}

bool is_id(const std::string& text) {
  return !text.empty() && text.size() <= kMaxIdDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// What a server that was killed together with its supervisor has left.
void remove_if_dead(int place, const std::string& name) {
  const auto directory = open_at_if_exists(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (directory && !answers(directory->get())) remove_tree_at(place, name);
}

bool is_taken(int place, const std::string& id) {
  remove_if_dead(place, published_name(id));
  return stat_at(place, published_name(id)).has_value();
}

/// The hidden directory of that ID, empty when another union has it.
Fd make_hidden(int place, const std::string& id) {
  if (is_taken(place, id)) return Fd();
  try {
    make_dir_at(place, hidden_name(id), 0755);
  } catch (const Error& error) {
    if (error.code() == Errc::Exists) return Fd();
    throw;
  }
  return open_dir_at(place, hidden_name(id));
}

}  // namespace

RunDirectory::RunDirectory(Fd place, Fd directory, std::string id)
    : place_(std::move(place)), directory_(std::move(directory)), id_(std::move(id)) {}

RunDirectory RunDirectory::create(const std::string& wanted_id) {
  Fd place = make_control_place();
  std::string id = is_id(wanted_id) ? wanted_id : random_hex(kIdDigits);
  Fd directory = make_hidden(place.get(), id);
  while (!directory) {
    id = random_hex(kIdDigits);
    directory = make_hidden(place.get(), id);
  }
  return RunDirectory(std::move(place), std::move(directory), std::move(id));
}

void RunDirectory::write(const std::string& name, const std::string& text) const {
  replace_file_at(directory_.get(), name, text, 0444);
}

void RunDirectory::erase(const std::string& name) const {
  unlink_at(directory_.get(), name);
}

void RunDirectory::publish() const {
  rename_noreplace_at(place_.get(), hidden_name(id_), place_.get(), published_name(id_));
}

void RunDirectory::remove() noexcept {
  if (!place_) return;
  for (const std::string& name : {hidden_name(id_), published_name(id_)}) {
    try {
      remove_tree_at(place_.get(), name);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the next server of the user tries
    }
  }
  place_.reset();
}

bool answers(int directory) {
  try {
    return static_cast<bool>(connect_in_directory(directory, std::string(kControlSocket)));
  } catch (const Error& error) {
    // It is another user's, or has too much to do.
    return error.sys_errno() == EACCES || error.sys_errno() == EAGAIN;
  }
}

}  // namespace layerkit
