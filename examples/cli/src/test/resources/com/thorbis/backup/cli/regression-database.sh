# Lays PostgreSQL's own regression tests into the present folder: their scripts and data as regress/,
# the functions that they need as regress.so. They are in the source package alone, so that is taken
# from where this system has its packages from; nothing of the system is changed.
#
#   bash regression-database.sh MAJOR-VERSION
set -euo pipefail
major=$1

mkdir -p parts lists/partial
for each in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  case $each in
    *.sources) sed 's/^Types:.*/Types: deb deb-src/' "$each" >"parts/$(basename "$each")" ;;
    *.list) [[ ! -e $each ]] || sed -n 's/^deb \(.*\)/deb \1\ndeb-src \1/p' "$each" >"parts/$(basename "$each")" ;;
  esac
done
apt() {
  apt-get -qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$PWD/parts" -o "Dir::State::Lists=$PWD/lists" \
    -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}
apt update
# A mirror may have the newest one as a package only.
found=false
for version in $(apt-cache -o "Dir::State::Lists=$PWD/lists" -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$PWD/parts" \
  showsrc --only-source "postgresql-$major" | sed -n 's/^Version: //p' | sort -Vru); do
  if apt --download-only --only-source source "postgresql-$major=$version"; then
    found=true
    break
  fi
  rm -f postgresql-"$major"_*
done
$found
apt download "postgresql-server-dev-$major"

tar -xf postgresql-*.orig.tar.* --strip-components=3 --wildcards '*/src/test/regress'
dpkg-deb -x postgresql-server-dev-*.deb dev
gcc -O1 -fPIC -shared -w -I "dev/usr/include/postgresql/$major/server" -o regress.so regress/regress.c
mkdir -p results/testtablespace
