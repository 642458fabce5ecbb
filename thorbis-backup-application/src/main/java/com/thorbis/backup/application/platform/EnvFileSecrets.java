package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The variables of an {@code .env} file. Written as a new file that takes the place of the old one:
 * comments, order and the quoting of all else stay, and so do owner, group and permissions; a new
 * file is for its owner alone. Nothing is expanded, and of a name that stands twice the last
 * counts.
 */
public final class EnvFileSecrets implements SecretTarget {
  /** The type of this place. */
  public static final String TYPE = "env-file";

  private static final int MOST_BYTES = 4 << 20;
  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
  private static final Set<PosixFilePermission> OWNER_ALONE =
      PosixFilePermissions.fromString("rw-------");

  private final Path file;
  private final byte[] versionKey = new byte[32];

  private EnvFileSecrets(Path file) {
    this.file = file.toAbsolutePath().normalize();
    new SecureRandom().nextBytes(versionKey);
  }

  /** The variables of a file, which need not be there to be written to. */
  public static EnvFileSecrets of(Path file) {
    return new EnvFileSecrets(file);
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public String instance() {
    return file.toString();
  }

  @Override
  public List<Limit> limits() {
    return List.of(
        new Limit(
            "When each variable was written",
            Readability.NOT_EXPORTABLE,
            "All have the time of the file: overwriting what is older goes by that."));
  }

  @Override
  public String rotation() {
    return "Issue a new value where it comes from, and write it into the file.";
  }

  @Override
  public List<SecretInfo> list() throws IOException {
    try (EnvText text = read()) {
      Instant written = Files.getLastModifiedTime(file).toInstant();
      List<SecretInfo> found = new ArrayList<>();
      for (String name : text.names()) {
        try (SecretValue value = value(text, name)) {
          found.add(
              SecretInfo.of(name, Readability.VALUE)
                  .withVersion(version(value))
                  .withUpdated(Optional.of(written)));
        }
      }
      return found;
    }
  }

  @Override
  public Secret read(SecretInfo listed) throws IOException {
    try (EnvText text = read();
        SecretValue value = value(text, listed.name())) {
      Instant written = Files.getLastModifiedTime(file).toInstant();
      return new Secret(
          listed.withVersion(version(value)).withUpdated(Optional.of(written)),
          value.useBytes(SecretValue::copyOf));
    }
  }

  @Override
  public boolean conditional() {
    return false;
  }

  @Override
  public boolean createsPlace() {
    return true;
  }

  @Override
  public Optional<String> refusal(SecretInfo secret) {
    if (!secret.format().equals(SecretInfo.TEXT)) {
      return Optional.of("is " + secret.format() + ", and a file of variables takes texts only");
    }
    return NAME.matcher(secret.name()).matches()
        ? Optional.empty()
        : Optional.of("a variable has a name of letters, digits and _");
  }

  @Override
  public void write(SecretInfo secret, SecretValue value, WriteCondition condition)
      throws IOException {
    Optional<String> refusal = refusal(secret);
    if (refusal.isPresent()) {
      throw Written.refused(secret.name(), refusal.get());
    }
    Written.requireText(secret.name(), value, MOST_BYTES);
    try (EnvText text = Files.exists(file) ? read() : new EnvText(new char[0], instance())) {
      requireCondition(secret.name(), text, condition);
      Optional<char[]> changed = value.useChars(chars -> text.with(secret.name(), chars));
      if (changed.isEmpty()) {
        throw Written.refused(
            secret.name(),
            "no way of quoting in a file of variables holds every character of its value");
      }
      char[] chars = changed.get();
      ByteBuffer bytes = StandardCharsets.UTF_8.encode(CharBuffer.wrap(chars));
      try {
        replace(bytes.duplicate());
      } finally {
        Arrays.fill(chars, '\0');
        Arrays.fill(bytes.array(), (byte) 0);
      }
    }
  }

  private void requireCondition(String name, EnvText text, WriteCondition condition)
      throws IOException {
    Optional<char[]> present = text.value(name);
    present.ifPresent(chars -> Arrays.fill(chars, '\0'));
    boolean holds = present.isEmpty();
    if (condition instanceof WriteCondition.IfVersion expected) {
      holds = false;
      if (present.isPresent()) {
        try (SecretValue value = value(text, name)) {
          holds = version(value).equals(expected.version());
        }
      }
    }
    if (!holds) {
      throw Written.conflict(name, instance());
    }
  }

  private void replace(ByteBuffer content) throws IOException {
    Path real = Files.exists(file) ? file.toRealPath() : file;
    Path folder = real.getParent();
    if (folder == null) {
      throw Written.refused(instance(), "is no file");
    }
    FileAttribute<Set<PosixFilePermission>> alone =
        PosixFilePermissions.asFileAttribute(OWNER_ALONE);
    Path fresh = Files.createTempFile(folder, ".env", ".new", alone);
    try {
      if (Files.exists(real)) {
        takeOver(real, fresh);
      }
      try (FileChannel out = FileChannel.open(fresh, StandardOpenOption.WRITE)) {
        while (content.hasRemaining()) {
          int unused = out.write(content);
        }
        out.force(true);
      }
      Files.move(fresh, real, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      try (FileChannel directory = FileChannel.open(folder)) {
        directory.force(true);
      }
    } finally {
      Files.deleteIfExists(fresh);
    }
  }

  /** An application that could read the file before has to be able to read it afterwards. */
  private static void takeOver(Path from, Path to) throws IOException {
    PosixFileAttributes old = Files.readAttributes(from, PosixFileAttributes.class);
    PosixFileAttributeView view = Files.getFileAttributeView(to, PosixFileAttributeView.class);
    PosixFileAttributes fresh = view.readAttributes();
    if (!fresh.owner().equals(old.owner())) {
      view.setOwner(old.owner());
    }
    if (!fresh.group().equals(old.group())) {
      view.setGroup(old.group());
    }
    view.setPermissions(old.permissions());
  }

  private EnvText read() throws IOException {
    byte[] bytes;
    try {
      if (Files.size(file) > MOST_BYTES) {
        throw JsonAnswer.unexpected(instance(), "is longer than " + MOST_BYTES + " bytes");
      }
      bytes = Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new SecretException(
          SecretException.NO_SUCH_PLACE,
          FailureKind.PERMANENT,
          "There is no " + file,
          instance(),
          "Correct the path; nothing was looked at.",
          e);
    } catch (AccessDeniedException e) {
      throw new SecretException(
          SecretException.FORBIDDEN,
          FailureKind.PERMANENT,
          "This account may not read " + file,
          instance(),
          "Let it, or run as another account; nothing was looked at.",
          e);
    }
    try {
      CharBuffer decoded = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
      char[] chars = new char[decoded.remaining()];
      decoded.get(chars);
      Arrays.fill(decoded.array(), '\0');
      return new EnvText(chars, instance());
    } catch (CharacterCodingException e) {
      throw JsonAnswer.unexpected(instance(), "is not text in UTF-8");
    } finally {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  private SecretValue value(EnvText text, String name) throws SecretException {
    char[] chars = text.value(name).orElseThrow(() -> Written.notFound(name, instance()));
    try {
      return SecretValue.ofText(CharBuffer.wrap(chars));
    } finally {
      Arrays.fill(chars, '\0');
    }
  }

  /** A plain digest of a short value would tell it to whoever guesses. */
  private String version(SecretValue value) {
    return value.useBytes(
        bytes -> {
          try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(versionKey, "HmacSHA256"));
            return HexFormat.of().formatHex(mac.doFinal(bytes), 0, 16);
          } catch (GeneralSecurityException e) {
            throw new IllegalStateException("This Java runtime lacks HmacSHA256", e);
          }
        });
  }

  @Override
  public void close() {
    Arrays.fill(versionKey, (byte) 0);
  }

  /** Says only which place it is. */
  @Override
  public String toString() {
    return TYPE + " " + file;
  }
}
