#pragma once

namespace layerkit::cli {

// What the manual page says beside the commands; roff(7).

inline constexpr char kManDescription[] =
    R"(creates, starts and removes containers from bundles, as the OCI runtime specification has them: a
directory with a root file system and a
.I config.json
(version 1.2). It is a program for other programs: podman and docker call it for each container
(\fBpodman \-\-runtime\fR, \fBdockerd \-\-add\-runtime\fR). It takes the commands and options of
.BR runc (8).
.PP
There is no daemon. What is known of a container lies in a directory of its own below
.BR \-\-root .
.PP
What a configuration asks for and this program does not do is refused by name. A property that the
specification does not have is told and passed over.
)";

inline constexpr char kManSections[] = R"(.SH FILES
.TP
.I /run/runner
States of the containers of root. Those of other users: \fI$XDG_RUNTIME_DIR/runner\fR.
.TP
\fIROOT\fB/\fIID\fB/state.json\fR, \fBconfig.json\fR
The state of one container, and the configuration that it was created from.
.TP
\fIROOT\fB/.seccomp\fR
Compiled seccomp profiles. They may be deleted at any time.
)";

inline constexpr char kManAfterExitStatus[] = R"(.TP
.B 124
run: the container was killed because of
.BR \-\-timeout .
.TP
.B 255
exec: the process could not be started.
.SH SEE ALSO
.BR runc (8),
.BR crun (1),
.BR podman (1),
.BR namespaces (7),
.BR cgroups (7)
)";

}  // namespace layerkit::cli
