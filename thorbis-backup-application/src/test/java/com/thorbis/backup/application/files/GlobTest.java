package com.thorbis.backup.application.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Patterns of what is left out, and of what comes back. */
class GlobTest {
  @ParameterizedTest
  @CsvSource({
    "*.tmp, home/a/x.tmp, false, true",
    "*.tmp, home/a/x.tmpl, false, false",
    "*.tmp, home/a.tmp/x, false, false",
    "cache/, home/a/cache, true, true",
    "cache/, home/a/cache, false, false",
    "/home/a, home/a, true, true",
    "/a, home/a, true, false",
    "a/b, home/a/b, true, true",
    "a/b, home/x/a/b, true, false",
    "**/b, home/x/a/b, true, true",
    "**/b, home/b, true, true",
    "a/**/b, home/a/b, false, true",
    "a/**/b, home/a/x/y/b, false, true",
    "a/**, home/a/x/y, false, true",
    "a/**, home/a, true, false",
    "/home/*/x, home/a/x, false, true",
    "/home/*/x, home/a/b/x, false, false",
    "?.c, home/a.c, false, true",
    "[a-c].c, home/b.c, false, true",
    "[!a-c].c, home/b.c, false, false",
    "[!a-c].c, home/d.c, false, true",
    "a\\*, home/a*, false, true",
    "a\\*, home/ab, false, false",
    "a+(b)$, home/a+(b)$, false, true"
  })
  void matches(String pattern, String path, boolean folder, boolean matches) {
    String name = path.substring(path.lastIndexOf('/') + 1);
    String below = path.substring("home/".length());
    assertThat(Glob.parse("exclude", pattern).matches(path, below, name, folder))
        .isEqualTo(matches);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "/", "!a", "a//b", "a/../b", "./a", "a**b", "a/[b", "a\\", "[z-a]"})
  void whatMeansNothingIsRefused(String pattern) {
    assertThatThrownBy(() -> Glob.parse("exclude", pattern))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("exclude: \"" + pattern + "\"");
  }
}
