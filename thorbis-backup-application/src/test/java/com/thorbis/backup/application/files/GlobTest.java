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
    "*.tmp, people/a/x.tmp, false, true",
    "*.tmp, people/a/x.tmpl, false, false",
    "*.tmp, people/a.tmp/x, false, false",
    "cache/, people/a/cache, true, true",
    "cache/, people/a/cache, false, false",
    "/people/a, people/a, true, true",
    "/a, people/a, true, false",
    "a/b, people/a/b, true, true",
    "a/b, people/x/a/b, true, false",
    "**/b, people/x/a/b, true, true",
    "**/b, people/b, true, true",
    "a/**/b, people/a/b, false, true",
    "a/**/b, people/a/x/y/b, false, true",
    "a/**, people/a/x/y, false, true",
    "a/**, people/a, true, false",
    "/people/*/x, people/a/x, false, true",
    "/people/*/x, people/a/b/x, false, false",
    "?.c, people/a.c, false, true",
    "[a-c].c, people/b.c, false, true",
    "[!a-c].c, people/b.c, false, false",
    "[!a-c].c, people/d.c, false, true",
    "a\\*, people/a*, false, true",
    "a\\*, people/ab, false, false",
    "a+(b)$, people/a+(b)$, false, true"
  })
  void matches(String pattern, String path, boolean folder, boolean matches) {
    String name = path.substring(path.lastIndexOf('/') + 1);
    String below = path.substring("people/".length());
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
