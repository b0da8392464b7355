void f() {
  popen("xz -d", "r");
  ::execvp("unpigz", arguments);
  if (getpwnam(name) == nullptr) return;
  context.system("not the one of the C library");
  fail("getpwnam(%s)");
  execute(plan);
}
