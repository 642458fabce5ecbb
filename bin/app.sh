# Sourced by the commands beside it: finds Java, and builds one of the examples where its sources are newer than the
# last build. Expects $self (this command), $root (the checkout), $name (the example) and $trouble (what to exit with).
# Sets $java and $app (a folder with app.jar and all it needs). $with lists, between commas, profiles of the example's
# POM to build in; where it is not set, what was built in before stays.

app=$root/.build/$name
built_with=
[ ! -r "$app/with" ] || read -r built_with <"$app/with" || :
with=${with-$built_with}

fail() {
  echo "${self##*/}: $1" >&2
  [ -z "${2-}" ] || echo "  $2" >&2
  exit "$trouble"
}

warn() {
  echo "${self##*/}: warning: $1" >&2
}

find_java() {
  if [ -n "${JAVA_HOME-}" ]; then
    java=$JAVA_HOME/bin/java
    [ -x "$java" ] || fail "JAVA_HOME=$JAVA_HOME has no bin/java" "Point JAVA_HOME at a JDK from 17 on, or unset it."
  else
    java=$(command -v java) || fail "there is no java" "Install a JDK from 17 on, or set JAVA_HOME."
  fi
  java=$(readlink -f -- "$java")
  version=
  if [ -r "${java%/bin/java}/release" ]; then
    while IFS='=' read -r key value; do
      [ "$key" = JAVA_VERSION ] && version=${value#\"}
    done <"${java%/bin/java}/release"
  fi
  [ -n "$version" ] || version=$("$java" -version 2>&1 | sed -n 's/.*version "\([^"]*\)".*/\1/p')
  case ${version%%[!0-9]*} in
    '' | ? | 1[0-6]) fail "$java is version ${version%\"}" "Install a JDK from 17 on, or set JAVA_HOME." ;;
  esac
}

# Folders count, so that a removed file is noticed; tests do not. Writes nothing.
stale() {
  [ -e "$app/stamp" ] && [ "$with" = "$built_with" ] || return 0
  [ -n "$(find "$root/pom.xml" "$root/bin/app.sh" "$root"/*/pom.xml "$root"/*/*/pom.xml "$root"/thorbis-backup-*/src/main \
    "$root"/thorbis-backup-*/*/src/main "$root/examples/$name/src/main" -newer "$app/stamp" -print -quit 2>/dev/null)" ]
}

build() {
  for each in $(echo "$with" | tr , ' '); do
    case " $(sed -n '/<profiles>/,$s:^ *<id>\(.*\)</id>$:\1:p' "$root/examples/$name/pom.xml" | tr '\n' ' ') " in
      *" $each "*) ;;
      *) fail "THORBIS_WITH names $each, which there is not to build in" "Take some of aws-kms, gcp-kms, azure-keyvault, s3, gs, azblob, smtp, dns and route53, with commas between them." ;;
    esac
  done
  if ! command -v mvn >/dev/null; then
    [ -e "$app/stamp" ] || fail "it is not built yet, and there is no mvn" "Install Maven from 3.8.6 on and run $self again."
    warn "the sources are newer than the build in $app, and there is no mvn"
    return
  fi
  [ -x "${java%/java}/javac" ] || fail "it has to be built, and $java is no JDK" "Install a JDK from 17 on, or set JAVA_HOME."
  echo "${self##*/}: building, which takes a minute the first time" >&2
  new=$root/.build/$name-$(date +%Y%m%d%H%M%S)-$$
  mkdir "$new" && : >"$new/stamp" || fail "cannot write to $root/.build"
  if ! (
    cd "$root" && JAVA_HOME=${java%/bin/java} mvn -q -B -Dquick -Dmaven.test.skip=true -Dthorbis.target=target/app \
      -Dthorbis.app="$new" ${with:+-P "$with"} -pl "examples/$name" -am package
  ) >"$new/build.log" 2>&1 </dev/null; then
    tail -n 30 "$new/build.log" >&2
    rm -rf "$new"
    fail "the build failed"
  fi
  echo "$with" >"$new/with"
  [ ! -e "$app" ] || previous=$(readlink -f -- "$app")
  after_build
  ln -s "${new##*/}" "$new.link" && mv -T "$new.link" "$app" || fail "cannot write to $root/.build"
  # A running process may still open jars of the build before this one.
  for old in "$root/.build/$name"-*; do
    [ "$old" = "$new" ] || [ "$old" = "${previous-}" ] || rm -rf "$old"
  done
}

# A command may add to a finished build in $new.
after_build() {
  :
}

ready() {
  find_java
  stale || return 0
  if [ -w "$root/.build" ] || { [ ! -e "$root/.build" ] && [ -w "$root" ]; }; then
    mask=$(umask)
    umask 022
    mkdir -p "$root/.build"
    exec 9>"$root/.build/lock"
    flock 9
    [ ! -r "$app/with" ] || read -r built_with <"$app/with" || :
    # Another process may have built it in the meantime.
    ! stale || build
    exec 9>&-
    umask "$mask"
  elif [ -e "$app/stamp" ]; then
    warn "the sources are newer than the build in $app, which this account cannot write"
  else
    fail "it is not built yet, and this account cannot write to $root" "Run $self --version once as the owner of that folder."
  fi
}
