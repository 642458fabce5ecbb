package com.thorbis.backup.storage.s3;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StoreRole;
import java.io.IOException;
import java.net.URI;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Opens {@code s3://bucket/prefix}. The bucket must exist. Contacts nobody before the store is
 * used.
 *
 * <table>
 *   <caption>Settings</caption>
 *   <tr><td>{@code region}</td><td>of the bucket; required without an endpoint</td></tr>
 *   <tr><td>{@code endpoint}</td><td>URL of a server that is not AWS's</td></tr>
 *   <tr><td>{@code path-style}</td><td>whether the bucket stands in the path and not in the host's
 *       name; true with an endpoint</td></tr>
 *   <tr><td>{@code access-key-id}, {@code secret-access-key}, {@code session-token}</td><td>fixed
 *       credentials; without them the vendor's default chain finds some</td></tr>
 *   <tr><td>{@code role-arn}</td><td>a role to assume</td></tr>
 *   <tr><td>{@code web-identity-token-file}</td><td>what proves who may assume the role</td></tr>
 *   <tr><td>{@code checksums}</td><td>{@code when-supported}: the newer ones, as AWS has them and
 *       as otherwise without an endpoint; {@code when-required}: MD5, as older servers have it and
 *       as otherwise with one; {@code none}: MD5, and content without framing</td></tr>
 *   <tr><td>{@code tiers}</td><td>whether there are storage classes; false with an endpoint</td></tr>
 *   <tr><td>{@code archive-class}</td><td>{@code deep-archive} or {@code glacier}</td></tr>
 *   <tr><td>{@code retrieval}</td><td>{@code standard}, {@code expedited} or {@code bulk}: how fast
 *       what lies in an archive is brought back</td></tr>
 *   <tr><td>{@code lock-mode}</td><td>{@code governance} or {@code compliance}</td></tr>
 *   <tr><td>{@code part-size}</td><td>{@code 8MiB}: what is sent in one request at most</td></tr>
 *   <tr><td>{@code parts-in-flight}</td><td>4: parts on their way at once, each held in
 *       memory</td></tr>
 *   <tr><td>{@code retries}</td><td>7: how often a request is repeated</td></tr>
 *   <tr><td>{@code connect-timeout}, {@code read-timeout}</td><td>{@code 10s}, {@code 60s}</td></tr>
 *   <tr><td>{@code max-connections}</td><td>64</td></tr>
 *   <tr><td>{@code dangerous-plain-http}</td><td>whether an endpoint without TLS may be on another
 *       machine</td></tr>
 * </table>
 */
public final class S3ObjectStoreFactory implements ObjectStoreFactory {
  // Three to 63 of these; older buckets may have more. Never a secret in front, or a port behind.
  private static final Pattern BUCKET = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{1,254}");

  /** For the service loader. */
  public S3ObjectStoreFactory() {}

  @Override
  public String scheme() {
    return "s3";
  }

  @Override
  public Optional<String> policy(URI location, StoreRole role) throws IOException {
    Place place = place(location);
    return Optional.of(Policies.of(place.bucket(), place.prefix(), role));
  }

  @Override
  public ObjectStore open(URI location, ProviderContext context) throws IOException {
    Place place = place(location);
    return Connection.open(context.settings(), place.bucket(), place.prefix(), builder -> {});
  }

  private record Place(String bucket, String prefix) {}

  private static Place place(URI location) throws IOException {
    String bucket = location.getRawAuthority();
    if (bucket == null || !BUCKET.matcher(bucket).matches()) {
      throw refused("names no bucket", null);
    }
    if (location.getRawQuery() != null || location.getRawFragment() != null) {
      throw refused("has a part after the prefix", null);
    }
    String path = location.getRawPath() == null ? "" : location.getRawPath();
    String prefix = path.replaceFirst("^/", "").replaceFirst("/$", "");
    try {
      return new Place(bucket, prefix.isEmpty() ? "" : new ObjectKey(prefix).value());
    } catch (IllegalArgumentException e) {
      throw refused("has a prefix of other characters than A-Z a-z 0-9 . _ = - and /", e);
    }
  }

  /** Without the address itself, in which somebody may have written a secret. */
  private static StorageException refused(String problem, @Nullable Exception e) {
    return new StorageException(
        "storage.location",
        FailureKind.CONFIGURATION,
        "The address of the repository " + problem,
        "s3:",
        "Write it as s3://bucket/prefix, and everything else as settings below s3.",
        e);
  }
}
