package com.thorbis.backup.postgres.settings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TablePatternTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "temp_*       | public  | temp_1      | true",
        "temp_*       | other   | temp_       | true",
        "temp_*       | public  | templates   | false",
        "temp_*       | public  | my_temp_1   | false",
        "public.t?    | public  | tx          | true",
        "public.t?    | public  | t           | false",
        "public.t?    | publics | tx          | false",
        "a.b          | a       | b           | true",
        "a.b          | x       | a.b         | false",
        "\"a.b\"      | x       | a.b         | true",
        "\"a*\".\"?\" | a*      | ?           | true",
        "\"a*\".\"?\" | ab      | ?           | false",
        "\"q\"\"q\"   | x       | q\"q        | true",
        "t[1]         | x       | t[1]        | true",
        "t[1]         | x       | t1          | false",
        "Temp         | x       | temp        | false",
        "\u00fc?      | x       | \u00fc\uD83D\uDE00 | true",
      })
  void namesTables(String pattern, String schema, String name, boolean expected) {
    assertThat(TablePattern.parse("here", pattern).matches(schema, name)).isEqualTo(expected);
  }

  @Test
  void anAsteriskStandsForTheEndOfALineToo() {
    assertThat(TablePattern.parse("here", "a*").matches("x", "a\nb")).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", ".", "a.", ".b", "a.b.c", "\"a", "\"\""})
  void refusesWhatNamesNone(String pattern) {
    assertThatThrownBy(() -> TablePattern.parse("sources.x.exclude-tables", pattern))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("configuration.invalid");
              assertThat(e.getMessage()).startsWith("sources.x.exclude-tables: ");
            });
  }

  @Test
  void aListHasCommasBetweenAndNoneWithinQuotes() {
    assertThat(TablePattern.split("temp_*, cache_*,\"a,b\".c ,"))
        .containsExactly("temp_*", "cache_*", "\"a,b\".c");
    assertThat(TablePattern.split(" ")).isEmpty();
  }
}
