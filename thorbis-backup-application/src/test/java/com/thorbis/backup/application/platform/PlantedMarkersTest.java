package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.application.secrets.RestoreMode;
import com.thorbis.backup.application.secrets.SecretsBackup;
import com.thorbis.backup.application.secrets.SecretsBackupReport;
import com.thorbis.backup.application.secrets.SecretsPlan;
import com.thorbis.backup.application.secrets.SecretsRestore;
import com.thorbis.backup.application.secrets.SecretsRestoreReport;
import com.thorbis.backup.application.secrets.SecretsSet;
import com.thorbis.backup.application.secrets.SecretsStatus;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretSource;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;
import org.slf4j.jul.JDK14LoggerFactory;

/**
 * Whatever a run leaves behind, with failures and at the finest level of logging, holds no value.
 */
class PlantedMarkersTest {
  private static final ObjectId REPOSITORY = ObjectId.parse("0f".repeat(16));
  private static final Logger ROOT = Logger.getLogger("");

  @TempDir Path folder;
  private final Level before = ROOT.getLevel();
  private final Log log = new Log();
  private final Map<String, String> markers = new java.util.TreeMap<>();
  private final Map<String, List<String>> known = new java.util.HashMap<>();
  private final List<String> traces = new ArrayList<>();
  private final List<byte[]> artifacts = new ArrayList<>();
  private final SecureRandom random = new SecureRandom();
  private final RecoveryKeyProvider recipient =
      RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(random));

  /** Keeps every line as it would be written. */
  private static final class Log extends Handler {
    private final StringBuilder lines = new StringBuilder();

    @Override
    public synchronized void publish(LogRecord line) {
      lines.append(new SimpleFormatter().format(line));
    }

    synchronized String text() {
      return lines.toString();
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }

  @BeforeEach
  void listen() {
    ROOT.setLevel(Level.ALL);
    log.setLevel(Level.ALL);
    ROOT.addHandler(log);
  }

  @AfterEach
  void stop() {
    ROOT.removeHandler(log);
    ROOT.setLevel(before);
  }

  private String marker(String of) {
    StringBuilder text = new StringBuilder();
    String letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    for (int i = 0; i < 28; i++) {
      text.append(letters.charAt(random.nextInt(letters.length())));
    }
    markers.put(of, text.toString());
    return text + "+/=&";
  }

  /** How a marker could have come through. */
  private static List<String> forms(String marker) {
    List<String> forms = new ArrayList<>(List.of(marker));
    byte[] bytes = marker.getBytes(StandardCharsets.UTF_8);
    forms.add(HexFormat.of().formatHex(bytes));
    forms.add(HexFormat.of().formatHex(bytes).toUpperCase(Locale.ROOT));
    forms.add(URLEncoder.encode(marker, StandardCharsets.UTF_8));
    forms.add(new StringBuilder(marker).reverse().toString());
    for (int shift = 0; shift < 3; shift++) {
      byte[] shifted = new byte[shift + bytes.length];
      System.arraycopy(bytes, 0, shifted, shift, bytes.length);
      // What stands before and behind the marker changes the letters at both ends.
      String text = Base64.getEncoder().withoutPadding().encodeToString(shifted);
      forms.add(text.substring(shift == 0 ? 0 : 4, text.length() - 4));
      text = Base64.getUrlEncoder().withoutPadding().encodeToString(shifted);
      forms.add(text.substring(shift == 0 ? 0 : 4, text.length() - 4));
    }
    return forms;
  }

  private List<String> found(byte[] artifact) {
    String latin = new String(artifact, StandardCharsets.ISO_8859_1);
    List<String> found = new ArrayList<>();
    markers.forEach(
        (name, marker) -> {
          if (known.computeIfAbsent(marker, PlantedMarkersTest::forms).stream()
              .anyMatch(latin::contains)) {
            found.add(name);
          }
        });
    return found;
  }

  private void keep(Object text) {
    artifacts.add(String.valueOf(text).getBytes(StandardCharsets.UTF_8));
  }

  private void keep(Throwable failure) {
    StringWriter trace = new StringWriter();
    failure.printStackTrace(new PrintWriter(trace));
    traces.add(trace.toString());
    keep((Object) trace);
    if (failure instanceof com.thorbis.backup.api.ClassifiedFailure known) {
      keep(known.details() + known.remedy() + known.code());
    }
  }

  @Test
  void theScanFindsAMarkerInEveryForm() {
    String value = marker("m");
    String marker = markers.get("m");
    for (String form : forms(marker)) {
      assertThat(found(("xx" + form + "yy").getBytes(StandardCharsets.UTF_8))).containsExactly("m");
    }
    for (String before : List.of("", "a", "ab", "abc")) {
      byte[] whole = (before + value).getBytes(StandardCharsets.UTF_8);
      assertThat(found(Base64.getEncoder().encode(whole))).containsExactly("m");
      assertThat(found(Base64.getUrlEncoder().encode(whole))).containsExactly("m");
    }
    assertThat(found(new byte[64])).isEmpty();
  }

  @Test
  void nothingThatARunLeavesBehindHoldsAValue() throws Exception {
    assertThat(LoggerFactory.getILoggerFactory()).isInstanceOf(JDK14LoggerFactory.class);
    markers.put("token", FakePlatform.TOKEN);
    Path env = folder.resolve("source.env");
    Files.writeString(
        env, "A=" + marker("env a") + "\nB='" + marker("env b") + "'\nBROKEN=\"1\"\n");
    try (FakeVault vault = new FakeVault();
        FakeGitHub github = FakeGitHub.ofRepository();
        FakeKubernetes kubernetes = new FakeKubernetes();
        FakeVercel vercel = new FakeVercel();
        FakeSupabase supabase = new FakeSupabase()) {
      vault.put("app", "{\"password\":\"" + marker("vault") + "\",\"n\":1}");
      vault.put("other", "{\"password\":\"" + marker("vault 2") + "\"}");
      github.put("TOKEN", marker("github"));
      kubernetes.put("db", "Opaque", Map.of("password", base64(marker("kubernetes"))));
      vercel.put("DB", "encrypted", marker("vercel"), "[\"production\"]");
      vercel.put("SENSITIVE", "sensitive", marker("vercel sensitive"), "[\"production\"]");
      supabase.put("STRIPE", marker("supabase"));
      supabase.rootKey = marker("root key");

      SecretsBackupReport whole;
      byte[] set;
      try (EnvFileSecrets file = EnvFileSecrets.of(env);
          VaultKvSecrets one = VaultKvSecrets.of(vault.connect().build(), "secret", "");
          GitHubActionsSecrets two =
              GitHubActionsSecrets.ofRepository(github.connect().build(), "acme", "shop");
          KubernetesSecrets three = KubernetesSecrets.of(kubernetes.connect().build(), "shop");
          VercelSecrets four =
              VercelSecrets.of(vercel.connect().build(), "shop", Optional.empty());
          SupabaseSecrets five = SupabaseSecrets.of(supabase.connect().build(), "abc")) {
        List<SecretSource> sources = List.of(file, one, two, three, four, five);
        vault.strike("GET", 503, Map.of(), 2);
        vercel.strike("GET", 429, Map.of("Retry-After", "1"), 1);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        whole = backUp(sources, out);
        set = out.toByteArray();
        assertThat(whole.status()).isEqualTo(SecretsStatus.COMPLETED_WITH_GAPS);
        assertThat(whole.secretsCount()).isEqualTo(3 + 2 + 1 + 1 + 3);

        for (SecretSource source : sources) {
          keep(source);
          for (SecretInfo info : source.list()) {
            keep(info);
            try (Secret secret = source.read(info)) {
              keep(secret + " " + secret.value());
            } catch (IOException e) {
              keep(e);
            }
          }
        }
        String echo = "{\"error\":{\"message\":\"" + markers.get("vault") + "\"},broken";
        for (FakePlatform platform : List.of(vault, github, kubernetes, vercel, supabase)) {
          platform.refuse("GET", 200, echo);
          platform.refuse("GET", 500, echo);
          platform.refuse("GET", 403, echo);
        }
        Files.writeString(env, "A=" + markers.get("env a") + "\n" + markers.get("env b") + "\n");
        for (SecretSource source : sources) {
          for (int i = 0; i < 3; i++) {
            try {
              source.list();
            } catch (IOException e) {
              keep(e);
            }
          }
        }
        Files.writeString(env, "B='" + markers.get("env b"));
        vault.refuse("GET", 401, echo);
        out.reset();
        keep(backUp(sources, out));
        artifacts.add(out.toByteArray());
      }
      keep(whole);
      artifacts.add(set);

      try (SecretsSet opened =
              SecretsSet.builder("production")
                  .repository(REPOSITORY)
                  .recipient(recipient)
                  .newest(whole.origin())
                  .open(new ByteArrayInputStream(set));
          EnvFileSecrets file = EnvFileSecrets.of(folder.resolve("target.env"));
          FakeVault freshVault = new FakeVault();
          VaultKvSecrets one = VaultKvSecrets.of(freshVault.connect().build(), "secret", "");
          GitHubActionsSecrets two =
              GitHubActionsSecrets.ofRepository(github.connect().build(), "acme", "shop");
          KubernetesSecrets three = KubernetesSecrets.of(kubernetes.connect().build(), "shop");
          VercelSecrets four =
              VercelSecrets.of(vercel.connect().build(), "shop", Optional.empty());
          SupabaseSecrets five = SupabaseSecrets.of(supabase.connect().build(), "abc")) {
        keep(opened + "" + opened.secrets() + opened.limits() + opened.sourcesNotRead());
        String env1 = "env-file " + env.toAbsolutePath();
        kubernetes.put("db", "Opaque", Map.of("password", base64("changed"))).immutable = true;
        vercel.variables.get(0).value = "\"changed\"";
        supabase.rootKey = "00";
        String echo = "{\"error\":{\"message\":\"" + markers.get("env a") + "\"}}";
        github.refuse("PUT", 422, echo);
        github.refuse("PUT", 500, echo);
        freshVault.refuse("POST", 400, echo);
        freshVault.cut("POST");
        assertThat(restore(opened, file, env1).count(SecretsRestoreReport.Outcome.VERIFIED))
            .isEqualTo(3);
        assertThat(restore(opened, two, env1).count(SecretsRestoreReport.Outcome.FAILED))
            .isEqualTo(2);
        String vaultSource =
            opened.secrets().stream()
                .filter(secret -> secret.sourceType().equals(VaultKvSecrets.TYPE))
                .findFirst()
                .orElseThrow()
                .source();
        SecretsRestoreReport intoVault = restore(opened, one, vaultSource);
        assertThat(intoVault.count(SecretsRestoreReport.Outcome.FAILED)).isEqualTo(1);
        assertThat(intoVault.count(SecretsRestoreReport.Outcome.VERIFIED)).isEqualTo(1);
        for (SecretTarget target : List.of(three, four, five)) {
          restore(opened, target, target.type() + " " + target.instance());
        }
        assertThat(supabase.rootKey).startsWith(markers.get("root key"));
        for (SecretTarget target : List.of(two, three, four, five)) {
          refuseToWrite(target, echo, github, kubernetes, vercel, supabase);
        }
        keep(SecretsRestore.rotationList(opened));
      }
    }
    assertThat(traces).hasSizeGreaterThan(20);
    assertThat(log.text()).contains("again in").contains("was not read");
    keep(log.text());
    for (byte[] artifact : artifacts) {
      assertThat(found(artifact))
          .describedAs("%s", new String(artifact, StandardCharsets.ISO_8859_1))
          .isEmpty();
    }
    try (var files = Files.list(folder)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder("source.env", "target.env");
    }
  }

  private static String base64(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  private SecretsBackupReport backUp(List<SecretSource> sources, ByteArrayOutputStream out)
      throws IOException {
    SecretsBackup.Builder builder =
        SecretsBackup.builder("production").repository(REPOSITORY).recipient(recipient);
    sources.forEach(builder::source);
    return builder.build().run(out);
  }

  private SecretsRestoreReport restore(SecretsSet set, SecretTarget target, String from)
      throws IOException {
    SecretsRestore restore =
        SecretsRestore.builder(set, target).mode(RestoreMode.OVERWRITE).from(from).build();
    SecretsPlan plan = restore.plan();
    SecretsRestoreReport report = restore.run(plan);
    keep(plan);
    keep(report);
    return report;
  }

  private void refuseToWrite(SecretTarget target, String echo, FakePlatform... platforms) {
    for (FakePlatform platform : platforms) {
      for (String method : List.of("POST", "PUT", "PATCH")) {
        platform.refuse(method, 400, echo);
      }
    }
    String marker = markers.get("env a");
    for (SecretInfo info :
        List.of(
            SecretInfo.of("FRESH", com.thorbis.backup.spi.secret.Readability.VALUE),
            SecretInfo.of("fresh", com.thorbis.backup.spi.secret.Readability.VALUE)
                .withFormat(KubernetesSecrets.FORMAT))) {
      try (SecretValue value = SecretValue.ofText("{\"k\":\"" + marker + "\"}")) {
        target.write(info, value, new WriteCondition.IfAbsent());
      } catch (IOException e) {
        keep(e);
      }
      try (SecretValue value =
          SecretValue.copyOf(("\u00ff" + marker).getBytes(StandardCharsets.ISO_8859_1))) {
        target.write(info, value, new WriteCondition.IfAbsent());
      } catch (IOException e) {
        keep(e);
      }
    }
  }
}
