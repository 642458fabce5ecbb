package com.thorbis.backup.postgres.tools;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.TlsSettings;
import com.thorbis.backup.spi.SecretValue;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import org.jspecify.annotations.Nullable;

/**
 * PostgreSQL's client programs of one version, on this machine. Each is run as a list of words,
 * with nothing of this process's environment, its connection told by {@code PG...} variables, and
 * the password in a file of mode 0600 in the state directory. Immutable.
 */
public final class ClientTools {
  private static final Pattern VERSION =
      Pattern.compile("\\(PostgreSQL\\) (([0-9]{1,3})[0-9a-z.]*)");
  private static final Path INSTALLED = Path.of("/usr/lib/postgresql");
  private static final String WRAPPER = "pg_wrapper";
  private static final String HIDDEN = "********";
  private static final Pattern ROLE_PASSWORD =
      Pattern.compile("(PASSWORD\\s+)'(?:[^']|'')*'", Pattern.CASE_INSENSITIVE);
  private static final int REQUIRE_AUTH_SINCE = 16;
  private static final int DIRECT_TLS_SINCE = 17;
  private static final int MOST_VERSION_BYTES = 4096;

  private final Path folder;
  private final String version;
  private final int major;
  private final Path files;

  /** A client program. */
  public enum Tool {
    /** Dumps one database. */
    PG_DUMP("pg_dump"),
    /** Dumps what belongs to no database. */
    PG_DUMPALL("pg_dumpall"),
    /** Loads a dump. */
    PG_RESTORE("pg_restore"),
    /** Runs a script. */
    PSQL("psql");

    private final String label;

    Tool(String label) {
      this.label = label;
    }

    /** Its file's name. */
    public String label() {
      return label;
    }
  }

  private ClientTools(Path folder, String version, int major, Path files) {
    this.folder = folder;
    this.version = version;
    this.major = major;
    this.files = files;
  }

  /**
   * Finds them: in the configured folder, or along {@code PATH} and where Debian puts them, there
   * those of the oldest version that will do: what a newer one writes, an older server may not
   * take.
   *
   * @param configured the setting {@code client-tools-directory}
   * @param needed which ones; they lie in one folder
   * @param leastMajor the major version of the server, or whatever they must not be older than
   * @param stateDirectory where the files lie that a run needs
   * @throws BackupException code {@code tools.missing} or {@code tools.too-old} that says what was
   *     found where
   */
  public static ClientTools find(
      Optional<Path> configured, Set<Tool> needed, int leastMajor, Path stateDirectory)
      throws IOException {
    return find(configured, needed, leastMajor, stateDirectory, System.getenv("PATH"), INSTALLED);
  }

  static ClientTools find(
      Optional<Path> configured,
      Set<Tool> needed,
      int leastMajor,
      Path stateDirectory,
      @Nullable String searchPath,
      Path installed)
      throws IOException {
    List<Path> places =
        configured.isPresent()
            ? List.of(configured.get().toAbsolutePath())
            : places(searchPath, installed);
    List<ClientTools> found = new ArrayList<>();
    for (Path place : places) {
      if (needed.stream().allMatch(tool -> usable(place.resolve(tool.label())))) {
        found.add(ask(place, needed, stateDirectory.resolve("tools")));
      }
    }
    String names = needed.stream().map(Tool::label).sorted().collect(Collectors.joining(", "));
    if (found.isEmpty()) {
      throw BackupException.of(
              "tools.missing", FailureKind.CONFIGURATION, "No " + names + " in " + joined(places))
          .remedy(
              "Install the client programs of PostgreSQL "
                  + leastMajor
                  + " (Debian: postgresql-client-"
                  + leastMajor
                  + "), or set client-tools-directory to where they lie.")
          .build();
    }
    return found.stream()
        .filter(tools -> tools.major >= leastMajor)
        .min(Comparator.comparingInt(tools -> tools.major))
        .orElseThrow(
            () ->
                BackupException.of(
                        "tools.too-old",
                        FailureKind.CONFIGURATION,
                        names
                            + " of PostgreSQL "
                            + leastMajor
                            + " or newer are needed; there is "
                            + found.stream()
                                .map(tools -> tools.version + " in " + tools.folder)
                                .collect(Collectors.joining(", ")))
                    .remedy(
                        "Install the client programs of PostgreSQL "
                            + leastMajor
                            + " (Debian: postgresql-client-"
                            + leastMajor
                            + "), or set client-tools-directory to where they lie.")
                    .build());
  }

  private static List<Path> places(@Nullable String searchPath, Path installed) throws IOException {
    List<Path> places = new ArrayList<>();
    if (searchPath != null) {
      for (String each : searchPath.split(File.pathSeparator)) {
        if (each.startsWith("/") && !places.contains(Path.of(each))) {
          places.add(Path.of(each));
        }
      }
    }
    if (Files.isDirectory(installed)) {
      Map<Integer, Path> versions = new TreeMap<>(Comparator.reverseOrder());
      try (DirectoryStream<Path> each = Files.newDirectoryStream(installed)) {
        for (Path version : each) {
          String name = String.valueOf(version.getFileName());
          if (name.matches("[0-9]{1,3}")) {
            versions.put(Integer.valueOf(name), version.resolve("bin"));
          }
        }
      }
      places.addAll(versions.values());
    }
    return places;
  }

  /** Debian's wrapper chooses a version by what else is installed, and may choose another later. */
  private static boolean usable(Path program) {
    try {
      return Files.isExecutable(program)
          && !String.valueOf(program.toRealPath().getFileName()).equals(WRAPPER);
    } catch (IOException e) {
      return false;
    }
  }

  private static ClientTools ask(Path place, Set<Tool> needed, Path files) throws IOException {
    Optional<Matcher> oldest = Optional.empty();
    for (Tool tool : EnumSet.copyOf(needed)) {
      Path program = place.resolve(tool.label());
      Matcher said = VERSION.matcher(versionLine(program));
      if (!said.find()) {
        throw BackupException.of(
                "tools.missing",
                FailureKind.CONFIGURATION,
                program + " does not say which version of PostgreSQL it is of")
            .remedy("Set client-tools-directory to PostgreSQL's own programs.")
            .build();
      }
      if (oldest.isEmpty() || major(said) < major(oldest.get())) {
        oldest = Optional.of(said);
      }
    }
    Matcher version = oldest.orElseThrow();
    return new ClientTools(place, version.group(1), major(version), files);
  }

  private static int major(Matcher version) {
    return Integer.parseInt(version.group(2));
  }

  private static String versionLine(Path program) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(program.toString(), "--version");
    builder.environment().clear();
    builder.redirectErrorStream(true).redirectInput(new File("/dev/null"));
    Process process = builder.start();
    try (InputStream output = process.getInputStream()) {
      String said = new String(output.readNBytes(MOST_VERSION_BYTES), StandardCharsets.UTF_8);
      if (!process.waitFor(1, TimeUnit.MINUTES)) {
        throw new IOException(program + " --version does not end");
      }
      return said;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while " + program + " ran");
    } finally {
      process.destroyForcibly();
    }
  }

  /** Their version as they write it, such as {@code 15.20}. */
  public String version() {
    return version;
  }

  /** Their major version. */
  public int major() {
    return major;
  }

  /** Where they lie. */
  public Path folder() {
    return folder;
  }

  /**
   * An option whose value is a file that nobody else may read, and that goes with the run.
   *
   * @param option with its equals sign, such as {@code --use-list=}
   * @param content what the file holds
   */
  public record PrivateFile(String option, byte[] content) {}

  /** Starts one that is given no files. */
  public ToolRun start(
      Tool tool, ToolConnection connection, List<String> arguments, Cancellation cancellation)
      throws IOException {
    return start(tool, connection, arguments, List.of(), cancellation);
  }

  /**
   * Starts one. It never asks for a password.
   *
   * @param arguments no secret among them: every account of this machine sees them
   * @param readable further options
   * @param cancellation ends it when asked
   * @throws BackupException where the connection cannot be described to it, or a word holds
   *     characters that the locale of this process has no way to hand over
   */
  public ToolRun start(
      Tool tool,
      ToolConnection connection,
      List<String> arguments,
      List<PrivateFile> readable,
      Cancellation cancellation)
      throws IOException {
    cancellation.check();
    List<String> words = new ArrayList<>();
    words.add(folder.resolve(tool.label()).toString());
    words.add("--no-password");
    words.addAll(arguments);
    PrivateFiles given = PrivateFiles.in(files);
    boolean started = false;
    try {
      for (PrivateFile file : readable) {
        words.add(file.option() + given.write(file.content()));
      }
      ProcessBuilder builder = new ProcessBuilder(words);
      Map<String, String> environment = builder.environment();
      environment.clear();
      environment.putAll(environment(connection, given));
      words.forEach(ClientTools::handedOver);
      environment.values().forEach(ClientTools::handedOver);
      builder.directory(new File("/"));
      ToolRun run =
          new ToolRun(tool.label(), builder.start(), given, cancellation, scrubber(connection));
      started = true;
      return run;
    } finally {
      if (!started) {
        given.close();
      }
    }
  }

  private Map<String, String> environment(ToolConnection connection, PrivateFiles given)
      throws IOException {
    Map<String, String> environment = new TreeMap<>();
    environment.put("LC_ALL", "C");
    // What lies in the account's home would change how it connects.
    environment.put("HOME", given.folder().toString());
    environment.put("PGHOST", connection.address().host());
    environment.put("PGPORT", Integer.toString(connection.address().port()));
    environment.put("PGUSER", connection.user());
    environment.put("PGDATABASE", connection.database());
    environment.put("PGAPPNAME", connection.applicationName());
    environment.put(
        "PGCONNECT_TIMEOUT", Long.toString(Math.max(2, connection.connectTimeout().toSeconds())));
    environment.put("PGGSSENCMODE", "disable");
    environment.put("PGCHANNELBINDING", connection.authentication().channelBinding().label());
    if (major >= REQUIRE_AUTH_SINCE) {
      environment.put(
          "PGREQUIREAUTH",
          connection.authentication().accepted().stream()
              .map(method -> method.label())
              .sorted()
              .collect(Collectors.joining(",")));
    }
    environment.put("PGPASSFILE", passwordFile(connection, given).toString());
    environment.putAll(tls(connection, given));
    return environment;
  }

  private static Path passwordFile(ToolConnection connection, PrivateFiles given)
      throws IOException {
    if (connection.password().isEmpty()) {
      return given.folder().resolve("none");
    }
    byte[] line = connection.password().get().useBytes(ClientTools::passwordLine);
    try {
      return given.write(line);
    } finally {
      Arrays.fill(line, (byte) 0);
    }
  }

  private static byte[] passwordLine(byte[] password) {
    byte[] start = "*:*:*:*:".getBytes(StandardCharsets.US_ASCII);
    byte[] line = Arrays.copyOf(start, start.length + 2 * password.length + 1);
    int at = start.length;
    for (byte each : password) {
      if (each == '\n' || each == '\r' || each == 0) {
        Arrays.fill(line, (byte) 0);
        throw BackupException.of(
                "tools.password",
                FailureKind.CONFIGURATION,
                "The password holds the end of a line, which PostgreSQL's programs cannot be told")
            .remedy("Check for a line end behind it, or give the role another password.")
            .build();
      }
      if (each == ':' || each == '\\') {
        line[at++] = '\\';
      }
      line[at++] = each;
    }
    line[at++] = '\n';
    byte[] whole = Arrays.copyOf(line, at);
    Arrays.fill(line, (byte) 0);
    return whole;
  }

  private Map<String, String> tls(ToolConnection connection, PrivateFiles given)
      throws IOException {
    Map<String, String> variables = new TreeMap<>();
    if (connection.address().unixSocket()) {
      variables.put("PGSSLMODE", "disable");
      return variables;
    }
    TlsSettings tls = connection.tls();
    if (tls.keyPassword().isPresent()) {
      throw BackupException.of(
              "tools.tls-key-password",
              FailureKind.CONFIGURATION,
              "PostgreSQL's programs cannot be told tls-key-password without showing it to others")
          .remedy("Name a key without a password in sslkey, readable by this account alone.")
          .build();
    }
    if (tls.direct() && major < DIRECT_TLS_SINCE) {
      throw BackupException.of(
              "tools.too-old",
              FailureKind.CONFIGURATION,
              "sslnegotiation=direct needs client programs of PostgreSQL "
                  + DIRECT_TLS_SINCE
                  + "; those in "
                  + folder
                  + " are "
                  + version)
          .remedy("Install newer client programs, or leave sslnegotiation out.")
          .build();
    }
    variables.put("PGSSLMODE", tls.mode().label());
    if (tls.direct()) {
      variables.put("PGSSLNEGOTIATION", "direct");
    }
    tls.certificate().ifPresent(file -> variables.put("PGSSLCERT", absolute(file)));
    tls.key().ifPresent(file -> variables.put("PGSSLKEY", absolute(file)));
    if (tls.rootCertificate().isPresent()) {
      variables.put("PGSSLROOTCERT", absolute(tls.rootCertificate().get()));
    } else if (tls.mode().verifies()) {
      variables.put("PGSSLROOTCERT", given.write(trustedByTheRuntime()).toString());
    }
    return variables;
  }

  private static String absolute(Path file) {
    return file.toAbsolutePath().toString();
  }

  /** Whom our own connections trust, so that the programs trust the same. */
  private static byte[] trustedByTheRuntime() throws IOException {
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    try {
      TrustManagerFactory factory =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      factory.init((KeyStore) null);
      Base64.Encoder encoder = Base64.getMimeEncoder(64, new byte[] {'\n'});
      for (TrustManager manager : factory.getTrustManagers()) {
        if (manager instanceof X509TrustManager trust) {
          for (X509Certificate authority : trust.getAcceptedIssuers()) {
            text.writeBytes("-----BEGIN CERTIFICATE-----\n".getBytes(StandardCharsets.US_ASCII));
            text.writeBytes(encoder.encode(authority.getEncoded()));
            text.writeBytes("\n-----END CERTIFICATE-----\n".getBytes(StandardCharsets.US_ASCII));
          }
        }
      }
    } catch (GeneralSecurityException e) {
      throw new IOException("The authorities that Java trusts cannot be read", e);
    }
    return text.toByteArray();
  }

  private static void handedOver(String word) {
    Charset charset = Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8"));
    if (!charset.newEncoder().canEncode(word) || word.indexOf('\0') >= 0) {
      throw BackupException.of(
              "tools.locale",
              FailureKind.CONFIGURATION,
              "\"" + word + "\" cannot be written in this process's locale (" + charset + ")")
          .remedy("Run with a locale of UTF-8, such as LC_ALL=C.UTF-8.")
          .build();
    }
  }

  /** Takes the password, and what stands where SQL has one, out of a program's words. */
  private static UnaryOperator<String> scrubber(ToolConnection connection) {
    return said -> {
      String clean = ROLE_PASSWORD.matcher(said).replaceAll("$1'" + HIDDEN + "'");
      if (connection.password().isEmpty()) {
        return clean;
      }
      SecretValue password = connection.password().get();
      return password.useChars(
          chars -> chars.length == 0 ? clean : clean.replace(new String(chars), HIDDEN));
    };
  }

  private static String joined(List<Path> places) {
    return places.stream().map(Path::toString).collect(Collectors.joining(", "));
  }
}
