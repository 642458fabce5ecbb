package com.thorbis.backup.application.secrets;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Listing;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** A place whose every answer is decided by the test. */
final class MemorySecrets implements SecretTarget {
  final Map<String, String> values = new TreeMap<>();
  final Map<String, SecretInfo> infos = new TreeMap<>();
  final Set<String> failing = new HashSet<>();
  final List<String> written = new ArrayList<>();
  final Set<String> unseen = new HashSet<>();
  boolean capitals;
  boolean down;
  boolean digests;
  boolean loseAnswers;
  boolean dropWrites;
  Optional<String> overwrittenBy = Optional.empty();
  Readability readability = Readability.VALUE;
  Instant now = Instant.parse("2026-03-01T10:00:00Z");
  private final String instance;
  private int versions;

  MemorySecrets(String instance) {
    this.instance = instance;
  }

  MemorySecrets put(String name, String value) {
    values.put(name, value);
    now = now.plusSeconds(1);
    infos.put(
        name,
        SecretInfo.of(name, readability)
            .withVersion("v" + ++versions)
            .withUpdated(Optional.of(now)));
    return this;
  }

  MemorySecrets put(String name, String value, Optional<Instant> updated) {
    put(name, value);
    infos.put(name, infos.get(name).withUpdated(updated));
    return this;
  }

  static SecretException failure(String code, FailureKind kind, String subject) {
    return new SecretException(code, kind, subject + " fails", subject, "Mend it.", null);
  }

  @Override
  public String type() {
    return "memory";
  }

  @Override
  public String instance() {
    return instance;
  }

  @Override
  public List<Limit> limits() {
    return List.of(new Limit("Nothing of the kind", Readability.NOT_EXPORTABLE, "Do without."));
  }

  @Override
  public String rotation() {
    return "Ask the issuer of " + instance + ".";
  }

  @Override
  public List<SecretInfo> list() throws IOException {
    if (down) {
      throw failure(SecretException.UNAVAILABLE, FailureKind.TRANSIENT, instance);
    }
    return List.copyOf(infos.values());
  }

  @Override
  public Listing survey() throws IOException {
    TreeMap<String, SecretException> forbidden = new TreeMap<>();
    for (String part : unseen) {
      forbidden.put(part, failure(SecretException.FORBIDDEN, FailureKind.PERMANENT, part));
    }
    return new Listing(list(), forbidden);
  }

  @Override
  public Optional<SecretInfo> find(String name) throws IOException {
    if (failing.contains("find " + name)) {
      throw failure(SecretException.FORBIDDEN, FailureKind.PERMANENT, name);
    }
    return Optional.ofNullable(infos.get(name));
  }

  @Override
  public String nameOf(SecretInfo secret) {
    return capitals ? secret.name().toUpperCase(Locale.ROOT) : secret.name();
  }

  @Override
  public Secret read(SecretInfo listed) throws IOException {
    if (failing.contains(listed.name())) {
      throw failure(SecretException.FORBIDDEN, FailureKind.PERMANENT, listed.name());
    }
    if (!readability.hasValue()) {
      throw failure(SecretException.UNREADABLE, FailureKind.PERMANENT, listed.name());
    }
    return new Secret(infos.get(listed.name()), SecretValue.ofText(values.get(listed.name())));
  }

  @Override
  public boolean conditional() {
    return true;
  }

  @Override
  public Optional<String> refusal(SecretInfo secret) {
    return secret.name().startsWith("BAD")
        ? Optional.of("the place takes no such name")
        : Optional.empty();
  }

  @Override
  public Optional<Boolean> matches(SecretInfo current, SecretValue value) {
    return digests ? Optional.of(values.get(current.name()).equals(text(value))) : Optional.empty();
  }

  @Override
  public void write(SecretInfo secret, SecretValue value, WriteCondition condition)
      throws IOException {
    if (failing.contains("write " + secret.name())) {
      throw failure(SecretException.FORBIDDEN, FailureKind.PERMANENT, secret.name());
    }
    String name = nameOf(secret);
    SecretInfo now = infos.get(name);
    boolean holds =
        condition instanceof WriteCondition.IfVersion expected
            ? now != null && now.version().equals(expected.version())
            : now == null;
    if (!holds) {
      throw failure(SecretException.CONFLICT, FailureKind.REFUSED, secret.name());
    }
    if (!dropWrites) {
      written.add(name);
      put(name, overwrittenBy.orElseGet(() -> text(value)));
    }
    if (loseAnswers) {
      throw failure(SecretException.OUTCOME_UNKNOWN, FailureKind.OUTCOME_UNKNOWN, secret.name());
    }
  }

  private static String text(SecretValue value) {
    return value.useBytes(bytes -> new String(bytes, StandardCharsets.UTF_8));
  }

  @Override
  public void close() {}
}
