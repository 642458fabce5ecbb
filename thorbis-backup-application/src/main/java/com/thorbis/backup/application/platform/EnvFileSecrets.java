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
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The variables of an {@code .env} file. Written as a new file that takes the place of the old one:
 * comments, order and the quoting of all else stay, and so do owner, group and permissions; a new
 * file is for its owner alone. Nothing is expanded, and of a name that stands twice the last
 * counts. What is written never has a shell run anything when it takes the file in.
 */
public final class EnvFileSecrets implements SecretTarget {
  /** The type of this place. */
  public static final String TYPE = "env-file";

  private static final int MOST_BYTES = 4 << 20;
  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
  private static final Set<PosixFilePermission> OWNER_ALONE =
      PosixFilePermissions.fromString("rw-------");

  private final Path file;
  private final Disk disk;
  private final KeyedVersion versions = new KeyedVersion();
  private boolean unforced;

  private EnvFileSecrets(Path file, Disk disk) {
    this.file = file.toAbsolutePath().normalize();
    this.disk = disk;
  }

  /** The variables of a file, which need not be there to be written to. */
  public static EnvFileSecrets of(Path file) {
    return on(file, new Disk());
  }

  static EnvFileSecrets on(Path file, Disk disk) {
    return new EnvFileSecrets(file, disk);
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
            "The file has one time for all: overwriting what is older leaves all of them."));
  }

  @Override
  public String rotation() {
    return "Issue a new value where it comes from, and write it into the file.";
  }

  @Override
  public List<SecretInfo> list() throws IOException {
    if (unforced) {
      // What was written counts once its name lasts, and not as soon as it can be seen.
      forceFolder(real().orElse(file));
    }
    try (Lying lying = require()) {
      List<SecretInfo> found = new ArrayList<>();
      for (String name : lying.text().names()) {
        try (SecretValue value = value(lying.text(), name)) {
          found.add(SecretInfo.of(name, Readability.VALUE).withVersion(versions.of(value)));
        }
      }
      return found;
    }
  }

  @Override
  public Secret read(SecretInfo listed) throws IOException {
    try (Lying lying = require();
        SecretValue value = value(lying.text(), listed.name())) {
      return new Secret(
          listed.withVersion(versions.of(value)), value.useBytes(SecretValue::copyOf));
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
    Optional<Lying> lying = look();
    try (EnvText text =
        lying.isPresent() ? lying.get().text() : new EnvText(new char[0], instance())) {
      requireCondition(secret.name(), text, condition);
      Optional<char[]> changed = value.useChars(chars -> text.with(secret.name(), chars));
      if (changed.isEmpty()) {
        throw Written.refused(
            secret.name(),
            "no way of quoting in a file of variables holds every character of its value, and"
                + " keeps a shell from running it");
      }
      char[] chars = changed.get();
      ByteBuffer bytes = StandardCharsets.UTF_8.encode(CharBuffer.wrap(chars));
      try {
        lay(secret.name(), lying.map(Lying::stamp), bytes.duplicate());
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
    Optional<SecretInfo> standing = Optional.empty();
    if (present.isPresent()) {
      try (SecretValue value = value(text, name)) {
        standing =
            Optional.of(SecretInfo.of(name, Readability.VALUE).withVersion(versions.of(value)));
      }
    }
    Written.require(condition, standing, name, instance());
  }

  /**
   * Puts another content in the place of what was read, or into a place where nothing was.
   *
   * @param before what was read
   */
  private void lay(String name, Optional<Stamp> before, ByteBuffer content) throws IOException {
    Path real = before.map(Stamp::real).orElse(file);
    Path folder = real.getParent();
    if (folder == null) {
      throw Written.refused(instance(), "is no file");
    }
    FileAttribute<Set<PosixFilePermission>> alone =
        PosixFilePermissions.asFileAttribute(OWNER_ALONE);
    Path fresh;
    try {
      fresh = Files.createTempFile(folder, ".env", ".new", alone);
    } catch (FileSystemException e) {
      throw failure("cannot be written to: its folder takes no new file", e);
    }
    try {
      if (before.isPresent()) {
        takeOver(real, fresh);
      }
      try (FileChannel out = FileChannel.open(fresh, StandardOpenOption.WRITE)) {
        while (content.hasRemaining()) {
          int unused = out.write(content);
        }
        disk.force(out);
      }
      if (before.isPresent()) {
        if (!stamp().equals(before)) {
          throw Written.conflict(name, instance());
        }
        Files.move(
            fresh, real, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } else {
        link(name, fresh);
      }
      unforced = true;
      forceFolder(real);
    } finally {
      Files.deleteIfExists(fresh);
    }
  }

  private void link(String name, Path fresh) throws IOException {
    try {
      Files.createLink(file, fresh);
    } catch (FileAlreadyExistsException e) {
      throw Written.conflict(name, instance());
    } catch (UnsupportedOperationException | FileSystemException e) {
      throw failure("cannot be made: its file system takes no link to a new file", e);
    }
  }

  private void forceFolder(Path real) throws IOException {
    Path folder = real.getParent();
    try {
      disk.forceFolder(folder == null ? real : folder);
      unforced = false;
    } catch (IOException e) {
      throw new SecretException(
          SecretException.OUTCOME_UNKNOWN,
          FailureKind.OUTCOME_UNKNOWN,
          file + " was written, and its folder could not be made durable",
          instance(),
          "Look at the disk, and write it again: a power cut may bring back what stood there.",
          e);
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

  /**
   * Which file it was.
   *
   * @param real without links
   */
  private record Stamp(Path real, Optional<Object> key, FileTime modified, long size) {}

  /** What lies there. */
  private record Lying(EnvText text, Stamp stamp) implements AutoCloseable {
    @Override
    public void close() {
      text.close();
    }
  }

  /** The file behind links; empty if nothing has its name. */
  private Optional<Path> real() throws SecretException {
    try {
      return Optional.of(file.toRealPath());
    } catch (NoSuchFileException e) {
      try {
        Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      } catch (NoSuchFileException gone) {
        return Optional.empty();
      } catch (IOException other) {
        throw failure("could not be looked at", other);
      }
      throw failure("is a link to a file that is not there", e);
    } catch (IOException e) {
      throw failure("could not be looked at", e);
    }
  }

  private Optional<Stamp> stamp() throws SecretException {
    Optional<Path> real = real();
    if (real.isEmpty()) {
      return Optional.empty();
    }
    try {
      BasicFileAttributes now = Files.readAttributes(real.get(), BasicFileAttributes.class);
      return Optional.of(
          new Stamp(
              real.get(), Optional.ofNullable(now.fileKey()), now.lastModifiedTime(), now.size()));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw failure("could not be looked at", e);
    }
  }

  private Lying require() throws SecretException {
    return look()
        .orElseThrow(
            () ->
                new SecretException(
                    SecretException.NO_SUCH_PLACE,
                    FailureKind.PERMANENT,
                    "There is no " + file,
                    instance(),
                    "Correct the path; nothing was looked at.",
                    null));
  }

  /** What lies there; empty only if positively nothing does. */
  private Optional<Lying> look() throws SecretException {
    Optional<Stamp> stamp = stamp();
    if (stamp.isEmpty()) {
      return Optional.empty();
    }
    byte[] bytes;
    try (InputStream in = Files.newInputStream(stamp.get().real())) {
      bytes = in.readNBytes(MOST_BYTES + 1);
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw failure("could not be read", e);
    }
    try {
      if (bytes.length > MOST_BYTES) {
        throw JsonAnswer.unexpected(instance(), "is longer than " + MOST_BYTES + " bytes");
      }
      CharBuffer decoded = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
      char[] chars = new char[decoded.remaining()];
      decoded.get(chars);
      Arrays.fill(decoded.array(), '\0');
      return Optional.of(new Lying(new EnvText(chars, instance()), stamp.get()));
    } catch (CharacterCodingException e) {
      throw JsonAnswer.unexpected(instance(), "is not text in UTF-8");
    } finally {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  /** What kept the file from being looked at: never taken for its absence. */
  private SecretException failure(String problem, Exception cause) {
    return cause instanceof AccessDeniedException
        ? new SecretException(
            SecretException.FORBIDDEN,
            FailureKind.PERMANENT,
            file + " " + problem + ": this account may not",
            instance(),
            "Let it, or run as another account; nothing was written.",
            cause)
        : new SecretException(
            SecretException.UNAVAILABLE,
            FailureKind.PERMANENT,
            file + " " + problem,
            instance(),
            "Look at the path, its links and its disk; nothing was written.",
            cause);
  }

  private SecretValue value(EnvText text, String name) throws SecretException {
    char[] chars = text.value(name).orElseThrow(() -> Written.notFound(name, instance()));
    try {
      return SecretValue.ofText(CharBuffer.wrap(chars));
    } finally {
      Arrays.fill(chars, '\0');
    }
  }

  @Override
  public void close() {
    versions.close();
  }

  /** Says only which place it is. */
  @Override
  public String toString() {
    return TYPE + " " + file;
  }
}
