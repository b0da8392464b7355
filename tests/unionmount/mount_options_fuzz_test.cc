#include "mount_options_fuzz.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <string_view>

#include "layerkit/unionmount/mount_options.h"

namespace {

constexpr int kMutants = 200000;
constexpr std::size_t kMaxMutantBytes = 600;

/// Texts from which mutants are made: every kind of option, each form of a union.
constexpr std::array<std::string_view, 10> kSeeds = {
    "rw,dirs=./A:./B",
    "br:/a=rw:/b=ro+wh:/c=rr+coo_reg+fhsm+icexsec+icexusr,udba=reval,xino=/dev/shm/x",
    R"(br=/a\:b\,c=rw+nolwh+moo:/d\=e\\=ro+icex,ro,fsname=x\,y,si=7fa3)",
    "remount,append:/a=ro+wh,prepend=/b,add:1:/c=rw,ins=0:/d,del:/e,mod:/f=rw,mod=/g=ro",
    "create=mfsrr:104857600:60,cpup=bup,create_policy=round-robin,copyup=bottom-up",
    "noplink,noxino,trunc_xino,diropq=a,dirwh=7,rdcache=20,rdblk=1024,rdhash=def,fhsm_sec=3",
    "sum,wsum,shwh,dirperm1,dirren,nodio,noacl,nowarn_perm,verbose,q,trunc_xino=/a,itrunc_xino=2",
    R"(lowerdir=/l1:/l\:2:/l\\3,upperdir=/u,workdir=/w,volatile,xino=auto,redirect_dir=on)",
    "lowerdir+=/a:b,fsync=0,index=off,metacopy=off,userxattr,timeout=1.5,noatime,nosuid,nodev",
    "allow_other,default_permissions,nonempty,noexec,user,exec,x-systemd.automount,_netdev,nofail",
};

constexpr std::array<std::string_view, 24> kPieces = {
    ",",          ":",          "=",       "+",          "\\",        ",,",
    "\\,",        "=rw+",       "br:",     "dirs=",      "lowerdir=", "remount",
    "append:",    "upperdir=/", "no",      "4095",       "4096",      "-1",
    "2147483648", "0x10",       "create=", "workdir=/w", "\x01\xff",  "18446744073709551615",
};

/// Makes texts that are almost option strings; the same in every run.
class Mutator {
 public:
  std::string next() {
    std::string text(kSeeds.at(below(kSeeds.size())));
    for (std::size_t steps = 1 + below(3); steps > 0; --steps)
      mutate(text);
    if (text.size() > kMaxMutantBytes) text.resize(kMaxMutantBytes);
    return text;
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % std::max<std::size_t>(bound, 1); }

  void mutate(std::string& text) {
    const std::size_t at = below(text.size() + 1);
    switch (below(6)) {
      case 0:  // another byte
        if (at < text.size()) text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, 1 + below(8));
        break;
      case 2:
        text.insert(at, kPieces.at(below(kPieces.size())));
        break;
      case 3:  // a part twice
        text.insert(below(text.size() + 1), text.substr(at, 1 + below(40)));
        break;
      case 4:  // the end of another
        text.erase(at).append(tail_of(kSeeds.at(below(kSeeds.size()))));
        break;
      default:
        text.append(",").append(kSeeds.at(below(kSeeds.size())));
    }
  }

  std::string_view tail_of(std::string_view seed) { return seed.substr(below(seed.size())); }

  std::mt19937 random_{20240521};
};

int run(std::string_view text) {
  return LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

TEST(MountOptionsFuzzTest, SeedsAreGoodOptions) {
  for (const std::string_view seed : kSeeds) {
    EXPECT_NO_THROW(layerkit::parse_mount_options(seed)) << seed;
    EXPECT_EQ(run(seed), 0);
  }
}

TEST(MountOptionsFuzzTest, MutantsAreRefusedOrReadBack) {
  Mutator mutator;
  for (int i = 0; i < kMutants; ++i)
    ASSERT_EQ(run(mutator.next()), 0);
}

}  // namespace
