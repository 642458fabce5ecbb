package com.thorbis.backup.route53;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.traffic.TrafficSwitch;
import com.thorbis.backup.dr.traffic.TrafficSwitchFactory;
import com.thorbis.backup.spi.Settings;
import java.time.Duration;
import java.util.function.Consumer;

/**
 * Makes switches by settings: {@code zone-id} and {@code name}. Optional: {@code type}, {@code
 * spread}; {@code access-key-id} with {@code secret-access-key} and perhaps {@code session-token}
 * (else the default chain of the AWS SDK), {@code endpoint}, {@code timeout} of one attempt (10 s),
 * {@code attempts} (4).
 */
public final class Route53SwitchFactory implements TrafficSwitchFactory {
  /** For the service loader. */
  public Route53SwitchFactory() {}

  @Override
  public String type() {
    return "route53";
  }

  @Override
  public TrafficSwitch open(Settings settings) {
    Route53Switch.Builder builder =
        Route53Switch.builder().spread(settings.duration("spread", Duration.ofMinutes(3)));
    set(settings, "zone-id", settings.require("zone-id"), builder::zone);
    set(settings, "name", settings.require("name"), builder::name);
    settings.find("type").ifPresent(type -> set(settings, "type", type, builder::type));
    OwnClient own = OwnClient.open(settings);
    return builder.client(own.client()).release(own::close).build();
  }

  private static void set(Settings settings, String key, String value, Consumer<String> setter) {
    try {
      setter.accept(value);
    } catch (IllegalArgumentException e) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              settings.describe(key) + ": " + e.getMessage())
          .remedy("Correct it.")
          .build();
    }
  }
}
