#pragma once

namespace layerkit::cli {

// What the manual page says beside the commands; roff(7).

inline constexpr char kManSynopsis[] = R"(.br
.B mount \-t aufs
[\fB\-o\fR \fIOPTIONS\fR] \fISOURCE\fR \fIDIR\fR
.br
.B mount \-o remount,\fIOPTIONS\fR \fIDIR\fR
)";

inline constexpr char kManDescription[] =
    R"(mounts several directories, the branches, as one, changes unions while they are mounted, and
examines branches. The union is carried by the kernel's overlayfs, by the kernel's AUFS, or by a
file system of its own with AUFS's semantics on FUSE.
.PP
Installed as
.BR mount.aufs ,
.B mount.fuse.aufs
and
.B mount.fuse.fuse\-aufs
in /sbin, the program serves
.BR mount (8),
.BR fstab (5)
and
.BR systemd.mount (5).
A union by FUSE has the type fuse.aufs; it is served by a process of its own, which ends with the
mount. When that process dies, the dead mount is taken away.
.PP
An ordinary user's unions are mounted by
.BR fusermount3 (1).
)";

inline constexpr char kManSections[] = R"(.SH MOUNT OPTIONS
.TP
\fBbr:\fIBRANCH\fR[\fB:\fIBRANCH\fR...], \fBdirs=\fIBRANCH\fR[\fB:\fIBRANCH\fR...]
The branches, the top first. A branch is \fIPATH\fR[\fB=\fIPERMISSION\fR], with permission \fBrw\fR,
\fBro\fR or \fBrr\fR and attributes such as \fB+wh\fR. Without a permission the first branch is rw
and the others are ro. A backslash goes before a comma, colon or equals sign of a path.
.TP
\fBlowerdir=\fIDIR\fR[\fB:\fIDIR\fR...], \fBupperdir=\fIDIR\fR, \fBworkdir=\fIDIR\fR
The branches as overlayfs has them. Directories of data alone follow as \fB::\fIDIR\fR.
.TP
\fBredirect_dir=\fR, \fBmetacopy=\fR, \fBindex=\fR, \fBnfs_export=\fR, \fBxino=\fR, \fBuuid=\fR, \fBverity=\fR, \fBuserxattr\fR
Settings of overlayfs. Without them an upper directory can be read by everybody.
.TP
\fBappend:\fIBRANCH\fR, \fBprepend:\fIBRANCH\fR, \fBins:\fIINDEX\fB:\fIBRANCH\fR, \fBdel:\fIPATH\fR, \fBmod:\fIPATH\fB=\fIPERMISSION\fR
Changes of the branches, made from left to right.
.TP
\fBudba=none\fR|\fBreval\fR|\fBnotify\fR
What the union knows of changes that others make in its branches.
.TP
\fBcreate=\fIPOLICY\fR, \fBcpup=\fIPOLICY\fR
Which writable branch gets a new file or a copy: tdp, td, rr, mfs, pmfs and others for create; tdp,
bup, bu for cpup.
.TP
\fBallow_other\fR
Lets other users than the one who mounts enter a union by FUSE. For ordinary users only where
/etc/fuse.conf says user_allow_other.
.TP
\fBfsname=\fINAME\fR, \fBsi=\fIID\fR
What the mount table shows as source, and the number of the union.
.PP
The options of aufs(5) that are not named here are read, too.
)";

inline constexpr char kManAfterExitStatus[] = R"(.PP
.B unionmount check
exits with 1 when it found anything; after
.B \-\-repair
when anything is left.
.PP
As a helper of mount(8) the program has that one's exit codes: 1 usage or permission, 2 system
error, 4 internal error, 8 interrupted, 32 the mount failed.
.SH FILES
.TP
.I /run/aufs/si_ID
The control directory of a union: its branches and a socket. That of an ordinary user is below
.IR $XDG_RUNTIME_DIR/aufs .
.PP
The branches of a union by FUSE are also told by an extended attribute of its root directory:
.B getfattr \-\-only\-values \-n user.aufs.branches
.IR DIR .
.SH SEE ALSO
.BR mount (8),
.BR fusermount3 (1),
.BR imagetool (1)
)";

}  // namespace layerkit::cli
