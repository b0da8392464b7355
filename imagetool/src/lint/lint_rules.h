#pragma once

#include <array>
#include <string_view>

#include "layerkit/imagetool/image_lint.h"

namespace layerkit::lint {

/// Sorted by name. What is behind each of them stands in docs/IMAGES.md.
inline constexpr std::array kRules = {
    LintRule{"aufs-metadata", LintSeverity::Warning,
             "A file of AUFS, .wh..wh.*, which is no part of the layer but for some tools."},
    LintRule{"bad-layer", LintSeverity::Error, "A layer that cannot be applied."},
    LintRule{"capabilities", LintSeverity::Info, "A file that runs with capabilities of its own."},
    LintRule{"device", LintSeverity::Warning,
             "A device node, which an unprivileged user cannot make."},
    LintRule{"duplicate-entry", LintSeverity::Error,
             "A path that a layer has twice; docker and podman refuse it."},
    LintRule{"empty-layer", LintSeverity::Info, "A layer without entries."},
    LintRule{"history-mismatch", LintSeverity::Warning,
             "A history that tells of another number of layers than the image has."},
    LintRule{"link-leaves-root", LintSeverity::Warning,
             "A symlink whose target climbs above the root."},
    LintRule{"link-to-lower", LintSeverity::Error,
             "A hard link to a file that only layers below have; most tools fail there."},
    LintRule{"lost-xattr", LintSeverity::Warning,
             "A user.* attribute of something that is neither file nor directory; no file system "
             "keeps it."},
    LintRule{"missing-parent", LintSeverity::Warning,
             "A directory that no layer has an entry of; tools give it different attributes."},
    LintRule{
        "name-absolute", LintSeverity::Warning,
        "A name or the target of a hard link that begins with a slash; tools strip it, or take "
        "it for a path of theirs."},
    LintRule{"name-control", LintSeverity::Warning, "Control characters in a name."},
    LintRule{"name-dot-dot", LintSeverity::Warning,
             "A name or the target of a hard link with '..' in it; several tools refuse it."},
    LintRule{"name-not-utf8", LintSeverity::Warning, "A name that is not UTF-8."},
    LintRule{"odd-owner", LintSeverity::Warning,
             "An owner or group above 65535, which rootless containers usually cannot have."},
    LintRule{"odd-time", LintSeverity::Warning,
             "A time before 1970 or after 2242, which tools change."},
    LintRule{"odd-whiteout", LintSeverity::Warning,
             "A whiteout or marker that is no empty regular file."},
    LintRule{"overlay-xattr", LintSeverity::Error,
             "An attribute trusted.overlay.* or user.overlay.*; where tools store it as it is, it "
             "hides or replaces other layers' files."},
    LintRule{"owner-overflow", LintSeverity::Error,
             "An owner or group above 2147483647, which has become 0 in several tools."},
    LintRule{"parent-attributes", LintSeverity::Warning,
             "A directory that the layer has no entry of, and that is not 0755 and root's below; "
             "docker and podman make it so."},
    LintRule{"parent-is-link", LintSeverity::Warning,
             "An entry below a symlink; several tools replace that by a directory."},
    LintRule{"parent-was-file", LintSeverity::Warning,
             "An entry below what is a file in the layers below."},
    LintRule{"setuid", LintSeverity::Info, "A file that runs as its owner or group."},
    LintRule{"whiteout-and-entry", LintSeverity::Error,
             "A path that the same layer removes and has; tools differ about what is left."},
    LintRule{"whiteout-of-nothing", LintSeverity::Warning,
             "A whiteout or opaque marker that hides nothing; some tools then show a ghost."},
};

/// The rule of this name; there is one, or it does not compile.
consteval const LintRule& rule(std::string_view name) {
  for (const LintRule& each : kRules) {
    if (each.name == name) return each;
  }
  throw "no such rule";
}

}  // namespace layerkit::lint
