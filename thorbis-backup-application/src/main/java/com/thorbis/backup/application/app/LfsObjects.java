package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a repository keeps in Git LFS, and not in its history: from a service by the batch API
 * (git-lfs, docs/api/batch.md), from a folder as {@code git lfs} lays it there. Each object is
 * known by its SHA-256, and compared with it. A credential goes to its own service alone; to where
 * that sends on goes what it says for it. Used by one thread.
 */
final class LfsObjects {
  private static final int BATCH = 100;
  private static final int ATTEMPTS = 3;
  private static final int MOST_ANSWER_BYTES = 8 << 20;
  private static final String TYPE = "application/vnd.git-lfs+json";

  private final GitAddress address;
  private final GitAccess access;
  private final Optional<String> configured;

  /**
   * Of a repository.
   *
   * @param configured what {@code lfs.url} of its {@code .lfsconfig} says
   */
  LfsObjects(GitAddress address, GitAccess access, Optional<String> configured) {
    this.address = address;
    this.access = access;
    this.configured = configured;
  }

  /**
   * What stands in a repository in place of an object.
   *
   * @param oid its SHA-256, 64 hexadecimal digits
   * @param size its bytes
   * @param path where it stands, for one of the places
   */
  record Pointer(String oid, long size, String path) {
    Reference reference() {
      return new Reference(size, oid);
    }
  }

  /**
   * Lays objects into a folder, each under its SHA-256.
   *
   * @return those that are not there, by their SHA-256
   */
  Map<String, Gap> fetch(Collection<Pointer> wanted, Path into, RunControl control)
      throws IOException {
    Map<String, Gap> missing = new LinkedHashMap<>();
    if (wanted.isEmpty()) {
      return missing;
    }
    Folders.make(into);
    List<Pointer> all = new ArrayList<>(wanted);
    if (address.kind() == GitAddress.Kind.FOLDER) {
      for (Pointer each : wanted) {
        control.cancellation().check();
        attempt(each, missing, () -> fromFolder(each, into));
      }
      if (missing.isEmpty() || configured.isEmpty()) {
        return missing;
      }
      all.removeIf(each -> !missing.containsKey(each.oid()));
      missing.clear();
    }
    URI service;
    try {
      service = service();
    } catch (Unavailable e) {
      all.forEach(each -> missing.put(each.oid(), gap(each, e.code, e.problem, e.remedy)));
      return missing;
    }
    for (int from = 0; from < all.size(); from += BATCH) {
      batch(service, all.subList(from, Math.min(from + BATCH, all.size())), into, control, missing);
    }
    return missing;
  }

  /** Whoever writes to the repository decides what {@code lfs.url} says. */
  private URI service() throws Unavailable {
    if (configured.isEmpty()) {
      return address
          .large()
          .orElseThrow(
              () ->
                  new Unavailable(
                      "application.no-lfs",
                      "has no server that could be told from " + address,
                      "Name it as lfs.url in .lfsconfig."));
    }
    try {
      URI named = Endpoints.parse("lfs.url", configured.get());
      requireFollowed(named);
      return named;
    } catch (BackupException e) {
      throw new Unavailable(
          "application.lfs-address",
          "is on a server that .lfsconfig names, and its lfs.url is not followed",
          "Write https://HOST/PATH there.");
    }
  }

  private void requireFollowed(URI server) throws Unavailable {
    try {
      access.requireFollowed(server.getScheme(), server.getHost(), server.getPort());
    } catch (GitAddress.NotFollowedException e) {
      throw new Unavailable(
          "application.lfs-address",
          "is on " + server.getHost() + ", which .lfsconfig leads to, and which " + e.getMessage(),
          e.remedy());
    }
  }

  @FunctionalInterface
  private interface Fetch {
    void run() throws IOException;
  }

  private static void attempt(Pointer object, Map<String, Gap> missing, Fetch fetch) {
    try {
      fetch.run();
    } catch (Unavailable e) {
      missing.put(object.oid(), gap(object, e.code, e.problem, e.remedy));
    } catch (BackupException e) {
      missing.put(object.oid(), Gap.of(object.path(), e));
    } catch (IOException e) {
      missing.put(
          object.oid(),
          gap(
              object,
              "application.unavailable",
              "could not be read whole: " + e.getClass().getSimpleName(),
              "Take another backup once the service answers."));
    }
  }

  private static Gap gap(Pointer object, String code, String problem, String remedy) {
    return Gap.part(
        object.path(),
        code,
        object.path() + " is kept in Git LFS, and its content " + problem,
        remedy);
  }

  private void fromFolder(Pointer object, Path into) throws IOException {
    String oid = object.oid();
    for (String below : List.of("lfs/objects", ".git/lfs/objects")) {
      Path file =
          Path.of(address.text())
              .resolve(below)
              .resolve(oid.substring(0, 2))
              .resolve(oid.substring(2, 4))
              .resolve(oid);
      if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
        try (InputStream in = Files.newInputStream(file)) {
          lay(object, in, into);
        }
        return;
      }
    }
    throw new Unavailable(
        "application.lfs-object",
        "is not in " + address,
        "Run git lfs fetch --all there, or back up the service that it is from.");
  }

  private void batch(
      URI service, List<Pointer> wanted, Path into, RunControl control, Map<String, Gap> missing) {
    Map<String, Document> offered = new LinkedHashMap<>();
    try {
      Document answer = Document.parse("The answer of " + service, ask(service, wanted));
      answer
          .list("objects")
          .forEach(one -> one.text("oid").ifPresent(oid -> offered.put(oid, one)));
    } catch (Unavailable e) {
      wanted.forEach(each -> missing.put(each.oid(), gap(each, e.code, e.problem, e.remedy)));
      return;
    } catch (IOException | BackupException e) {
      wanted.forEach(
          each ->
              missing.put(
                  each.oid(),
                  gap(
                      each,
                      "application.unavailable",
                      "could not be asked for: " + e.getClass().getSimpleName(),
                      "Take another backup once the service answers.")));
      return;
    }
    for (Pointer each : wanted) {
      control.cancellation().check();
      attempt(each, missing, () -> download(service, each, offered.get(each.oid()), into));
    }
  }

  private byte[] ask(URI service, List<Pointer> wanted) throws IOException {
    List<Map<String, Object>> objects = new ArrayList<>();
    wanted.forEach(each -> objects.add(Map.of("oid", each.oid(), "size", each.size())));
    byte[] body =
        Document.of(
                Map.of(
                    "operation",
                    "download",
                    "transfers",
                    List.of("basic"),
                    "hash_algo",
                    "sha256",
                    "objects",
                    objects))
            .bytes();
    URI batch = URI.create(service.toString().replaceFirst("/+$", "") + "/objects/batch");
    IOException last = new IOException("not asked");
    for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
      HttpURLConnection call = open(batch, Map.of("Accept", TYPE, "Content-Type", TYPE));
      access.authorize(call);
      call.setDoOutput(true);
      call.setFixedLengthStreamingMode(body.length);
      try {
        try (OutputStream out = call.getOutputStream()) {
          out.write(body);
        }
        int status = call.getResponseCode();
        if (status == 200) {
          try (InputStream in = call.getInputStream()) {
            byte[] answer = in.readNBytes(MOST_ANSWER_BYTES + 1);
            if (answer.length > MOST_ANSWER_BYTES) {
              throw new IOException("The answer is too long");
            }
            return answer;
          }
        }
        if (status != 429 && status / 100 != 5 || status == 501) {
          throw refused(service, status);
        }
        last = new IOException("The service answered " + status);
      } catch (Unavailable e) {
        throw e;
      } catch (IOException e) {
        last = e;
      } finally {
        call.disconnect();
      }
    }
    throw last;
  }

  private static Unavailable refused(URI service, int status) {
    if (status == 401 || status == 403) {
      return new Unavailable(
          "application.unauthorized",
          "could not be asked for: " + service + " answered " + status,
          "Give a token that may read LFS objects of the repository.");
    }
    return new Unavailable(
        "application.no-lfs",
        "could not be asked for: " + service + " answered " + status + " to the batch API of LFS",
        "If its objects are on another server, keep a copy of them, as git lfs fetch --all makes.");
  }

  private void download(URI service, Pointer object, @Nullable Document offered, Path into)
      throws IOException {
    if (offered == null || offered.object("error").number("code", 0) != 0) {
      long code = offered == null ? 0 : offered.object("error").number("code", 0);
      throw new Unavailable(
          "application.lfs-object",
          "is not there: " + service + " answered " + (code == 0 ? "nothing" : code) + " for it",
          "Push it from a clone that has it, with git lfs push --all.");
    }
    Document action = offered.object("actions").object("download");
    URI from = Endpoints.parse("The address of an LFS object", action.require("href"));
    if (!access.knows(service)) {
      requireFollowed(from);
    }
    Map<String, String> headers = new LinkedHashMap<>();
    Document given = action.object("header");
    given.names().forEach(name -> given.text(name).ifPresent(value -> headers.put(name, value)));
    for (int attempt = 1; ; attempt++) {
      HttpURLConnection call = open(from, headers);
      try {
        int status = call.getResponseCode();
        if (status == 200) {
          try (InputStream in = call.getInputStream()) {
            lay(object, in, into);
          }
          return;
        }
        if (attempt == ATTEMPTS || status != 429 && status / 100 != 5) {
          throw new Unavailable(
              "application.unavailable",
              "could not be fetched: its place answered " + status,
              "Take another backup, and look at it with git lfs fetch.");
        }
      } catch (Unavailable e) {
        throw e;
      } catch (IOException e) {
        if (attempt == ATTEMPTS) {
          throw e;
        }
      } finally {
        call.disconnect();
      }
    }
  }

  private HttpURLConnection open(URI where, Map<String, String> headers) throws IOException {
    HttpURLConnection call = (HttpURLConnection) where.toURL().openConnection();
    call.setInstanceFollowRedirects(false);
    call.setUseCaches(false);
    call.setConnectTimeout((int) access.silence().toMillis());
    call.setReadTimeout((int) access.silence().toMillis());
    headers.forEach(call::setRequestProperty);
    return call;
  }

  private static void lay(Pointer object, InputStream content, Path into) throws IOException {
    Path file = into.resolve(object.oid());
    MessageDigest digest = Reference.digest();
    long length = 0;
    Files.deleteIfExists(file); // of an attempt before
    try (SeekableByteChannel out =
        Files.newByteChannel(
            file,
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
      byte[] buffer = new byte[1 << 16];
      // One that is longer than it says fills no disk.
      for (int read = content.read(buffer);
          read >= 0 && length <= object.size();
          read = content.read(buffer)) {
        digest.update(buffer, 0, read);
        length += read;
        ByteBuffer bytes = ByteBuffer.wrap(buffer, 0, read);
        while (bytes.hasRemaining()) {
          out.write(bytes);
        }
      }
    }
    if (length != object.size()
        || !HexFormat.of().formatHex(digest.digest()).equals(object.oid())) {
      Files.delete(file);
      throw new Unavailable(
          "application.lfs-damaged",
          "is another one than its pointer names",
          "Push it again from a clone that has it whole.");
    }
  }

  /** In our words: those of a service may repeat what it was sent. */
  private static final class Unavailable extends IOException {
    private static final long serialVersionUID = 1L;

    private final String code;
    private final String problem;
    private final String remedy;

    Unavailable(String code, String problem, String remedy) {
      super(problem);
      this.code = code;
      this.problem = problem;
      this.remedy = remedy;
    }
  }
}
