package com.thorbis.backup.postgres.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class EntryPathTest {
  static Stream<String> hostile() {
    List<String> paths =
        new ArrayList<>(
            List.of(
                "",
                ".",
                "..",
                "/",
                "//",
                "/etc/passwd",
                "//server/share",
                "../x",
                "../../etc/passwd",
                "base/../../x",
                "base/..",
                "base/./1",
                "./base",
                "base//1",
                "base/",
                "base/1/",
                "..\\x",
                "base\\..\\..\\x",
                "\\\\server\\share",
                "\\windows\\system32",
                "base\\1",
                "C:",
                "C:\\x",
                "C:/x",
                "c:x",
                "z:/etc",
                "\u0000",
                "base/1\u0000.png",
                "base/\u0000",
                "a\nb",
                "a\rb",
                "a\tb",
                "base/\u001b[2J",
                "base/\u007f",
                "base/\u0085",
                "base/\u009b31m",
                "base/\u2028x",
                "base/\u2029x",
                "base/\u202egpj.exe",
                "base/\u200b1",
                "base/\ufeff1",
                "base/\u00ad1",
                "\u2024\u2024/x",
                "\uff0e\uff0e/x",
                "base/\uff0e\uff0e/x",
                "\u2025/x",
                "base/\u2024",
                "..\uff0fx",
                "base\uff3c1",
                "base/\ud800",
                "base/\udc00x",
                "base/\udbff",
                "base/\uffff",
                "base/\u0378"));
    paths.add("a".repeat(256));
    paths.add("base/" + "a".repeat(256));
    paths.add("\u00e4".repeat(128));
    paths.add("a/".repeat(2048) + "a");
    paths.add("a".repeat(4097));
    paths.add("\u20ac/".repeat(1100) + "a");
    return paths.stream();
  }

  @ParameterizedTest
  @MethodSource("hostile")
  void aPathThatMightLeadElsewhereIsRefused(String path) {
    assertThatThrownBy(() -> EntryPath.names(path))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("restore.hostile-path");
              assertThat(e.getMessage().chars()).noneMatch(Character::isISOControl);
            });
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "PG_VERSION",
        "base/5/1259_fsm",
        "pg_tblspc/16385/PG_15_202209061/5/16390.1",
        "pg_wal/archive_status",
        "log/server \"1\".log",
        "...",
        "base/..x",
        "\u00fcmlaut/\u65e5\u672c"
      })
  void aPathOfAServerIsTakenApart(String path) {
    assertThat(String.join("/", EntryPath.names(path))).isEqualTo(path);
  }

  @Property(tries = 2000)
  void whateverIsAcceptedStaysBelow(@ForAll String path) {
    List<String> names;
    try {
      names = EntryPath.names(path);
    } catch (BackupException e) {
      return;
    }
    Path root = Path.of("/srv/target");
    Path place = root;
    for (String name : names) {
      place = place.resolve(name);
    }
    assertThat(place.normalize()).isEqualTo(place).startsWithRaw(root).isNotEqualTo(root);
  }
}
