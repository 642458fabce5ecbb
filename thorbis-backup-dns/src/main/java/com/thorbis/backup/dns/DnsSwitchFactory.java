package com.thorbis.backup.dns;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.traffic.TrafficSwitch;
import com.thorbis.backup.dr.traffic.TrafficSwitchFactory;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import java.time.Duration;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Makes switches by settings: {@code name}, {@code zone}, {@code type}; {@code primary} and {@code
 * others}, separated by commas; {@code key-name}, {@code key-algorithm} and {@code key-secret};
 * {@code timeout} and {@code spread}.
 */
public final class DnsSwitchFactory implements TrafficSwitchFactory {
  private static final Pattern SERVER =
      Pattern.compile("(?:\\[([0-9A-Fa-f:.]+)]|([A-Za-z0-9.-]+))(?::([0-9]{1,5}))?");

  /** For the service loader. */
  public DnsSwitchFactory() {}

  @Override
  public String type() {
    return "dns";
  }

  @Override
  public TrafficSwitch open(Settings settings) {
    DnsSwitch.Builder builder =
        DnsSwitch.builder()
            .timeout(settings.duration("timeout", Duration.ofSeconds(5)))
            .spread(settings.duration("spread", Duration.ofSeconds(30)));
    set(settings, "name", settings.require("name"), builder::name);
    set(settings, "zone", settings.require("zone"), builder::zone);
    settings.find("type").ifPresent(type -> set(settings, "type", type, builder::type));
    server(settings, "primary", settings.require("primary"), builder::primary);
    settings
        .find("others")
        .ifPresent(
            all -> {
              for (String each : all.split("[,\n]", -1)) {
                server(settings, "others", each.strip(), builder::other);
              }
            });
    SecretValue secret =
        settings
            .findSecret("key-secret")
            .orElseThrow(
                () ->
                    wrong(
                        settings.describe("key-secret") + " is missing",
                        "Set it to ${file:PATH} of the secret that tsig-keygen made."));
    String algorithm = settings.find("key-algorithm").orElse("hmac-sha256");
    String key = settings.require("key-name");
    set(settings, "key-name", key, name -> builder.key(name, algorithm, secret));
    try {
      return builder.build();
    } catch (IllegalArgumentException e) {
      throw wrong(settings.describe("name") + ": " + e.getMessage(), "Correct name or zone.");
    }
  }

  private static void set(Settings settings, String key, String value, Consumer<String> setter) {
    try {
      setter.accept(value);
    } catch (IllegalArgumentException e) {
      throw wrong(settings.describe(key) + ": " + e.getMessage(), "Correct it.");
    }
  }

  private interface Server {
    void at(String host, int port);
  }

  private static void server(Settings settings, String key, String text, Server setter) {
    Matcher form = SERVER.matcher(text);
    int port = form.matches() && form.group(3) != null ? Integer.parseInt(form.group(3)) : 53;
    if (!form.matches() || port < 1 || port > 65535) {
      throw wrong(
          settings.describe(key) + ": \"" + text + "\" is no server",
          "Write an address, such as 10.0.0.53 or [2001:db8::53]:5353.");
    }
    setter.at(form.group(1) == null ? form.group(2) : form.group(1), port);
  }

  private static BackupException wrong(String problem, String remedy) {
    return BackupException.of("configuration.invalid", FailureKind.CONFIGURATION, problem)
        .remedy(remedy)
        .build();
  }
}
