#include <array>
#include <iterator>

#include "layerkit/unionmount/mount_options.h"
#include "option_text.h"
#include "overlay_words.h"
#include "policy_text.h"

namespace layerkit {
namespace {

constexpr std::string_view kOneValue = ",";  // what has to be escaped in it
constexpr std::string_view kListItem = ",:";

/// Options with commas between them.
class OptionList final {
 public:
  void add(std::string_view option) {
    if (!text_.empty()) text_ += ',';
    text_ += option;
  }
  void add_if(bool wanted, std::string_view option) {
    if (wanted) add(option);
  }
  void add_value(std::string_view key, std::string_view value) {
    add(std::string(key) + '=' + escape(value, kOneValue));
  }
  /// A setting that is turned on or off where it differs from the default.
  void add_switch(bool AufsSettings::*member, const AufsSettings& settings, std::string_view key) {
    if (settings.*member == AufsSettings{}.*member) return;
    add((settings.*member ? "" : "no") + std::string(key));
  }
  void add_number(unsigned AufsSettings::*member,
                  const AufsSettings& settings,
                  std::string_view key) {
    if (settings.*member != AufsSettings{}.*member)
      add_value(key, std::to_string(settings.*member));
  }

  std::string take() && { return std::move(text_); }

 private:
  std::string text_;
};

std::string_view name_of(Udba udba) noexcept {
  switch (udba) {
    case Udba::None:
      return "none";
    case Udba::Revalidate:
      return "reval";
    case Udba::Notify:
      return "notify";
  }
  return "reval";
}

void add_inode_table(const AufsSettings& settings, OptionList& list) {
  if (!settings.inode_table) {
    list.add("noxino");
  } else if (!settings.inode_table_path.empty()) {
    const std::string& path = settings.inode_table_path;
    list.add_value("xino", find_value(kXinoWords, path) ? "./" + path : path);
  }
}

void add_flags(const MountOptions& options, OptionList& list) {
  list.add_if(options.remount, "remount");
  list.add_if(options.read_only, "ro");
  list.add_if(options.no_suid, "nosuid");
  list.add_if(options.no_dev, "nodev");
  list.add_if(options.no_exec, "noexec");
  list.add_if(options.no_atime, "noatime");
  list.add_if(options.expendable_upper, "volatile");
  list.add_if(options.allow_other, "allow_other");
  list.add_if(options.allow_root, "allow_root");
  list.add_if(options.foreground, "foreground");
  if (!options.fs_name.empty()) list.add_value("fsname", options.fs_name);
  if (!options.id.empty()) list.add_value("si", options.id);
}

void add_aufs_branches(const MountOptions& options, OptionList& list) {
  std::string text;
  for (const BranchText& branch : options.branches)
    text += (text.empty() ? "br:" : ":") + format_branch(branch);
  if (!text.empty()) list.add(text);
}

void add_overlay_branches(const MountOptions& options, OptionList& list) {
  std::string lowers;
  for (const BranchText& branch : options.branches) {
    if (branch.access == BranchAccess::ReadWrite) {
      list.add_value("upperdir", branch.path);
    } else {
      lowers += (lowers.empty() ? "lowerdir=" : ":") + escape(branch.path, kListItem);
    }
  }
  if (!lowers.empty()) list.add(lowers);
  for (const std::string& path : options.data_directories)
    list.add_value("datadir+", path);
  if (!options.work.empty()) list.add_value("workdir", options.work);
}

void add_overlay_settings(const OverlaySettings& settings, OptionList& list) {
  if (settings.redirect_dir)
    list.add_value("redirect_dir", word_of(kRedirectWords, *settings.redirect_dir));
  if (settings.xino) list.add_value("xino", word_of(kXinoWords, *settings.xino));
  if (settings.uuid) list.add_value("uuid", word_of(kUuidWords, *settings.uuid));
  if (settings.verity != OverlayVerity::Off)
    list.add_value("verity", word_of(kVerityWords, settings.verity));
  list.add_if(settings.metacopy, "metacopy=on");
  list.add_if(settings.nfs_export, "nfs_export=on");  // which says "index=on", too
  if (settings.index != settings.nfs_export)
    list.add_value("index", word_of(kSwitchWords, settings.index));
  list.add_if(settings.user_xattrs, "userxattr");
}

void add_owners(const OwnerMapping& owners,
                std::string_view mapping_key,
                std::string_view squash_key,
                OptionList& list) {
  std::string ranges;
  for (const OwnerMapping::Range& range : owners.ranges)
    ranges += (ranges.empty() ? "" : ":") + std::to_string(range.branch) + ':' +
              std::to_string(range.shown) + ':' + std::to_string(range.count);
  if (!ranges.empty()) list.add_value(mapping_key, ranges);
  if (owners.everybody) list.add_value(squash_key, std::to_string(*owners.everybody));
}

struct ChangeText {
  std::string operator()(const InsertBranch& change) const {
    const std::string branch = format_branch(change.branch);
    if (change.index < 0) return "append:" + branch;
    if (change.index == 0) return "prepend:" + branch;
    return "ins:" + std::to_string(change.index) + ':' + branch;
  }
  std::string operator()(const DeleteBranch& change) const {
    return "del:" + escape(change.path, kOneValue);
  }
  std::string operator()(const ModifyBranch& change) const {
    BranchText branch = change.branch;
    branch.access_given = true;
    return "mod:" + format_branch(branch);
  }
};

}  // namespace

std::string format_settings(const AufsSettings& settings) {
  OptionList list;
  if (settings.create != CreatePolicy{})
    list.add_value("create", format_create_policy(settings.create));
  if (settings.copy_up != CopyUpRule::TopDownParent)
    list.add_value("cpup", format_copy_up_rule(settings.copy_up));
  if (settings.udba != Udba::Revalidate) list.add_value("udba", name_of(settings.udba));
  list.add_switch(&AufsSettings::pseudo_links, settings, "plink");
  add_inode_table(settings, list);
  list.add_if(settings.always_opaque, "diropq=a");
  list.add_if(settings.sum_space || settings.sum_writable_only,
              settings.sum_writable_only ? "wsum" : "sum");
  list.add_switch(&AufsSettings::show_whiteouts, settings, "shwh");
  list.add_switch(&AufsSettings::top_permission_only, settings, "dirperm1");
  list.add_switch(&AufsSettings::rename_directories, settings, "dirren");
  list.add_switch(&AufsSettings::direct_io, settings, "dio");
  list.add_switch(&AufsSettings::acl, settings, "acl");
  list.add_switch(&AufsSettings::warn_permissions, settings, "warn_perm");
  list.add_switch(&AufsSettings::verbose, settings, "verbose");
  list.add_number(&AufsSettings::inline_whiteout_limit, settings, "dirwh");
  list.add_number(&AufsSettings::readdir_cache_seconds, settings, "rdcache");
  list.add_number(&AufsSettings::readdir_block_bytes, settings, "rdblk");
  list.add_number(&AufsSettings::readdir_hash_size, settings, "rdhash");
  list.add_number(&AufsSettings::fhsm_seconds, settings, "fhsm_sec");
  list.add_if(!settings.xattrs, "noxattrs");
  list.add_if(settings.static_links, "static_nlink");
  add_owners(settings.users, "uidmapping", "squash_to_uid", list);
  add_owners(settings.groups, "gidmapping", "squash_to_gid", list);
  return std::move(list).take();
}

std::string format_mount_options(const MountOptions& options) {
  OptionList list;
  add_flags(options, list);
  if (options.whiteouts == WhiteoutFormat::Overlay) {
    add_overlay_branches(options, list);
  } else {
    add_aufs_branches(options, list);
  }
  for (const BranchChange& change : options.changes)
    list.add(std::visit(ChangeText{}, change));
  const std::string settings = format_settings(options.aufs);
  if (!settings.empty()) list.add(settings);
  add_overlay_settings(options.overlay, list);
  return std::move(list).take();
}

}  // namespace layerkit
