package com.thorbis.backup.dr.notify;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Clock;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Posts notices as JSON. Whoever receives them computes the HMAC-SHA256 of the header {@code
 * Thorbis-Timestamp}, a full stop and the body under the shared secret, compares it with the header
 * {@code Thorbis-Signature}, {@code v1=} and 64 hexadecimal digits, and refuses old timestamps.
 */
public final class WebhookNotifier implements Notifier {
  private static final int LEAST_SECRET = 16;

  private final PinnedHttp http;
  private final SecretValue secret;
  private final Clock clock;

  WebhookNotifier(PinnedHttp http, SecretValue secret, Clock clock) {
    this.http = http;
    this.secret = secret;
    this.clock = clock;
  }

  /** Makes them by name. */
  public static final class Factory implements NotifierFactory {
    /** For the service loader. */
    public Factory() {}

    @Override
    public String kind() {
      return "webhook";
    }

    @Override
    public Notifier open(ProviderContext context) {
      return of(context.settings(), context.clock());
    }
  }

  /**
   * By settings: {@code url}; {@code secret}, of at least 16 bytes; {@code timeout}; {@code
   * allow-http}, where the way there is trusted; {@code allow-private}, for addresses that are not
   * of the public Internet.
   *
   * @throws BackupException of kind CONFIGURATION if one is missing or wrong
   */
  public static WebhookNotifier of(Settings settings, Clock clock) {
    PinnedHttp http = PinnedHttp.of(settings);
    SecretValue secret =
        settings
            .findSecret("secret")
            .filter(value -> value.useBytes(bytes -> bytes.length >= LEAST_SECRET))
            .orElseThrow(
                () ->
                    BackupException.of(
                            "configuration.invalid",
                            FailureKind.CONFIGURATION,
                            settings.describe("secret")
                                + " is missing, or shorter than "
                                + LEAST_SECRET
                                + " bytes")
                        .remedy("Set it to ${file:PATH}, and give whoever receives the same.")
                        .build());
    return new WebhookNotifier(http, secret, clock);
  }

  @Override
  public void tell(List<Notice> notices) throws IOException {
    byte[] body = NoticeJson.of(notices);
    String timestamp = Long.toString(clock.instant().getEpochSecond());
    http.send(
        "POST",
        Map.of(
            "Content-Type",
            "application/json",
            "Thorbis-Timestamp",
            timestamp,
            "Thorbis-Signature",
            "v1=" + signature(timestamp, body)),
        body);
  }

  private String signature(String timestamp, byte[] body) {
    return secret.useBytes(
        key -> {
          try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            mac.update((timestamp + ".").getBytes(StandardCharsets.US_ASCII));
            return HexFormat.of().formatHex(mac.doFinal(body));
          } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e); // every JDK has it
          }
        });
  }

  @Override
  public void close() {
    secret.close();
  }
}
