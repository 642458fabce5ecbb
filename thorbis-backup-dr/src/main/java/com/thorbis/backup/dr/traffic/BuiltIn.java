package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Settings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;

/** Makes the switches of this package by settings. */
final class BuiltIn {
  private BuiltIn() {}

  static ConnectionFile connectionFile(Settings settings) {
    Path file = Path.of(settings.require("file"));
    Optional<String> section = settings.find("section");
    Optional<String> key = settings.find("key");
    if (section.isPresent() && key.isPresent()) {
      throw wrong(
          settings.describe("section") + " and " + settings.describe("key") + " are both given",
          "Give the section of a pg_service.conf, or the key of a properties file, or neither.");
    }
    return section
        .map(name -> ConnectionFile.service(file, name))
        .or(() -> key.map(name -> ConnectionFile.property(file, name)))
        .orElseGet(() -> ConnectionFile.line(file));
  }

  static HaProxySwitch haProxy(Settings settings) {
    HaProxySwitch.Builder builder =
        HaProxySwitch.builder()
            .socket(Path.of(settings.require("socket")))
            .timeout(span(settings, "timeout"));
    named(settings, "backend", builder::backend);
    return builder.build();
  }

  static PgBouncerSwitch pgBouncer(Settings settings) {
    PgBouncerSwitch.Builder builder =
        PgBouncerSwitch.builder()
            .file(Path.of(settings.require("file")))
            .pause(span(settings, "pause"))
            .timeout(span(settings, "timeout"))
            .kill(settings.flag("kill", false));
    named(settings, "database", builder::database);
    String host = settings.require("host");
    int port = settings.integer("port", 6432, 1, 65535);
    if (host.startsWith("/")) {
      builder.console(Path.of(host), port);
    } else {
      builder.console(host, port);
    }
    settings.find("user").ifPresent(builder::user);
    settings.findSecret("password").ifPresent(builder::password);
    return builder.build();
  }

  private static Duration span(Settings settings, String key) {
    Duration span = settings.duration(key, Duration.ofSeconds(10));
    if (span.isNegative() || span.isZero()) {
      throw wrong(settings.describe(key) + ": is not more than none", "Allow some seconds.");
    }
    return span;
  }

  private static void named(Settings settings, String key, Consumer<String> setter) {
    String name = settings.require(key);
    try {
      setter.accept(name);
    } catch (IllegalArgumentException e) {
      throw wrong(settings.describe(key) + ": " + e.getMessage(), "Write it as it stands there.");
    }
  }

  private static BackupException wrong(String problem, String remedy) {
    return BackupException.of("configuration.invalid", FailureKind.CONFIGURATION, problem)
        .remedy(remedy)
        .build();
  }
}
