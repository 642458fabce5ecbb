package com.thorbis.backup.dr.traffic;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What PgBouncer's console does to one database, and what can go wrong there. */
final class FakeConsole implements Console {
  private static final Pattern ENTRY = Pattern.compile("(?m)^app *=.*?host=(\\S+) port=(\\S+)");

  private final Path ini;
  final List<String> asked = new ArrayList<>();
  String host = "db1";
  String port = "5432";
  boolean paused;
  boolean disabled;
  boolean busy;
  boolean stubborn;
  Trouble trouble = (number, after) -> {};

  /** Throws what shall go wrong. */
  @FunctionalInterface
  interface Trouble {
    /** Before a command, counted from 1, has its effect, or after that. */
    void at(int command, boolean after) throws IOException;
  }

  FakeConsole(Path ini) {
    this.ini = ini;
  }

  @Override
  public List<Map<String, String>> ask(String command, Duration longest) throws IOException {
    asked.add(command);
    int number = asked.size();
    trouble.at(number, false);
    List<Map<String, String>> rows = List.of();
    switch (command) {
      case "SHOW DATABASES" ->
          rows =
              List.of(
                  Map.of("name", "pgbouncer", "port", "6432", "paused", "0", "disabled", "0"),
                  Map.of(
                      "name",
                      "app",
                      "host",
                      host,
                      "port",
                      port,
                      "paused",
                      paused ? "1" : "0",
                      "disabled",
                      disabled ? "1" : "0"));
      case "PAUSE \"app\"" -> {
        paused = true;
        if (busy) {
          throw new Late(longest);
        }
      }
      case "KILL \"app\"" -> {
        paused = true;
        busy = false;
      }
      case "RESUME \"app\"" -> {
        if (!paused) {
          throw new Refused("database app is not paused");
        }
        paused = false;
      }
      case "RELOAD" -> {
        Matcher entry = ENTRY.matcher(Files.readString(ini));
        if (!stubborn && entry.find()) {
          host = entry.group(1);
          port = entry.group(2);
        }
      }
      default -> throw new Refused("unknown command: " + command);
    }
    trouble.at(number, true);
    return rows;
  }
}
