package com.thorbis.backup.application.app;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;
import org.eclipse.jgit.dircache.DirCache;
import org.eclipse.jgit.dircache.DirCacheBuilder;
import org.eclipse.jgit.dircache.DirCacheEntry;
import org.eclipse.jgit.lib.CommitBuilder;
import org.eclipse.jgit.lib.Constants;
import org.eclipse.jgit.lib.FileMode;
import org.eclipse.jgit.lib.ObjectId;
import org.eclipse.jgit.lib.ObjectInserter;
import org.eclipse.jgit.lib.PersonIdent;
import org.eclipse.jgit.lib.Ref;
import org.eclipse.jgit.lib.RefUpdate;
import org.eclipse.jgit.storage.file.FileRepositoryBuilder;

/** Repositories for tests: commits made of texts, a service that hands them out, a backup. */
final class Repositories {
  private static final PersonIdent SOMEBODY =
      new PersonIdent(
          "A",
          "a@example.invalid",
          Instant.ofEpochSecond(1_700_000_000L),
          java.time.ZoneOffset.UTC);

  private Repositories() {}

  static org.eclipse.jgit.lib.Repository open(Path bare) throws IOException {
    boolean there = Files.exists(bare);
    org.eclipse.jgit.lib.Repository repository =
        new FileRepositoryBuilder().setGitDir(bare.toFile()).setBare().build();
    if (!there) {
      repository.create(true);
      repository.updateRef(Constants.HEAD).link("refs/heads/main");
    }
    return repository;
  }

  /**
   * Commits to a bare repository, which is made if it is not there.
   *
   * @param ref is set to the commit; empty: none leads to it
   * @param links what is recorded of other repositories, by path
   */
  static ObjectId commit(
      Path bare, String ref, Map<String, String> files, Map<String, ObjectId> links)
      throws IOException {
    try (org.eclipse.jgit.lib.Repository repository = open(bare);
        ObjectInserter into = repository.newObjectInserter()) {
      DirCache index = DirCache.newInCore();
      DirCacheBuilder builder = index.builder();
      for (Map.Entry<String, String> file : files.entrySet()) {
        boolean link = file.getValue().startsWith("-> ");
        String text = link ? file.getValue().substring(3) : file.getValue();
        DirCacheEntry entry = new DirCacheEntry(file.getKey());
        entry.setFileMode(link ? FileMode.SYMLINK : FileMode.REGULAR_FILE);
        entry.setObjectId(into.insert(Constants.OBJ_BLOB, text.getBytes(StandardCharsets.UTF_8)));
        builder.add(entry);
      }
      links.forEach(
          (path, id) -> {
            DirCacheEntry entry = new DirCacheEntry(path);
            entry.setFileMode(FileMode.GITLINK);
            entry.setObjectId(id);
            builder.add(entry);
          });
      builder.finish();
      CommitBuilder commit = new CommitBuilder();
      commit.setTreeId(index.writeTree(into));
      commit.setAuthor(SOMEBODY);
      commit.setCommitter(SOMEBODY);
      commit.setMessage("one");
      ObjectId id = into.insert(commit);
      into.flush();
      if (!ref.isEmpty()) {
        RefUpdate update = repository.updateRef(ref);
        update.setNewObjectId(id);
        update.forceUpdate();
      }
      return id;
    }
  }

  /** A line of {@code .gitmodules} for each. */
  static String modules(String... namesPathsAndUrls) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < namesPathsAndUrls.length; i += 3) {
      text.append("[submodule \"").append(namesPathsAndUrls[i]).append("\"]\n\tpath = ");
      text.append(namesPathsAndUrls[i + 1]).append("\n\turl = \"");
      text.append(namesPathsAndUrls[i + 2]).append("\"\n");
    }
    return text.toString();
  }

  /** Hands out the bare repositories of a folder as files. */
  static final class Service implements AutoCloseable {
    final List<String> asked = new CopyOnWriteArrayList<>();
    private final Path folder;
    private final Optional<String> wanted;
    private final HttpServer server;

    /**
     * Starts.
     *
     * @param token who asks must have it, as {@code me}; empty: anybody may
     */
    Service(Path folder, Optional<String> token) throws IOException {
      this.folder = folder;
      this.wanted =
          token.map(
              text ->
                  "Basic "
                      + Base64.getEncoder()
                          .encodeToString(("me:" + text).getBytes(StandardCharsets.UTF_8)));
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
      server.createContext("/", this::answer);
      server.start();
    }

    String address(String path) {
      return "http://127.0.0.1:" + server.getAddress().getPort() + "/" + path;
    }

    private void answer(HttpExchange exchange) throws IOException {
      try (exchange) {
        String given = exchange.getRequestHeaders().getFirst("Authorization");
        String path = exchange.getRequestURI().getPath().substring(1);
        asked.add(path + " " + (given == null ? "nobody" : given));
        if (wanted.isPresent() && !wanted.get().equals(given)) {
          exchange.getResponseHeaders().set("WWW-Authenticate", "Basic realm=\"git\"");
          exchange.sendResponseHeaders(401, -1);
          return;
        }
        Path file = folder.resolve(path);
        if (path.endsWith("/info/refs") && Files.isDirectory(file.getParent().getParent())) {
          Files.createDirectories(file.getParent());
          Files.writeString(file, refs(file.getParent().getParent()));
        }
        if (!Files.isRegularFile(file)) {
          exchange.sendResponseHeaders(404, -1);
          return;
        }
        byte[] bytes = Files.readAllBytes(file);
        exchange.sendResponseHeaders(200, bytes.length == 0 ? -1 : bytes.length);
        exchange.getResponseBody().write(bytes);
      }
    }

    private static String refs(Path bare) throws IOException {
      StringBuilder lines = new StringBuilder();
      try (org.eclipse.jgit.lib.Repository repository = open(bare)) {
        for (Ref ref : repository.getRefDatabase().getRefsByPrefix("refs/")) {
          lines.append(ref.getObjectId().name()).append('\t').append(ref.getName()).append('\n');
        }
      }
      return lines.toString();
    }

    @Override
    public void close() {
      server.stop(0);
    }
  }

  /** No component asks the repository while it reads a source. */
  static Repository nobody() {
    return answering(
        Repository.class,
        (method, arguments) -> {
          throw new IllegalStateException(method);
        });
  }

  /** What a component wrote, and may read again. */
  static final class Backup {
    final Map<String, byte[]> contents = new TreeMap<>();
    private final Map<String, StoredFile> files = new TreeMap<>();

    StoredComponent store(Component.Prepared prepared) throws IOException {
      BackupWriter writer =
          answering(
              BackupWriter.class,
              (method, arguments) -> {
                StoredFile file = (StoredFile) arguments[0];
                return new BackupWriter.FileWriter() {
                  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

                  @Override
                  public void write(byte[] more, int offset, int length) {
                    bytes.write(more, offset, length);
                  }

                  @Override
                  public void finish() {
                    contents.put(file.path(), bytes.toByteArray());
                    files.put(file.path(), file);
                  }

                  @Override
                  public void close() {}
                };
              });
      ComponentWriter into = new ComponentWriter(writer, "source", Instant.EPOCH);
      prepared.write(into);
      return new StoredComponent("source", reader(), into.documents());
    }

    private BackupReader reader() {
      BackupId id = new BackupId("20260102T030405Z-00000000");
      BackupDescriptor descriptor = answering(BackupDescriptor.class, (method, arguments) -> id);
      return answering(
          BackupReader.class,
          (method, arguments) ->
              switch (method) {
                case "descriptor" -> descriptor;
                case "read" -> Optional.ofNullable(contents.get((String) arguments[1]));
                case "extract" -> extract(arguments[0], arguments[1]);
                default -> throw new IllegalStateException(method);
              });
    }

    @SuppressWarnings("unchecked")
    private long extract(Object wanted, Object target) throws IOException {
      for (StoredFile file : files.values()) {
        if (((Predicate<StoredFile>) wanted).test(file)) {
          try (BackupReader.FileOutput out = ((BackupReader.FileTarget) target).begin(file)) {
            out.write(ByteBuffer.wrap(contents.get(file.path())));
            out.finish(0);
          }
        }
      }
      return 0;
    }
  }

  @FunctionalInterface
  private interface Answer {
    Object to(String method, Object[] arguments) throws IOException;
  }

  private static <T> T answering(Class<T> type, Answer answer) {
    return type.cast(
        Proxy.newProxyInstance(
            Repositories.class.getClassLoader(),
            new Class<?>[] {type},
            (proxy, method, arguments) -> answer.to(method.getName(), arguments)));
  }
}
