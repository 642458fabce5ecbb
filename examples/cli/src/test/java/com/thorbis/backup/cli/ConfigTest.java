package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.WritePolicy;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigTest {
  private static final String WHOLE =
      """
      state-directory: state
      repository:
        copies:
          - uri: file:///srv/repo
            medium: disk
            domain: host-a
            offsite: false
            file: { mode: strict, nested: { deep: 1 } }
        write-policy: primary
        compression: { codec: lz4, level: 3 }
        encryption:
          recipients:
            - uri: keystore:///etc/keys.p12
              password: ${file:keystore-password}
              alias: backup
            - uri: recovery:0123456789abcdef0123456789abcdef
          accept-single-key-risk: true
      sources:
        orders:
          type: postgres
          url: jdbc:postgresql://${env:DB_HOST}/orders
          user: backup
          password: a${env:DB_PASSWORD}z
          wal: { mode: stream, ship-interval: 10s }
          parallelism: 2
          rate-limit: 0
          retention: critical
          schedule: { full: "Sun 02:00 UTC", window: 4h }
      retention:
        critical: { daily: 30, weekly: 12, pitr: 7d, minimum: 2 }
      """;
  private static final String LEAST =
      """
      repository:
        copies:
          - uri: file:///srv/repo
        encryption:
          recipients:
            - uri: passphrase:x
              passphrase: ${env:PASSPHRASE}
      """;

  @TempDir Path folder;
  private CommandRunner runner;

  @BeforeEach
  void setUp() throws IOException {
    runner =
        new CommandRunner(folder)
            .with("DB_HOST", "db1")
            .with("DB_PASSWORD", "0123")
            .with("PASSPHRASE", "words");
    Files.writeString(folder.resolve("keystore-password"), "secret words\n");
  }

  @Test
  void tiersAreSettingsOfTheirCopy() throws IOException {
    String aging = "tiers: [{after: 30d, tier: cold}, {after: 180d, tier: archive}]";
    assertThat(load(WHOLE.replace("offsite: false", aging)).copies().get(0).settings())
        .containsEntry("tiers", "PT720H=cold,PT4320H=archive");
  }

  @Test
  void readsAWholeFile() throws IOException {
    Config config = load(WHOLE);

    assertThat(config.stateDirectory()).isEqualTo(folder.resolve("state"));
    assertThat(config.copies())
        .containsExactly(
            new Config.Copy(
                URI.create("file:///srv/repo"),
                Map.of(
                    "mode", "strict",
                    "nested.deep", "1",
                    "medium", "disk",
                    "domain", "host-a",
                    "offsite", false),
                Optional.empty()));
    assertThat(config.writePolicy()).isEqualTo(WritePolicy.PRIMARY);
    assertThat(config.compression()).isEqualTo(new Compression("lz4", 3));
    assertThat(config.acceptSingleKeyRisk()).isTrue();
    assertThat(config.recipients()).hasSize(2);
    Config.Recipient keystore = config.recipients().get(0);
    assertThat(keystore.scheme()).isEqualTo("keystore");
    assertThat(keystore.settings()).containsEntry("alias", "backup");
    assertThat(text(keystore.settings().get("password"))).isEqualTo("secret words");
    Map<String, Object> orders = config.sources().get("orders").settings();
    assertThat(orders)
        .containsEntry("url", "jdbc:postgresql://db1/orders")
        .containsEntry("wal.mode", "stream")
        .containsEntry("wal.ship-interval", "10s")
        .containsEntry("parallelism", "2")
        .containsEntry("rate-limit", "0")
        .doesNotContainKeys("retention", "schedule", "schedule.full", "type", "launcher");
    assertThat(text(orders.get("password"))).isEqualTo("a0123z");
    assertThat(config.notes()).isEmpty();
    assertThat(
            config
                .timetable()
                .backups(
                    "orders",
                    Instant.parse("2026-03-01T02:00:00Z"),
                    Instant.parse("2026-03-15T02:00:00Z")))
        .containsExactly(
            Instant.parse("2026-03-08T02:00:00Z"), Instant.parse("2026-03-15T02:00:00Z"));
  }

  @ParameterizedTest
  @CsvSource({
    "jdbc:postgresql://db1:5432/orders,jdbc:postgresql://db2:5433/orders",
    "jdbc:postgresql://db1,jdbc:postgresql://db2:5433/",
    "jdbc:postgresql:orders?host=/run&sslmode=verify-full,"
        + "jdbc:postgresql://db2:5433/orders?sslmode=verify-full",
    "jdbc:postgresql://[::1]:5432/orders?port=1,jdbc:postgresql://db2:5433/orders"
  })
  void aServerMayBeElsewhere(String url, String elsewhere) throws IOException {
    Config before =
        load(WHOLE.replace("jdbc:postgresql://${env:DB_HOST}/orders", "\"" + url + "\""));

    Config after = before.at("orders", "db2:5433");

    assertThat(after.sources().get("orders").settings()).containsEntry("url", elsewhere);
    assertThat(after.at("orders", "x").at("orders", "db2:5433")).isEqualTo(after);
    assertThat(after.copies()).isEqualTo(before.copies());
  }

  @Test
  void aCopyTakesAPolicyOfTheFileOrOneThatComesWithTheProduct() throws IOException {
    assertThat(load(WHOLE.replace("offsite: false", "retention: critical")).copies().get(0))
        .extracting(Config.Copy::retention)
        .isEqualTo(load(WHOLE).sources().get("orders").retention());
    assertThat(load(WHOLE.replace("offsite: false", "retention: logs")).copies().get(0))
        .extracting(Config.Copy::retention)
        .isEqualTo(RetentionPolicy.preset("logs"));
  }

  @Test
  void readsTheLeastFile() throws IOException {
    Config config = load(LEAST);

    assertThat(config.stateDirectory()).isEqualTo(folder.resolve(".local/state/thorbis"));
    assertThat(config.compression()).isEqualTo(Compression.DEFAULT);
    assertThat(config.sources()).isEmpty();
    assertThat(config.notes()).isEmpty();
  }

  @Test
  void tellsEnginesWhatARecoveringServerIsToRun() throws IOException {
    runner.launchedBy(Path.of("/opt/thorbis/bin/thorbis"));

    assertThat(load(WHOLE).sources().get("orders").settings())
        .containsEntry("launcher", "/opt/thorbis/bin/thorbis")
        .containsEntry("config-file", folder.resolve("thorbis.yaml").toString());
  }

  @Test
  void aRecoveryKeyWithoutANameIsMadeByInit() throws IOException {
    String unnamed = LEAST + "      - uri: \"recovery:\"\n";

    assertThat(load(unnamed).makesRecoveryKey()).isTrue();
    assertThat(load(unnamed.replace("\"recovery:\"", "recovery")).makesRecoveryKey()).isTrue();
    assertThat(load(unnamed + "        key-file: /safe/key\n").makesRecoveryKey()).isFalse();
    assertThat(load(LEAST).makesRecoveryKey()).isFalse();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          write-policy: primary      | write-polcy: primary      | repository.write-polcy: is unknown | repository.write-policy?
          medium: disk               | medum: disk               | repository.copies[0].medum: is unknown | repository.copies[0].medium?
          codec: lz4                 | codek: lz4                | repository.compression.codek: is unknown | repository.compression.codec?
          daily: 30                  | dayly: 30                 | retention.critical.dayly: is unknown | retention.critical.daily?
          window: 4h                 | windows: 4h               | sources.orders.schedule.windows: is unknown | sources.orders.schedule.window?
          state-directory: state     | state-dir: state          | state-dir: is unknown | Remove it
          write-policy: primary      | write-policy: primry      | repository.write-policy: "primry" is none of | Did you mean primary?
          codec: lz4                 | codec: gzip               | "gzip" is none of zstd, lz4, none | Take one
          level: 3                   | level: best               | repository.compression.level: "best" is not a whole number | Write one
          level: 3                   | level: 30                 | "30" is not a whole number from -7 to 22 | Write one
          offsite: false             | offsite: maybe            | repository.copies[0].offsite: "maybe" is not true or false | Write one
          full: "Sun 02:00 UTC"      | full: "Sun 02:00"         | sources.orders.schedule.full: Schedule "Sun 02:00": does not say in which time zone | "Sun 02:00 UTC"
          full: "Sun 02:00 UTC"      | full: "0 2 30 2 * UTC"    | sources.orders.schedule.full: Schedule "0 2 30 2 * UTC": no month | Write
          full: "Sun 02:00 UTC"      | full: { at: "daily UTC", until: 4h } | sources.orders.schedule.full.until: is unknown | Remove it
          full: "Sun 02:00 UTC"      | incremental: "daily UTC", full: "Sun 02:00 UTC" | sources.orders.schedule: orders.incremental: its window overlaps | Leave such days out
          full: "Sun 02:00 UTC"      | zone: Mars/Phobos, full: "02:00" | sources.orders.schedule.zone: there is no time zone | Europe/Berlin
          full: "Sun 02:00 UTC", wi  | wi                        | sources.orders.schedule: says of nothing | schedule: standard
          rate-limit: 0              | drill: { paces: [{ name: A b, database: d, query: q }] } | sources.orders.drill.paces[0].name: Not a name for a check: "A b" | Choose another name
          rate-limit: 0              | drill: { paces: [{ name: p, database: d, query: q }, { name: p, database: d, query: q }] } | sources.orders.drill.paces[1].name: Two checks are named "p" | Choose another name
          rate-limit: 0              | drill: { copy: elsewhere } | sources.orders.drill.copy: "elsewhere" is the uri of no copy | Write each or one of
          rate-limit: 0              | drill: { advisory: [indices] } | sources.orders.drill.advisory: advisory: there is no check "indices" | Correct the name
          window: 4h                 | window: 8d                | sources.orders.schedule: orders.full: its window of 8d is longer than 7d | at most 7d
          window: 4h                 | window: long              | sources.orders.schedule.window: "long" is not a duration | 4h
          retention: critical        | retention: vital          | sources.orders.retention: there is no policy "vital" | below retention
          offsite: false             | tiers: [{tier: cold}]     | repository.copies[0].tiers[0].after: is missing | 30d
          offsite: false             | tiers: [{after: 30d, tier: icy}] | repository.copies[0].tiers[0].tier: "icy" is none of | Take one
          offsite: false             | tiers: [{after: 30d, tier: cold, to: x}] | repository.copies[0].tiers[0].to: is unknown | Remove it
          offsite: false             | retention: vital          | repository.copies[0].retention: there is no policy "vital" | below retention
          parallelism: 2             | parallelism: 0            | sources.orders.parallelism: "0" is not a whole number | Write one
          uri: file:///srv/repo      | uri: /srv/repo            | repository.copies[0].uri: "/srv/repo" has no scheme | file:///
          uri: file:///srv/repo      | uri: "file:///srv/a repo" | is not a URI | Correct it
          user: backup               | user: [a, b]              | sources.orders.user: is a list and not one value | Write one value
          user: backup               | user: ""                  | sources.orders.user: has no value | Write one, or remove the key
          user: backup               | user:                     | sources.orders.user: has no value | Write one, or remove the key
          user: backup               | user: ~                   | sources.orders.user: has no value | Write one, or remove the key
          ${env:DB_PASSWORD}         | ${env:NOT_SET}            | sources.orders.password: ${env:NOT_SET}: the environment has no NOT_SET | Set NOT_SET
          ${env:DB_PASSWORD}         | ${file:gone}              | sources.orders.password: ${file:gone}: there is no such file | Create it
          ${env:DB_PASSWORD}         | ${secret:vault/x}         | there is no secret source to ask | ${env:NAME} or ${file:PATH}
          ${env:DB_PASSWORD}         | ${enf:X}                  | ${enf:X} is neither ${env:NAME} nor ${file:PATH} | Correct it
          user: backup               | user: !!int 5             | tags are not used here | Remove
          user: backup               | user: &here backup        | anchors and aliases are not used here | Write the value out
          user: backup               | url: twice                | url is given twice | Keep one
          copies:                    | copies: here              | not YAML | Correct
          type: postgres             | typ: postgres             | sources.orders.type is missing | Set sources.orders.type
          """)
  void saysWhatIsWrongAndWhere(String before, String after, String message, String remedy) {
    assertThat(WHOLE).contains(before);
    BackupException failure = failure(WHOLE.replace(before, after == null ? "" : after));

    assertThat(failure).hasMessageContaining(message);
    assertThat(failure).hasMessageContaining(folder.resolve("thorbis.yaml") + ", line ");
    assertThat(failure.remedy()).contains(remedy);
    assertThat(failure.kind()).isEqualTo(FailureKind.CONFIGURATION);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "- a\n- b\n",
        "text",
        "a: 1\n---\nb: 2\n",
        "{",
        "repository:\n",
        "sources: {}\n",
        "repository: {copies: []}\n",
        "repository: {copies: [{uri: 'file:///x'}]}\n",
        "repository: {copies: [file]}\n",
        "\t- x",
        "? [a]\n: b\n",
        "%YAML 9.9\n---\na: 1\n"
      })
  void refusesWhatIsNoConfiguration(String text) {
    assertThat(failure(text).kind()).isEqualTo(FailureKind.CONFIGURATION);
  }

  @Test
  void refusesAFileThatNeverEnds() {
    assertThat(failure("a: " + "[".repeat(100_000))).hasMessageContaining("too deep");
    assertThat(failure("# " + "x".repeat(1 << 20))).hasMessageContaining("longer than");
  }

  @Test
  void saysThatThereIsNoFile() {
    BackupException failure =
        catchThrowableOfType(
            BackupException.class,
            () -> Config.load(folder.resolve("missing.yaml"), runner.host(), false));

    assertThat(failure).hasMessageContaining("missing.yaml: there is no such file");
    assertThat(failure.remedy()).contains("-c FILE");
  }

  @Test
  void warnsOfSecretsThatOthersCanRead() throws IOException {
    String clear = LEAST.replace("${env:PASSPHRASE}", "0123");

    Config open = load(clear, "rw-r--r--");
    assertThat(open.notes()).hasSize(1);
    assertThat(open.notes().get(0).urgent()).isTrue();
    assertThat(open.notes().get(0).message())
        .contains("repository.encryption.recipients[0].passphrase")
        .doesNotContain("0123");
    assertThat(text(open.recipients().get(0).settings().get("passphrase"))).isEqualTo("0123");
    assertThat(load(clear, "rw-------").notes()).isEmpty();
    assertThat(load(LEAST, "rw-r--r--").notes()).isEmpty();
  }

  @Test
  void providersDoWithoutWhatABlankMachineDoesNotHave() throws IOException {
    Path file = folder.resolve("thorbis.yaml");
    Files.writeString(file, WHOLE);
    Files.delete(folder.resolve("keystore-password"));

    Config config = Config.load(file, new CommandRunner(folder).with("DB_HOST", "x").host(), true);

    assertThat(config.recipients().get(0).settings()).containsOnlyKeys("alias");
    assertThat(config.sources().get("orders").settings())
        .containsKey("url")
        .doesNotContainKey("password");
  }

  @Test
  void neverShowsASecret() throws IOException {
    assertThat(load(WHOLE).toString()).doesNotContain("0123z", "secret words");
  }

  @Test
  void fillsInNothingButPlaceholders() throws Exception {
    Placeholders placeholders = new Placeholders(Map.of("A", "1"), folder);

    assertThat(filled(placeholders, "x${env:A}y${env:A}")).isEqualTo("x1y1");
    assertThat(filled(placeholders, "$A ${ $$ $")).isEqualTo("$A ${ $$ $");
    assertThat(filled(placeholders, "$${env:A}")).isEqualTo("${env:A}");
    assertThat(filled(placeholders, "${file:keystore-password}")).isEqualTo("secret words");
  }

  private static String filled(Placeholders placeholders, String text) throws Exception {
    return new String(placeholders.fill(text), StandardCharsets.UTF_8);
  }

  private static String text(Object secret) {
    assertThat(secret).isInstanceOf(SecretValue.class);
    return ((SecretValue) secret).useChars(String::new);
  }

  private Config load(String text) throws IOException {
    return load(text, "rw-------");
  }

  private Config load(String text, String mode) throws IOException {
    Path file = folder.resolve("thorbis.yaml");
    Files.writeString(file, text);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(mode));
    return Config.load(file, runner.host(), false);
  }

  private BackupException failure(String text) {
    return catchThrowableOfType(BackupException.class, () -> load(text));
  }
}
