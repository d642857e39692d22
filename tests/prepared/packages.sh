# Makes repositories of three packages for rpm and for pacman below /out, in the version $1, by the tools of either.
set -e
version=$1
mkdir -p /out/rpm /out/pacman /tmp/build
cd /tmp/build

rpm() {
    cat > "$1.spec" <<SPEC
Name: $1
Version: $version
Release: 1
Summary: a test's
License: none
BuildArch: noarch
$2
%description
a test's
%install
mkdir -p %{buildroot}/usr/share/$1
echo "$1 $version of rpm" > %{buildroot}/usr/share/$1/about
%files
/usr/share/$1
SPEC
    rpmbuild --quiet -bb --define "_topdir /tmp/build/rpm" "$1.spec"
}
rpm hello "Requires: hello-data
Recommends: hello-extras"
rpm hello-data
rpm hello-extras
cp rpm/RPMS/noarch/*.rpm /out/rpm
createrepo_c --quiet /out/rpm

pacman() {
    rm -rf tree
    mkdir -p "tree/usr/share/$1"
    echo "$1 $version of pacman" > "tree/usr/share/$1/about"
    {
        printf 'pkgname = %s\npkgbase = %s\npkgver = %s-1\npkgdesc = a test\n' "$1" "$1" "$version"
        printf 'url = none\nbuilddate = 1\npackager = none\nsize = 1\narch = any\n%s\n' "$2"
    } > tree/.PKGINFO
    (cd tree && bsdtar --zstd --uid 0 --gid 0 -cf "/out/pacman/$1-$version-1-any.pkg.tar.zst" .PKGINFO usr)
}
pacman hello 'depend = hello-data
optdepend = hello-extras: more'
pacman hello-data
pacman hello-extras
cd /out/pacman
repo-add --quiet test.db.tar.gz ./*.pkg.tar.zst
# As files: a mirror's server may not follow links.
cp --remove-destination test.db.tar.gz test.db
